//! A whole reading with a clock at every stage.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;

use super::report::{Case, Stage};
use crate::export::{EXPORTERS, ExportView};
use crate::findings::{Detection, Outline, ScaleDetections};
use crate::inference::{Models, unetpp, yolov3};
use crate::pipeline::analyse::milliseconds_since;
use crate::pipeline::detect::MAX_BOXES;
use crate::pipeline::segment::reconstruct;
use crate::pipeline::{self, Analysis, Cancel, DEFAULT_LAMBDA, FusedMask, PATCH, Parameters, patch, patch_rect};
use crate::random::Random;
use crate::raster::ProbabilityMap;
use crate::session::{Reading, Session};
use crate::space::{ImageRect, PixelRect};
use crate::study::{self, Study};

/// Where the image comes from.
pub enum Source {
    File(PathBuf),
    Memory(Arc<Study>),
}

/// Reads the image so many times. Where nothing is found, the image's middle is outlined instead, so that every stage runs.
pub fn measure(name: &str, source: &Source, models: &mut Models, repetitions: usize) -> anyhow::Result<Case> {
    let mut clock = Clock::default();
    let mut about = String::new();
    let folder = tempfile::tempdir().context("No temporary folder can be made to write results into")?;
    for _ in 0..repetitions {
        about = read(source, models, &mut clock, folder.path())?;
    }
    Ok(Case { name: name.to_owned(), about, stages: clock.stages() })
}

/// One reading, as `mammoscope read` does it. Returns what is said about the image.
fn read(source: &Source, models: &mut Models, clock: &mut Clock, folder: &Path) -> anyhow::Result<String> {
    let (parameters, cancel) = (Parameters::default(), Cancel::default());
    let begin = Instant::now();
    let study = match source {
        Source::File(path) => Arc::new(clock.time("open", None, || study::open(path))?),
        Source::Memory(study) => study.clone(),
    };
    let prepared = clock.time("prepare", None, || pipeline::prepare(&study));
    let bounds = prepared.image.bounds();

    let mut scales = Vec::new();
    let detecting = Instant::now();
    if models.detector.takes_all() {
        let (detector, sizes) = (models.detector.as_mut(), &parameters.scales);
        scales = pipeline::detect_scales(&prepared, detector, sizes, &parameters, &cancel, &mut |_| ())?;
    }
    for &size in parameters.scales.iter().skip(scales.len()) {
        let detect = || pipeline::detect_scale(&prepared, models.detector.as_mut(), size, &parameters, &cancel);
        scales.push(clock.time(&format!("detect {size}"), Some(yolov3::operations(size)), detect)?);
    }
    let operations = parameters.scales.iter().map(|size| yolov3::operations(*size)).sum();
    clock.record("detect, all scales", Some(operations), milliseconds_since(detecting));
    let fused = clock.time("fuse", None, || FusedMask::fuse(&scales, bounds.width(), bounds.height()));
    let candidates = clock.time("candidates at λ", None, || fused.candidates(DEFAULT_LAMBDA));
    let found = candidates.len();
    let mut boxes: Vec<PixelRect> = candidates.iter().map(|candidate| candidate.rect).collect();
    if boxes.is_empty() {
        boxes.push(middle(bounds));
    }

    let mut outlines: Vec<(PixelRect, Arc<Outline>)> = Vec::new();
    for rect in boxes {
        let input = clock.time("a patch: cut", None, || patch(&prepared, rect));
        let operations = unetpp::operations(PATCH, parameters.heads);
        let segment = || models.segmenter.segment(std::slice::from_ref(&input), parameters.heads, &cancel);
        let maps = clock.time("a patch: U-Net++", Some(operations), segment)?;
        let map = maps.first().context("The outline model returned no map")?;
        let trace = || reconstruct(map, patch_rect(rect), rect, bounds, study.spacing.as_ref());
        outlines.push((rect, Arc::new(clock.time("a patch: contours", None, trace))));
    }

    let analysis = Analysis { scales, fused, timings_ms: Vec::new() };
    let mut session = Session::new(study);
    session.set_reading(Arc::new(Reading::new(analysis, models, 0.0)));
    session.add_outlines(outlines);
    for extension in ["json", "png"] {
        let exporter = EXPORTERS.iter().find(|exporter| exporter.extension == extension);
        let exporter = exporter.context("This build cannot write its results")?;
        let path = folder.join(format!("read.{extension}"));
        let export = || exporter.write(&session, &ExportView::default(), &path);
        clock.time(&format!("export {}", extension.to_uppercase()), None, export)?;
    }
    clock.record("whole reading", None, milliseconds_since(begin));
    crowded(&parameters, bounds, clock);
    Ok(format!("{}×{}, candidates: {found}", bounds.width(), bounds.height()))
}

/// A box of a sixth of the image's sides.
fn middle(image: PixelRect) -> PixelRect {
    let (width, height) = (image.width(), image.height());
    PixelRect::new(5 * width / 12, 5 * height / 12, (7 * width).div_ceil(12), (7 * height).div_ceil(12))
}

/// What boxes and outlines cost at worst: as many random boxes as there can be, and a patch of random probabilities.
fn crowded(parameters: &Parameters, image: PixelRect, clock: &mut Clock) {
    let mut random = Random::new(1);
    let scales: Vec<_> = parameters
        .scales
        .iter()
        .map(|&size| ScaleDetections {
            size,
            detections: (0..MAX_BOXES).map(|_| any_box(&mut random, image)).collect(),
        })
        .collect();
    let name = |stage: &str| format!("{stage}, {} random boxes", scales.len() * MAX_BOXES);
    let fused = clock.time(&name("fuse"), None, || FusedMask::fuse(&scales, image.width(), image.height()));
    clock.time(&name("candidates at λ"), None, || fused.candidates(DEFAULT_LAMBDA));
    let map = ProbabilityMap::from_fn(PATCH, PATCH, |_, _| random.unit() as f32);
    let rect = middle(image);
    clock.time("contours of a random patch", None, || reconstruct(&map, patch_rect(rect), rect, image, None));
}

fn any_box(random: &mut Random, image: PixelRect) -> Detection {
    let (width, height) = (image.width() as f64, image.height() as f64);
    let (x, y) = (random.range(0.0, 0.9 * width), random.range(0.0, 0.9 * height));
    let side = random.range(0.02, 0.1);
    let rect = ImageRect::new(x, y, x + side * width, y + side * height);
    Detection { rect, confidence: random.range(0.5, 1.0) as f32 }
}

/// The times of all stages, by name.
#[derive(Default)]
pub struct Clock {
    times: Vec<(String, Option<f64>, Vec<f64>)>,
}

impl Clock {
    pub fn time<T>(&mut self, stage: &str, operations: Option<f64>, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.record(stage, operations, milliseconds_since(start));
        result
    }

    pub fn record(&mut self, stage: &str, operations: Option<f64>, ms: f64) {
        match self.times.iter_mut().find(|(name, ..)| name == stage) {
            Some((_, _, runs)) => runs.push(ms),
            None => self.times.push((stage.to_owned(), operations, vec![ms])),
        }
    }

    pub fn stages(self) -> Vec<Stage> {
        self.times.into_iter().map(|(name, operations, runs)| Stage::new(name, runs, operations)).collect()
    }
}
