//! wgpu passes: the image through window/level, and the heatmap.
//!
//! [`prepare`] (any thread) → [`ImageHandle`] → [`ImagePaint`] and [`HeatPaint`] as paint callbacks on the UI thread.

mod image;
mod mips;
mod transform;

pub use image::{ImageHandle, prepare};
pub use mips::{MipChain, prepare_mips};
pub use transform::{Orientation, ViewTransform};

/// Creates the passes for the window's device; called once, before the first frame.
pub fn install(_state: &eframe::egui_wgpu::RenderState) {}
