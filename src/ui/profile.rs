//! Ms by value: how much of the image is at which confidence, for the λ slider.

use crate::pipeline::FusedMask;

/// λ moves in steps of this.
pub const LAMBDA_STEP: f64 = 0.01;
/// Bars of the histogram.
pub const BINS: usize = 64;

/// The histogram of Ms over pixels with Ms > 0, and its distinct levels.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The slider's upper end: 1, or the largest Ms if boxes of one scale overlap beyond it, up to the next whole step. (Between
    /// steps the slider and the limit would move λ against each other for ever.)
    pub upper: f32,
    /// Heights in [0, 1] (square root of the area, the largest is 1), over 0 ..= `upper`.
    pub bars: Vec<f32>,
    pub levels: Vec<f32>,
}

impl Profile {
    pub fn of(fused: &FusedMask) -> Self {
        let upper = upper_end(fused.max());
        let mut areas = vec![0.0_f64; BINS];
        for (rect, ms) in fused.positive_cells() {
            let bin = ((ms / upper * BINS as f32) as usize).min(BINS - 1);
            areas[bin] += rect.width() as f64 * rect.height() as f64;
        }
        let largest = areas.iter().copied().fold(0.0, f64::max);
        let bars = areas.iter().map(|area| if largest > 0.0 { (area / largest).sqrt() as f32 } else { 0.0 }).collect();
        Self { upper, bars, levels: fused.levels().to_vec() }
    }
}

/// A whole number of steps that reaches `largest`, but for its rounding.
fn upper_end(largest: f32) -> f32 {
    let steps = (f64::from(largest) / LAMBDA_STEP - 1e-4).ceil();
    (steps * LAMBDA_STEP).max(1.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_end_is_a_whole_step() {
        let ends: Vec<f32> = [0.0, 0.8, 1.0, 1.2, 1.4264, 1.431].into_iter().map(upper_end).collect();
        assert_eq!(ends, [1.0, 1.0, 1.0, 1.2, 1.43, 1.44]);
    }
}
