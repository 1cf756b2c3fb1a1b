//! Direct sums with the instructions of AVX-512 VNNI.

use std::arch::x86_64::*;

use super::*;
use crate::simd::{Avx512, Lanes};
use crate::tile::with_count;
use crate::whole::vnni;

/// The inputs of a task in steps.
pub struct Rounded<'a> {
    /// `[in / 16, length]`
    pub steps: &'a [Steps],
    /// Pixels of a plane's rows.
    pub length: usize,
}

/// Rounds the rows of each plane to steps; `length` pixels of each.
///
/// # Safety
/// [`crate::whole::is_supported`].
#[target_feature(enable = "avx512f")]
pub unsafe fn round(planes: &[&[f32]], step: f32, steps: &mut [Steps], length: usize) {
    let factor = _mm512_set1_ps(1.0 / step);
    for (to, from) in steps.chunks_exact_mut(length).zip(planes) {
        for (from, to) in from.chunks_exact(LANES).zip(to) {
            // SAFETY: sixteen values are there to read and to write.
            unsafe {
                let steps = vnni::steps(_mm512_loadu_ps(from.as_ptr()), factor);
                _mm256_storeu_si256(to.as_mut_ptr().cast(), steps);
            }
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
    for group in task.groups.clone() {
        for y in task.rows.clone() {
            for (x, count) in split(task.operands.job.target.layout.width, PIXELS) {
                // SAFETY: this function's contract.
                unsafe { with_count!(count, PIXELS, pixels::<[], [STRIDE]>(task, rounded, [group, y, x], &mut most)) };
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
    let Operands { job: Job { planes, from, target, .. }, weights, bias, kernel, .. } = *task.operands;
    let Rounded { steps, length } = *rounded;
    let mut sums: vnni::Sums<N> = [[_mm512_setzero_si512(); GROUP]; N];
    let mut w = weights.pairs[group * planes.len() * kernel * kernel * PAIRS..].as_ptr();
    let first = (y - task.rows.start) * STRIDE * from.pitch() + x * STRIDE + 1 - kernel / 2;
    for block in 0..planes.len() {
        for tap in 0..kernel * kernel {
            let under = first + block * length + tap / kernel * from.pitch() + tap % kernel;
            // SAFETY: the pixels under the taps lie in the rows; the weights are one after the other.
            unsafe {
                vnni::accumulate::<N, STRIDE>(&mut sums, steps.as_ptr().add(under), w);
                w = w.add(PAIRS);
            }
        }
    }
    // A copy: sums that a loop runs over would be kept in memory all the while.
    let done = sums;
    for v in 0..GROUP.min(target.layout.blocks() - group * GROUP) {
        let block = group * GROUP + v;
        // SAFETY: scale and bias are complete to whole groups; this function's contract.
        unsafe {
            let scale = Avx512::load(weights.scale.as_ptr().add(block * LANES)) * Avx512::splat(task.step);
            let bias = Avx512::load(bias.as_ptr().add(block * LANES));
            for (n, sums) in done.iter().enumerate() {
                target.write(Avx512::from_whole(sums[v]).mul_add(scale, bias), block, y, x + n, most);
            }
        }
    }
}
