//! Direct convolutions in whole numbers: weights of 8 bits as they are, inputs of 16 bits, sums of 32 bits (AVX-512 VNNI), twice
//! the products per cycle of f32.
//!
//! The inputs are rounded to steps of their largest magnitude / Q, where Q is at most 2¹⁵ − 1 and so small that no
//! sum can leave 32 bits. Beside the largest value that is a hundred times finer than bf16.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::maps::Pool;
use super::simd::LANES;
use super::tile::{Job, split};

/// Blocks of output channels that are computed together.
const GROUP: usize = 2;
/// Pixels whose sums fit the registers.
const PIXELS: usize = 14;
/// Pairs of channels in a block.
const PAIRS: usize = LANES / 2;
/// What a task's inputs may take, in values. More would fit the second-level cache, and is slower.
const CACHED: usize = 30_000;
/// Tasks that an image is cut into at least, where it has that many rows or groups.
const TASKS: usize = 32;

/// A pixel's sixteen channels in steps.
type Steps = [i16; LANES];
/// A pair of input channels' weights for sixteen output channels, in [`GROUP`] blocks.
type Pair = [[[i16; 2]; LANES]; GROUP];

/// Weights that are whole multiples of a step, one for each output channel.
pub struct Weights {
    /// `[group, in / 16, taps, 8]`
    pairs: Vec<Pair>,
    /// The steps; complete to whole groups.
    scale: Vec<f32>,
    /// Q
    most: f32,
}

/// A convolution's operands. No plane is doubled.
#[derive(Clone, Copy)]
pub struct Operands<'a> {
    pub job: &'a Job<'a>,
    pub weights: &'a Weights,
    /// Complete to whole groups.
    pub bias: &'a [f32],
    pub kernel: usize,
    pub stride: usize,
}

/// Rows of a result that share the step of their inputs, and some groups of their channels.
pub struct Task<'a> {
    operands: Operands<'a>,
    rows: Range<usize>,
    groups: Range<usize>,
}

/// Whether this processor has the instructions.
pub fn is_supported() -> bool {
    system::is_supported()
}

impl Weights {
    /// Of `weight`, `[out, in, taps]`; none where these are no whole multiples of a step, at most 127 of it, or where the inputs do
    /// not fill blocks.
    pub fn new(weight: &[f32], outputs: usize, inputs: usize, taps: usize) -> Option<Self> {
        if !inputs.is_multiple_of(LANES) {
            return None;
        }
        let of_output = inputs * taps;
        let mut scale: Vec<f32> = weight.par_chunks_exact(of_output).map(step_of).collect::<Option<_>>()?;
        scale.resize(outputs.next_multiple_of(GROUP * LANES), 0.0);
        let of_group = of_output / 2;
        let mut pairs = vec![Pair::default(); scale.len() / (GROUP * LANES) * of_group];
        let sums = pairs.par_chunks_exact_mut(of_group).enumerate().map(|(group, to)| {
            let outputs = group * GROUP * LANES..outputs.min((group + 1) * GROUP * LANES);
            let row = |output: usize| pack(&weight[output * of_output..][..of_output], scale[output], taps, output, to);
            outputs.map(row).max().unwrap_or(0)
        });
        let largest_sum = sums.max().unwrap_or(0).max(1);
        let most = (i32::MAX / largest_sum).min(i32::from(i16::MAX)) as f32;
        Some(Self { pairs, scale, most })
    }
}

/// An output channel's weights `[in, taps]` in steps, into its group's; the sum of the steps' magnitudes.
fn pack(row: &[f32], step: f32, taps: usize, output: usize, to: &mut [Pair]) -> i32 {
    let (steps_of_one, mut sum) = (1.0 / step, 0);
    for (input, row) in row.chunks_exact(taps).enumerate() {
        for (tap, weight) in row.iter().enumerate() {
            let steps = rounded(weight * steps_of_one) as i16;
            sum += i32::from(steps.abs());
            let pair = &mut to[(input / LANES * taps + tap) * PAIRS + input % LANES / 2];
            pair[output / LANES % GROUP][output % LANES][input % 2] = steps;
        }
    }
    sum
}

/// The step of which all are whole multiples, at most 127 of it, as those of weights files mostly: 1 where all are 0.
pub fn step_of(weights: &[f32]) -> Option<f32> {
    let step = weights.iter().fold(0.0, |most: f32, weight| most.max(weight.abs())) / 127.0;
    if step == 0.0 {
        return Some(1.0);
    }
    // Multiplying is off by less than a rounding, as what is whole is known to be.
    let steps = 1.0 / step;
    let is_whole = |weight: &f32| (weight * steps - rounded(weight * steps)).abs() < 1e-3;
    (step.is_normal() && steps.is_finite() && weights.iter().all(is_whole)).then_some(step)
}

/// The nearest whole number, of numbers below 2²²: without the call that `round` is where the compiler may not use newer
/// instructions.
pub fn rounded(value: f32) -> f32 {
    const BEYOND_FRACTIONS: f32 = 1.5 * (1 << 23) as f32;
    (value + BEYOND_FRACTIONS) - BEYOND_FRACTIONS
}

impl<'a> Operands<'a> {
    /// All of the work on an image. Which rows share a step does not depend on other images.
    pub fn tasks(self) -> Vec<Task<'a>> {
        let Job { planes, from, target, .. } = self.job;
        let row = planes.len() * from.pitch() * LANES * self.stride;
        let rows: Vec<_> = split(target.layout.height, (CACHED / row).max(1)).collect();
        let groups = self.weights.scale.len() / (GROUP * LANES);
        let parts = split(groups, groups.div_ceil(TASKS.div_ceil(rows.len())));
        let part = |(first, count): (usize, usize)| first..first + count;
        let tasks = parts.flat_map(|groups| rows.iter().map(move |rows| (groups, *rows)));
        tasks.map(|(groups, rows)| Task { operands: self, rows: part(rows), groups: part(groups) }).collect()
    }
}

impl Task<'_> {
    /// Computes its part of the result.
    ///
    /// # Safety
    /// The operands fit the target, no other task writes this part of it, and [`is_supported`].
    pub unsafe fn run(&self, pool: &Arc<Pool>) {
        let Operands { job: Job { planes, from, largest, .. }, kernel, stride, .. } = self.operands;
        // Of the planes, whose first row is border.
        let first = self.rows.start * stride + 1 - kernel / 2;
        let count = (self.rows.len() - 1) * stride + kernel;
        let length = count * from.pitch();
        let inputs = planes.iter().map(|plane| &plane.values[first * from.pitch() * LANES..][..length * LANES]);
        let inputs: Vec<&[f32]> = inputs.collect();
        let mut memory = pool.take(inputs.len() * length * LANES / 2 + LANES);
        // SAFETY: whatever the bits of the memory, they are whole numbers.
        let steps: &mut [Steps] = unsafe { memory.values.align_to_mut().1 };
        let steps = &mut steps[..inputs.len() * length];
        // SAFETY: this function's contract; the steps are those of the rows.
        unsafe {
            let largest = largest.unwrap_or_else(|| system::largest_of(&inputs));
            let step = system::round(&inputs, largest, self.operands.weights.most, steps, length);
            let rounded = system::Rounded { steps, step, length };
            match stride {
                1 => system::rows::<1>(self, &rounded),
                _ => system::rows::<2>(self, &rounded),
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod system {
    use std::arch::x86_64::*;

    use super::super::simd::{Avx512, Lanes};
    use super::*;

    /// The inputs of a task in steps.
    pub struct Rounded<'a> {
        /// `[in / 16, length]`
        pub steps: &'a [Steps],
        pub step: f32,
        /// Pixels of a plane's rows.
        pub length: usize,
    }

    pub fn is_supported() -> bool {
        is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni")
    }

    /// Rounds the rows of each plane to steps, of which the value `largest` takes `most`; `length` pixels of each. Returns the step,
    /// which is not a number where a value is not finite.
    ///
    /// # Safety
    /// [`is_supported`].
    #[target_feature(enable = "avx512f")]
    pub unsafe fn round(planes: &[&[f32]], largest: f32, most: f32, steps: &mut [Steps], length: usize) -> f32 {
        // Where all are 0, any step will do.
        let step = if largest > f32::MIN_POSITIVE { largest / most } else { 1.0 };
        for (to, from) in steps.chunks_exact_mut(length).zip(planes) {
            in_steps(from, 1.0 / step, to);
        }
        if largest.is_finite() { step } else { f32::NAN }
    }

    /// The largest magnitude; not a number where any value is not.
    ///
    /// # Safety
    /// [`is_supported`].
    #[target_feature(enable = "avx512f")]
    pub unsafe fn largest_of(planes: &[&[f32]]) -> f32 {
        let mut most = Avx512::splat(0.0);
        for values in planes.iter().flat_map(|plane| plane.chunks_exact(LANES)) {
            // SAFETY: these are sixteen values.
            most = most.larger_magnitude(unsafe { Avx512::load(values.as_ptr()) });
        }
        most.largest()
    }

    /// Values × `factor`, rounded.
    #[target_feature(enable = "avx512f")]
    fn in_steps(from: &[f32], factor: f32, to: &mut [Steps]) {
        let factor = _mm512_set1_ps(factor);
        for (from, to) in from.chunks_exact(LANES).zip(to) {
            // SAFETY: sixteen values are there to read and to write.
            unsafe {
                let steps = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(from.as_ptr()), factor));
                _mm256_storeu_si256(to.as_mut_ptr().cast(), _mm512_cvtsepi32_epi16(steps));
            }
        }
    }

    /// Computes the task's part of the result.
    ///
    /// # Safety
    /// As [`Task::run`].
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub unsafe fn rows<const STRIDE: usize>(task: &Task<'_>, rounded: &Rounded<'_>) {
        let mut most = Avx512::splat(0.0);
        macro_rules! pixels {
            ($count:expr, $at:expr, $($n:literal)*) => {
                match $count {
                    // SAFETY: this function's contract.
                    $($n => unsafe { pixels::<$n, STRIDE>(task, rounded, $at, &mut most) },)*
                    _ => {}
                }
            };
        }
        for group in task.groups.clone() {
            for y in task.rows.clone() {
                for (x, count) in split(task.operands.job.target.layout.width, PIXELS) {
                    pixels!(count, [group, y, x], 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
                }
            }
        }
        task.operands.job.target.tell(most);
    }

    /// Computes `N` neighbouring pixels of a group.
    ///
    /// # Safety
    /// As [`Task::run`].
    #[target_feature(enable = "avx512f,avx512vnni")]
    #[inline]
    unsafe fn pixels<const N: usize, const STRIDE: usize>(
        task: &Task<'_>,
        rounded: &Rounded<'_>,
        [group, y, x]: [usize; 3],
        most: &mut Avx512,
    ) {
        let Operands { job: Job { planes, from, target, .. }, weights, bias, kernel, .. } = task.operands;
        let Rounded { steps, length, step } = *rounded;
        let mut sums = [[_mm512_setzero_si512(); GROUP]; N];
        let mut w = weights.pairs[group * planes.len() * kernel * kernel * PAIRS..].as_ptr();
        let first = (y - task.rows.start) * STRIDE * from.pitch() + x * STRIDE + 1 - kernel / 2;
        for block in 0..planes.len() {
            for tap in 0..kernel * kernel {
                let under = first + block * length + tap / kernel * from.pitch() + tap % kernel;
                let under: *const i32 = steps.as_ptr().wrapping_add(under).cast();
                for pair in 0..PAIRS {
                    // SAFETY: the pixels under the taps lie in the rows; the weights are one after the other.
                    unsafe {
                        let weights = [_mm512_loadu_si512(w.cast()), _mm512_loadu_si512(w.cast::<__m512i>().add(1))];
                        for (n, sums) in sums.iter_mut().enumerate() {
                            let both = _mm512_set1_epi32(under.add(n * STRIDE * PAIRS + pair).read_unaligned());
                            sums[0] = _mm512_dpwssd_epi32(sums[0], both, weights[0]);
                            sums[1] = _mm512_dpwssd_epi32(sums[1], both, weights[1]);
                        }
                        w = w.add(1);
                    }
                }
            }
        }
        // A copy: sums that a loop runs over would be kept in memory all the while.
        let done = sums;
        for v in 0..GROUP.min(target.layout.blocks() - group * GROUP) {
            let block = group * GROUP + v;
            // SAFETY: scale and bias are complete to whole groups; this function's contract.
            unsafe {
                let scale = Avx512::load(weights.scale.as_ptr().add(block * LANES)) * Avx512::splat(step);
                let bias = Avx512::load(bias.as_ptr().add(block * LANES));
                for (n, sums) in done.iter().enumerate() {
                    target.write(Avx512::from_whole(sums[v]).mul_add(scale, bias), block, y, x + n, most);
                }
            }
        }
    }
}

/// Nothing of the kind.
#[cfg(not(target_arch = "x86_64"))]
mod system {
    use super::*;

    pub struct Rounded<'a> {
        pub steps: &'a [Steps],
        pub step: f32,
        pub length: usize,
    }

    pub fn is_supported() -> bool {
        false
    }

    pub unsafe fn largest_of(_: &[&[f32]]) -> f32 {
        unreachable!("not supported")
    }

    pub unsafe fn round(_: &[&[f32]], _: f32, _: f32, _: &mut [Steps], _: usize) -> f32 {
        unreachable!("not supported")
    }

    pub unsafe fn rows<const STRIDE: usize>(_: &Task<'_>, _: &Rounded<'_>) {
        unreachable!("not supported")
    }
}
