//! The networks: the only place that names candle.

use std::path::PathBuf;

use crate::pipeline::{Detector, Segmenter};

mod device;

pub use device::DeviceChoice;

/// Which weights and device to use.
#[derive(Clone, Debug, Default)]
pub struct ModelOptions {
    pub device: DeviceChoice,
    /// `None`: the weights that come with the program.
    pub detector: Option<PathBuf>,
    pub segmenter: Option<PathBuf>,
}

/// Both networks, ready on one device.
pub struct Models {
    pub detector: Box<dyn Detector>,
    pub segmenter: Box<dyn Segmenter>,
    /// What ran, in words: "CPU, 2 threads", "NVIDIA H200".
    pub device: String,
    /// Said once to the reader: "No CUDA device was found: running on the CPU."
    pub notice: Option<String>,
}

/// Loads both networks. An error is one plain sentence that names the file and the tensor.
pub fn load(_options: &ModelOptions) -> anyhow::Result<Models> {
    todo!()
}
