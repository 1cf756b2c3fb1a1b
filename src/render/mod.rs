//! wgpu passes: the image through window/level, and the heatmap.
//!
//! [`prepare`] (any thread) → [`ImageHandle`] → [`ScenePaint`], which goes into egui's painter on the UI thread. The passes keep their textures themselves, for as long as the image or the reading lives.
//!
//! They need nothing optional of the device: no filtering of 16-bit textures, no compute, textures of 2048 pixels; so they run
//! on Vulkan and on GL within WebGL 2's limits. The shaders write display values, as egui's targets expect.

mod canvas;
mod gpu;
mod heat;
mod image;
mod mips;
mod scene;
mod tiles;
mod transform;
mod uniforms;

pub use heat::Heat;
pub use image::{ImageHandle, prepare};
pub use mips::{MIP_LEVELS, MipChain, prepare_mips};
pub use scene::ScenePaint;
pub use transform::{Orientation, ViewTransform};

/// Creates the passes for the window's device; called once, before the first frame. Without it images stay black.
pub fn install(state: &eframe::egui_wgpu::RenderState) {
    let resources = &mut state.renderer.write().callback_resources;
    resources.insert(scene::ScenePass::new(&state.device, state.target_format));
}
