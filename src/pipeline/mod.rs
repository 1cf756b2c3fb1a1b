//! The method, one file per stage: a function of image, parameters and models; no globals, no files.
//!
//! [`prepare`] → [`detect`] at five sizes → [`fuse`] → candidates(λ) → [`segment`] → outline and measures.

pub mod analyse;
mod boundary;
mod components;
pub mod contour;
pub mod detect;
pub mod equalise;
pub mod fuse;
pub mod measure;
pub mod prepare;
pub mod resize;
pub mod segment;

pub use analyse::{Analysis, Progress, analyse};
pub use detect::{detect_scale, detect_scales, suppress, suppress_by};
pub use fuse::FusedMask;
pub use prepare::{Prepared, prepare};
pub use segment::{PATCH, outline, patch, patch_rect};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::findings::ModelIdentity;
use crate::raster::{ProbabilityMap, Raster};
use crate::space::{NetRect, NetSize};

/// The five network sizes of the method, width × height, smallest first.
pub const SCALES: [NetSize; 5] = [
    NetSize::new(160, 320),
    NetSize::new(256, 512),
    NetSize::new(320, 640),
    NetSize::new(416, 832),
    NetSize::new(480, 960),
];

/// The default threshold on Ms.
pub const DEFAULT_LAMBDA: f32 = 0.6;

/// What the method can be told. The defaults are those of the method.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// Boxes below this confidence are dropped before suppression.
    pub min_confidence: f32,
    /// Boxes of one scale that overlap a stronger one by more than this IoU are dropped.
    pub nms_iou: f64,
    pub scales: Vec<NetSize>,
    /// How many of the segmenter's four heads are used; fewer is faster and coarser.
    pub heads: usize,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { min_confidence: 0.5, nms_iou: 0.45, scales: SCALES.to_vec(), heads: 4 }
    }
}

/// A flag that stops long work; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// An error once the flag is set.
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.is_set() { Err(Cancelled) } else { Ok(()) }
    }
}

/// The error of work that was stopped; `anyhow::Error::is::<Cancelled>()` tells it from trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled;

/// A raw box in network pixels, before suppression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NetDetection {
    pub rect: NetRect,
    /// Objectness × class probability.
    pub confidence: f32,
}

/// Finds masses on an image resized to a network size.
pub trait Detector: Send {
    /// All boxes with confidence ≥ `min_confidence` on `input` `[height, width]`, values in [0, 1], whose sides are multiples
    /// of 32. Returns [`Cancelled`] soon after `cancel` is set.
    fn detect(
        &mut self,
        input: &Raster<f32>,
        min_confidence: f32,
        cancel: &Cancel,
    ) -> anyhow::Result<Vec<NetDetection>>;

    /// The same on several inputs of any sizes. `progress` is told now and then what part of the work is done, in [0, 1].
    fn detect_all(
        &mut self,
        inputs: &[Raster<f32>],
        min_confidence: f32,
        cancel: &Cancel,
        progress: &mut dyn FnMut(f32),
    ) -> anyhow::Result<Vec<Vec<NetDetection>>> {
        let each = inputs.iter().enumerate().map(|(before, input)| {
            progress(before as f32 / inputs.len() as f32);
            self.detect(input, min_confidence, cancel)
        });
        each.collect()
    }

    /// Whether several inputs at once are faster than one after the other.
    fn takes_all(&self) -> bool {
        false
    }

    fn identity(&self) -> ModelIdentity;
}

/// Outlines a mass on a patch.
pub trait Segmenter: Send {
    /// One map per patch, of the patch's size; sides are multiples of 16, all patches of a call have one size, values in [0, 1].
    /// `heads` in 1..=4: the sigmoid of the mean of the first `heads` heads' logits.
    /// Returns [`Cancelled`] soon after `cancel` is set.
    fn segment(
        &mut self,
        patches: &[Raster<f32>],
        heads: usize,
        cancel: &Cancel,
    ) -> anyhow::Result<Vec<ProbabilityMap>>;

    /// How many patches to give at once: more where they run side by side, few where cancelling would wait for them.
    fn preferred_batch(&self) -> usize {
        2
    }

    fn identity(&self) -> ModelIdentity;
}
