//! Resampling, shared by training and reading.
//!
//! Separable, each axis for itself: the exact area average when shrinking (so nothing aliases), linear interpolation between
//! pixel centres when enlarging. Outside the image is 0.

use rayon::prelude::*;

use crate::raster::{GrayImage, Raster};
use crate::space::{ImageRect, NetSize};

/// Resamples the part `rect` of `image` (subpixel edges, outside the image 0) to `size`, values scaled to [0, 1].
///
/// Axes are treated apart, so the aspect need not be kept. An empty `rect` gives zeros.
pub fn resample(image: &GrayImage, rect: ImageRect, size: NetSize) -> Raster<f32> {
    let mut out = Raster::filled(size.width, size.height, 0.0f32);
    let columns = taps(rect.x0, rect.x1, image.width(), size.width);
    let rows = taps(rect.y0, rect.y1, image.height(), size.height);
    let (Some(first), Some(last)) =
        (columns.iter().map(|t| t.start).min(), columns.iter().map(|t| t.start + t.weights.len()).max())
    else {
        return out;
    };
    if first >= last {
        return out;
    }
    out.data_mut().par_chunks_mut(size.width).zip(&rows).for_each_init(
        || vec![0.0f32; last - first],
        |line, (target, row)| {
            line.fill(0.0);
            for (offset, &weight) in row.weights.iter().enumerate() {
                let source = &image.row(row.start + offset)[first..last];
                line.iter_mut().zip(source).for_each(|(sum, &value)| *sum += weight * f32::from(value));
            }
            for (value, column) in target.iter_mut().zip(&columns) {
                let from = column.start.saturating_sub(first);
                let source = &line[from..from + column.weights.len()];
                let sum: f32 = source.iter().zip(&column.weights).map(|(v, w)| v * w).sum();
                *value = sum / 65535.0;
            }
        },
    );
    out
}

/// The source pixels `start..` that one target pixel draws from, and their weights; empty where all of it lies outside.
struct Tap {
    start: usize,
    weights: Vec<f32>,
}

/// One tap per target pixel for the source interval [from, to) on an axis of `length` pixels.
fn taps(from: f64, to: f64, length: usize, targets: usize) -> Vec<Tap> {
    let step = (to - from) / targets as f64;
    // Also false for NaN and infinite edges.
    let sensible = step.is_finite() && step > 0.0 && from.is_finite();
    (0..targets)
        .map(|i| match sensible {
            false => Tap { start: 0, weights: Vec::new() },
            true if step > 1.0 => area_tap(from + i as f64 * step, from + (i + 1) as f64 * step, length),
            true => linear_tap(from + (i as f64 + 0.5) * step, length),
        })
        .collect()
}

/// The share of each source pixel in the interval [a, b).
fn area_tap(a: f64, b: f64, length: usize) -> Tap {
    let start = a.floor().clamp(0.0, length as f64) as usize;
    let end = b.ceil().clamp(0.0, length as f64) as usize;
    let weights = (start..end)
        .map(|i| (((i + 1) as f64).min(b) - (i as f64).max(a)).max(0.0) / (b - a))
        .map(|weight| weight as f32)
        .collect();
    Tap { start, weights }
}

/// Linear interpolation between the two pixel centres around `x`.
fn linear_tap(x: f64, length: usize) -> Tap {
    let left = (x - 0.5).floor();
    let share = x - 0.5 - left;
    let inside = |i: f64| i >= 0.0 && i < length as f64;
    match (inside(left), inside(left + 1.0)) {
        (true, true) => Tap { start: left as usize, weights: vec![(1.0 - share) as f32, share as f32] },
        (true, false) => Tap { start: left as usize, weights: vec![(1.0 - share) as f32] },
        (false, true) => Tap { start: (left + 1.0) as usize, weights: vec![share as f32] },
        (false, false) => Tap { start: 0, weights: Vec::new() },
    }
}
