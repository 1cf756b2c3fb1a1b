//! The operations that the networks are made of, on whichever backend they were loaded for: the program's own kernels on the
//! CPU ([`kernels`]) and on CUDA ([`super::fused`]), or candle's operations.

use std::sync::Arc;

use anyhow::{bail, ensure};
use candle_core::{Device, Tensor};

use super::device::Backend;
use super::fused::{HalfConv, HalfMap};
use super::kernels;
use super::weights::ConvWeights;
use crate::pipeline::Cancel;
use crate::raster::Raster;

/// What follows a convolution's sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    Linear,
    Relu,
    /// x where positive, else 0.1·x.
    Leaky,
}

/// Feature maps of a batch of images, `[channels, height, width]` each; clones share the memory.
#[derive(Clone)]
pub enum Maps {
    /// Of images of any sizes.
    Cpu(Vec<kernels::Map>),
    /// Of images of any sizes.
    Bf16(Vec<kernels::bf16::Map>),
    Half(HalfMap),
    /// `[batch, channels, height, width]`
    Candle(Tensor),
}

/// A convolution with bias and activation.
pub enum Conv {
    Cpu(kernels::Conv, Arc<kernels::Pool>),
    Bf16(Bf16Conv),
    Half(HalfConv),
    Candle(CandleConv),
}

/// A convolution on the CPU's matrix units.
pub struct Bf16Conv {
    conv: kernels::bf16::Conv,
    /// No activation follows: the results are a network's, and f32.
    is_last: bool,
    pool: Arc<kernels::Pool>,
}

/// A convolution as candle's operations.
pub struct CandleConv {
    /// `[out, in, kernel, kernel]`
    weight: Tensor,
    /// `[1, out, 1, 1]`
    bias: Tensor,
    stride: usize,
    padding: usize,
    activation: Activation,
}

const MIXED: &str = "layers of different devices";

impl Conv {
    pub fn new(weights: ConvWeights, activation: Activation, backend: &Backend) -> anyhow::Result<Self> {
        let shape = weights.shape;
        match backend {
            Backend::Cpu { isa, pool } => {
                let size = [shape.outputs, shape.inputs, shape.kernel];
                let slope = activation.slope();
                let conv = kernels::Conv::new(size, shape.stride, &weights.weight, &weights.bias, slope, *isa)?;
                Ok(Self::Cpu(conv, pool.clone()))
            }
            Backend::Bf16 { pool } => {
                let size = [shape.outputs, shape.inputs, shape.kernel];
                let (weight, bias) = (&weights.weight, &weights.bias);
                let conv = kernels::bf16::Conv::new(size, shape.stride, weight, bias, activation.slope())?;
                Ok(Self::Bf16(Bf16Conv { conv, is_last: activation == Activation::Linear, pool: pool.clone() }))
            }
            Backend::Half(device) => {
                HalfConv::new(&weights, activation.slope(), device).map(Self::Half).map_err(device_error)
            }
            Backend::Candle(device) => Ok(Self::Candle(CandleConv {
                weight: Tensor::from_vec(weights.weight, &shape.dims(), device)?,
                bias: Tensor::from_vec(weights.bias, (1, shape.outputs, 1, 1), device)?,
                stride: shape.stride,
                padding: shape.kernel / 2,
                activation,
            })),
        }
    }

    /// The activation of the convolution of the channels of all `inputs` together, after which `residual` is added.
    ///
    /// # Errors
    /// [`crate::pipeline::Cancelled`] where the work was stopped.
    pub fn forward(&self, inputs: &[&Maps], residual: Option<&Maps>, cancel: &Cancel) -> anyhow::Result<Maps> {
        cancel.check()?;
        match self {
            Self::Cpu(conv, pool) => conv.forward(&images(inputs, residual, Maps::cpu)?, pool).map(Maps::Cpu),
            Self::Bf16(conv) => conv.forward(&images(inputs, residual, Maps::bf16)?),
            Self::Half(conv) => {
                let inputs = inputs.iter().map(|maps| maps.half()).collect::<anyhow::Result<Vec<_>>>()?;
                let residual = residual.map(Maps::half).transpose()?;
                Ok(Maps::Half(conv.forward(&inputs, residual).map_err(device_error)?))
            }
            Self::Candle(conv) => {
                let inputs = inputs.iter().map(|maps| maps.candle()).collect::<anyhow::Result<Vec<_>>>()?;
                let residual = residual.map(Maps::candle).transpose()?;
                Ok(Maps::Candle(conv.forward(&inputs, residual).map_err(device_error)?))
            }
        }
    }
}

impl Bf16Conv {
    fn forward(&self, images: &[kernels::Image<'_, kernels::bf16::Map>]) -> anyhow::Result<Maps> {
        if self.is_last {
            self.conv.forward_f32(images, &self.pool).map(Maps::Cpu)
        } else {
            self.conv.forward(images, &self.pool).map(Maps::Bf16)
        }
    }
}

/// Of every image its maps of all `inputs`, and its residual.
fn images<'a, M>(
    inputs: &[&'a Maps],
    residual: Option<&'a Maps>,
    of: impl Fn(&'a Maps) -> anyhow::Result<&'a [M]>,
) -> anyhow::Result<Vec<kernels::Image<'a, M>>> {
    let inputs = inputs.iter().map(|maps| of(maps)).collect::<anyhow::Result<Vec<_>>>()?;
    let residual = residual.map(of).transpose()?;
    let count = inputs.first().map_or(0, |maps| maps.len());
    let alike = inputs.iter().chain(&residual).all(|maps| maps.len() == count);
    ensure!(count > 0 && alike, "layers of batches of other sizes");
    let image = |i: usize| kernels::Image {
        inputs: inputs.iter().map(|maps| &maps[i]).collect(),
        residual: residual.map(|maps| &maps[i]),
    };
    Ok((0..count).map(image).collect())
}

impl CandleConv {
    fn forward(&self, inputs: &[&Tensor], residual: Option<&Tensor>) -> candle_core::Result<Tensor> {
        let joined;
        let input = match inputs {
            [one] => *one,
            many => {
                joined = Tensor::cat(many, 1)?;
                &joined
            }
        };
        let sum = input.conv2d(&self.weight, self.padding, self.stride, 1, 1)?.broadcast_add(&self.bias)?;
        let active = match self.activation {
            Activation::Linear => sum,
            Activation::Relu => sum.relu()?,
            Activation::Leaky => candle_nn::ops::leaky_relu(&sum, 0.1)?,
        };
        match residual {
            Some(residual) => active + residual,
            None => Ok(active),
        }
    }
}

impl Maps {
    /// Grey images as one channel: as many as [`Backend::batch`] allows, of one size; or those that [`Backend::mixes_sizes`].
    pub fn from_images(images: &[&Raster<f32>], backend: &Backend) -> anyhow::Result<Self> {
        let Some(first) = images.first() else { bail!("no image") };
        let (width, height) = (first.width(), first.height());
        let alike = images.iter().all(|image| (image.width(), image.height()) == (width, height));
        let fits = backend.mixes_sizes() || (alike && images.len() <= backend.batch());
        ensure!(fits, "a batch of {} images", images.len());
        let size = |image: &Raster<f32>| [1, image.height(), image.width()];
        match backend {
            Backend::Cpu { pool, .. } => {
                let map = |image: &&Raster<f32>| kernels::Map::from_rows(image.data(), size(image), pool);
                Ok(Self::Cpu(images.iter().map(map).collect()))
            }
            Backend::Bf16 { pool } => {
                let map = |image: &&Raster<f32>| kernels::bf16::Map::from_rows(image.data(), size(image), pool);
                Ok(Self::Bf16(images.iter().map(map).collect()))
            }
            Backend::Half(device) => HalfMap::from_images(images, device).map(Self::Half).map_err(device_error),
            Backend::Candle(device) => {
                let values: Vec<f32> = images.iter().flat_map(|image| image.data().iter().copied()).collect();
                let tensor = Tensor::from_vec(values, (images.len(), 1, height, width), device);
                tensor.map(Self::Candle).map_err(device_error)
            }
        }
    }

    /// All batches as one.
    pub fn joined(batches: Vec<Self>) -> anyhow::Result<Self> {
        let mut batches = batches.into_iter();
        let Some(mut all) = batches.next() else { bail!("no image") };
        for batch in batches {
            match (&mut all, batch) {
                (Self::Cpu(all), Self::Cpu(maps)) => all.extend(maps),
                (Self::Bf16(all), Self::Bf16(maps)) => all.extend(maps),
                _ => bail!("a device whose batches are of one piece"),
            }
        }
        Ok(all)
    }

    /// Each pixel twice in each direction.
    pub fn upsampled(&self) -> anyhow::Result<Self> {
        match self {
            Self::Cpu(maps) => Ok(Self::Cpu(maps.iter().map(kernels::Map::upsampled).collect())),
            Self::Bf16(maps) => Ok(Self::Bf16(maps.iter().map(kernels::bf16::Map::upsampled).collect())),
            Self::Half(map) => Ok(Self::Half(map.upsampled())),
            Self::Candle(tensor) => {
                let (_, _, height, width) = tensor.dims4()?;
                tensor.upsample_nearest2d(2 * height, 2 * width).map(Self::Candle).map_err(device_error)
            }
        }
    }

    /// The largest of each 2×2 pixels.
    pub fn max_pooled(&self) -> anyhow::Result<Self> {
        match self {
            Self::Cpu(maps) => Ok(Self::Cpu(maps.iter().map(kernels::Map::max_pooled).collect())),
            Self::Bf16(maps) => Ok(Self::Bf16(maps.iter().map(kernels::bf16::Map::max_pooled).collect())),
            Self::Half(map) => map.max_pooled().map(Self::Half).map_err(device_error),
            Self::Candle(tensor) => tensor.max_pool2d(2).map(Self::Candle).map_err(device_error),
        }
    }

    /// Each image's channels, height and width.
    pub fn sizes(&self) -> anyhow::Result<Vec<[usize; 3]>> {
        match self {
            Self::Cpu(maps) => Ok(maps.iter().map(kernels::Map::size).collect()),
            Self::Bf16(maps) => Ok(maps.iter().map(kernels::bf16::Map::size).collect()),
            Self::Half(map) => {
                let [batch, height, width, channels] = map.dims()?;
                Ok(vec![[channels, height, width]; batch])
            }
            Self::Candle(tensor) => {
                let (batch, channels, height, width) = tensor.dims4()?;
                Ok(vec![[channels, height, width]; batch])
            }
        }
    }

    /// The values, row-major `[channels, height, width]`, image after image. Waits for the device.
    pub fn values(&self) -> anyhow::Result<Vec<f32>> {
        match self {
            Self::Cpu(maps) => Ok(maps.iter().flat_map(kernels::Map::to_rows).collect()),
            Self::Bf16(maps) => Ok(maps.iter().flat_map(kernels::bf16::Map::to_rows).collect()),
            Self::Half(map) => map.values().map_err(device_error),
            Self::Candle(tensor) => {
                let values = tensor.to_device(&Device::Cpu).and_then(|tensor| tensor.flatten_all()?.to_vec1());
                values.map_err(device_error)
            }
        }
    }

    fn cpu(&self) -> anyhow::Result<&[kernels::Map]> {
        match self {
            Self::Cpu(maps) => Ok(maps),
            _ => bail!(MIXED),
        }
    }

    fn bf16(&self) -> anyhow::Result<&[kernels::bf16::Map]> {
        match self {
            Self::Bf16(maps) => Ok(maps),
            _ => bail!(MIXED),
        }
    }

    fn half(&self) -> anyhow::Result<&HalfMap> {
        match self {
            Self::Half(map) => Ok(map),
            _ => bail!(MIXED),
        }
    }

    fn candle(&self) -> anyhow::Result<&Tensor> {
        match self {
            Self::Candle(tensor) => Ok(tensor),
            _ => bail!(MIXED),
        }
    }
}

impl Activation {
    /// What negative sums are multiplied by.
    fn slope(self) -> f32 {
        match self {
            Self::Linear => 1.0,
            Self::Relu => 0.0,
            Self::Leaky => 0.1,
        }
    }
}

/// Trouble of the device in a sentence; the details go to the log.
fn device_error(error: impl std::fmt::Display) -> anyhow::Error {
    let error = error.to_string();
    // The lines after the first are a trace of the stack.
    log::info!("the device: {}", error.lines().next().unwrap_or_default());
    if error.contains("OUT_OF_MEMORY") {
        anyhow::anyhow!("The CUDA device has too little free memory; close what else uses it, or choose --device cpu.")
    } else {
        anyhow::anyhow!("The CUDA device failed; choose --device cpu.")
    }
}
