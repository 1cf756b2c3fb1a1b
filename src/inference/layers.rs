//! The operations that the networks are made of, on whichever backend they were loaded for: the program's own kernels on the
//! CPU, candle's on CUDA.

use std::sync::Arc;

use anyhow::bail;
use candle_core::{Device, Tensor};

use super::device::Backend;
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

/// Feature maps of one image, `[channels, height, width]`; clones share the memory.
#[derive(Clone)]
pub enum Maps {
    Cpu(kernels::Map),
    /// `[1, channels, height, width]`
    Candle(Tensor),
}

/// A convolution with bias and activation.
pub enum Conv {
    Cpu(kernels::Conv, Arc<kernels::Pool>),
    Candle(CandleConv),
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
                let slope = match activation {
                    Activation::Linear => 1.0,
                    Activation::Relu => 0.0,
                    Activation::Leaky => 0.1,
                };
                let size = [shape.outputs, shape.inputs, shape.kernel];
                let conv = kernels::Conv::new(size, shape.stride, &weights.weight, &weights.bias, slope, *isa)?;
                Ok(Self::Cpu(conv, pool.clone()))
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
            Self::Cpu(conv, pool) => {
                let inputs = inputs.iter().map(|maps| maps.cpu()).collect::<anyhow::Result<Vec<_>>>()?;
                let residual = residual.map(Maps::cpu).transpose()?;
                Ok(Maps::Cpu(conv.forward(&inputs, residual, pool)?))
            }
            Self::Candle(conv) => {
                let inputs = inputs.iter().map(|maps| maps.candle()).collect::<anyhow::Result<Vec<_>>>()?;
                let residual = residual.map(Maps::candle).transpose()?;
                Ok(Maps::Candle(conv.forward(&inputs, residual)?))
            }
        }
    }
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
    /// A grey image as one channel.
    pub fn from_image(image: &Raster<f32>, backend: &Backend) -> anyhow::Result<Self> {
        let (width, height) = (image.width(), image.height());
        match backend {
            Backend::Cpu { pool, .. } => Ok(Self::Cpu(kernels::Map::from_rows(image.data(), [1, height, width], pool))),
            Backend::Candle(device) => {
                Ok(Self::Candle(Tensor::from_slice(image.data(), (1, 1, height, width), device)?))
            }
        }
    }

    /// Each pixel twice in each direction.
    pub fn upsampled(&self) -> anyhow::Result<Self> {
        match self {
            Self::Cpu(map) => Ok(Self::Cpu(map.upsampled())),
            Self::Candle(tensor) => {
                let (_, _, height, width) = tensor.dims4()?;
                Ok(Self::Candle(tensor.upsample_nearest2d(2 * height, 2 * width)?))
            }
        }
    }

    /// The largest of each 2×2 pixels.
    pub fn max_pooled(&self) -> anyhow::Result<Self> {
        match self {
            Self::Cpu(map) => Ok(Self::Cpu(map.max_pooled())),
            Self::Candle(tensor) => Ok(Self::Candle(tensor.max_pool2d(2)?)),
        }
    }

    /// Height and width.
    pub fn size(&self) -> anyhow::Result<(usize, usize)> {
        match self {
            Self::Cpu(map) => Ok((map.layout().height, map.layout().width)),
            Self::Candle(tensor) => {
                let (_, _, height, width) = tensor.dims4()?;
                Ok((height, width))
            }
        }
    }

    /// The values, row-major `[channels, height, width]`.
    pub fn values(&self) -> anyhow::Result<Vec<f32>> {
        match self {
            Self::Cpu(map) => Ok(map.to_rows()),
            Self::Candle(tensor) => Ok(tensor.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()?),
        }
    }

    fn cpu(&self) -> anyhow::Result<&kernels::Map> {
        match self {
            Self::Cpu(map) => Ok(map),
            Self::Candle(_) => bail!(MIXED),
        }
    }

    fn candle(&self) -> anyhow::Result<&Tensor> {
        match self {
            Self::Candle(tensor) => Ok(tensor),
            Self::Cpu(_) => bail!(MIXED),
        }
    }
}
