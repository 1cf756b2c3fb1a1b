//! The uniform of view.wgsl, and which screen pixels a part of the image covers.

use egui::PaintCallbackInfo;

use super::tiles::ALIGN;
use super::transform::ViewTransform;
use crate::space::{ImagePoint, PixelRect};

/// Bytes of `View` in view.wgsl.
pub const VIEW_BYTES: u64 = 64;
/// Distance of two views in a buffer: the largest alignment that a device may ask for.
pub const VIEW_STRIDE: u64 = 256;

/// How a pass samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sampling {
    /// The mip level, and how far towards the next one, in [0, 1).
    pub level: u32,
    pub blend: f32,
    /// Whole image pixels.
    pub blocky: bool,
    pub opacity: f32,
}

/// `View` for a texture that covers `region` of the image.
pub fn view_words(transform: &ViewTransform, region: PixelRect, sampling: Sampling) -> [u32; VIEW_BYTES as usize / 4] {
    let scale = f64::from(transform.pixels_per_point);
    let origin = transform.area.min;
    let origin = [f64::from(origin.x) * scale, f64::from(origin.y) * scale].map(f64::floor);
    let place = transform.image_from_physical(origin);
    let place = [place.x - region.x0 as f64, place.y - region.y0 as f64];
    let base = place.map(|p| (p / ALIGN as f64).floor() * ALIGN as f64);
    let right = transform.orientation.unapply([1.0 / transform.zoom, 0.0]);
    let down = transform.orientation.unapply([0.0, 1.0 / transform.zoom]);
    let f = |v: f64| (v as f32).to_bits();
    let i = |v: f64| (v as i32).cast_unsigned();
    [
        f(right[0]),
        f(right[1]),
        f(down[0]),
        f(down[1]),
        f(origin[0]),
        f(origin[1]),
        f(place[0] - base[0]),
        f(place[1] - base[1]),
        i(base[0]),
        i(base[1]),
        i(region.width() as f64),
        i(region.height() as f64),
        sampling.level,
        sampling.blend.to_bits(),
        f32::from(u8::from(sampling.blocky)).to_bits(),
        sampling.opacity.to_bits(),
    ]
}

/// Physical pixels [x0, y0, x1, y1) whose centres `part` of the image covers; neighbouring parts share none and leave none.
pub fn covered_pixels(transform: &ViewTransform, part: PixelRect) -> [f64; 4] {
    let corner = |x, y| transform.physical_from_image(ImagePoint::new(x as f64, y as f64));
    let (a, b) = (corner(part.x0, part.y0), corner(part.x1, part.y1));
    let first = |v: f64| (v - 0.5).ceil();
    [first(a[0].min(b[0])), first(a[1].min(b[1])), first(a[0].max(b[0])), first(a[1].max(b[1]))]
}

/// Restricts drawing to `pixels` within the callback's clip; false when nothing is left.
pub fn set_scissor(pass: &mut wgpu::RenderPass<'static>, info: &PaintCallbackInfo, pixels: [f64; 4]) -> bool {
    let clip = info.clip_rect_in_pixels();
    let (left, top) = (f64::from(clip.left_px), f64::from(clip.top_px));
    let (right, bottom) = (left + f64::from(clip.width_px), top + f64::from(clip.height_px));
    let (x0, y0) = (pixels[0].max(left), pixels[1].max(top));
    let (x1, y1) = (pixels[2].min(right), pixels[3].min(bottom));
    let visible = x1 > x0 && y1 > y0;
    if visible {
        pass.set_scissor_rect(x0 as u32, y0 as u32, (x1 - x0) as u32, (y1 - y0) as u32);
    }
    visible
}
