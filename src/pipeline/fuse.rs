//! Steps 3 and 4: Ms on the grid of box edges, and its candidates.

use crate::findings::{Candidate, Contour, ScaleDetections};

/// Ms, stored exactly: constant between box edges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FusedMask {}

impl FusedMask {
    /// Ms of all boxes of all scales on an image of `width` × `height` pixels.
    pub fn fuse(_scales: &[ScaleDetections], _width: usize, _height: usize) -> Self {
        todo!()
    }

    /// The largest Ms; 0 without boxes.
    pub fn max(&self) -> f32 {
        todo!()
    }

    /// The distinct values of Ms above 0, ascending: the only λ at which anything changes.
    pub fn levels(&self) -> &[f32] {
        todo!()
    }

    /// Column edges in pixels, ascending; cell i spans xs[i]..xs[i + 1].
    pub fn xs(&self) -> &[usize] {
        todo!()
    }

    pub fn ys(&self) -> &[usize] {
        todo!()
    }

    /// Ms per cell, `[ys.len() - 1, xs.len() - 1]` row-major.
    pub fn cells(&self) -> &[f32] {
        todo!()
    }

    /// Ms at pixel (x, y).
    pub fn value_at(&self, _x: usize, _y: usize) -> f32 {
        todo!()
    }

    /// The candidates at λ: Ms ≥ λ, or Ms > 0 for λ = 0; highest score first, then by position.
    pub fn candidates(&self, _lambda: f32) -> Vec<Candidate> {
        todo!()
    }

    /// The boundary of the kept region at λ, along cell edges.
    pub fn boundary(&self, _lambda: f32) -> Vec<Contour> {
        todo!()
    }
}
