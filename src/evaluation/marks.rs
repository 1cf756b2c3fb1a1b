//! What each way of choosing marks marks on an image; made once, then counted over any part of a data set.

use super::froc::{Froc, froc, operating_point};
use super::measured::{Measured, at_confidence};
use super::metrics::RankedBox;
use crate::findings::Detection;
use crate::pipeline::{FusedMask, Parameters, suppress_by};
use crate::space::ImageRect;

/// λ of the fused curve: 0, 0.01 … 1.
const LAMBDA_STEPS: usize = 100;

/// The confidence thresholds of the fused curves at a fixed λ.
pub const CONFIDENCES: [f32; 24] = [
    0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7,
    0.75, 0.8, 0.85, 0.9,
];

/// A box and its score, on the image at hand.
type Scored = (ImageRect, f32);

/// The marks of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Marks {
    /// Of the masses.
    pub truth: Vec<ImageRect>,
    /// Per scale.
    scales: Vec<Vec<Scored>>,
    /// All scales' boxes after suppression among them.
    pooled: Vec<Scored>,
    /// Per step of λ, at the method's own confidence threshold.
    by_lambda: Vec<Vec<ImageRect>>,
    /// Per λ asked for: the candidates, scored by the mean over the scales of the summed confidence.
    at_lambda: Vec<Vec<Scored>>,
    /// Per λ asked for and threshold of [`CONFIDENCES`].
    by_confidence: Vec<Vec<Vec<ImageRect>>>,
}

impl Marks {
    pub fn of(image: &Measured, parameters: &Parameters, lambdas: &[f32]) -> Self {
        let scored = |d: &Detection| (d.rect, d.confidence);
        let fuse = |confidence: f32| {
            let scales = at_confidence(&image.scales, confidence);
            let strongest = scales.iter().flat_map(|s| &s.detections).map(|d| d.confidence).fold(0.0, f32::max);
            (FusedMask::fuse(&scales, image.width, image.height), strongest)
        };
        let (fused, strongest) = fuse(parameters.min_confidence);
        let rects = |fused: &FusedMask, lambda: f32| -> Vec<ImageRect> {
            fused.candidates(lambda).iter().map(|c| c.rect.into()).collect()
        };
        let at_each_confidence: Vec<FusedMask> = CONFIDENCES.iter().map(|c| fuse(*c).0).collect();
        Self {
            truth: image.masses.iter().map(|m| m.rect).collect(),
            scales: image.scales.iter().map(|s| s.detections.iter().map(scored).collect()).collect(),
            pooled: pool(image, parameters.nms_iou),
            by_lambda: lambda_steps().map(|lambda| rects(&fused, lambda)).collect(),
            at_lambda: lambdas
                .iter()
                .map(|l| fused.candidates(*l).iter().map(|c| (c.rect.into(), c.score * strongest)).collect())
                .collect(),
            by_confidence: lambdas
                .iter()
                .map(|lambda| at_each_confidence.iter().map(|fused| rects(fused, *lambda)).collect())
                .collect(),
        }
    }
}

/// The marks of several images, as the curves want them.
pub struct Pool<'a> {
    images: &'a [&'a Marks],
    pub truth: Vec<Vec<ImageRect>>,
}

impl<'a> Pool<'a> {
    pub fn of(images: &'a [&'a Marks]) -> Self {
        Self { images, truth: images.iter().map(|m| m.truth.clone()).collect() }
    }

    pub fn scale(&self, index: usize) -> Vec<RankedBox> {
        self.ranked(|m| m.scales.get(index).map_or(&[], Vec::as_slice))
    }

    pub fn pooled(&self) -> Vec<RankedBox> {
        self.ranked(|m| &m.pooled)
    }

    /// The candidates at the λ of this index.
    pub fn fused(&self, lambda: usize) -> Vec<RankedBox> {
        self.ranked(|m| &m.at_lambda[lambda])
    }

    pub fn froc_of_scale(&self, index: usize) -> Froc {
        froc(&self.scale(index), &self.truth)
    }

    /// The fused candidates as λ falls from 1 to 0.
    pub fn froc_by_lambda(&self) -> Froc {
        let point = |(step, lambda)| operating_point(&self.each(|m| &m.by_lambda[step]), &self.truth, lambda);
        Froc { points: lambda_steps().enumerate().filter_map(point).collect::<Vec<_>>().into_iter().rev().collect() }
    }

    /// The fused candidates at the λ of this index, as the boxes' confidence threshold falls.
    pub fn froc_by_confidence(&self, lambda: usize) -> Froc {
        let point =
            |(i, c): (usize, &f32)| operating_point(&self.each(|m| &m.by_confidence[lambda][i]), &self.truth, *c);
        Froc { points: CONFIDENCES.iter().enumerate().rev().filter_map(point).collect() }
    }

    /// The fused candidates at the λ of this index, as the method has them.
    pub fn point_at(&self, lambda: usize, value: f32) -> Option<super::froc::FrocPoint> {
        let marks: Vec<Vec<ImageRect>> =
            self.images.iter().map(|m| m.at_lambda[lambda].iter().map(|(rect, _)| *rect).collect()).collect();
        operating_point(&marks, &self.truth, value)
    }

    fn ranked(&self, of: impl Fn(&'a Marks) -> &'a [Scored]) -> Vec<RankedBox> {
        let boxes = |(image, marks): (usize, &&'a Marks)| {
            of(marks).iter().map(move |(rect, score)| RankedBox { image, rect: *rect, score: *score })
        };
        self.images.iter().enumerate().flat_map(boxes).collect()
    }

    fn each(&self, of: impl Fn(&'a Marks) -> &'a Vec<ImageRect>) -> Vec<Vec<ImageRect>> {
        self.images.iter().map(|m| of(m).clone()).collect()
    }
}

fn lambda_steps() -> impl Iterator<Item = f32> {
    (0..=LAMBDA_STEPS).map(|step| step as f32 / LAMBDA_STEPS as f32)
}

fn pool(image: &Measured, nms_iou: f64) -> Vec<Scored> {
    let boxes = image.scales.iter().flat_map(|s| &s.detections).map(|d| (d.rect, d.confidence));
    suppress_by(boxes.collect(), nms_iou, |scored| *scored)
}
