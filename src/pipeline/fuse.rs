//! Steps 3 and 4: Ms on the grid of box edges, and its candidates.
//!
//! Ms = Σ Mᵢ / (N · max c): Mᵢ is the confidence cᵢ inside box Bᵢ and 0 outside, N the number of scales. A box covers the pixels
//! whose centres lie in [x0, x1) × [y0, y1). Between box edges Ms is constant, so it is stored as the distinct edges, in whole
//! pixels, and a value per cell between them. Each cell is summed in f64 in the order of the boxes and rounded to f32 once, as a
//! sum over pixels would be, so both agree bit for bit.
//!
//! What a threshold keeps is read off the [component tree](super::components), which is built once per image.

use rayon::prelude::*;

use super::components::{Component, component_tree};
use crate::findings::{Candidate, Contour, ScaleDetections};
use crate::space::{ImageRect, PixelRect};

/// Ms, stored exactly: constant between box edges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FusedMask {
    xs: Vec<usize>,
    ys: Vec<usize>,
    cells: Vec<f32>,
    levels: Vec<f32>,
    /// In cells; sorted as candidates are.
    components: Vec<Component>,
}

impl FusedMask {
    /// Ms of all boxes of all scales on an image of `width` × `height` pixels; N is the number of `scales`.
    ///
    /// A box with a value that is not finite or a confidence that is not positive is left out.
    pub fn fuse(scales: &[ScaleDetections], width: usize, height: usize) -> Self {
        let boxes: Vec<_> =
            scales.iter().flat_map(|s| &s.detections).filter(|d| is_usable(d.rect, d.confidence)).collect();
        let strongest = boxes.iter().map(|d| d.confidence).fold(0.0, f32::max);
        let covered: Vec<(PixelRect, f64)> = boxes
            .iter()
            .map(|d| (covered_pixels(&d.rect, width, height), f64::from(d.confidence)))
            .filter(|(rect, _)| !rect.is_empty())
            .collect();
        let xs = distinct(covered.iter().flat_map(|(r, _)| [r.x0, r.x1]));
        let ys = distinct(covered.iter().flat_map(|(r, _)| [r.y0, r.y1]));
        let cells = sum(&covered, &xs, &ys, scales.len() as f64 * f64::from(strongest));
        let mut components = component_tree(&cells, xs.len().saturating_sub(1));
        components
            .sort_by(|a, b| b.score.total_cmp(&a.score).then((a.y0, a.x0, a.y1, a.x1).cmp(&(b.y0, b.x0, b.y1, b.x1))));
        let mut levels: Vec<f32> = components.iter().map(|c| c.level).collect();
        levels.sort_by(f32::total_cmp);
        levels.dedup();
        Self { xs, ys, cells, levels, components }
    }

    /// The largest Ms; 0 without boxes.
    pub fn max(&self) -> f32 {
        self.levels.last().copied().unwrap_or(0.0)
    }

    /// The distinct values of Ms above 0, ascending: the only λ at which anything changes.
    pub fn levels(&self) -> &[f32] {
        &self.levels
    }

    /// Column edges in pixels, ascending; cell i spans xs[i]..xs[i + 1]. Empty without boxes; outside the edges Ms is 0.
    pub fn xs(&self) -> &[usize] {
        &self.xs
    }

    /// Row edges in pixels, as [`Self::xs`].
    pub fn ys(&self) -> &[usize] {
        &self.ys
    }

    /// Ms per cell, `[ys.len() - 1, xs.len() - 1]` row-major; empty without boxes.
    pub fn cells(&self) -> &[f32] {
        &self.cells
    }

    /// The cells where Ms > 0: their pixels and Ms, row by row.
    pub fn positive_cells(&self) -> impl Iterator<Item = (PixelRect, f32)> {
        let columns = self.xs.len().saturating_sub(1).max(1);
        self.cells.iter().enumerate().filter(|(_, ms)| **ms > 0.0).map(move |(index, ms)| {
            let (column, row) = (index % columns, index / columns);
            (PixelRect::new(self.xs[column], self.ys[row], self.xs[column + 1], self.ys[row + 1]), *ms)
        })
    }

    /// Ms at pixel (x, y).
    pub fn value_at(&self, x: usize, y: usize) -> f32 {
        let cell = |edges: &[usize], at: usize| {
            let after = edges.partition_point(|edge| *edge <= at);
            (after > 0 && after < edges.len()).then(|| after - 1)
        };
        match (cell(&self.xs, x), cell(&self.ys, y)) {
            (Some(column), Some(row)) => self.cells[row * (self.xs.len() - 1) + column],
            _ => 0.0,
        }
    }

    /// The candidates at λ: Ms ≥ λ, or Ms > 0 for λ ≤ 0; highest score first, then by position. None for NaN.
    pub fn candidates(&self, lambda: f32) -> Vec<Candidate> {
        let Some(threshold) = threshold(lambda) else { return Vec::new() };
        self.components
            .iter()
            .filter(|c| c.level >= threshold && c.parent_level < threshold)
            .map(|c| {
                let [x0, y0, x1, y1] = [c.x0, c.y0, c.x1, c.y1].map(|edge| edge as usize);
                let rect = PixelRect::new(self.xs[x0], self.ys[y0], self.xs[x1], self.ys[y1]);
                Candidate { rect, score: c.score }
            })
            .collect()
    }

    /// The boundary of the kept region at λ, along cell edges: closed polygons in image pixels, holes included, the inside to
    /// the right of each (y down). Where two kept cells touch at a corner alone, the polygon joins them, as 8-connectivity does.
    pub fn boundary(&self, lambda: f32) -> Vec<Contour> {
        let Some(threshold) = threshold(lambda) else { return Vec::new() };
        super::boundary::trace(&self.xs, &self.ys, |index| self.cells[index] >= threshold)
    }
}

/// The least value kept at λ; Ms > 0 is Ms ≥ the least positive number.
fn threshold(lambda: f32) -> Option<f32> {
    (!lambda.is_nan()).then(|| lambda.max(f32::from_bits(1)))
}

fn is_usable(r: ImageRect, confidence: f32) -> bool {
    [r.x0, r.y0, r.x1, r.y1].iter().all(|v| v.is_finite()) && confidence.is_finite() && confidence > 0.0
}

/// The pixels of a `width` × `height` image whose centres lie in `rect`.
pub fn covered_pixels(rect: &ImageRect, width: usize, height: usize) -> PixelRect {
    // Pixel i's centre i + ½ lies in [from, to) for i from ⌈from − ½⌉ to before ⌈to − ½⌉.
    let first = |edge: f64, limit: usize| (edge - 0.5).ceil().clamp(0.0, limit as f64) as usize;
    let r =
        PixelRect::new(first(rect.x0, width), first(rect.y0, height), first(rect.x1, width), first(rect.y1, height));
    if r.is_empty() { PixelRect::default() } else { r }
}

fn distinct(edges: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut edges: Vec<usize> = edges.collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// The cells' values: confidences summed in the boxes' order, over `divisor`.
fn sum(boxes: &[(PixelRect, f64)], xs: &[usize], ys: &[usize], divisor: f64) -> Vec<f32> {
    let columns = xs.len().saturating_sub(1);
    let rows = ys.len().saturating_sub(1);
    if columns == 0 || rows == 0 {
        return Vec::new();
    }
    // Every edge is in the list, so the searches find it.
    let place = |edges: &[usize], at: usize| edges.partition_point(|edge| *edge < at);
    let spans: Vec<_> =
        boxes.iter().map(|(r, c)| (place(ys, r.y0)..place(ys, r.y1), place(xs, r.x0)..place(xs, r.x1), *c)).collect();
    let mut cells = vec![0.0; columns * rows];
    cells.par_chunks_mut(columns).enumerate().for_each_init(
        || vec![0.0_f64; columns],
        |sums, (row, values)| {
            sums.fill(0.0);
            for (_, span, confidence) in spans.iter().filter(|(rows, ..)| rows.contains(&row)) {
                sums[span.clone()].iter_mut().for_each(|s| *s += confidence);
            }
            values.iter_mut().zip(&*sums).for_each(|(value, sum)| *value = (sum / divisor) as f32);
        },
    );
    cells
}
