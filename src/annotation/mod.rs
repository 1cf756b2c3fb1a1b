//! Groundtruth beside an image: one file per format, and the table of formats.
//!
//! Coordinates are image pixels, (0, 0) the top-left corner of the top-left pixel. Whatever a format says, what is returned
//! lies inside the image and is finite. Files are untrusted: their size, the number of their points and the memory that
//! reading them takes are bounded.

use std::path::{Path, PathBuf};

use crate::findings::Contour;
use crate::space::{ImagePoint, ImageRect};

mod beside;
mod coco;
mod collect;
mod inbreast;
mod json;
mod labelme;
mod mask;
mod names;
mod source;
mod trace;
mod yolo;

pub use beside::{find_beside, find_in, is_mask_name};
pub use names::kind_of;
pub use source::Source;
pub use trace::{MaskComponent, components};

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

impl LesionShape {
    /// The smallest box around the shape; of zero area for a single point.
    pub fn bounds(&self) -> ImageRect {
        match self {
            Self::Box(rect) => *rect,
            Self::Outline(contours) => bounds_of(contours.iter().flat_map(|c| &c.points)),
            Self::Points(points) => bounds_of(points.iter()),
        }
    }
}

fn bounds_of<'a>(points: impl Iterator<Item = &'a ImagePoint>) -> ImageRect {
    let inverted = ImageRect::new(f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY);
    let bounds =
        points.fold(inverted, |r, p| ImageRect::new(r.x0.min(p.x), r.y0.min(p.y), r.x1.max(p.x), r.y1.max(p.y)));
    if bounds.x0 <= bounds.x1 { bounds } else { ImageRect::default() }
}

/// A groundtruth format.
pub struct Format {
    pub name: &'static str,
    /// Lower-case, without the dot; for file dialogs. What a file is, its content decides.
    pub extensions: &'static [&'static str],
    /// Whether the content is of this format, good or damaged.
    pub recognises: fn(&Source) -> bool,
    pub read: fn(&Source) -> Result<GroundTruth, TruthError>,
}

/// Why groundtruth could not be read: one plain sentence.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct TruthError(pub String);

/// All formats, in the order in which they are tried.
pub const FORMATS: &[Format] = &[inbreast::FORMAT, mask::FORMAT, coco::FORMAT, labelme::FORMAT, yolo::FORMAT];

/// Reads groundtruth of any format for the image `stem` of `width` × `height` pixels.
pub fn read(path: &Path, stem: &str, width: usize, height: usize) -> Result<GroundTruth, TruthError> {
    let source = Source::open(path, stem, width, height)?;
    let Some(format) = FORMATS.iter().find(|format| (format.recognises)(&source)) else {
        let names: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
        let text = format!("This is not groundtruth of a known format ({}): choose another file.", names.join(", "));
        return Err(TruthError(text));
    };
    let truth = (format.read)(&source)?;
    Ok(GroundTruth { format: format.name, path: Some(path.to_path_buf()), ..truth })
}
