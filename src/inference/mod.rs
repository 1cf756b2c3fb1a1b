//! The networks: the only place that names candle.
//!
//! [`load`] reads both weights files ([`weights`]), checks the default ones against the hashes that the program knows
//! ([`defaults`]), chooses where to run ([`device`]) and builds [`yolov3`] and [`unetpp`] out of [`layers`].
//!
//! A model is added as one file beside `yolov3.rs` with a row in [`defaults`] and a parity test.

use std::path::PathBuf;

use anyhow::Context;

use crate::pipeline::{Cancel, Detector, Segmenter};
use crate::raster::Raster;

pub mod decode;
mod defaults;
mod device;
pub mod fused;
mod layers;
mod range;
pub mod unetpp;
pub mod weights;
pub mod yolov3;

pub use device::{Backend, DeviceChoice, Precision};
pub use mammoscope_kernels as kernels;

/// Which weights and device to use.
#[derive(Clone, Debug, Default)]
pub struct ModelOptions {
    pub device: DeviceChoice,
    /// `None`: f32.
    pub precision: Option<Precision>,
    /// `None`: the weights that come with the program.
    pub detector: Option<PathBuf>,
    pub segmenter: Option<PathBuf>,
}

/// Both networks, ready on one device.
pub struct Models {
    pub detector: Box<dyn Detector>,
    pub segmenter: Box<dyn Segmenter>,
    /// What ran, in words: "CPU, 2 threads, AVX-512", "CUDA, NVIDIA H200, f16".
    pub device: String,
    /// Said once to the reader: "No CUDA device was found: running on the CPU."
    pub notice: Option<String>,
}

/// Both networks by their own types, for what looks inside them.
pub struct Networks {
    pub detector: yolov3::Yolov3,
    pub segmenter: unetpp::UnetPlusPlus,
    pub backend: Backend,
    /// As in [`Models`].
    pub device: String,
    pub notice: Option<String>,
}

impl From<Networks> for Models {
    fn from(Networks { detector, segmenter, device, notice, .. }: Networks) -> Self {
        Self { detector: Box::new(detector), segmenter: Box::new(segmenter), device, notice }
    }
}

/// Loads both networks, side by side. Takes a fraction of a second: call it from a background thread.
///
/// # Errors
/// One plain sentence that says which model's weights are at fault, which tensor, and what is wrong with it.
pub fn load(options: &ModelOptions) -> anyhow::Result<Models> {
    Ok(load_networks(options)?.into())
}

/// [`load`], by the networks' types.
pub fn load_networks(options: &ModelOptions) -> anyhow::Result<Networks> {
    let chosen = device::choose(options.device, options.precision.unwrap_or_default())?;
    let may_fall_back = options.device == DeviceChoice::Auto && !chosen.backend.is_cpu();
    match load_on(options, chosen) {
        // A device that others fill, for one. What is wrong with the weights the CPU finds as well.
        Err(error) if may_fall_back => {
            let networks = load_on(options, device::choose(DeviceChoice::Cpu, options.precision.unwrap_or_default())?)?;
            Ok(Networks { notice: Some(format!("{error} Running on the CPU.")), ..networks })
        }
        result => result,
    }
}

fn load_on(options: &ModelOptions, chosen: device::Chosen) -> anyhow::Result<Networks> {
    let backend = &chosen.backend;
    let (detector, segmenter) = std::thread::scope(|scope| {
        let detector = scope.spawn(|| {
            let source = defaults::DETECTOR.source(options.detector.as_deref())?;
            yolov3::Yolov3::load(&source, backend).context("The detector's weights cannot be used")
        });
        let source = defaults::SEGMENTER.source(options.segmenter.as_deref());
        let segmenter = source.and_then(|source| {
            unetpp::UnetPlusPlus::load(&source, backend).context("The segmenter's weights cannot be used")
        });
        let failed = || Err(anyhow::anyhow!("The detector's weights cannot be used: loading them failed."));
        (detector.join().unwrap_or_else(|_| failed()), segmenter)
    });
    let (detector, segmenter) = (detector.map_err(one_sentence)?, segmenter.map_err(one_sentence)?);
    if !backend.is_cpu() {
        warm_up(&detector, &segmenter)?;
    }
    let device::Chosen { backend, description: device, notice } = chosen;
    Ok(Networks { detector, segmenter, backend, device, notice })
}

/// Runs both networks once, so that the first image does not wait for what a device does at the first use.
fn warm_up(detector: &yolov3::Yolov3, segmenter: &unetpp::UnetPlusPlus) -> anyhow::Result<()> {
    let cancel = Cancel::default();
    detector.heads(&Raster::filled(160, 320, 0.0), &cancel)?;
    segmenter.logits(&Raster::filled(64, 64, 0.0), unetpp::HEADS, &cancel)?;
    Ok(())
}

/// The error and its causes as one sentence.
fn one_sentence(error: anyhow::Error) -> anyhow::Error {
    let text = format!("{error:#}");
    let end = if text.ends_with('.') { "" } else { "." };
    anyhow::anyhow!("{text}{end}")
}
