//! What a reading is: the study, what the method found, the operating point λ, the groundtruth.
//!
//! The window's thread owns it; `read` makes one too, so both report the same results.

mod report;

use std::collections::HashMap;
use std::sync::Arc;

pub use report::{FindingReport, Report, Timings};

use crate::annotation::GroundTruth;
use crate::evaluation::{Comparer, Comparison};
use crate::findings::{Candidate, ModelIdentity, Outline, ScaleDetections};
use crate::inference::Models;
use crate::pipeline::{Analysis, DEFAULT_LAMBDA, FusedMask};
use crate::space::{NetSize, PixelRect};
use crate::study::Study;

/// What the networks said about a study; λ does not change it.
#[derive(Clone, Debug)]
pub struct Reading {
    pub scales: Vec<ScaleDetections>,
    pub fused: FusedMask,
    pub detector: ModelIdentity,
    pub segmenter: ModelIdentity,
    /// The device that ran, in words.
    pub device: String,
    /// Stage name and milliseconds, in order.
    pub timings_ms: Vec<(String, f64)>,
}

/// What a session knows beside its study: kept when the study leaves memory.
#[derive(Clone, Debug)]
pub struct Results {
    reading: Option<Arc<Reading>>,
    truth: Option<Arc<GroundTruth>>,
    lambda: f32,
    outlines: HashMap<PixelRect, Arc<Outline>>,
}

impl Reading {
    /// What `models` said of a study whose preparation took `prepare_ms`.
    pub fn new(analysis: Analysis, models: &Models, prepare_ms: f64) -> Self {
        let Analysis { scales, fused, timings_ms } = analysis;
        Self {
            scales,
            fused,
            detector: models.detector.identity(),
            segmenter: models.segmenter.identity(),
            device: models.device.clone(),
            timings_ms: std::iter::once(("prepare".to_owned(), prepare_ms)).chain(timings_ms).collect(),
        }
    }
}

/// A study being read.
#[derive(Clone, Debug)]
pub struct Session {
    study: Arc<Study>,
    reading: Option<Arc<Reading>>,
    truth: Option<Arc<GroundTruth>>,
    lambda: f32,
    outlines: HashMap<PixelRect, Arc<Outline>>,
    candidates: Vec<Candidate>,
    /// With groundtruth.
    comparer: Option<Comparer>,
    comparison: Option<Comparison>,
}

impl Session {
    pub fn new(study: Arc<Study>) -> Self {
        Self {
            study,
            reading: None,
            truth: None,
            lambda: DEFAULT_LAMBDA,
            outlines: HashMap::new(),
            candidates: Vec::new(),
            comparer: None,
            comparison: None,
        }
    }

    /// Goes on with the results of an earlier session on the same file.
    pub fn resume(study: Arc<Study>, results: Results) -> Self {
        let Results { reading, truth, lambda, outlines } = results;
        let mut session = Self { reading, lambda, outlines, ..Self::new(study) };
        session.set_truth(truth);
        session.update_candidates();
        session
    }

    /// Outlines of other λ are left behind: they take memory, and can be had again.
    pub fn into_results(self) -> Results {
        let Self { reading, truth, lambda, mut outlines, candidates, .. } = self;
        outlines.retain(|rect, _| candidates.iter().any(|candidate| candidate.rect == *rect));
        Results { reading, truth, lambda, outlines }
    }

    pub fn study(&self) -> &Arc<Study> {
        &self.study
    }

    pub fn reading(&self) -> Option<&Arc<Reading>> {
        self.reading.as_ref()
    }

    pub fn truth(&self) -> Option<&Arc<GroundTruth>> {
        self.truth.as_ref()
    }

    pub fn lambda(&self) -> f32 {
        self.lambda
    }

    /// The candidates at the current λ, highest score first.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The outline of a candidate box, once computed.
    pub fn outline(&self, rect: PixelRect) -> Option<&Arc<Outline>> {
        self.outlines.get(&rect)
    }

    /// Against groundtruth at the current λ; `None` without a reading or without groundtruth.
    pub fn comparison(&self) -> Option<&Comparison> {
        self.comparison.as_ref()
    }

    /// Candidate boxes at the current λ whose outline is still to be computed, highest score first.
    pub fn missing_outlines(&self) -> Vec<PixelRect> {
        self.candidates.iter().map(|c| c.rect).filter(|rect| !self.outlines.contains_key(rect)).collect()
    }

    /// All boxes that have an outline, of the current λ and of any other.
    pub fn outlined_boxes(&self) -> impl Iterator<Item = PixelRect> {
        self.outlines.keys().copied()
    }

    /// The sizes, smallest first, of which a detection overlaps the candidate's box.
    pub fn scales_of(&self, candidate: &Candidate) -> Vec<NetSize> {
        let rect = candidate.rect.into();
        let fired = |s: &&ScaleDetections| s.detections.iter().any(|d| d.rect.intersection(&rect).area() > 0.0);
        self.reading.iter().flat_map(|r| r.scales.iter().filter(fired).map(|s| s.size)).collect()
    }

    /// Moves the operating point, clamped to be finite and ≥ 0; candidates follow at once. Outlines are kept.
    pub fn set_lambda(&mut self, lambda: f32) {
        self.lambda = if lambda.is_finite() { lambda.max(0.0) } else { DEFAULT_LAMBDA };
        self.update_candidates();
    }

    /// Takes a new reading; outlines of an earlier one are dropped, as other weights would have drawn others.
    pub fn set_reading(&mut self, reading: Arc<Reading>) {
        self.reading = Some(reading);
        self.outlines.clear();
        self.comparer.iter_mut().for_each(Comparer::forget_outlines);
        self.update_candidates();
    }

    pub fn set_truth(&mut self, truth: Option<Arc<GroundTruth>>) {
        let image = &self.study.image;
        self.comparer = truth.as_ref().map(|truth| Comparer::new(truth, image.width(), image.height()));
        self.truth = truth;
        self.update_comparison();
    }

    /// Adds outlines for boxes, of the current λ or of any other.
    pub fn add_outlines(&mut self, outlines: impl IntoIterator<Item = (PixelRect, Arc<Outline>)>) {
        self.outlines.extend(outlines);
        self.update_comparison();
    }

    fn update_candidates(&mut self) {
        self.candidates = self.reading.as_ref().map_or_else(Vec::new, |r| r.fused.candidates(self.lambda));
        self.update_comparison();
    }

    fn update_comparison(&mut self) {
        self.comparison = match (&self.reading, &mut self.comparer) {
            (Some(_), Some(comparer)) => {
                let outline = |c: &Candidate| self.outlines.get(&c.rect).map(Arc::as_ref);
                let outlines: Vec<_> = self.candidates.iter().map(outline).collect();
                Some(comparer.compare(&self.candidates, &outlines))
            }
            _ => None,
        };
    }
}
