//! What a reading consists of: plain data, all in image pixels.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::raster::ProbabilityMap;
use crate::space::{ImagePoint, ImageRect, Millimetres, NetSize, PixelRect};

/// One box of the detector, mapped to the image and clipped to it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    pub rect: ImageRect,
    /// Objectness × class probability, in [0, 1].
    pub confidence: f32,
}

/// What one scale found, after non-maximum suppression within the scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScaleDetections {
    pub size: NetSize,
    pub detections: Vec<Detection>,
}

/// A region of Ms ≥ λ: the bounding box of an 8-connected component.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Half-open, whole pixels; also the key under which its contours are cached.
    pub rect: PixelRect,
    /// The largest Ms in the component.
    pub score: f32,
}

/// A closed polygon in image pixels with subpixel vertices; the first point is not repeated at the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Contour {
    pub points: Vec<ImagePoint>,
}

/// The outline of a candidate, which depends on its box alone and not on λ.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    /// Every boundary of the region, holes included (opposite winding, even-odd).
    pub contours: Vec<Contour>,
    pub measures: Measures,
    /// The probabilities on the native grid inside `region`.
    pub probability: Arc<ProbabilityMap>,
    /// Where `probability` lies in the image.
    pub region: PixelRect,
}

/// Sizes of an outlined region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Pixels with probability ≥ 0.5.
    pub area_px: f64,
    pub area_mm2: Option<f64>,
    pub longest_diameter_px: f64,
    pub longest_diameter_mm: Option<Millimetres>,
}

/// A candidate with its outline.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub candidate: Candidate,
    pub outline: Arc<Outline>,
}

/// Which model gave a result: written beside every result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelIdentity {
    pub name: String,
    /// Of the weights file, lower-case hexadecimal.
    pub sha256: String,
}
