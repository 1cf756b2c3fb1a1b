//! Step 2: boxes at one network size, in image pixels.

use super::resize::resample;
use super::{Cancel, Detector, NetDetection, Parameters, Prepared};
use crate::findings::{Detection, ScaleDetections};
use crate::space::{ImageRect, NetRect, NetSize, image_from_net};

/// The most boxes that one scale keeps, strongest first. A trained detector gives a handful; the limit bounds the fused
/// mask's grid when untrained weights give thousands.
pub const MAX_BOXES: usize = 100;

/// Runs the detector on the image resized to `size`, suppresses within the scale, maps to the image and clips.
///
/// The boxes come strongest first, at most [`MAX_BOXES`] of them, each with a positive area inside the image.
pub fn detect_scale(
    image: &Prepared,
    detector: &mut dyn Detector,
    size: NetSize,
    parameters: &Parameters,
    cancel: &Cancel,
) -> anyhow::Result<ScaleDetections> {
    cancel.check()?;
    let input = resample(&image.image, ImageRect::from(image.image.bounds()), size);
    cancel.check()?;
    let boxes = detector.detect(&input, parameters.min_confidence, cancel)?;
    cancel.check()?;
    Ok(in_image(boxes, image, size, parameters))
}

/// [`detect_scale`] of every size, all at once. `progress` is told what part of the work is done, in [0, 1].
pub fn detect_scales(
    image: &Prepared,
    detector: &mut dyn Detector,
    sizes: &[NetSize],
    parameters: &Parameters,
    cancel: &Cancel,
    progress: &mut dyn FnMut(f32),
) -> anyhow::Result<Vec<ScaleDetections>> {
    cancel.check()?;
    if sizes.is_empty() {
        return Ok(Vec::new());
    }
    let bounds = ImageRect::from(image.image.bounds());
    let inputs: Vec<_> = sizes.iter().map(|size| resample(&image.image, bounds, *size)).collect();
    cancel.check()?;
    let boxes = detector.detect_all(&inputs, parameters.min_confidence, cancel, progress)?;
    cancel.check()?;
    Ok(boxes.into_iter().zip(sizes).map(|(boxes, size)| in_image(boxes, image, *size, parameters)).collect())
}

/// The boxes of one scale, suppressed, in the image.
fn in_image(mut boxes: Vec<NetDetection>, image: &Prepared, size: NetSize, parameters: &Parameters) -> ScaleDetections {
    let bounds = ImageRect::from(image.image.bounds());
    boxes.retain(|b| is_usable(b) && b.confidence >= parameters.min_confidence);
    let detections = suppress(boxes, parameters.nms_iou)
        .into_iter()
        .filter_map(|b| {
            let rect = image_from_net(b.rect, size, image.image.width(), image.image.height()).intersection(&bounds);
            (rect.area() > 0.0).then_some(Detection { rect, confidence: b.confidence })
        })
        .take(MAX_BOXES)
        .collect();
    ScaleDetections { size, detections }
}

/// Greedy non-maximum suppression; strongest first. Of boxes with equal confidence the earlier one counts as stronger.
pub fn suppress(boxes: Vec<NetDetection>, iou: f64) -> Vec<NetDetection> {
    suppress_by(boxes, iou, |b| (as_f64(b.rect), b.confidence))
}

/// The same of boxes in any one coordinate system, known by their rectangle and confidence.
pub fn suppress_by<B>(mut boxes: Vec<B>, iou: f64, of: impl Fn(&B) -> (ImageRect, f32)) -> Vec<B> {
    boxes.sort_by(|a, b| of(b).1.total_cmp(&of(a).1));
    let mut kept: Vec<B> = Vec::new();
    for candidate in boxes {
        let rect = of(&candidate).0;
        if kept.iter().all(|k| of(k).0.iou(&rect) <= iou) {
            kept.push(candidate);
        }
    }
    kept
}

/// Finite, of positive area and of positive confidence: an overflow in the network must not reach the fused mask.
fn is_usable(b: &NetDetection) -> bool {
    let r = b.rect;
    [r.x0, r.y0, r.x1, r.y1, b.confidence].iter().all(|v| v.is_finite())
        && r.x1 > r.x0
        && r.y1 > r.y0
        && b.confidence > 0.0
}

/// The same rectangle with f64 edges, for its overlap measures alone.
fn as_f64(r: NetRect) -> ImageRect {
    ImageRect::new(r.x0.into(), r.y0.into(), r.x1.into(), r.y1.into())
}
