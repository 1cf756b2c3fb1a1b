//! Precision, recall and average precision; means with their standard errors.

use serde::{Deserialize, Serialize};

use crate::space::ImageRect;

/// The IoU from which a box finds a lesion in precision and recall.
pub const AP_IOU: f64 = 0.5;

/// A box found in one image of a data set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankedBox {
    pub image: usize,
    pub rect: ImageRect,
    pub score: f32,
}

/// Precision and recall of all boxes with at least this score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrPoint {
    pub score: f32,
    pub recall: f64,
    pub precision: f64,
}

/// Precision against recall over a data set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PrCurve {
    /// One per distinct score, by falling score.
    pub points: Vec<PrPoint>,
    /// The area under the curve after each precision was raised to the largest at that recall or more ("all-point
    /// interpolation"). `None` without lesions.
    pub average_precision: Option<f64>,
}

/// The curve of `boxes` against the lesions of each image.
///
/// By falling score (ties in the order given), each box finds the lesion of its image with the largest IoU among those not
/// found yet, if that is at least `iou`; otherwise it is a false positive, a second box on one lesion included.
pub fn precision_recall(boxes: &[RankedBox], lesions: &[Vec<ImageRect>], iou: f64) -> PrCurve {
    let total: usize = lesions.iter().map(Vec::len).sum();
    if total == 0 {
        return PrCurve::default();
    }
    let mut found: Vec<Vec<bool>> = lesions.iter().map(|l| vec![false; l.len()]).collect();
    let mut ranked: Vec<&RankedBox> = boxes.iter().filter(|b| b.image < lesions.len()).collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut points: Vec<PrPoint> = Vec::new();
    let mut true_positives = 0;
    for (index, b) in ranked.iter().enumerate() {
        let best = lesions[b.image]
            .iter()
            .enumerate()
            .filter(|(lesion, _)| !found[b.image][*lesion])
            .map(|(lesion, rect)| (lesion, rect.iou(&b.rect)))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((lesion, _)) = best.filter(|(_, overlap)| *overlap >= iou) {
            found[b.image][lesion] = true;
            true_positives += 1;
        }
        let recall = true_positives as f64 / total as f64;
        let precision = true_positives as f64 / (index + 1) as f64;
        let point = PrPoint { score: b.score, recall, precision };
        match points.last_mut() {
            Some(last) if last.score == b.score => *last = point,
            _ => points.push(point),
        }
    }
    let average_precision = Some(area_under_envelope(&points));
    PrCurve { points, average_precision }
}

fn area_under_envelope(points: &[PrPoint]) -> f64 {
    let mut area = 0.0;
    let mut highest: f64 = 0.0;
    for (index, point) in points.iter().enumerate().rev() {
        highest = highest.max(point.precision);
        let before = index.checked_sub(1).map_or(0.0, |i| points[i].recall);
        area += (point.recall - before) * highest;
    }
    area
}

/// A mean over independent parts of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    pub mean: f64,
    /// The standard deviation (n − 1) over √n; `None` for a single part.
    pub standard_error: Option<f64>,
    /// The number of parts that have a value.
    pub parts: usize,
}

/// The mean of the values and its standard error; `None` without values.
pub fn mean(values: &[f64]) -> Option<Mean> {
    let n = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n;
    let standard_error = (values.len() > 1).then(|| {
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (variance / n).sqrt()
    });
    Some(Mean { mean, standard_error, parts: values.len() })
}

/// Half of the values are below it; of an even number the mean of the middle two. `None` without values.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (!sorted.is_empty()).then(|| (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0)
}
