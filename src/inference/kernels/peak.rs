//! What the machine can do at most, to compare the networks' speed with.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::bf16;
use super::isa::{Isa, on_isa};
use super::simd::{LANES, Lanes};

/// [`peak_gflops`] of the matrix units' products of bf16, of operands in the first-level cache; 0 where there are no such units.
pub fn bf16_peak_gflops() -> f64 {
    if !bf16::is_supported() {
        return 0.0;
    }
    best(|| rayon::broadcast(|_| bf16::long_product()).into_iter().sum())
}

/// Independent sums in all blocks of a group at most: with AVX-512 24 of the 32 registers, with AVX2 twelve of the sixteen. Two
/// units that take four cycles need eight, but of twelve some processors reach three quarters of their peak.
const MOST_SUMS: usize = 24;
const STEPS: usize = 20_000;

/// GFLOP/s of multiplications and additions of f32 in registers, on all threads of the current rayon pool together.
pub fn peak_gflops(isa: Isa) -> f64 {
    best(|| {
        let start = black_box(0.5);
        let of_block = if isa.group() == 2 { 12 } else { 6 };
        let threads = rayon::broadcast(|_| {
            // SAFETY: the caller has an `Isa`, which only detection gives.
            black_box(unsafe { if of_block == 12 { sum_up::<12>(isa, start) } else { sum_up::<6>(isa, start) } })
        });
        2 * LANES * of_block * isa.group() * STEPS * threads.len()
    })
}

/// The most operations per nanosecond of many runs of `work`, which returns how many it did.
fn best(work: impl Fn() -> usize) -> f64 {
    let mut best = 0.0_f64;
    let until = Instant::now() + Duration::from_millis(200);
    while Instant::now() < until {
        let begin = Instant::now();
        let operations = work() as f64;
        best = best.max(operations / begin.elapsed().as_secs_f64() / 1e9);
    }
    best
}

on_isa! {
    /// A long sum in registers.
    fn sum_up [SUMS] = long_sum(start: f32) -> f32
}

/// # Safety
/// The lanes' instruction set is enabled.
#[inline(always)]
unsafe fn long_sum<L: Lanes, const V: usize, const SUMS: usize>(start: f32) -> f32 {
    let (factor, addend) = (L::splat(start), L::splat(start));
    let mut sums = [[L::splat(0.0); SUMS]; V];
    // Different in every lane, or the compiler would see that one of them is enough.
    let starts: [f32; MOST_SUMS * LANES] = black_box(std::array::from_fn(|i| start / (i + 1) as f32));
    for (sum, starts) in sums.iter_mut().flatten().zip(starts.chunks_exact(LANES)) {
        // SAFETY: these are sixteen values.
        *sum = unsafe { L::load(starts.as_ptr()) };
    }
    for _ in 0..STEPS {
        for row in &mut sums {
            for sum in row {
                *sum = sum.mul_add(factor, addend);
            }
        }
    }
    // A copy: sums that a loop runs over would be kept in memory all the while.
    let done = sums;
    let mut total = L::splat(0.0);
    for sum in done.iter().flatten() {
        total = total + *sum;
    }
    let mut values = [0.0; LANES];
    // SAFETY: there is room for sixteen values.
    unsafe { total.store(values.as_mut_ptr()) };
    values.iter().sum()
}
