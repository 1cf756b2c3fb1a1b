//! JPEG-LS (ITU-T T.87), one component, lossless and near-lossless. Written here because the libraries that dicom-rs offers
//! for it are C++. The names in capitals of the standard are kept in comments.

use crate::study::OpenError;

/// Contexts of regular mode, and behind them the two of run interruption.
const CONTEXTS: usize = 367;
const RUN_CONTEXT: usize = 365;
/// Code order of run lengths (J).
const RUN_ORDER: [u32; 32] =
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Sums of so many errors stay far within 32 bits; the usual value is 64.
const MOST_RESET: i32 = 4096;

/// Decodes a stream whose frame header was checked to be of `columns` × `rows` samples of `precision` bits.
pub fn decode(stream: &[u8], columns: usize, rows: usize, precision: u32) -> Result<Vec<u16>, OpenError> {
    let damaged = || OpenError::damaged("its JPEG-LS data cannot be decoded");
    let (parameters, scan) = parameters(stream, precision).ok_or_else(damaged)?;
    let mut decoder = Decoder::new(parameters, scan);
    let mut image = vec![0u16; columns * rows];
    // The row above the first is black; so is the sample left of it.
    let mut above = vec![0u16; columns];
    let mut corner = 0;
    for row in image.chunks_exact_mut(columns) {
        let first_above = above[0];
        decoder.row(row, &above, corner).ok_or_else(damaged)?;
        corner = first_above;
        above.copy_from_slice(row);
    }
    Ok(image)
}

/// What the coding depends on, all in the standard's meaning.
#[derive(Clone, Copy)]
struct Parameters {
    /// MAXVAL
    max: i32,
    /// NEAR
    near: i32,
    /// T1, T2, T3
    thresholds: [i32; 3],
    /// RESET
    reset: i32,
}

/// The parameters of the marker segments and the entropy-coded bytes behind them.
fn parameters(stream: &[u8], precision: u32) -> Option<(Parameters, &[u8])> {
    let mut rest = stream.strip_prefix(&[0xFF, 0xD8])?;
    let mut preset = None;
    loop {
        let [0xFF, marker, high, low, ..] = *rest else { return None };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let segment = rest.get(4..length + 2)?;
        rest = &rest[length + 2..];
        match (marker, segment) {
            // Preset coding parameters; other kinds are for larger images and for palettes.
            (0xF8, [1, values @ ..]) if values.len() == 10 => {
                let values = values.as_chunks::<2>().0.iter().map(|pair| i32::from(u16::from_be_bytes(*pair)));
                preset = Some(values.collect::<Vec<_>>());
            }
            (0xF8 | 0xDD, _) => return None,
            (0xDA, &[1, _, 0, near, 0, 0]) => {
                return Some((Parameters::new(precision, i32::from(near), preset.as_deref())?, rest));
            }
            (0xDA, _) => return None,
            _ => {}
        }
    }
}

impl Parameters {
    /// Presets of zero mean the default.
    fn new(precision: u32, near: i32, preset: Option<&[i32]>) -> Option<Self> {
        let preset = |i: usize| preset.and_then(|values| values.get(i).copied()).filter(|value| *value > 0);
        let largest = (1 << precision) - 1;
        let max = preset(0).unwrap_or(largest);
        if max > largest || near > max / 2 {
            return None;
        }
        let clamp = |value: i32, least: i32| if value > max || value < least { least } else { value };
        let t1 = preset(1).unwrap_or_else(|| clamp(default_threshold(max, near, 3, 2, 3), near + 1));
        let t2 = preset(2).unwrap_or_else(|| clamp(default_threshold(max, near, 7, 3, 5), t1));
        let t3 = preset(3).unwrap_or_else(|| clamp(default_threshold(max, near, 21, 4, 7), t2));
        let ordered = near < t1 && t1 <= t2 && t2 <= t3 && t3 <= max;
        let reset = preset(4).unwrap_or(64);
        (ordered && (3..=MOST_RESET).contains(&reset)).then_some(Self { max, near, thresholds: [t1, t2, t3], reset })
    }

    /// RANGE
    fn range(&self) -> i32 {
        (self.max + 2 * self.near) / (2 * self.near + 1) + 1
    }
}

/// C.2.4.1.1: from the thresholds of 8 bits without loss.
fn default_threshold(max: i32, near: i32, basic: i32, least: i32, per_near: i32) -> i32 {
    if max >= 128 {
        let factor = (max.min(4095) + 128) / 256;
        factor * (basic - least) + least + per_near * near
    } else {
        let factor = 256 / (max + 1);
        least.max(basic / factor + per_near * near)
    }
}

/// The statistics of a context: A, B, C, N; Nn of the run contexts is kept in `b`.
#[derive(Clone, Copy)]
struct Context {
    a: i32,
    b: i32,
    c: i32,
    n: i32,
}

struct Decoder<'a> {
    bits: Bits<'a>,
    parameters: Parameters,
    /// RANGE · (2 NEAR + 1), by which errors wrap around.
    wrap: i32,
    /// 2 NEAR + 1
    step: i32,
    /// qbpp
    error_bits: u32,
    /// LIMIT
    limit: u32,
    contexts: Vec<Context>,
    /// RUNindex
    run: usize,
}

impl<'a> Decoder<'a> {
    fn new(parameters: Parameters, scan: &'a [u8]) -> Self {
        let range = parameters.range();
        let bits_for = |count: i32| 32 - (count - 1).leading_zeros();
        let sample_bits = bits_for(parameters.max + 1).max(2);
        let context = Context { a: ((range + 32) / 64).max(2), b: 0, c: 0, n: 1 };
        let step = 2 * parameters.near + 1;
        Self {
            bits: Bits { bytes: scan, held: 0, count: 0, after_ff: false },
            wrap: range * step,
            step,
            error_bits: bits_for(range),
            limit: 2 * (sample_bits + sample_bits.max(8)),
            contexts: vec![context; CONTEXTS],
            run: 0,
            parameters,
        }
    }

    /// Decodes a row; `corner` is the sample above and left of its first one. `None` when the data ends early.
    fn row(&mut self, row: &mut [u16], above: &[u16], corner: u16) -> Option<()> {
        let near = self.parameters.near;
        let mut x = 0;
        while x < row.len() {
            let b = i32::from(above[x]);
            let (a, c) = match x.checked_sub(1) {
                Some(left) => (i32::from(row[left]), i32::from(above[left])),
                None => (b, i32::from(corner)),
            };
            let d = above.get(x + 1).map_or(b, |sample| i32::from(*sample));
            let gradients = [d - b, b - c, c - a];
            if gradients.iter().all(|gradient| gradient.abs() <= near) {
                x = self.run(row, above, x, a)?;
            } else {
                row[x] = self.regular(a, b, c, gradients)?;
                x += 1;
            }
        }
        Some(())
    }

    /// A.4 to A.6: predicts, corrects and learns.
    fn regular(&mut self, a: i32, b: i32, c: i32, gradients: [i32; 3]) -> Option<u16> {
        let index = gradients.iter().fold(0, |index, gradient| index * 9 + self.quantise(*gradient));
        let sign = if index < 0 { -1 } else { 1 };
        let at = index.unsigned_abs() as usize;
        let context = *self.contexts.get(at)?;
        let predicted = (median(a, b, c) + sign * context.c).clamp(0, self.parameters.max);
        let order = order(context.n, context.a);
        let mapped = self.golomb(order, self.limit)?;
        let flipped = self.parameters.near == 0 && order == 0 && 2 * context.b <= -context.n;
        let error = unmap(mapped) ^ if flipped { -1 } else { 0 };
        self.contexts[at] = learned(context, error, self.step, self.parameters.reset);
        Some(self.sample(predicted + sign * error * self.step))
    }

    /// A.7: a run of the left sample `a`, and the sample that ends it; the next place to decode.
    fn run(&mut self, row: &mut [u16], above: &[u16], start: usize, a: i32) -> Option<usize> {
        let fill = a as u16;
        let mut x = start;
        while self.bits.take(1)? == 1 {
            let length = 1usize << RUN_ORDER[self.run];
            let until = (x + length).min(row.len());
            row[x..until].fill(fill);
            if until - x == length && self.run < 31 {
                self.run += 1;
            }
            x = until;
            if x == row.len() {
                return Some(x);
            }
        }
        let length = self.bits.take(RUN_ORDER[self.run])? as usize;
        let until = x + length;
        row.get_mut(x..until)?.fill(fill);
        let b = i32::from(*above.get(until)?);
        row[until] = self.interruption(a, b)?;
        self.run = self.run.saturating_sub(1);
        Some(until + 1)
    }

    /// A.7.2: the sample that ends a run of `a`, below `b`.
    fn interruption(&mut self, a: i32, b: i32) -> Option<u16> {
        let alike = i32::from((a - b).abs() <= self.parameters.near);
        let at = RUN_CONTEXT + alike as usize;
        let mut context = self.contexts[at];
        let order = order(context.n, if alike == 1 { context.a + (context.n >> 1) } else { context.a });
        let mapped = self.golomb(order, self.limit - RUN_ORDER[self.run] - 1)?;
        let folded = mapped + alike;
        let odd = folded & 1;
        let size = (folded + odd) / 2;
        let negative = i32::from(order != 0 || 2 * context.b >= context.n) == odd;
        let error = if negative { -size } else { size };
        context.b += i32::from(error < 0);
        context.a += (mapped + 1 - alike) >> 1;
        if context.n == self.parameters.reset {
            (context.a, context.b, context.n) = (context.a >> 1, context.b >> 1, context.n >> 1);
        }
        context.n += 1;
        self.contexts[at] = context;
        let (predicted, sign) = if alike == 1 { (a, 1) } else { (b, if a > b { -1 } else { 1 }) };
        Some(self.sample(predicted + sign * error * self.step))
    }

    /// The region of a gradient, −4 to 4.
    fn quantise(&self, gradient: i32) -> i32 {
        let size = gradient.abs();
        let region = if size <= self.parameters.near {
            0
        } else {
            1 + self.parameters.thresholds.iter().filter(|threshold| size >= **threshold).count() as i32
        };
        region * gradient.signum()
    }

    /// A.5.3: a limited-length Golomb code.
    fn golomb(&mut self, order: u32, limit: u32) -> Option<i32> {
        let escape = limit.checked_sub(self.error_bits + 1)?;
        let mut zeros = 0;
        while self.bits.take(1)? == 0 {
            zeros += 1;
            if zeros > escape {
                return None;
            }
        }
        let value =
            if zeros < escape { zeros << order | self.bits.take(order)? } else { self.bits.take(self.error_bits)? + 1 };
        // Larger errors than the range are no valid code.
        i32::try_from(value).ok().filter(|value| *value <= 2 * self.wrap)
    }

    /// A.4.5 backwards: wraps into the range of samples.
    fn sample(&self, value: i32) -> u16 {
        let Parameters { max, near, .. } = self.parameters;
        let wrapped = if value < -near {
            value + self.wrap
        } else if value > max + near {
            value - self.wrap
        } else {
            value
        };
        wrapped.clamp(0, max) as u16
    }
}

/// The median edge detector (A.4.1).
fn median(a: i32, b: i32, c: i32) -> i32 {
    if c >= a.max(b) {
        a.min(b)
    } else if c <= a.min(b) {
        a.max(b)
    } else {
        a + b - c
    }
}

/// The smallest k with N · 2^k ≥ A (A.5.1).
fn order(n: i32, a: i32) -> u32 {
    (0..24).find(|k| i64::from(n) << k >= i64::from(a)).unwrap_or(24)
}

/// 0, −1, 1, −2, 2 … of 0, 1, 2, 3, 4 … (A.5.2).
fn unmap(mapped: i32) -> i32 {
    if mapped & 1 == 0 { mapped / 2 } else { -(mapped + 1) / 2 }
}

/// A.6: the statistics after an error, and the bias that they correct.
fn learned(mut context: Context, error: i32, step: i32, reset: i32) -> Context {
    context.b += error * step;
    context.a += error.abs();
    if context.n == reset {
        (context.a, context.b, context.n) = (context.a >> 1, context.b >> 1, context.n >> 1);
    }
    context.n += 1;
    if context.b <= -context.n {
        context.b = (context.b + context.n).max(1 - context.n);
        context.c = (context.c - 1).max(-128);
    } else if context.b > 0 {
        context.b = (context.b - context.n).min(0);
        context.c = (context.c + 1).min(127);
    }
    context
}

/// Entropy-coded bits, first the highest; behind a byte 0xFF the highest bit of the next is stuffing.
struct Bits<'a> {
    bytes: &'a [u8],
    held: u32,
    count: u32,
    after_ff: bool,
}

impl Bits<'_> {
    /// The next `wanted` bits, at most 24; `None` at the end of the data.
    fn take(&mut self, wanted: u32) -> Option<u32> {
        while self.count < wanted {
            let (&byte, rest) = self.bytes.split_first()?;
            if self.after_ff && byte >= 0x80 {
                return None;
            }
            let useful = if self.after_ff { 7 } else { 8 };
            self.held = self.held << useful | u32::from(byte);
            self.count += useful;
            self.after_ff = byte == 0xFF;
            self.bytes = rest;
        }
        self.count -= wanted;
        Some(self.held >> self.count & ((1 << wanted) - 1))
    }
}
