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

/// Those of [`super::direct`], with [`Weights`].
type Operands<'a> = super::direct::Operands<'a, Weights>;

/// Some rows of a result, and some groups of their channels.
pub struct Task<'a> {
    operands: &'a Operands<'a>,
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
    /// All of the work on an image, cut by its size alone: where the largest magnitude is not known, rows have a step of their own.
    pub fn tasks(&'a self) -> Vec<Task<'a>> {
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
        let Operands { job: Job { planes, from, largest, .. }, kernel, stride, .. } = *self.operands;
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
#[path = "vnni.rs"]
mod system;

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
