//! Sessions read by scripted networks.

use std::sync::Arc;

use mammoscope::annotation::GroundTruth;
use mammoscope::cli::read::{Request, read_study};
use mammoscope::findings::ModelIdentity;
use mammoscope::inference::Models;
use mammoscope::pipeline::{Cancel, Detector, NetDetection, Parameters, Segmenter};
use mammoscope::raster::{GrayImage, ProbabilityMap, Raster};
use mammoscope::session::Session;
use mammoscope::space::NetRect;
use mammoscope::study::{Spacing, SpacingSource, Study, from_gray};

/// Says the same boxes at every scale: x0, y0, x1, y1 as fractions of the image, and the confidence.
pub struct ScriptedDetector(pub Vec<(f32, f32, f32, f32, f32)>);

impl Detector for ScriptedDetector {
    fn detect(&mut self, input: &Raster<f32>, least: f32, _: &Cancel) -> anyhow::Result<Vec<NetDetection>> {
        let (w, h) = (input.width() as f32, input.height() as f32);
        let boxes = self.0.iter().filter(|(_, _, _, _, confidence)| *confidence >= least);
        Ok(boxes
            .map(|&(x0, y0, x1, y1, confidence)| NetDetection {
                rect: NetRect { x0: x0 * w, y0: y0 * h, x1: x1 * w, y1: y1 * h },
                confidence,
            })
            .collect())
    }

    fn identity(&self) -> ModelIdentity {
        ModelIdentity { name: "scripted detector".into(), sha256: "0123456789abcdef".repeat(4) }
    }
}

/// Outlines a disc in the middle of every patch, of this radius as a fraction of the patch's side.
pub struct ScriptedSegmenter(pub f32);

impl Segmenter for ScriptedSegmenter {
    fn segment(&mut self, patches: &[Raster<f32>], _: usize, _: &Cancel) -> anyhow::Result<Vec<ProbabilityMap>> {
        let disc = |patch: &Raster<f32>| {
            let (side, radius) = (patch.width() as f32, self.0 * patch.width() as f32);
            ProbabilityMap::from_fn(patch.width(), patch.height(), |x, y| {
                let distance = (x as f32 + 0.5 - side / 2.0).hypot(y as f32 + 0.5 - side / 2.0);
                (0.5 + (radius - distance) / 8.0).clamp(0.0, 1.0)
            })
        };
        Ok(patches.iter().map(disc).collect())
    }

    fn identity(&self) -> ModelIdentity {
        ModelIdentity { name: "scripted segmenter".into(), sha256: "fedcba9876543210".repeat(4) }
    }
}

/// Two masses, one certain and one doubtful.
pub fn scripted_models() -> Models {
    let boxes = vec![(0.25, 0.25, 0.5, 0.45, 0.9), (0.6, 0.6, 0.8, 0.75, 0.4)];
    Models {
        detector: Box::new(ScriptedDetector(boxes)),
        segmenter: Box::new(ScriptedSegmenter(0.3)),
        device: "a script".into(),
        notice: None,
    }
}

/// A grey ramp with a spacing of 0.1 mm.
pub fn ramp(width: usize, height: usize) -> Study {
    let image = GrayImage::from_fn(width, height, |x, y| (10_000 + 40 * x + 20 * y).min(65_535) as u16);
    let spacing = Some(Spacing { row_mm: 0.1, column_mm: 0.1, source: SpacingSource::Calibrated });
    Study { spacing, ..from_gray(image, "unnamed/ramp.png".into()) }
}

/// The ramp, read by the scripted models with a threshold that keeps the doubtful mass.
pub fn scripted_session(lambda: f32, truth: Option<GroundTruth>) -> Session {
    session_read_with(Parameters { min_confidence: 0.1, ..Parameters::default() }, lambda, truth)
}

/// The ramp, read by the scripted models.
pub fn session_read_with(parameters: Parameters, lambda: f32, truth: Option<GroundTruth>) -> Session {
    let request = Request { lambda, parameters };
    read_study(Arc::new(ramp(400, 600)), truth.map(Arc::new), &mut scripted_models(), &request, &mut |_| {})
        .expect("scripted models do not fail")
}
