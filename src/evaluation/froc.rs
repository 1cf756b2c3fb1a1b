//! Free-response operating characteristic: lesions found against false positives per image.
//!
//! Sensitivity is lesions hit over all lesions; false positives are marks that hit nothing over **all** images, healthy ones
//! included. A mark hits a lesion by [`super::is_hit`]. Further marks on a lesion count neither as true nor as false.

use serde::{Deserialize, Serialize};

use super::compare::is_hit;
use super::metrics::RankedBox;
use crate::space::ImageRect;

/// One operating point.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrocPoint {
    /// The score or λ from which marks are kept.
    pub threshold: f32,
    pub sensitivity: f64,
    pub false_positives_per_image: f64,
}

/// The operating points of one way to choose marks, the strictest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Froc {
    pub points: Vec<FrocPoint>,
}

impl Froc {
    /// The largest sensitivity among the points with at most so many false positives per image; 0 without one. Nothing is
    /// interpolated: only operating points that can be chosen count.
    pub fn sensitivity_at(&self, false_positives_per_image: f64) -> f64 {
        self.points
            .iter()
            .filter(|p| p.false_positives_per_image <= false_positives_per_image)
            .map(|p| p.sensitivity)
            .fold(0.0, f64::max)
    }

    /// The points that are not beaten by one with as few or fewer false positives, by rising false positives.
    pub fn envelope(&self) -> Vec<FrocPoint> {
        let mut points = self.points.clone();
        points.sort_by(|a, b| {
            let by_false_positives = a.false_positives_per_image.total_cmp(&b.false_positives_per_image);
            by_false_positives.then(b.sensitivity.total_cmp(&a.sensitivity))
        });
        let mut best = -1.0;
        points.retain(|p| {
            let better = p.sensitivity > best;
            best = p.sensitivity.max(best);
            better
        });
        points
    }
}

/// The curve of marks that are kept from a falling score on; one point per distinct score.
///
/// Empty without images or lesions.
pub fn froc(marks: &[RankedBox], lesions: &[Vec<ImageRect>]) -> Froc {
    let mut ranked: Vec<&RankedBox> = marks.iter().filter(|m| m.image < lesions.len()).collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut count = Count::new(lesions);
    let mut points: Vec<FrocPoint> = Vec::new();
    for mark in ranked {
        count.add(mark.image, &mark.rect);
        let Some(point) = count.point(mark.score) else { return Froc::default() };
        match points.last_mut() {
            Some(last) if last.threshold == mark.score => *last = point,
            _ => points.push(point),
        }
    }
    Froc { points }
}

/// The one point of a fixed set of marks per image. `None` without images or lesions.
pub fn operating_point(marks: &[Vec<ImageRect>], lesions: &[Vec<ImageRect>], threshold: f32) -> Option<FrocPoint> {
    let mut count = Count::new(lesions);
    for (image, rects) in marks.iter().enumerate().take(lesions.len()) {
        rects.iter().for_each(|rect| count.add(image, rect));
    }
    count.point(threshold)
}

/// What the marks so far have hit.
struct Count<'a> {
    lesions: &'a [Vec<ImageRect>],
    hit: Vec<Vec<bool>>,
    hits: usize,
    false_positives: usize,
    total: usize,
}

impl<'a> Count<'a> {
    fn new(lesions: &'a [Vec<ImageRect>]) -> Self {
        let hit = lesions.iter().map(|l| vec![false; l.len()]).collect();
        Self { lesions, hit, hits: 0, false_positives: 0, total: lesions.iter().map(Vec::len).sum() }
    }

    fn add(&mut self, image: usize, mark: &ImageRect) {
        let mut hits_any = false;
        for (lesion, hit) in self.lesions[image].iter().zip(&mut self.hit[image]) {
            if is_hit(mark, lesion) {
                hits_any = true;
                self.hits += usize::from(!*hit);
                *hit = true;
            }
        }
        self.false_positives += usize::from(!hits_any);
    }

    fn point(&self, threshold: f32) -> Option<FrocPoint> {
        (self.total > 0).then(|| FrocPoint {
            threshold,
            sensitivity: self.hits as f64 / self.total as f64,
            false_positives_per_image: self.false_positives as f64 / self.lesions.len() as f64,
        })
    }
}
