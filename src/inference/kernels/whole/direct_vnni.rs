//! Direct sums with the instructions of AVX-512 VNNI.

use std::arch::x86_64::*;

use super::*;
use crate::simd::{Avx512, Lanes};

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
    for (to, from) in steps.chunks_exact_mut(length).zip(planes) {
        in_steps(from, 1.0 / step, to);
    }
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
    let Operands { job: Job { planes, from, target, .. }, weights, bias, kernel, .. } = *task.operands;
    let Rounded { steps, length } = *rounded;
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
            let scale = Avx512::load(weights.scale.as_ptr().add(block * LANES)) * Avx512::splat(task.step);
            let bias = Avx512::load(bias.as_ptr().add(block * LANES));
            for (n, sums) in done.iter().enumerate() {
                target.write(Avx512::from_whole(sums[v]).mul_add(scale, bias), block, y, x + n, most);
            }
        }
    }
}
