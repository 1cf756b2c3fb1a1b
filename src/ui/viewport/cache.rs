//! Outlines made ready for drawing at about the current zoom, kept between frames.

use std::collections::HashMap;
use std::sync::Arc;

use super::simplify::Path;
use crate::annotation::{GroundTruth, LesionShape};
use crate::findings::{Contour, Outline};
use crate::session::Reading;
use crate::space::PixelRect;

/// How far a simplified line may be off, in physical pixels.
const TOLERANCE: f64 = 0.4;
/// Simplifications per doubling of the zoom.
const STEPS: f64 = 2.0;

/// Simplified outlines; cheap to clone.
pub type Paths = Arc<[Path]>;

/// Simplified outlines of what was last drawn.
#[derive(Clone, Debug, Default)]
pub struct MarkCache {
    /// Zoom, in steps; outlines hold for zooms up to this.
    step: i32,
    outlines: HashMap<PixelRect, (Arc<Outline>, Paths)>,
    /// Per lesion.
    truth: Option<(Arc<GroundTruth>, Arc<[Paths]>)>,
    boundary: Option<(Arc<Reading>, f32, Paths)>,
}

impl MarkCache {
    /// Drops what was made for a coarser or a much finer zoom; called once a frame.
    pub fn set_zoom(&mut self, zoom: f64) {
        let step = (zoom.log2() * STEPS).ceil() as i32;
        if step != self.step {
            *self = Self { step, ..Self::default() };
        }
    }

    /// The boundaries of an outline.
    pub fn outline(&mut self, rect: PixelRect, outline: &Arc<Outline>) -> Paths {
        let tolerance = self.tolerance();
        match self.outlines.get(&rect) {
            Some((of, paths)) if Arc::ptr_eq(of, outline) => paths.clone(),
            _ => {
                let paths = paths(&outline.contours, tolerance);
                self.outlines.insert(rect, (outline.clone(), paths.clone()));
                paths
            }
        }
    }

    /// The outlines of each lesion, in order; none for boxes and points.
    pub fn truth(&mut self, truth: &Arc<GroundTruth>) -> Arc<[Paths]> {
        let tolerance = self.tolerance();
        match &self.truth {
            Some((of, lesions)) if Arc::ptr_eq(of, truth) => lesions.clone(),
            _ => {
                let outlines = |shape: &LesionShape| match shape {
                    LesionShape::Outline(contours) => paths(contours, tolerance),
                    LesionShape::Box(_) | LesionShape::Points(_) => paths(&[], tolerance),
                };
                let lesions: Arc<[_]> = truth.lesions.iter().map(|lesion| outlines(&lesion.shape)).collect();
                self.truth = Some((truth.clone(), lesions.clone()));
                lesions
            }
        }
    }

    /// The boundary of Ms ≥ λ.
    pub fn boundary(&mut self, reading: &Arc<Reading>, lambda: f32) -> Paths {
        match &self.boundary {
            Some((of, at, paths)) if Arc::ptr_eq(of, reading) && *at == lambda => paths.clone(),
            _ => {
                // Along box edges: nothing to simplify.
                let paths = paths(&reading.fused.boundary(lambda), 0.0);
                self.boundary = Some((reading.clone(), lambda, paths.clone()));
                paths
            }
        }
    }

    /// In image pixels.
    fn tolerance(&self) -> f64 {
        TOLERANCE / (f64::from(self.step) / STEPS).exp2()
    }
}

fn paths(contours: &[Contour], tolerance: f64) -> Paths {
    contours.iter().map(|contour| Path::new(contour, tolerance)).collect()
}
