//! Steps 2 and 3 as one job: the five scales, then the fused mask. The window's worker and `read` both run this.

use std::time::Instant;

use super::{Cancel, Detector, FusedMask, Parameters, Prepared, detect_scale, detect_scales};
use crate::findings::ScaleDetections;

/// How far a long job is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// In words for the reader: "Detecting, scale 416×832".
    pub stage: String,
    /// Of the whole job, in [0, 1].
    pub fraction: f32,
}

/// What the detector said about an image; λ does not change it.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// In the order of [`Parameters::scales`].
    pub scales: Vec<ScaleDetections>,
    pub fused: FusedMask,
    /// Stage name and milliseconds, in order.
    pub timings_ms: Vec<(String, f64)>,
}

/// Detects at every scale and fuses. `progress` is told of each stage as it begins, and of long ones how far they are;
/// [`super::Cancelled`] soon after `cancel` is set.
pub fn analyse(
    image: &Prepared,
    detector: &mut dyn Detector,
    parameters: &Parameters,
    cancel: &Cancel,
    progress: &mut dyn FnMut(Progress),
) -> anyhow::Result<Analysis> {
    // A network's time goes with its input's area.
    let work = |size: &crate::space::NetSize| (size.width * size.height) as f32;
    let total: f32 = parameters.scales.iter().map(work).sum::<f32>().max(1.0);
    let mut done = 0.0;
    let mut scales = Vec::with_capacity(parameters.scales.len());
    let mut timings_ms = Vec::with_capacity(parameters.scales.len() + 1);
    if detector.takes_all() {
        let start = Instant::now();
        let mut say = |fraction| progress(Progress { stage: "Detecting, all scales".into(), fraction });
        say(0.0);
        scales = detect_scales(image, detector, &parameters.scales, parameters, cancel, &mut say)?;
        timings_ms.push(("detect all scales".into(), milliseconds_since(start)));
    }
    for &size in parameters.scales.iter().skip(scales.len()) {
        cancel.check()?;
        progress(Progress { stage: format!("Detecting, scale {size}"), fraction: done / total });
        let start = Instant::now();
        scales.push(detect_scale(image, detector, size, parameters, cancel)?);
        timings_ms.push((format!("detect {size}"), milliseconds_since(start)));
        done += work(&size);
    }
    cancel.check()?;
    progress(Progress { stage: "Fusing the scales".into(), fraction: 1.0 });
    let start = Instant::now();
    let fused = FusedMask::fuse(&scales, image.image.width(), image.image.height());
    timings_ms.push(("fuse".into(), milliseconds_since(start)));
    Ok(Analysis { scales, fused, timings_ms })
}

/// The time since `start` in milliseconds.
pub fn milliseconds_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
