//! The heatmap of Ms in a picture, as the window shows it.

use super::draw::Picture;
use crate::marks::heat_color;
use crate::pipeline::FusedMask;
use crate::space::PixelRect;

/// Lays the colours of Ms over `picture`, whose (0, 0) is the image's, with `opacity` in [0, 1].
pub fn lay_over(picture: &mut Picture, fused: &FusedMask, opacity: f32) {
    for (PixelRect { x0, y0, x1, y1 }, ms) in fused.positive_cells() {
        let [r, g, b, alpha] = heat_color(ms);
        let coverage = (f32::from(alpha) * opacity.clamp(0.0, 1.0)).round() as u8;
        for y in y0..y1 {
            (x0..x1).for_each(|x| picture.blend(x, y, [r, g, b], coverage));
        }
    }
}
