//! Hits, misses, false positives and overlap of one image's findings.

use crate::annotation::GroundTruth;
use crate::findings::{Candidate, Outline};

/// Findings against the masses of one image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Per candidate: the lesion it hits (index into the groundtruth's lesions), if any.
    pub hit_lesion: Vec<Option<usize>>,
    /// Per candidate with an outline that hits a lesion with an outline: Dice and IoU with that lesion.
    pub dice: Vec<Option<f64>>,
    pub iou: Vec<Option<f64>>,
    /// Masses hit by at least one candidate, masses hit by none, candidates that hit nothing.
    pub hits: usize,
    pub misses: usize,
    pub false_positives: usize,
    /// Of the union of outlines against the union of masses, in pixels; `None` without outlined masses or while an outline is missing.
    pub image_dice: Option<f64>,
    pub image_iou: Option<f64>,
}

/// Compares candidates (with the outlines known so far) with the masses of `truth` on an image of `width` × `height`.
pub fn compare(
    _candidates: &[Candidate],
    _outlines: &[Option<&Outline>],
    _truth: &GroundTruth,
    _width: usize,
    _height: usize,
) -> Comparison {
    todo!()
}
