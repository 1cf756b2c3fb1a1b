//! Convolutions in whole numbers: weights of 8 bits as they are, inputs of 16 bits, sums of 32 bits (AVX-512 VNNI), twice the
//! products per cycle of f32.
//!
//! The inputs are rounded to steps of their largest magnitude / Q, where Q is so small that no sum can leave 32 bits: at most
//! 2¹⁵ − 1 for [`direct`] sums, 2¹³ − 2 for [`winograd`]'s. Beside the largest value that is 128 and 32 times finer than bf16.

use super::simd::{LANES, larger_magnitude};
use super::tile::Job;

pub mod direct;
#[cfg(target_arch = "x86_64")]
mod vnni;
pub mod winograd;

/// Blocks of output channels that are computed together.
const GROUP: usize = 2;
/// Pixels, or tiles, whose sums fit the registers.
const PIXELS: usize = 14;
/// Pairs of channels in a block.
const PAIRS: usize = LANES / 2;
/// Tasks that a convolution is cut into at least, where it has that many rows or groups.
const TASKS: usize = 32;

/// A pixel's sixteen channels in steps.
type Steps = [i16; LANES];
/// A pair of input channels' weights for sixteen output channels, in [`GROUP`] blocks.
#[derive(Clone, Copy, Default)]
#[repr(C, align(64))]
struct Pair([[[i16; 2]; LANES]; GROUP]);

/// Whether this processor has the instructions.
pub fn is_supported() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// The step of which the inputs' largest magnitude takes `most`: not a number where one of them is not finite.
fn step(job: &Job<'_>, most: f32) -> f32 {
    let values = || job.planes.iter().flat_map(|plane| plane.values);
    let largest = job.largest.unwrap_or_else(|| values().fold(0.0, |largest, value| larger_magnitude(largest, *value)));
    match largest {
        _ if !largest.is_finite() => f32::NAN,
        // Where all are 0, any step will do.
        _ if largest <= f32::MIN_POSITIVE => 1.0,
        _ => largest / most,
    }
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

/// Added to a number below 2²², this leaves its nearest whole number in the last bits.
const BEYOND_FRACTIONS: f32 = 1.5 * (1 << 23) as f32;

/// The nearest whole number, of numbers below 2²²: without the call that `round` is where the compiler may not use newer
/// instructions.
pub fn rounded(value: f32) -> f32 {
    (value + BEYOND_FRACTIONS) - BEYOND_FRACTIONS
}

/// An output channel's weights in steps, of which all are whole multiples, and the sum of their magnitudes.
fn in_steps(weights: &[f32], step: f32) -> (Vec<i16>, i32) {
    let steps_of_one = 1.0 / step;
    // The last bits are taken as they are: a conversion that looks for what does not fit takes several times as long.
    let steps: Vec<i16> = weights.iter().map(|w| (w * steps_of_one + BEYOND_FRACTIONS).to_bits() as i16).collect();
    let sum = steps.iter().map(|step| i32::from(step.abs())).sum();
    (steps, sum)
}
