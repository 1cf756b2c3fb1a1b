//! Histogram equalisation of a patch.

use crate::raster::Raster;

/// Grey levels of the histogram.
const LEVELS: usize = 256;

/// Contrast below half a 16-bit grey level is rounding noise and is not stretched.
const LEAST_RANGE: f32 = 0.5 / 65535.0;

/// Replaces each value above 0 by its place in the patch's cumulative histogram, in [0, 1].
///
/// The histogram has 256 equal bins between the smallest and the largest value above 0; the cumulative histogram is taken to
/// rise linearly within a bin, so that no grey level of a low-contrast patch is lost. Zeros (air, or outside the image) stay 0
/// and do not count; a patch of one 16-bit grey level becomes 0.5; NaN becomes 0.
pub fn equalise(patch: &Raster<f32>) -> Raster<f32> {
    let counted = |v: f32| v > 0.0 && v.is_finite();
    let (mut low, mut high, mut count) = (f32::INFINITY, f32::NEG_INFINITY, 0_u64);
    for &v in patch.data().iter().filter(|v| counted(**v)) {
        low = low.min(v);
        high = high.max(v);
        count += 1;
    }
    if count == 0 {
        return Raster::filled(patch.width(), patch.height(), 0.0);
    }
    if high - low < LEAST_RANGE {
        return patch.map(|v| if counted(v) { 0.5 } else { 0.0 });
    }
    let bins_per_unit = LEVELS as f64 / (f64::from(high) - f64::from(low));
    let place = |v: f32| {
        let position = (f64::from(v) - f64::from(low)) * bins_per_unit;
        let bin = (position as usize).min(LEVELS - 1);
        (bin, position - bin as f64)
    };
    let mut histogram = [0_u64; LEVELS];
    for &v in patch.data().iter().filter(|v| counted(**v)) {
        histogram[place(v).0] += 1;
    }
    let mut below = [0_u64; LEVELS];
    for bin in 1..LEVELS {
        below[bin] = below[bin - 1] + histogram[bin - 1];
    }
    patch.map(|v| {
        if !counted(v) {
            return 0.0;
        }
        let (bin, part) = place(v);
        ((below[bin] as f64 + part * histogram[bin] as f64) / count as f64) as f32
    })
}
