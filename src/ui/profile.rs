//! Ms by value: how much of the image is at which confidence, for the λ slider.

use crate::pipeline::FusedMask;

/// Bars of the histogram.
pub const BINS: usize = 64;

/// The histogram of Ms over pixels with Ms > 0, and its distinct levels.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The slider's upper end: 1, or the largest Ms if boxes of one scale overlap beyond it.
    pub upper: f32,
    /// Heights in [0, 1] (square root of the area, the largest is 1), over 0 ..= `upper`.
    pub bars: Vec<f32>,
    pub levels: Vec<f32>,
}

impl Profile {
    pub fn of(fused: &FusedMask) -> Self {
        let upper = fused.max().max(1.0);
        let (xs, ys) = (fused.xs(), fused.ys());
        let columns = xs.len().saturating_sub(1);
        let mut areas = vec![0.0_f64; BINS];
        for (row, heights) in ys.windows(2).enumerate() {
            for (column, widths) in xs.windows(2).enumerate() {
                let ms = fused.cells()[row * columns + column];
                if ms > 0.0 {
                    let bin = ((ms / upper * BINS as f32) as usize).min(BINS - 1);
                    areas[bin] += (heights[1] - heights[0]) as f64 * (widths[1] - widths[0]) as f64;
                }
            }
        }
        let largest = areas.iter().copied().fold(0.0, f64::max);
        let bars = areas.iter().map(|area| if largest > 0.0 { (area / largest).sqrt() as f32 } else { 0.0 }).collect();
        Self { upper, bars, levels: fused.levels().to_vec() }
    }
}
