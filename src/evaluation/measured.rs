//! One image through the networks and against its groundtruth: all that the report's figures are made of.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::compare::{Overlap, mass_box, outline_spans};
use super::rasterise::{fill_polygons, pixel_bounds};
use super::spans::Spans;
use crate::annotation::{GroundTruth, Lesion, LesionKind, LesionShape};
use crate::findings::ScaleDetections;
use crate::pipeline::segment::{patch_of, reconstruct};
use crate::pipeline::{Cancel, Detector, FusedMask, Parameters, Prepared, Segmenter, detect_scales, outline};
use crate::space::{ImageRect, PixelRect};

/// Detection runs down to this confidence, so that curves reach far to the right; the method's own threshold is applied
/// afterwards. Greedy suppression keeps the same boxes either way, as only stronger boxes suppress.
pub const LOWEST_CONFIDENCE: f32 = 0.01;

/// What is measured on each image.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub parameters: Parameters,
    /// The λ of the whole-image Dice of groups B and C.
    pub dice_lambdas: Vec<f32>,
    /// Whether outlines are measured at all.
    pub outlines: bool,
    /// Whether only compact components of a mask count as masses, for sets whose masks show all findings.
    pub compact: bool,
}

/// One measured image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub name: String,
    pub patient: String,
    pub width: usize,
    pub height: usize,
    pub masses: Vec<MeasuredMass>,
    /// The image also shows findings that are no masses: only the outlines on its masses' own boxes were measured.
    pub ambiguous: bool,
    /// Every scale's boxes down to [`LOWEST_CONFIDENCE`].
    pub scales: Vec<ScaleDetections>,
    /// Whole-image Dice, where every mass of the image has an outline.
    pub groups: Vec<GroupOverlap>,
}

/// One mass of the groundtruth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasuredMass {
    pub rect: ImageRect,
    /// The outline drawn on the groundtruth's own box against the true one; only for masses with an outline.
    pub patch: Option<Overlap>,
}

/// What outlined the masses of a whole image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Group {
    /// A: the segmenter on the whole image.
    OneStage,
    /// B: detection at one scale (index into the parameters' scales), then outlines.
    SingleScale(usize),
    /// C: the fused scales, then outlines.
    Fused,
}

/// All outlines of one image together against all its masses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupOverlap {
    pub group: Group,
    /// `None` for [`Group::OneStage`], which has none.
    pub lambda: Option<f32>,
    pub overlap: Overlap,
}

/// Measures one image; of an `ambiguous` one only the outlines on its masses' own boxes. [`crate::pipeline::Cancelled`] soon after `cancel` is set.
pub fn measure(
    image: &Prepared,
    truth: &GroundTruth,
    ambiguous: bool,
    detector: &mut dyn Detector,
    segmenter: &mut dyn Segmenter,
    settings: &Settings,
    cancel: &Cancel,
) -> anyhow::Result<Measured> {
    let (width, height) = (image.image.width(), image.image.height());
    let low = Parameters { min_confidence: LOWEST_CONFIDENCE, ..settings.parameters.clone() };
    let scales =
        if ambiguous { Vec::new() } else { detect_scales(image, detector, &low.scales, &low, cancel, &mut |_| ())? };
    let masses: Vec<(ImageRect, Option<Spans>)> = truth
        .lesions
        .iter()
        .filter_map(|lesion| Some((mass_box(lesion)?, outlined_pixels(lesion, width, height))))
        .collect();
    let mut measured = Measured {
        name: String::new(),
        patient: String::new(),
        width,
        height,
        masses: masses.iter().map(|(rect, _)| MeasuredMass { rect: *rect, patch: None }).collect(),
        ambiguous,
        scales,
        groups: Vec::new(),
    };
    if settings.outlines && masses.iter().any(|(_, spans)| spans.is_some()) {
        let mut outliner = Outliner { image, segmenter, settings, cancel, known: HashMap::new() };
        outliner.measure_patches(&masses, &mut measured)?;
        if !ambiguous {
            outliner.measure_groups(&masses, &mut measured)?;
        }
    }
    Ok(measured)
}

/// The boxes at or above a confidence, as detection with that threshold would have given.
pub fn at_confidence(scales: &[ScaleDetections], confidence: f32) -> Vec<ScaleDetections> {
    let keep = |s: &ScaleDetections| ScaleDetections {
        size: s.size,
        detections: s.detections.iter().filter(|d| d.confidence >= confidence).copied().collect(),
    };
    scales.iter().map(keep).collect()
}

/// Leaves of a mask that shows all findings only what can be a mass: components that cover 0.06 to 8 % of the image, fill
/// more than 60 % of their boxes and are less than 1.8 times as long as wide. Also whether what is left out covers 0.3 % of the
/// image or more, so that a detector cannot be measured on it.
pub fn compact_masses(truth: &GroundTruth, width: usize, height: usize) -> (GroundTruth, bool) {
    let image_area = (width * height) as f64;
    let mut left_out = 0.0;
    let mut kept = GroundTruth { lesions: Vec::new(), ..truth.clone() };
    for lesion in &truth.lesions {
        let Some(area) = outlined_pixels(lesion, width, height).map(|spans| spans.area() as f64) else { continue };
        let bounds = lesion.shape.bounds();
        let (long, short) = (bounds.width().max(bounds.height()), bounds.width().min(bounds.height()));
        let share = area / image_area;
        if share > 0.0006 && share < 0.08 && area > 0.6 * bounds.area() && long < 1.8 * short {
            kept.lesions.push(lesion.clone());
        } else {
            left_out += share;
        }
    }
    (kept, left_out >= 0.003)
}

fn outlined_pixels(lesion: &Lesion, width: usize, height: usize) -> Option<Spans> {
    match (&lesion.kind, &lesion.shape) {
        (LesionKind::Mass, LesionShape::Outline(contours)) => {
            let region = pixel_bounds(contours, width, height);
            let mask = fill_polygons(contours, region);
            Some(Spans::of_rows(region, |y| mask.row(y), |inside| inside))
        }
        _ => None,
    }
}

/// Draws outlines, each box once.
struct Outliner<'a> {
    image: &'a Prepared,
    segmenter: &'a mut dyn Segmenter,
    settings: &'a Settings,
    cancel: &'a Cancel,
    known: HashMap<PixelRect, Spans>,
}

impl Outliner<'_> {
    /// Per mass with an outline: the outline on the mass's own box, against it.
    fn measure_patches(
        &mut self,
        masses: &[(ImageRect, Option<Spans>)],
        measured: &mut Measured,
    ) -> anyhow::Result<()> {
        let boxes: Vec<PixelRect> = masses.iter().map(|(rect, _)| self.whole_pixels(rect)).collect();
        self.outline(boxes.iter().copied())?;
        for (index, (_, spans)) in masses.iter().enumerate() {
            measured.masses[index].patch =
                spans.as_ref().map(|s| Overlap::of(self.known.get(&boxes[index]).unwrap_or(&Spans::default()), s));
        }
        Ok(())
    }

    /// The whole image by each group, where every mass is outlined.
    fn measure_groups(&mut self, masses: &[(ImageRect, Option<Spans>)], measured: &mut Measured) -> anyhow::Result<()> {
        let Some(outlines) = masses.iter().map(|(_, s)| s.as_ref()).collect::<Option<Vec<&Spans>>>() else {
            return Ok(());
        };
        let truth = Spans::union(outlines.into_iter());
        let one_stage = Overlap::of(&self.one_stage()?, &truth);
        measured.groups.push(GroupOverlap { group: Group::OneStage, lambda: None, overlap: one_stage });
        let scales = at_confidence(&measured.scales, self.settings.parameters.min_confidence);
        let single = (0..scales.len()).map(|i| (Group::SingleScale(i), &scales[i..=i]));
        for (group, scales) in single.chain([(Group::Fused, &scales[..])]) {
            let fused = FusedMask::fuse(scales, measured.width, measured.height);
            for &lambda in &self.settings.dice_lambdas {
                let boxes: Vec<PixelRect> = fused.candidates(lambda).iter().map(|c| c.rect).collect();
                self.outline(boxes.iter().copied())?;
                let found = Spans::union(boxes.iter().filter_map(|rect| self.known.get(rect)));
                let overlap = Overlap::of(&found, &truth);
                measured.groups.push(GroupOverlap { group, lambda: Some(lambda), overlap });
            }
        }
        Ok(())
    }

    /// Outlines the boxes that are not known yet.
    fn outline(&mut self, boxes: impl Iterator<Item = PixelRect>) -> anyhow::Result<()> {
        let mut missing: Vec<PixelRect> = boxes.filter(|rect| !self.known.contains_key(rect)).collect();
        missing.sort_unstable();
        missing.dedup();
        let parameters = &self.settings.parameters;
        // A few at a time: an outline holds a whole map of probabilities, of which only the region is kept.
        for some in missing.chunks(8) {
            let outlines = outline(self.image, some, self.segmenter, None, parameters, self.cancel)?;
            self.known.extend(some.iter().copied().zip(outlines.iter().map(outline_spans)));
        }
        Ok(())
    }

    /// The segmenter's region on the smallest square around the whole image, every component of it.
    fn one_stage(&mut self) -> anyhow::Result<Spans> {
        let bounds = self.image.image.bounds();
        let center = ImageRect::from(bounds).center();
        let half = bounds.width().max(bounds.height()) as f64 / 2.0;
        let square = ImageRect::new(center.x - half, center.y - half, center.x + half, center.y + half);
        let patch = patch_of(self.image, square);
        let maps = self.segmenter.segment(&[patch], self.settings.parameters.heads, self.cancel)?;
        let map = maps.first().ok_or_else(|| anyhow::anyhow!("The outline model returned no map."))?;
        Ok(outline_spans(&reconstruct(map, square, bounds, bounds, None)))
    }

    /// The pixels that a subpixel box touches.
    fn whole_pixels(&self, rect: &ImageRect) -> PixelRect {
        let clip = |v: f64, limit: usize| v.clamp(0.0, limit as f64) as usize;
        let (w, h) = (self.image.image.width(), self.image.image.height());
        PixelRect::new(
            clip(rect.x0.floor(), w),
            clip(rect.y0.floor(), h),
            clip(rect.x1.ceil(), w),
            clip(rect.y1.ceil(), h),
        )
    }
}
