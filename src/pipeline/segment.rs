//! Steps 5 and 6: a candidate's patch through the segmenter, and back onto the native grid.
//!
//! The patch's geometry and grey scale are defined here alone; training reads its patches through [`patch`].

use std::sync::Arc;

use rayon::prelude::*;

use super::contour::contours;
use super::equalise::equalise;
use super::measure::measure;
use super::resize::resample;
use super::{Cancel, Parameters, Prepared, Segmenter};
use crate::findings::Outline;
use crate::raster::{Mask, ProbabilityMap, Raster};
use crate::space::{ImageRect, NetSize, PixelRect};
use crate::study::Spacing;

/// Side of the segmenter's square patch in pixels.
pub const PATCH: usize = 256;

/// A pixel with this probability or more belongs to the outlined region.
pub const LEVEL: f32 = 0.5;

/// The side of the square around a box, as a multiple of the box's longest side: some context on every side.
const CONTEXT: f64 = 1.5;

/// The smallest side of the square in image pixels, so that a tiny box is not blown up to a blur.
const MIN_SIDE: f64 = 64.0;

/// Outlines candidate boxes; the result's order is the boxes'. `spacing` gives millimetres.
///
/// The boxes are taken in the segmenter's preferred batches, so that memory stays bounded and `cancel` is prompt.
pub fn outline(
    image: &Prepared,
    boxes: &[PixelRect],
    segmenter: &mut dyn Segmenter,
    spacing: Option<&Spacing>,
    parameters: &Parameters,
    cancel: &Cancel,
) -> anyhow::Result<Vec<Outline>> {
    let mut outlines = Vec::with_capacity(boxes.len());
    for batch in boxes.chunks(segmenter.preferred_batch().max(1)) {
        cancel.check()?;
        let patches: Vec<Raster<f32>> = batch.iter().map(|b| patch(image, *b)).collect();
        let maps = segmenter.segment(&patches, parameters.heads, cancel)?;
        cancel.check()?;
        let right_size = |m: &ProbabilityMap| m.width() == PATCH && m.height() == PATCH;
        anyhow::ensure!(
            maps.len() == batch.len() && maps.iter().all(right_size),
            "The outline model returned maps of another number or size than its patches; use another model file."
        );
        let bounds = image.image.bounds();
        outlines.extend(batch.iter().zip(&maps).map(|(b, m)| reconstruct(m, patch_rect(*b), *b, bounds, spacing)));
    }
    Ok(outlines)
}

/// The square of the image that the segmenter sees for a candidate box; it may overlap the image's edge.
pub fn patch_rect(candidate: PixelRect) -> ImageRect {
    let center = ImageRect::from(candidate).center();
    let half = (CONTEXT * candidate.width().max(candidate.height()) as f64).max(MIN_SIDE) / 2.0;
    ImageRect::new(center.x - half, center.y - half, center.x + half, center.y + half)
}

/// The segmenter's input for a candidate box: that of its [`patch_rect`].
pub fn patch(image: &Prepared, candidate: PixelRect) -> Raster<f32> {
    patch_of(image, patch_rect(candidate))
}

/// A square of the image as the segmenter sees it: resampled to [`PATCH`] pixels a side (0 outside the image) and equalised.
pub fn patch_of(image: &Prepared, square: ImageRect) -> Raster<f32> {
    equalise(&resample(&image.image, square, NetSize::new(PATCH, PATCH)))
}

/// The outline on the native grid that a probability map on `square` of the image gives.
///
/// Kept are the 8-connected components of probability ≥ 0.5 that overlap the candidate's box: a second mass in the context
/// has its own candidate. Without any, the outline is empty and its measures are 0.
pub fn reconstruct(
    map: &ProbabilityMap,
    square: ImageRect,
    candidate: PixelRect,
    image: PixelRect,
    spacing: Option<&Spacing>,
) -> Outline {
    let (native, region) = onto_native_grid(map, square, image);
    let (kept, bounds) = components_touching(&native, within(candidate, region));
    // One pixel more on each side: the contour interpolates towards the values just outside.
    let crop = PixelRect::new(
        bounds.x0.saturating_sub(1),
        bounds.y0.saturating_sub(1),
        (bounds.x1 + 1).min(native.width()),
        (bounds.y1 + 1).min(native.height()),
    );
    if bounds.is_empty() {
        let region = PixelRect::new(candidate.x0, candidate.y0, candidate.x0, candidate.y0);
        let probability = Arc::new(ProbabilityMap::filled(0, 0, 0.0));
        return Outline { contours: Vec::new(), measures: measure(&[], 0, spacing), probability, region };
    }
    let probability = ProbabilityMap::from_fn(crop.width(), crop.height(), |x, y| {
        let (x, y) = (x + crop.x0, y + crop.y0);
        let p = native.get(x, y);
        if p >= LEVEL && !kept.get(x, y) { 0.0 } else { p }
    });
    let region = PixelRect::new(region.x0 + crop.x0, region.y0 + crop.y0, region.x0 + crop.x1, region.y0 + crop.y1);
    let mut contours = contours(&probability, LEVEL);
    for p in contours.iter_mut().flat_map(|c| &mut c.points) {
        p.x += region.x0 as f64;
        p.y += region.y0 as f64;
    }
    let measures = measure(&contours, kept.area(), spacing);
    Outline { contours, measures, probability: Arc::new(probability), region }
}

/// `map`, which covers `square` of the image, resampled bilinearly at the centres of the image's pixels inside it; and where
/// these lie.
fn onto_native_grid(map: &ProbabilityMap, square: ImageRect, image: PixelRect) -> (ProbabilityMap, PixelRect) {
    let centres = |from: f64, to: f64, limit: usize| {
        let clip = |v: f64| (v - 0.5).ceil().clamp(0.0, limit as f64) as usize;
        (clip(from), clip(to))
    };
    let (x0, x1) = centres(square.x0, square.x1, image.x1);
    let (y0, y1) = centres(square.y0, square.y1, image.y1);
    let region = PixelRect::new(x0, y0, x1, y1);
    if region.is_empty() {
        return (ProbabilityMap::filled(0, 0, 0.0), PixelRect::new(x0, y0, x0, y0));
    }
    let columns: Vec<Tap> = (x0..x1).map(|x| Tap::at(x, square.x0, square.width(), map.width())).collect();
    let mut native = ProbabilityMap::filled(region.width(), region.height(), 0.0);
    native.data_mut().par_chunks_mut(region.width()).enumerate().for_each(|(row, values)| {
        let tap = Tap::at(y0 + row, square.y0, square.height(), map.height());
        let (upper, lower) = (map.row(tap.first), map.row(tap.second));
        for (value, column) in values.iter_mut().zip(&columns) {
            let p = tap.mix(column.mix(upper[column.first], upper[column.second]), {
                column.mix(lower[column.first], lower[column.second])
            });
            // A model that overflows gives NaN: no region there, rather than a poisoned one.
            *value = if p.is_finite() { p.clamp(0.0, 1.0) } else { 0.0 };
        }
    });
    (native, region)
}

/// Linear interpolation between two neighbouring samples of a map.
#[derive(Clone, Copy)]
struct Tap {
    first: usize,
    second: usize,
    weight: f32,
}

impl Tap {
    /// For the centre of image pixel `pixel`, on a map of `samples` samples that spans `length` pixels from `origin`. The outermost
    /// samples hold out to the map's edge.
    fn at(pixel: usize, origin: f64, length: f64, samples: usize) -> Self {
        let last = (samples - 1) as f64;
        let position = ((pixel as f64 + 0.5 - origin) * samples as f64 / length - 0.5).clamp(0.0, last);
        let first = position as usize;
        Self { first, second: (first + 1).min(samples - 1), weight: (position - first as f64) as f32 }
    }

    fn mix(self, first: f32, second: f32) -> f32 {
        first + (second - first) * self.weight
    }
}

/// `rect` of the image in the coordinates of `region`.
fn within(rect: PixelRect, region: PixelRect) -> PixelRect {
    let common = rect.intersection(region);
    PixelRect::new(common.x0 - region.x0, common.y0 - region.y0, common.x1 - region.x0, common.y1 - region.y0)
}

/// The 8-connected components of `map` ≥ 0.5 that have a pixel in `seed`, and their bounding box.
fn components_touching(map: &ProbabilityMap, seed: PixelRect) -> (Mask, PixelRect) {
    let mut kept = Mask::filled(map.width(), map.height(), false);
    let mut bounds = PixelRect::default();
    let mut open = Vec::new();
    for y in seed.y0..seed.y1 {
        for x in seed.x0..seed.x1 {
            if map.get(x, y) >= LEVEL && !kept.get(x, y) {
                kept.set(x, y, true);
                open.push((x, y));
            }
            while let Some((x, y)) = open.pop() {
                bounds = if bounds.is_empty() {
                    PixelRect::new(x, y, x + 1, y + 1)
                } else {
                    PixelRect::new(bounds.x0.min(x), bounds.y0.min(y), bounds.x1.max(x + 1), bounds.y1.max(y + 1))
                };
                for ny in y.saturating_sub(1)..(y + 2).min(map.height()) {
                    for nx in x.saturating_sub(1)..(x + 2).min(map.width()) {
                        if !kept.get(nx, ny) && map.get(nx, ny) >= LEVEL {
                            kept.set(nx, ny, true);
                            open.push((nx, ny));
                        }
                    }
                }
            }
        }
    }
    (kept, bounds)
}
