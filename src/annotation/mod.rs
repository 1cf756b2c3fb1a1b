//! Groundtruth beside an image: one file per format, and the table of formats.

use std::path::{Path, PathBuf};

use crate::findings::Contour;
use crate::space::{ImagePoint, ImageRect};

/// Groundtruth of one image, in its pixels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroundTruth {
    pub lesions: Vec<Lesion>,
    /// The format's name in [`FORMATS`].
    pub format: &'static str,
    /// The file it was read from, which is never written to.
    pub path: Option<PathBuf>,
    pub warnings: Vec<String>,
}

/// One annotated lesion.
#[derive(Clone, Debug, PartialEq)]
pub struct Lesion {
    /// As the file names it.
    pub name: String,
    pub kind: LesionKind,
    pub shape: LesionShape,
}

/// Only masses count in hits, misses and Dice; the others are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LesionKind {
    Mass,
    Other,
}

#[derive(Clone, Debug, PartialEq)]
pub enum LesionShape {
    /// Closed polygons, even-odd.
    Outline(Vec<Contour>),
    Box(ImageRect),
    /// Too small for an outline: drawn as points, left out of area figures.
    Points(Vec<ImagePoint>),
}

/// A groundtruth format.
pub struct Format {
    pub name: &'static str,
    /// Lower-case, without the dot.
    pub extensions: &'static [&'static str],
    /// Reads the file for the image named `stem` of `width` × `height` pixels.
    pub read: fn(path: &Path, stem: &str, width: usize, height: usize) -> Result<GroundTruth, TruthError>,
}

/// Why groundtruth could not be read: one plain sentence.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct TruthError(pub String);

/// All formats, tried by extension, then by content.
pub const FORMATS: &[Format] = &[];

/// Reads groundtruth of any format for the image `stem` of `width` × `height` pixels.
pub fn read(_path: &Path, _stem: &str, _width: usize, _height: usize) -> Result<GroundTruth, TruthError> {
    todo!()
}

/// The groundtruth file that lies beside an image (same stem with .xml, `<stem>_mask.png`, `../AllXML/<id>.xml`, a COCO file
/// that names it), if any.
pub fn find_beside(_image: &Path) -> Option<PathBuf> {
    todo!()
}
