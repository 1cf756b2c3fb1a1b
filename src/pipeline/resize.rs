//! Resampling, shared by training and reading.

use crate::raster::{GrayImage, Raster};
use crate::space::{ImageRect, NetSize};

/// Resamples the part `rect` of `image` (subpixel edges, outside the image 0) to `size`, values scaled to [0, 1].
pub fn resample(_image: &GrayImage, _rect: ImageRect, _size: NetSize) -> Raster<f32> {
    todo!()
}
