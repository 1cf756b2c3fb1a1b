//! Hits, misses, false positives and overlap of one image's findings.
//!
//! A candidate hits a mass if its centre lies in the mass's bounding box, or if the IoU of their boxes is at least 0.2. Masses
//! that the groundtruth gives as boxes count for hits and not for Dice; those given as points count for neither.

use serde::{Deserialize, Serialize};

use super::rasterise::{bounding_box, fill_polygons, pixel_bounds};
use super::spans::Spans;
use crate::annotation::{GroundTruth, Lesion, LesionKind, LesionShape};
use crate::findings::{Candidate, Outline};
use crate::pipeline::segment::LEVEL;
use crate::space::ImageRect;

/// The least IoU of a candidate's box and a mass's box that is a hit wherever the centres lie.
pub const HIT_IOU: f64 = 0.2;

/// Findings against the masses of one image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Per candidate: the lesion it hits (index into the groundtruth's lesions), if any; of several the one with the largest IoU.
    pub hit_lesion: Vec<Option<usize>>,
    /// Per candidate with an outline that hits a lesion with an outline: Dice and IoU with that lesion.
    pub dice: Vec<Option<f64>>,
    pub iou: Vec<Option<f64>>,
    /// Masses hit by at least one candidate, masses hit by none, candidates that hit nothing.
    pub hits: usize,
    pub misses: usize,
    pub false_positives: usize,
    /// Of the union of outlines against the union of masses, in pixels; `None` while an outline is missing, without masses,
    /// or where a mass is known by its box alone.
    pub image_dice: Option<f64>,
    pub image_iou: Option<f64>,
}

/// Compares candidates (with the outlines known so far, one entry per candidate) with the masses of `truth` on an image of
/// `width` × `height` pixels.
pub fn compare(
    candidates: &[Candidate],
    outlines: &[Option<&Outline>],
    truth: &GroundTruth,
    width: usize,
    height: usize,
) -> Comparison {
    let masses: Vec<Mass> = masses(truth, width, height);
    let outline_of = |index: usize| outlines.get(index).copied().flatten();
    let mut comparison = Comparison::default();
    let mut hit = vec![false; masses.len()];
    for (index, candidate) in candidates.iter().enumerate() {
        let rect = ImageRect::from(candidate.rect);
        let mut best: Option<(f64, &Mass)> = None;
        for (mass, hit) in masses.iter().zip(&mut hit).filter(|(mass, _)| is_hit(&rect, &mass.rect)) {
            *hit = true;
            let iou = rect.iou(&mass.rect);
            if best.is_none_or(|(b, _)| iou > b) {
                best = Some((iou, mass));
            }
        }
        let overlap =
            best.and_then(|(_, mass)| Some(Overlap::of(&outline_spans(outline_of(index)?), mass.spans.as_ref()?)));
        comparison.hit_lesion.push(best.map(|(_, mass)| mass.index));
        comparison.dice.push(overlap.map(|o| o.dice()));
        comparison.iou.push(overlap.map(|o| o.iou()));
    }
    comparison.hits = hit.iter().filter(|h| **h).count();
    comparison.misses = hit.len() - comparison.hits;
    comparison.false_positives = comparison.hit_lesion.iter().filter(|h| h.is_none()).count();
    let image = image_overlap(&masses, (0..candidates.len()).map(outline_of));
    comparison.image_dice = image.map(|o| o.dice());
    comparison.image_iou = image.map(|o| o.iou());
    comparison
}

/// Whether a candidate's box hits a mass's box.
pub fn is_hit(candidate: &ImageRect, mass: &ImageRect) -> bool {
    mass.contains(candidate.center()) || candidate.iou(mass) >= HIT_IOU
}

/// The box of a mass: as given, or around its outline. `None` for other findings and for points.
pub fn mass_box(lesion: &Lesion) -> Option<ImageRect> {
    match (&lesion.kind, &lesion.shape) {
        (LesionKind::Mass, LesionShape::Outline(contours)) => bounding_box(contours),
        (LesionKind::Mass, LesionShape::Box(rect)) => Some(*rect),
        _ => None,
    }
}

/// Sizes in pixels of two regions and of what they share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overlap {
    pub first: usize,
    pub second: usize,
    pub common: usize,
}

impl Overlap {
    pub fn of(first: &Spans, second: &Spans) -> Self {
        Self { first: first.area(), second: second.area(), common: first.common_area(second) }
    }

    /// 2 |A ∩ B| / (|A| + |B|); 0 for two empty regions.
    pub fn dice(&self) -> f64 {
        ratio(2 * self.common, self.first + self.second)
    }

    /// |A ∩ B| / |A ∪ B|; 0 for two empty regions.
    pub fn iou(&self) -> f64 {
        ratio(self.common, self.first + self.second - self.common)
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole > 0 { part as f64 / whole as f64 } else { 0.0 }
}

/// A mass of the groundtruth.
struct Mass {
    /// Among the groundtruth's lesions.
    index: usize,
    rect: ImageRect,
    /// Its pixels, where there is an outline.
    spans: Option<Spans>,
}

fn masses(truth: &GroundTruth, width: usize, height: usize) -> Vec<Mass> {
    let mass = |(index, lesion): (usize, &Lesion)| {
        let spans = match &lesion.shape {
            LesionShape::Outline(contours) => {
                let region = pixel_bounds(contours, width, height);
                let mask = fill_polygons(contours, region);
                Some(Spans::of(region, |x, y| mask.get(x, y)))
            }
            _ => None,
        };
        Some(Mass { index, rect: mass_box(lesion)?, spans })
    };
    truth.lesions.iter().enumerate().filter_map(mass).collect()
}

/// The pixels of an outlined region.
pub fn outline_spans(outline: &Outline) -> Spans {
    Spans::of(outline.region, |x, y| outline.probability.get(x, y) >= LEVEL)
}

fn image_overlap<'a>(masses: &[Mass], outlines: impl Iterator<Item = Option<&'a Outline>>) -> Option<Overlap> {
    if masses.is_empty() {
        return None;
    }
    let truth: Vec<&Spans> = masses.iter().map(|m| m.spans.as_ref()).collect::<Option<_>>()?;
    let found: Vec<Spans> = outlines.map(|o| o.map(outline_spans)).collect::<Option<_>>()?;
    Some(Overlap::of(&Spans::union(found.iter()), &Spans::union(truth.into_iter())))
}
