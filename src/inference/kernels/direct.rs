//! Convolutions 1×1 and 3×3 with stride 1 or 2, summed directly over taps and channels, from where the input lies.

use std::ops::Range;

use super::isa::{Isa, on_isa};
use super::maps::Layout;
use super::simd::{LANES, Lanes};
use super::tile::{Sums, Target, accumulate, split, with_count};

/// A convolution's operands.
pub struct Operands<'a> {
    /// The plane of each block of input channels.
    pub inputs: &'a [&'a [f32]],
    /// Of each of them.
    pub layout: Layout,
    /// `[out / (16 V), in / lanes, kernel², lanes, V, 16]`
    pub weights: &'a [f32],
    /// `[out]`, complete to a multiple of 16 V.
    pub bias: &'a [f32],
    pub kernel: usize,
    pub stride: usize,
}

impl Operands<'_> {
    /// Computes the output channels of `group` in these rows.
    ///
    /// # Safety
    /// The operands fit the target, the rows and group are inside it, no other task writes them, and `isa` was detected.
    pub unsafe fn rows(&self, target: &Target<'_>, group: usize, rows: Range<usize>, isa: Isa) {
        match (self.layout.lanes, self.stride) {
            // SAFETY: this function's contract; the steps are those of the layout's lanes and the stride.
            (1, 1) => unsafe { dispatch::<1, 1>(isa, self, target, group, rows) },
            (1, _) => unsafe { dispatch::<2, 1>(isa, self, target, group, rows) },
            (_, 1) => unsafe { dispatch::<LANES, LANES>(isa, self, target, group, rows) },
            _ => unsafe { dispatch::<{ 2 * LANES }, LANES>(isa, self, target, group, rows) },
        }
    }
}

on_isa! {
    /// Computes rows of a group.
    fn dispatch [STEP, DEPTH] = all_rows(operands: &Operands<'_>, target: &Target<'_>, group: usize, rows: Range<usize>)
}

/// # Safety
/// As [`Operands::rows`].
#[inline(always)]
unsafe fn all_rows<L: Lanes, const V: usize, const STEP: usize, const DEPTH: usize>(
    operands: &Operands<'_>,
    target: &Target<'_>,
    group: usize,
    rows: Range<usize>,
) {
    for y in rows {
        for (x, count) in split(target.layout.width, L::PIXELS) {
            // SAFETY: the caller's contract, and x + count is within the width.
            unsafe { with_count!(count, pixels::<L, V, STEP, DEPTH>(operands, target, group, y, x)) }
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
    target: &Target<'_>,
    group: usize,
    y: usize,
    x: usize,
) {
    let Operands { inputs, layout, weights, bias, kernel, stride } = *operands;
    let mut start = [L::splat(0.0); V];
    for (v, start) in start.iter_mut().enumerate() {
        // SAFETY: the bias is complete to whole groups.
        *start = unsafe { L::load(bias.as_ptr().add((group * V + v) * LANES)) };
    }
    let mut sums: Sums<L, V, N> = [start; N];
    let taps = kernel * kernel;
    let mut w = weights[group * inputs.len() * taps * DEPTH * V * LANES..].as_ptr();
    // The border has a pixel on each side, which a 1×1 convolution skips.
    let skip = 1 - kernel / 2;
    let first = ((y * stride + skip) * layout.pitch() + x * stride + skip) * layout.lanes;
    for plane in inputs {
        for row in 0..kernel {
            for column in 0..kernel {
                let from = first + (row * layout.pitch() + column) * layout.lanes;
                // SAFETY: the pixels under the taps lie in the plane with its border; the weights are one after the other.
                unsafe {
                    accumulate::<L, V, N, STEP, DEPTH>(&mut sums, plane.as_ptr().add(from), w);
                    w = w.add(DEPTH * V * LANES);
                }
            }
        }
    }
    // A copy: sums that a loop runs over would be kept in memory all the while.
    let done = sums;
    for v in 0..V.min(target.layout.blocks() - group * V) {
        for (n, row) in done.iter().enumerate() {
            // SAFETY: the caller's contract.
            unsafe { target.write(row[v], group * V + v, y, x + n) };
        }
    }
}
