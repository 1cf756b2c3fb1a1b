//! Hits, misses, false positives and overlap of one image's findings.
//!
//! A candidate hits a mass if its centre lies in the mass's bounding box, or if the IoU of their boxes is at least 0.2. Masses
//! that the groundtruth gives as boxes count for hits and not for Dice; those given as points count for neither.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::rasterise::{bounding_box, fill_polygons, pixel_bounds};
use super::spans::Spans;
use crate::annotation::{GroundTruth, Lesion, LesionKind, LesionShape};
use crate::findings::{Candidate, Outline};
use crate::pipeline::segment::LEVEL;
use crate::space::{ImageRect, PixelRect};

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
    /// Per lesion of the groundtruth: whether any candidate hits it; false for what is no mass.
    pub lesion_hit: Vec<bool>,
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
    Comparer::new(truth, width, height).compare(candidates, outlines)
}

/// Compares with one image's groundtruth again and again as λ moves; the pixels of masses and outlines are kept meanwhile.
#[derive(Clone, Debug)]
pub struct Comparer {
    masses: Vec<Mass>,
    /// By candidate box.
    outlines: HashMap<PixelRect, Arc<Spans>>,
    /// Of the groundtruth, masses or not.
    lesions: usize,
}

impl Comparer {
    pub fn new(truth: &GroundTruth, width: usize, height: usize) -> Self {
        Self { masses: masses(truth, width, height), outlines: HashMap::new(), lesions: truth.lesions.len() }
    }

    /// To be called when a box may have another outline than before.
    pub fn forget_outlines(&mut self) {
        self.outlines.clear();
    }

    /// Compares candidates with the outlines known so far, one entry per candidate.
    pub fn compare(&mut self, candidates: &[Candidate], outlines: &[Option<&Outline>]) -> Comparison {
        let spans: Vec<Option<Arc<Spans>>> = candidates
            .iter()
            .enumerate()
            .map(|(index, candidate)| {
                let outline = outlines.get(index).copied().flatten()?;
                let known = self.outlines.entry(candidate.rect);
                Some(known.or_insert_with(|| Arc::new(outline_spans(outline))).clone())
            })
            .collect();
        let mut comparison = Comparison { lesion_hit: vec![false; self.lesions], ..Comparison::default() };
        for (candidate, spans) in candidates.iter().zip(&spans) {
            self.compare_one(candidate, spans.as_deref(), &mut comparison);
        }
        comparison.hits = comparison.lesion_hit.iter().filter(|h| **h).count();
        comparison.misses = self.masses.len() - comparison.hits;
        comparison.false_positives = comparison.hit_lesion.iter().filter(|h| h.is_none()).count();
        let image = self.image_overlap(&spans);
        comparison.image_dice = image.map(|o| o.dice());
        comparison.image_iou = image.map(|o| o.iou());
        comparison
    }

    fn compare_one(&self, candidate: &Candidate, spans: Option<&Spans>, comparison: &mut Comparison) {
        let rect = ImageRect::from(candidate.rect);
        let mut best: Option<(f64, &Mass)> = None;
        for mass in self.masses.iter().filter(|mass| is_hit(&rect, &mass.rect)) {
            comparison.lesion_hit[mass.index] = true;
            let iou = rect.iou(&mass.rect);
            if best.is_none_or(|(b, _)| iou > b) {
                best = Some((iou, mass));
            }
        }
        let overlap = best.and_then(|(_, mass)| Some(Overlap::of(spans?, mass.spans.as_ref()?)));
        comparison.hit_lesion.push(best.map(|(_, mass)| mass.index));
        comparison.dice.push(overlap.map(|o| o.dice()));
        comparison.iou.push(overlap.map(|o| o.iou()));
    }

    fn image_overlap(&self, outlines: &[Option<Arc<Spans>>]) -> Option<Overlap> {
        if self.masses.is_empty() {
            return None;
        }
        let truth: Vec<&Spans> = self.masses.iter().map(|m| m.spans.as_ref()).collect::<Option<_>>()?;
        let found: Vec<&Spans> = outlines.iter().map(|o| o.as_deref()).collect::<Option<_>>()?;
        Some(Overlap::of(&Spans::union(found.into_iter()), &Spans::union(truth.into_iter())))
    }
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
#[derive(Clone, Debug)]
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
                Some(Spans::of_rows(region, |y| mask.row(y), |inside| inside))
            }
            _ => None,
        };
        Some(Mass { index, rect: mass_box(lesion)?, spans })
    };
    truth.lesions.iter().enumerate().filter_map(mass).collect()
}

/// The pixels of an outlined region.
pub fn outline_spans(outline: &Outline) -> Spans {
    Spans::of_rows(outline.region, |y| outline.probability.row(y), |p| p >= LEVEL)
}
