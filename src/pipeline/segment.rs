//! Steps 5 and 6: a candidate's patch through the segmenter, and back onto the native grid.

use super::{Cancel, Parameters, Prepared, Segmenter};
use crate::findings::Outline;
use crate::space::PixelRect;
use crate::study::Spacing;

/// Side of the segmenter's square patch in pixels.
pub const PATCH: usize = 256;

/// Outlines candidate boxes, in one batch; the result's order is the boxes'. `spacing` gives millimetres.
pub fn outline(
    _image: &Prepared,
    _boxes: &[PixelRect],
    _segmenter: &mut dyn Segmenter,
    _spacing: Option<&Spacing>,
    _parameters: &Parameters,
    _cancel: &Cancel,
) -> anyhow::Result<Vec<Outline>> {
    todo!()
}
