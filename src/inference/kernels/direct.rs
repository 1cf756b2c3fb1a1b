//! Convolutions 1×1 and 3×3 with stride 1 or 2, summed directly over taps and channels, from where the input lies.

use std::ops::Range;

use rayon::prelude::*;

use super::isa::{Isa, on_isa};
use super::maps::Lines;
use super::simd::{LANES, Lanes};
use super::tile::{Job, Sums, accumulate, split, with_count};

/// A convolution's operands.
pub struct Operands<'a, W: ?Sized = [f32]> {
    /// No plane is doubled.
    pub job: &'a Job<'a>,
    /// Of f32: `[out / (16 V), in / lanes, kernel², lanes, V, 16]`
    pub weights: &'a W,
    /// `[out]`, complete to a multiple of 16 V.
    pub bias: &'a [f32],
    pub kernel: usize,
    pub stride: usize,
}

/// `[out, in, kernel, kernel]` as [`Operands::weights`].
pub fn pack(weight: &[f32], outputs: usize, inputs: usize, kernel: usize, isa: Isa) -> Lines {
    let lanes = if inputs == 1 { 1 } else { LANES };
    let width = isa.group() * LANES;
    let taps = kernel * kernel;
    let length = outputs.div_ceil(width) * inputs.next_multiple_of(lanes) * taps * width;
    let mut packed = Lines::new(length);
    let group_length = inputs.next_multiple_of(lanes) * taps * width;
    packed.par_chunks_exact_mut(group_length).enumerate().for_each(|(group, to)| {
        for output in group * width..outputs.min((group + 1) * width) {
            let row = &weight[output * inputs * taps..][..inputs * taps];
            for (input, row) in row.chunks_exact(taps).enumerate() {
                for (tap, value) in row.iter().enumerate() {
                    let channel = (input / lanes * taps + tap) * lanes + input % lanes;
                    to[channel * width + output % width] = *value;
                }
            }
        }
    });
    packed
}

impl Operands<'_> {
    /// Computes the output channels of `group` in these rows.
    ///
    /// # Safety
    /// The operands fit the target, the rows and group are inside it, no other task writes them, and `isa` was detected.
    pub unsafe fn rows(&self, group: usize, rows: Range<usize>, isa: Isa) {
        match (self.job.from.lanes, self.stride) {
            // SAFETY: this function's contract; the steps are those of the layout's lanes and the stride.
            (1, 1) => unsafe { dispatch::<1, 1>(isa, self, group, rows) },
            (1, _) => unsafe { dispatch::<2, 1>(isa, self, group, rows) },
            (_, 1) => unsafe { dispatch::<LANES, LANES>(isa, self, group, rows) },
            _ => unsafe { dispatch::<{ 2 * LANES }, LANES>(isa, self, group, rows) },
        }
    }
}

on_isa! {
    /// Computes rows of a group.
    fn dispatch [STEP, DEPTH] = all_rows(operands: &Operands<'_>, group: usize, rows: Range<usize>)
}

/// # Safety
/// As [`Operands::rows`].
#[inline(always)]
unsafe fn all_rows<L: Lanes, const V: usize, const STEP: usize, const DEPTH: usize>(
    operands: &Operands<'_>,
    group: usize,
    rows: Range<usize>,
) {
    for y in rows {
        for (x, count) in split(operands.job.target.layout.width, L::PIXELS) {
            // SAFETY: the caller's contract, and x + count is within the width.
            unsafe { with_count!(count, L::PIXELS, pixels::<[L, V], [STEP, DEPTH]>(operands, group, y, x)) }
        }
    }
}

/// Computes `N` neighbouring pixels.
///
/// # Safety
/// As [`Operands::rows`], for these pixels.
#[inline(always)]
unsafe fn pixels<L: Lanes, const V: usize, const N: usize, const STEP: usize, const DEPTH: usize>(
    operands: &Operands<'_>,
    group: usize,
    y: usize,
    x: usize,
) {
    let Operands { job: Job { planes, from: layout, target, .. }, weights, bias, kernel, stride } = *operands;
    let mut start = [L::splat(0.0); V];
    for (v, start) in start.iter_mut().enumerate() {
        // SAFETY: the bias is complete to whole groups.
        *start = unsafe { L::load(bias.as_ptr().add((group * V + v) * LANES)) };
    }
    let mut sums: Sums<L, V, N> = [start; N];
    let taps = kernel * kernel;
    let mut w = weights[group * planes.len() * taps * DEPTH * V * LANES..].as_ptr();
    // The border has a pixel on each side, which a 1×1 convolution skips.
    let skip = 1 - kernel / 2;
    let first = ((y * stride + skip) * layout.pitch() + x * stride + skip) * layout.lanes;
    for plane in planes {
        for row in 0..kernel {
            for column in 0..kernel {
                let from = first + (row * layout.pitch() + column) * layout.lanes;
                // SAFETY: the pixels under the taps lie in the plane with its border; the weights are one after the other.
                unsafe {
                    accumulate::<L, V, N, STEP, DEPTH>(&mut sums, plane.values.as_ptr().add(from), w);
                    w = w.add(DEPTH * V * LANES);
                }
            }
        }
    }
    // A copy: sums that a loop runs over would be kept in memory all the while.
    let done = sums;
    let mut most = L::splat(0.0);
    for v in 0..V.min(target.layout.blocks() - group * V) {
        for (n, row) in done.iter().enumerate() {
            // SAFETY: the caller's contract.
            unsafe { target.write(row[v], group * V + v, y, x + n, &mut most) };
        }
    }
    target.tell(most);
}
