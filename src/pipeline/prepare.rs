//! Step 1: one normalised grey image from any mammogram.

use crate::raster::GrayImage;
use crate::study::Study;

/// The normalised image at native resolution: 0 is air, 65535 the brightest tissue; MONOCHROME1 already inverted.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    pub image: GrayImage,
}

/// Normalises a study. The one function for training and for reading.
pub fn prepare(study: &Study) -> Prepared {
    normalise(&study.default_display())
}

/// Normalises display values (0 black … 65535 white, padding 0).
pub fn normalise(display: &GrayImage) -> Prepared {
    Prepared { image: display.clone() }
}
