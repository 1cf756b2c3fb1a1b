//! From the raw outputs of YOLOv3's heads to boxes in network pixels.
//!
//! For the cell in column cx, row cy of a head of stride s, with the anchor (aw, ah) in network pixels:
//! centre ((σ(tx) + cx)·s, (σ(ty) + cy)·s), size (aw·exp(tw), ah·exp(th)), confidence σ(to) · max over classes of σ(tc).

use std::path::Path;

use serde::Deserialize;

use super::weights::WeightError;
use crate::pipeline::NetDetection;
use crate::space::{NetRect, NetSize};

/// Anchors per cell, and the number of heads.
const PER_HEAD: usize = 3;
const MAX_CLASSES: usize = 1000;
/// More than any description needs.
const MAX_DESCRIPTION: u64 = 1 << 16;

/// What the weights do not say themselves: anchors and the number of classes.
///
/// As JSON: `{"anchors": [[w, h] × 9], "anchor_units": "fraction" | "pixels", "net": [width, height], "classes": 1}`.
/// Because the five network sizes differ in size and aspect, anchors are kept as **fractions** of the input's width and
/// height and multiplied by the size at hand. Anchors in pixels (Darknet's way) come with the size `net` that they were
/// made for. The order is Darknet's: smallest first; 0–2 belong to stride 8, 3–5 to stride 16, 6–8 to stride 32.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Width and height as fractions of the input's.
    pub anchors: [[f32; 2]; 9],
    pub classes: usize,
}

/// A head's output.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Network pixels per cell.
    pub stride: usize,
    pub width: usize,
    pub height: usize,
    /// `[3 · (5 + classes), height, width]`; for each anchor tx, ty, tw, th, to and one tc for each class.
    pub values: Vec<f32>,
}

#[derive(Deserialize)]
struct Raw {
    anchors: Vec<[f32; 2]>,
    #[serde(default)]
    anchor_units: Units,
    net: Option<[f32; 2]>,
    #[serde(default = "one")]
    classes: usize,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Units {
    #[default]
    Fraction,
    Pixels,
}

fn one() -> usize {
    1
}

impl Description {
    /// From the texts of a safetensors file; `None` where it has no anchors.
    pub fn from_metadata<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Option<Self>, WeightError> {
        if get("anchors").is_none() {
            return Ok(None);
        }
        let mut parts = serde_json::Map::new();
        for key in ["anchors", "anchor_units", "net", "classes"] {
            if let Some(text) = get(key) {
                // Units are a bare word in the metadata.
                let value = serde_json::from_str(text).unwrap_or_else(|_| text.into());
                parts.insert(key.to_owned(), value);
            }
        }
        Self::checked(serde_json::from_value(parts.into()).map_err(|error| wrong(error.to_string()))?).map(Some)
    }

    /// From the JSON file with the weights' stem.
    pub fn beside(weights: &Path) -> Result<Self, WeightError> {
        let path = weights.with_extension("json");
        let length = std::fs::metadata(&path)
            .map_err(|_| {
                wrong("the weights need a .json file of the same name beside them that gives the anchors".into())
            })?
            .len();
        if length > MAX_DESCRIPTION {
            return Err(wrong("the .json file beside the weights is too large".into()));
        }
        let text = std::fs::read(&path).map_err(|error| wrong(error.to_string()))?;
        Self::checked(serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?)
    }

    fn checked(raw: Raw) -> Result<Self, WeightError> {
        let [width, height] = match (raw.anchor_units, raw.net) {
            (Units::Fraction, _) => [1.0, 1.0],
            (Units::Pixels, Some(net)) => net,
            (Units::Pixels, None) => return Err(wrong("anchors in pixels need the size \"net\"".into())),
        };
        let anchors: [[f32; 2]; 9] = raw
            .anchors
            .try_into()
            .map_err(|found: Vec<_>| wrong(format!("nine anchors are needed, not {}", found.len())))?;
        let anchors = anchors.map(|[w, h]| [w / width, h / height]);
        if !anchors.iter().flatten().all(|side| *side > 0.0 && *side <= 4.0) {
            return Err(wrong("an anchor is no sensible fraction of the image".into()));
        }
        if !(1..=MAX_CLASSES).contains(&raw.classes) {
            return Err(wrong(format!("{} classes", raw.classes)));
        }
        Ok(Self { anchors, classes: raw.classes })
    }
}

fn wrong(problem: String) -> WeightError {
    WeightError::Description { item: "description of the anchors", problem }
}

/// All boxes with confidence ≥ `min_confidence`: coarse head first, then by anchor, row and column. Not clipped.
///
/// # Errors
/// An output that is infinite or not a number, so that a broken model never passes for a normal mammogram.
pub fn boxes(
    heads: &[Head],
    description: &Description,
    net: NetSize,
    min_confidence: f32,
) -> anyhow::Result<Vec<NetDetection>> {
    let mut found = Vec::new();
    for (index, head) in heads.iter().enumerate() {
        anyhow::ensure!(head.values.iter().all(|v| v.is_finite()), NOT_FINITE);
        let cells = head.width * head.height;
        let first = description.anchors.len() - PER_HEAD * (index + 1);
        for (anchor, values) in head.values.chunks_exact((5 + description.classes) * cells).enumerate() {
            let [aw, ah] = description.anchors[first + anchor];
            let prior = [aw * net.width as f32, ah * net.height as f32];
            for cell in 0..cells {
                let field = |k: usize| values[k * cells + cell];
                let objectness = sigmoid(field(4));
                if objectness < min_confidence {
                    continue;
                }
                let class = (0..description.classes).map(|c| field(5 + c)).fold(f32::MIN, f32::max);
                let confidence = objectness * sigmoid(class);
                if confidence >= min_confidence {
                    let rect = rect([field(0), field(1), field(2), field(3)], prior, head, cell);
                    anyhow::ensure!([rect.x0, rect.y0, rect.x1, rect.y1].iter().all(|v| v.is_finite()), NOT_FINITE);
                    found.push(NetDetection { rect, confidence });
                }
            }
        }
    }
    Ok(found)
}

const NOT_FINITE: &str = "The detector's output is infinite or not a number: its weights are unsuitable.";

/// The box of `t` = (tx, ty, tw, th).
fn rect(t: [f32; 4], prior: [f32; 2], head: &Head, cell: usize) -> NetRect {
    let stride = head.stride as f32;
    let x = (sigmoid(t[0]) + (cell % head.width) as f32) * stride;
    let y = (sigmoid(t[1]) + (cell / head.width) as f32) * stride;
    let (half_width, half_height) = (prior[0] * t[2].exp() / 2.0, prior[1] * t[3].exp() / 2.0);
    NetRect { x0: x - half_width, y0: y - half_height, x1: x + half_width, y1: y + half_height }
}

/// 1 / (1 + e⁻ˣ)
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
