//! Smaller versions of an image for zooming out, in which small calcifications stay visible.
//!
//! Plain averaging drops a 2×2-pixel calcification to a sixteenth of its contrast in a view fitted to the window, and a
//! plain maximum turns noise into a brighter, coarser texture. Here each pixel of a level is the mean of the image
//! pixels that it covers, plus what the brightest of them exceeds
//! - the means of the pixel and its eight neighbours, so that edges and ducts wider than a pixel of the level stay as averaged, and
//! - what noise alone would reach: a multiple, growing with the number of pixels covered, of the local standard
//!   deviation, taken from the differences of horizontal neighbours in blocks of 32×32 pixels.
//!
//! So flat and noisy tissue looks as averaged, while an isolated bright speck keeps nearly its full contrast in at least one
//! pixel of every level. "Bright" is as displayed: for images whose low codes are bright, the darkest code counts.
//! Padding takes no part in means, and a pixel of a level is padding where all of its image pixels are.

use rayon::prelude::*;

use crate::raster::GrayImage;
use crate::study::Grayscale;

/// Levels beside the image itself; the last has one pixel per 64×64 image pixels.
pub const MIP_LEVELS: u32 = 6;

/// Level k has one pixel per 2ᵏ × 2ᵏ image pixels (fewer at the right and bottom edges).
#[derive(Clone, Debug, PartialEq)]
pub struct MipChain {
    /// Levels 1 to [`MIP_LEVELS`]; level 0 is the image itself.
    pub levels: Vec<GrayImage>,
}

/// The levels of `image`, in its codes. Tens of milliseconds for a large mammogram: not for the UI thread.
pub fn prepare_mips(image: &GrayImage, grayscale: &Grayscale) -> MipChain {
    if image.data().is_empty() {
        return MipChain { levels: Vec::new() };
    }
    let tone = Tone::of(grayscale);
    let (mut level, noise) = first_level(image, tone);
    let mut levels = Vec::new();
    for k in 1..=MIP_LEVELS {
        levels.push(level.with_specks(&noise, k, tone));
        if k < MIP_LEVELS {
            level = level.halved(tone);
        }
    }
    MipChain { levels }
}

/// The noise maximum of 4ᵏ pixels, in standard deviations, with a margin of one.
const NOISE_REACH: [f32; MIP_LEVELS as usize] = [2.0, 2.8, 3.4, 3.9, 4.3, 4.7];
/// Image pixels per side of a block in which noise is estimated, and the pixels of level 1 in it.
const BLOCK: usize = 32;
const HALF_BLOCK: usize = BLOCK / 2;

/// How codes relate to brightness.
#[derive(Clone, Copy)]
struct Tone {
    /// brightness = code ^ flip; all arithmetic is on brightness.
    flip: u16,
    /// Brightnesses that are padding, both ends included.
    padding: Option<(u16, u16)>,
}

impl Tone {
    fn of(grayscale: &Grayscale) -> Self {
        let lut = grayscale.choices.first().map(|choice| grayscale.display_lut(&choice.voi, false)).unwrap_or_default();
        let codes = 1usize << grayscale.bits.min(16);
        let tilt = |(code, display): (usize, &u16)| (2 * code as i64 - codes as i64) * i64::from(*display);
        let rising = lut.iter().take(codes).enumerate().map(tilt).sum::<i64>() >= 0;
        let flip = if rising { 0 } else { u16::MAX };
        let padding = grayscale.padding.map(|(a, b)| ((a ^ flip).min(b ^ flip), (a ^ flip).max(b ^ flip)));
        Self { flip, padding }
    }

    fn is_padding(self, brightness: u16) -> bool {
        self.padding.is_some_and(|(first, last)| brightness >= first && brightness <= last)
    }

    /// The mean of four brightnesses; padding where all are.
    fn mean(self, four: [u16; 4]) -> u16 {
        let Some((first, last)) = self.padding else {
            return mean_of_four(four);
        };
        let valid = |v: u16| u32::from(v < first || v > last);
        let count: u32 = four.iter().map(|v| valid(*v)).sum();
        if count == 0 {
            return first;
        }
        let sum: u32 = four.iter().map(|v| valid(*v) * u32::from(*v)).sum();
        let mean = ((sum + count / 2) / count) as u16;
        match (self.is_padding(mean), last.checked_add(1)) {
            (false, _) => mean,
            (true, Some(above)) => above,
            (true, None) => first.saturating_sub(1),
        }
    }

    /// The brightest of four; padding counts as 0.
    fn max(self, four: [u16; 4]) -> u16 {
        four.into_iter().map(|v| if self.is_padding(v) { 0 } else { v }).max().unwrap_or(0)
    }
}

fn mean_of_four(four: [u16; 4]) -> u16 {
    ((four.iter().map(|v| u32::from(*v)).sum::<u32>() + 2) >> 2) as u16
}

/// One level while it is made.
struct Level {
    /// Brightness, `[height, width]`.
    mean: GrayImage,
    max: GrayImage,
}

/// Standard deviation of the noise per block, `[height, width]` in blocks.
struct Noise {
    width: usize,
    sigma: Vec<f32>,
}

/// Row `y` of half of `image`.
fn halve_row(image: &GrayImage, y: usize, out: &mut [u16], f: impl Fn([u16; 4]) -> u16) {
    let (top, bottom) = (image.row(2 * y), image.row((2 * y + 1).min(image.height() - 1)));
    let (top_pairs, top_odd) = top.as_chunks::<2>();
    let (bottom_pairs, bottom_odd) = bottom.as_chunks::<2>();
    let mut out = out.iter_mut();
    for ((t, b), out) in top_pairs.iter().zip(bottom_pairs).zip(&mut out) {
        *out = f([t[0], t[1], b[0], b[1]]);
    }
    if let ([t], [b], Some(out)) = (top_odd, bottom_odd, out.next()) {
        *out = f([*t, *t, *b, *b]);
    }
}

/// Level 1 and the noise, in one pass over the image.
fn first_level(image: &GrayImage, tone: Tone) -> (Level, Noise) {
    let (w, h) = (image.width().div_ceil(2), image.height().div_ceil(2));
    let blocks = w.div_ceil(HALF_BLOCK);
    let mut mean = vec![0; w * h];
    let mut max = vec![0; w * h];
    let mut sigma = vec![0.0; blocks * h.div_ceil(HALF_BLOCK)];
    let bands = (mean.par_chunks_mut(w * HALF_BLOCK), max.par_chunks_mut(w * HALF_BLOCK), sigma.par_chunks_mut(blocks));
    bands.into_par_iter().enumerate().for_each(|(band, (mean, max, sigma))| {
        let mut steps = vec![(0, 0); blocks];
        for (dy, (mean, max)) in mean.chunks_mut(w).zip(max.chunks_mut(w)).enumerate() {
            let y = 2 * (band * HALF_BLOCK + dy);
            let (top, bottom) = (image.row(y), image.row((y + 1).min(image.height() - 1)));
            halve_rows([top, bottom], tone, mean, max, &mut steps);
        }
        for (sigma, (sum, count)) in sigma.iter_mut().zip(steps) {
            // The mean absolute difference of two normal values is 2 σ / √π.
            *sigma = if count == 0 { 0.0 } else { sum as f32 / count as f32 * 0.886 };
        }
    });
    let level = Level { mean: GrayImage::new(w, h, mean), max: GrayImage::new(w, h, max) };
    (level, Noise { width: blocks, sigma })
}

/// Means and maxima of 2×2 codes of two rows, and each block's sum and number of |differences| of horizontal neighbours.
fn halve_rows(rows: [&[u16]; 2], tone: Tone, mean: &mut [u16], max: &mut [u16], steps: &mut [(u32, u32)]) {
    let source = rows[0].chunks(BLOCK).zip(rows[1].chunks(BLOCK));
    let out = mean.chunks_mut(HALF_BLOCK).zip(max.chunks_mut(HALF_BLOCK));
    for (((top, bottom), (mean, max)), (sum, count)) in source.zip(out).zip(steps) {
        let padded = |row: &[u16]| row.iter().map(|code| u32::from(tone.is_padding(code ^ tone.flip))).sum::<u32>();
        let added = match tone.padding {
            Some((first, _)) if (padded(top) + padded(bottom)) as usize == top.len() + bottom.len() => {
                mean.fill(first);
                max.fill(0);
                (0, 0)
            }
            Some(_) if padded(top) + padded(bottom) > 0 => halve_block(top, bottom, tone, mean, max),
            // The common case, which the compiler turns into vector instructions.
            _ => halve_block(top, bottom, Tone { padding: None, ..tone }, mean, max),
        };
        (*sum, *count) = (*sum + added.0, *count + added.1);
    }
}

#[inline(always)]
fn halve_block(top: &[u16], bottom: &[u16], tone: Tone, mean: &mut [u16], max: &mut [u16]) -> (u32, u32) {
    let (mut sum, mut count) = (0, 0);
    let (top_pairs, top_odd) = top.as_chunks::<2>();
    let (bottom_pairs, bottom_odd) = bottom.as_chunks::<2>();
    let mut out = mean.iter_mut().zip(max);
    for ((t, b), (mean, max)) in top_pairs.iter().zip(bottom_pairs).zip(&mut out) {
        let four = [t[0], t[1], b[0], b[1]].map(|code| code ^ tone.flip);
        *mean = tone.mean(four);
        *max = tone.max(four);
        for pair in [[four[0], four[1]], [four[2], four[3]]] {
            let valid = u32::from(!tone.is_padding(pair[0]) & !tone.is_padding(pair[1]));
            sum += valid * u32::from(pair[0].abs_diff(pair[1]));
            count += valid;
        }
    }
    if let ([t], [b], Some((mean, max))) = (top_odd, bottom_odd, out.next()) {
        let four = [*t, *t, *b, *b].map(|code| code ^ tone.flip);
        *mean = tone.mean(four);
        *max = tone.max(four);
    }
    (sum, count)
}

impl Level {
    /// The next level.
    fn halved(&self, tone: Tone) -> Self {
        let (w, h) = (self.mean.width().div_ceil(2), self.mean.height().div_ceil(2));
        let mut mean = vec![0; w * h];
        let mut max = vec![0; w * h];
        mean.par_chunks_mut(w).zip(max.par_chunks_mut(w)).enumerate().for_each(|(y, (mean, max))| {
            match tone.padding {
                Some(_) => halve_row(&self.mean, y, mean, |four| tone.mean(four)),
                None => halve_row(&self.mean, y, mean, mean_of_four),
            }
            halve_row(&self.max, y, max, |four| four[0].max(four[1]).max(four[2].max(four[3])));
        });
        Self { mean: GrayImage::new(w, h, mean), max: GrayImage::new(w, h, max) }
    }

    /// The level's codes: means with the specks added back.
    fn with_specks(&self, noise: &Noise, k: u32, tone: Tone) -> GrayImage {
        let (w, h) = (self.mean.width(), self.mean.height());
        let reach = NOISE_REACH[k as usize - 1];
        let mut codes = vec![0; w * h];
        codes.par_chunks_mut(w).enumerate().for_each(|(y, codes)| {
            let around = self.surroundings(y, tone);
            let sigma_row = &noise.sigma[((y << k) / BLOCK) * noise.width..][..noise.width];
            let (mean, max) = (self.mean.row(y), self.max.row(y));
            // Where a block is narrower than a pixel of the level, the first of its blocks counts.
            let (pixels, blocks) = ((BLOCK >> k).max(1), (1 << k >> BLOCK.ilog2()).max(1));
            let places = mean.chunks(pixels).zip(max.chunks(pixels)).zip(around.chunks(pixels));
            let sigmas = sigma_row.iter().step_by(blocks);
            for ((codes, ((mean, max), around)), sigma) in codes.chunks_mut(pixels).zip(places).zip(sigmas) {
                for (((code, mean), max), around) in codes.iter_mut().zip(mean).zip(max).zip(around) {
                    let allowed = f32::from(*around) + sigma * reach;
                    let speck = (f32::from(*max) - allowed).max(0.0) as u16;
                    let lifted = mean.saturating_add(speck);
                    *code = if tone.is_padding(lifted) { *mean } else { lifted } ^ tone.flip;
                }
            }
        });
        GrayImage::new(w, h, codes)
    }

    /// For each pixel of row `y`, the brightest mean of it and its neighbours; padding counts as 0.
    fn surroundings(&self, y: usize, tone: Tone) -> Vec<u16> {
        let (w, h) = (self.mean.width(), self.mean.height());
        let value = |v: u16| if tone.is_padding(v) { 0 } else { v };
        // One pixel more on each side, so that every pixel has two neighbours.
        let mut column = vec![0; w + 2];
        for row in y.saturating_sub(1)..=(y + 1).min(h - 1) {
            for (most, v) in column[1..].iter_mut().zip(self.mean.row(row)) {
                *most = value(*v).max(*most);
            }
        }
        column.windows(3).map(|three| three[0].max(three[1]).max(three[2])).collect()
    }
}
