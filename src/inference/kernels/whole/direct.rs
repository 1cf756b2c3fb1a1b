//! Convolutions 1×1 and 3×3 with stride 2 in whole numbers, summed directly over taps and channels.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::{GROUP, LANES, PAIRS, PIXELS, Pair, Steps, TASKS, in_steps, step, step_of};
use crate::maps::Pool;
use crate::tile::{Job, split};

/// What a task's inputs may take, in values. More would fit the second-level cache, and is slower.
const CACHED: usize = 30_000;

/// Weights that are whole multiples of a step, one for each output channel.
pub struct Weights {
    /// `[group, in / 16, taps, 8]`
    pairs: Vec<Pair>,
    /// The steps; complete to whole groups.
    scale: Vec<f32>,
    /// Q
    most: f32,
}

/// Those of [`crate::direct`], with [`Weights`].
type Operands<'a> = crate::direct::Operands<'a, Weights>;

/// Some rows of a result, and some groups of their channels.
struct Task<'a> {
    operands: &'a Operands<'a>,
    /// That of the inputs.
    step: f32,
    rows: Range<usize>,
    groups: Range<usize>,
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

    /// Computes the results of all jobs.
    ///
    /// # Safety
    /// The jobs fit the weights, `bias` is `[out]`, complete to whole groups, no one else writes their targets, and
    /// [`super::is_supported`].
    pub unsafe fn run(&self, jobs: &[Job<'_>], [kernel, stride]: [usize; 2], bias: &[f32], pool: &Arc<Pool>) {
        let operands: Vec<_> = jobs.iter().map(|job| Operands { job, weights: self, bias, kernel, stride }).collect();
        let tasks: Vec<_> = operands.iter().flat_map(Operands::tasks).collect();
        // SAFETY: this function's contract; each task writes its own rows and channels.
        tasks.into_par_iter().with_max_len(1).for_each(|task| unsafe { task.run(pool) });
    }
}

/// An output channel's weights `[in, taps]` in steps, into its group's; the sum of the steps' magnitudes.
fn pack(row: &[f32], step: f32, taps: usize, output: usize, to: &mut [Pair]) -> i32 {
    let (steps, sum) = in_steps(row, step);
    for (input, steps) in steps.chunks_exact(taps).enumerate() {
        for (tap, step) in steps.iter().enumerate() {
            let pair = &mut to[(input / LANES * taps + tap) * PAIRS + input % LANES / 2];
            pair.0[output / LANES % GROUP][output % LANES][input % 2] = *step;
        }
    }
    sum
}

impl<'a> Operands<'a> {
    /// All of the work on an image.
    fn tasks(&'a self) -> Vec<Task<'a>> {
        let Job { planes, from, target, .. } = self.job;
        let row = planes.len() * from.pitch() * LANES * self.stride;
        let rows: Vec<_> = split(target.layout.height, (CACHED / row).max(1)).collect();
        let groups = self.weights.scale.len() / (GROUP * LANES);
        let parts = split(groups, groups.div_ceil(TASKS.div_ceil(rows.len())));
        let part = |(first, count): (usize, usize)| first..first + count;
        let step = step(self.job, self.weights.most);
        let tasks = parts.flat_map(|groups| rows.iter().map(move |rows| (groups, *rows)));
        tasks.map(|(groups, rows)| Task { operands: self, step, rows: part(rows), groups: part(groups) }).collect()
    }
}

impl Task<'_> {
    /// Computes its part of the result.
    ///
    /// # Safety
    /// The operands fit the target, no other task writes this part of it, and [`super::is_supported`].
    unsafe fn run(&self, pool: &Arc<Pool>) {
        let Operands { job: Job { planes, from, .. }, kernel, stride, .. } = *self.operands;
        // Of the planes, whose first row is border.
        let first = self.rows.start * stride + 1 - kernel / 2;
        let count = (self.rows.len() - 1) * stride + kernel;
        let length = count * from.pitch();
        let inputs = planes.iter().map(|plane| &plane.values[first * from.pitch() * LANES..][..length * LANES]);
        let inputs: Vec<&[f32]> = inputs.collect();
        let mut memory = pool.take(inputs.len() * length * LANES / 2);
        // SAFETY: whatever the bits of the memory, they are whole numbers.
        let steps: &mut [Steps] = unsafe { memory.values.align_to_mut().1 };
        let steps = &mut steps[..inputs.len() * length];
        // SAFETY: this function's contract; the steps are those of the rows.
        unsafe {
            system::round(&inputs, self.step, steps, length);
            let rounded = system::Rounded { steps, length };
            match stride {
                1 => system::rows::<1>(self, &rounded),
                _ => system::rows::<2>(self, &rounded),
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[path = "direct_vnni.rs"]
mod system;

/// Nothing of the kind.
#[cfg(not(target_arch = "x86_64"))]
mod system {
    use super::*;

    pub struct Rounded<'a> {
        pub steps: &'a [Steps],
        pub length: usize,
    }

    pub unsafe fn round(_: &[&[f32]], _: f32, _: &mut [Steps], _: usize) {
        unreachable!("not supported")
    }

    pub unsafe fn rows<const STRIDE: usize>(_: &Task<'_>, _: &Rounded<'_>) {
        unreachable!("not supported")
    }
}
