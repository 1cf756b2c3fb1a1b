//! Step 2: boxes at one network size, in image pixels.

use super::{Cancel, Detector, NetDetection, Parameters, Prepared};
use crate::findings::ScaleDetections;
use crate::space::NetSize;

/// Runs the detector on the image resized to `size`, suppresses within the scale, maps to the image and clips.
pub fn detect_scale(
    _image: &Prepared,
    _detector: &mut dyn Detector,
    _size: NetSize,
    _parameters: &Parameters,
    _cancel: &Cancel,
) -> anyhow::Result<ScaleDetections> {
    todo!()
}

/// Greedy non-maximum suppression; strongest first.
pub fn suppress(_boxes: Vec<NetDetection>, _iou: f64) -> Vec<NetDetection> {
    todo!()
}
