//! The findings as JSON: the contract of `mammoscope read` and of the window's export.
//!
//! All coordinates are image pixels, (0, 0) the top-left corner of the top-left pixel; boxes are [x0, y0, x1, y1], half-open.
//! Neither the file's name nor anything else that names the patient is in it.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use super::Session;
use crate::annotation::{GroundTruth, Lesion, LesionKind, LesionShape};
use crate::evaluation::Comparison;
use crate::findings::{Candidate, Contour, ModelIdentity, ScaleDetections};
use crate::space::{ImageRect, Millimetres};
use crate::study::{Laterality, Study};

/// One read image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// "mammoscope" and its version.
    pub program: String,
    pub notice: String,
    pub image: ImageReport,
    pub lambda: f32,
    pub scales: Vec<ScaleReport>,
    pub fused: FusedReport,
    /// Highest score first.
    pub findings: Vec<FindingReport>,
    /// Null without groundtruth.
    pub truth: Option<TruthReport>,
    /// Null until the image was analysed.
    pub models: Option<ModelsReport>,
    pub device: Option<String>,
    pub timings_ms: Timings,
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageReport {
    pub width: usize,
    pub height: usize,
    /// Null where the spacing is unknown; where rows and columns differ, the side of a square pixel of the same area.
    pub mm_per_pixel: Option<f64>,
    /// Where the spacing was read.
    pub mm_source: Option<String>,
    /// "R", "L", "B" (both) or null.
    pub laterality: Option<String>,
    /// "CC", "MLO" … or null.
    pub view: Option<String>,
    pub format: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScaleReport {
    /// The network's input in pixels.
    pub width: usize,
    pub height: usize,
    pub detections: Vec<DetectionReport>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectionReport {
    pub r#box: [f64; 4],
    pub confidence: f32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FusedReport {
    /// The largest Ms.
    pub max: f32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingReport {
    pub r#box: [usize; 4],
    /// The largest Ms in the finding.
    pub score: f32,
    /// Network sizes [width, height] with a box on it.
    pub scales: Vec<[usize; 2]>,
    /// Closed polygons, even-odd; empty while the outline is not computed, or where nothing reached probability 0.5.
    pub contours: Vec<Vec<[f64; 2]>>,
    pub area_px: Option<f64>,
    pub area_mm2: Option<f64>,
    pub longest_diameter_px: Option<f64>,
    pub longest_diameter_mm: Option<f64>,
    /// With groundtruth: whether it hits a mass, which one (index into `truth.lesions`), and how they overlap.
    pub hit: Option<bool>,
    pub lesion: Option<usize>,
    pub dice: Option<f64>,
    pub iou: Option<f64>,
}

/// The groundtruth, and the findings against its masses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TruthReport {
    pub format: String,
    pub lesions: Vec<LesionReport>,
    /// Masses found, masses missed, findings on no mass.
    pub hits: usize,
    pub misses: usize,
    pub false_positives: usize,
    pub image_dice: Option<f64>,
    pub image_iou: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LesionReport {
    pub name: String,
    /// Only masses count.
    pub mass: bool,
    /// "outline", "box" or "points".
    pub shape: String,
    pub r#box: [f64; 4],
    pub hit: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelsReport {
    pub detector: ModelIdentity,
    pub segmenter: ModelIdentity,
}

impl Session {
    /// What is known at the current λ.
    pub fn report(&self) -> Report {
        let reading = self.reading();
        let findings: Vec<_> = self.candidates().iter().enumerate().map(|(i, c)| self.finding_report(i, c)).collect();
        Report {
            program: format!("mammoscope {}", crate::VERSION),
            notice: crate::RESEARCH_USE.into(),
            image: image_report(self.study()),
            lambda: self.lambda(),
            scales: reading.map_or_else(Vec::new, |r| r.scales.iter().map(scale_report).collect()),
            fused: FusedReport { max: reading.map_or(0.0, |r| r.fused.max()) },
            findings,
            truth: self.truth().zip(self.comparison()).map(|(truth, comparison)| truth_report(truth, comparison)),
            models: reading.map(|r| ModelsReport { detector: r.detector.clone(), segmenter: r.segmenter.clone() }),
            device: reading.map(|r| r.device.clone()),
            timings_ms: Timings(reading.map_or_else(Vec::new, |r| {
                r.timings_ms.iter().map(|(stage, ms)| (stage.clone(), round(*ms, 1e3))).collect()
            })),
            warnings: self.report_warnings(),
        }
    }

    fn finding_report(&self, index: usize, candidate: &Candidate) -> FindingReport {
        let outline = self.outline(candidate.rect);
        let measures = outline.map(|o| o.measures);
        let comparison = self.comparison();
        let lesion = comparison.and_then(|c| c.hit_lesion.get(index).copied().flatten());
        let overlap = |values: fn(&Comparison) -> &Vec<Option<f64>>| {
            comparison.and_then(|c| values(c).get(index).copied().flatten()).map(|v| round(v, 1e4))
        };
        let r = candidate.rect;
        FindingReport {
            r#box: [r.x0, r.y0, r.x1, r.y1],
            score: candidate.score,
            scales: self.scales_of(candidate).iter().map(|s| [s.width, s.height]).collect(),
            contours: outline.map_or_else(Vec::new, |o| o.contours.iter().map(points_of).collect()),
            area_px: measures.map(|m| round(m.area_px, 1e3)),
            area_mm2: measures.and_then(|m| m.area_mm2).map(|v| round(v, 1e3)),
            longest_diameter_px: measures.map(|m| round(m.longest_diameter_px, 1e3)),
            longest_diameter_mm: measures.and_then(|m| m.longest_diameter_mm).map(|Millimetres(v)| round(v, 1e3)),
            hit: comparison.map(|_| lesion.is_some()),
            lesion,
            dice: overlap(|c| &c.dice),
            iou: overlap(|c| &c.iou),
        }
    }

    fn report_warnings(&self) -> Vec<String> {
        let truth = self.truth().map_or(&[][..], |t| &t.warnings);
        let mut warnings: Vec<_> = self.study().warnings.iter().chain(truth).cloned().collect();
        if self.study().identity.for_processing {
            warnings.push("The image is For Processing: it was not made to be looked at.".into());
        }
        match (self.reading(), self.missing_outlines().len()) {
            (None, _) => warnings.push("The image was not analysed.".into()),
            (Some(_), 0) => {}
            (Some(_), missing) => warnings.push(format!("{missing} outlines were not computed.")),
        }
        warnings
    }
}

fn image_report(study: &Study) -> ImageReport {
    let side = |side: Laterality| match side {
        Laterality::Right => "R".to_string(),
        Laterality::Left => "L".to_string(),
        Laterality::Both => "B".to_string(),
    };
    ImageReport {
        width: study.image.width(),
        height: study.image.height(),
        mm_per_pixel: study.spacing.map(|s| round((s.row_mm * s.column_mm).sqrt(), 1e6)),
        mm_source: study.spacing.map(|s| s.source.label().to_string()),
        laterality: study.identity.laterality.as_ref().map(|l| side(l.value)),
        view: study.identity.view.as_ref().map(|v| v.value.clone()),
        format: study.format.clone(),
    }
}

fn scale_report(scale: &ScaleDetections) -> ScaleReport {
    let detections = scale.detections.iter();
    ScaleReport {
        width: scale.size.width,
        height: scale.size.height,
        detections: detections.map(|d| DetectionReport { r#box: box_of(&d.rect), confidence: d.confidence }).collect(),
    }
}

fn truth_report(truth: &GroundTruth, comparison: &Comparison) -> TruthReport {
    let lesion = |(index, lesion): (usize, &Lesion)| {
        let mass = lesion.kind == LesionKind::Mass;
        let shape = match lesion.shape {
            LesionShape::Outline(_) => "outline",
            LesionShape::Box(_) => "box",
            LesionShape::Points(_) => "points",
        };
        LesionReport {
            name: lesion.name.clone(),
            mass,
            shape: shape.into(),
            r#box: box_of(&lesion.shape.bounds()),
            hit: mass.then(|| comparison.lesion_hit.get(index) == Some(&true)),
        }
    };
    TruthReport {
        format: truth.format.into(),
        lesions: truth.lesions.iter().enumerate().map(lesion).collect(),
        hits: comparison.hits,
        misses: comparison.misses,
        false_positives: comparison.false_positives,
        image_dice: comparison.image_dice.map(|v| round(v, 1e4)),
        image_iou: comparison.image_iou.map(|v| round(v, 1e4)),
    }
}

fn box_of(rect: &ImageRect) -> [f64; 4] {
    [rect.x0, rect.y0, rect.x1, rect.y1].map(|v| round(v, 1e3))
}

fn points_of(contour: &Contour) -> Vec<[f64; 2]> {
    contour.points.iter().map(|p| [round(p.x, 1e3), round(p.y, 1e3)]).collect()
}

/// To a multiple of 1 / `steps`: a thousandth of a pixel is far below what any outline knows.
fn round(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

/// Stage names and milliseconds: a JSON object in the order of the stages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timings(pub Vec<(String, f64)>);

impl Serialize for Timings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (stage, milliseconds) in &self.0 {
            map.serialize_entry(stage, milliseconds)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Timings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Timings;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "milliseconds by stage")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Timings, A::Error> {
                let mut timings = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    timings.push(entry);
                }
                Ok(Timings(timings))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}
