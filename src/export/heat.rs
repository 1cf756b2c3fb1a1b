//! The heatmap of Ms in a picture, as the window shows it.

use super::draw::Picture;
use crate::marks::heat_color;
use crate::pipeline::FusedMask;

/// Lays the colours of Ms over `picture`, whose (0, 0) is the image's, with `opacity` in [0, 1].
pub fn lay_over(picture: &mut Picture, fused: &FusedMask, opacity: f32) {
    let (xs, ys) = (fused.xs(), fused.ys());
    let columns = xs.len().saturating_sub(1);
    for (row, heights) in ys.windows(2).enumerate() {
        for (column, widths) in xs.windows(2).enumerate() {
            let ms = fused.cells()[row * columns + column];
            if ms > 0.0 {
                let [r, g, b, alpha] = heat_color(ms);
                let coverage = (f32::from(alpha) * opacity.clamp(0.0, 1.0)).round() as u8;
                for y in heights[0]..heights[1] {
                    (widths[0]..widths[1]).for_each(|x| picture.blend(x, y, [r, g, b], coverage));
                }
            }
        }
    }
}
