//! The uniform of view.wgsl, and which pixels of the canvas a part of the image covers.

use super::canvas::CanvasPlace;
use super::tiles::ALIGN;
use super::transform::ViewTransform;
use crate::space::{ImagePoint, PixelRect};

/// Bytes of `View` in view.wgsl, rounded up to a multiple of 16 as GL wants it.
pub const VIEW_BYTES: u64 = 64;
/// Distance of two views in a buffer: the largest alignment that a device may ask for.
pub const VIEW_STRIDE: u64 = 256;

/// How a pass samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sampling {
    /// The mip level, and how far towards the next one, in [0, 1).
    pub level: u32,
    pub blend: f32,
    pub opacity: f32,
    /// The finest mip level that is on the device.
    pub finest: u32,
}

/// `View` for a texture that covers `region` of the image.
pub fn view_words(
    transform: &ViewTransform,
    canvas: CanvasPlace,
    region: PixelRect,
    sampling: Sampling,
) -> [u32; VIEW_BYTES as usize / 4] {
    let corner = transform.image_from_physical(canvas.corner());
    let corner = [corner.x - region.x0 as f64, corner.y - region.y0 as f64];
    let base = corner.map(|p| (p / ALIGN as f64).floor() * ALIGN as f64);
    let right = transform.orientation.unapply([1.0 / transform.zoom, 0.0]);
    let down = transform.orientation.unapply([0.0, 1.0 / transform.zoom]);
    let f = |v: f64| (v as f32).to_bits();
    let i = |v: f64| (v as i32).cast_unsigned();
    [
        f(right[0]),
        f(right[1]),
        f(down[0]),
        f(down[1]),
        f(corner[0] - base[0]),
        f(corner[1] - base[1]),
        i(base[0]),
        i(base[1]),
        i(region.width() as f64),
        i(region.height() as f64),
        sampling.level,
        sampling.blend.to_bits(),
        sampling.opacity.to_bits(),
        sampling.finest,
        0,
        0,
    ]
}

/// Restricts drawing to the pixels of the canvas whose centres `part` of the image covers, so that neighbouring parts share none
/// and leave none; false when there is nothing to draw.
pub fn set_scissor(
    pass: &mut wgpu::RenderPass<'_>,
    transform: &ViewTransform,
    canvas: CanvasPlace,
    part: PixelRect,
) -> bool {
    let [left, top] = canvas.corner();
    let corner = |x, y| transform.physical_from_image(ImagePoint::new(x as f64, y as f64));
    let (a, b) = (corner(part.x0, part.y0), corner(part.x1, part.y1));
    let first = |v: f64, limit: u32| (v - 0.5).ceil().clamp(0.0, f64::from(limit)) as u32;
    let [x0, x1] = [a[0].min(b[0]), a[0].max(b[0])].map(|x| first(x - left, canvas.width));
    let [y0, y1] = [a[1].min(b[1]), a[1].max(b[1])].map(|y| first(y - top, canvas.height));
    let visible = x1 > x0 && y1 > y0;
    if visible {
        pass.set_scissor_rect(x0, y0, x1 - x0, y1 - y0);
    }
    visible
}
