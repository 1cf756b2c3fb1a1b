//! Smaller versions of an image for zooming out, in which small calcifications stay visible.

use crate::raster::GrayImage;
use crate::study::Grayscale;

/// Level k has one pixel per 2ᵏ × 2ᵏ image pixels (fewer at the right and bottom edges).
#[derive(Clone, Debug, PartialEq)]
pub struct MipChain {
    /// From level 1 on; level 0 is the image itself.
    pub levels: Vec<GrayImage>,
}

/// The levels 1.. of `image`, in codes.
pub fn prepare_mips(_image: &GrayImage, _grayscale: &Grayscale) -> MipChain {
    MipChain { levels: Vec::new() }
}
