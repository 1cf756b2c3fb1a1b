//! The operations that the networks are made of, on whichever backend they were loaded for.

use candle_core::{Device, Tensor};

use super::device::Backend;
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

/// Feature maps `[batch, channels, height, width]`; clones share the memory.
#[derive(Clone)]
pub struct Maps(Tensor);

/// A convolution with bias and activation.
pub struct Conv {
    /// `[out, in, kernel, kernel]`
    weight: Tensor,
    /// `[1, out, 1, 1]`
    bias: Tensor,
    stride: usize,
    padding: usize,
    activation: Activation,
}

impl Conv {
    pub fn new(weights: ConvWeights, activation: Activation, backend: &Backend) -> anyhow::Result<Self> {
        let Backend::Candle(device) = backend;
        let shape = weights.shape;
        Ok(Self {
            weight: Tensor::from_vec(weights.weight, &shape.dims(), device)?,
            bias: Tensor::from_vec(weights.bias, (1, shape.outputs, 1, 1), device)?,
            stride: shape.stride,
            padding: shape.kernel / 2,
            activation,
        })
    }

    /// The activation of the convolution of the channels of all `inputs` together, after which `residual` is added.
    ///
    /// # Errors
    /// [`crate::pipeline::Cancelled`] where the work was stopped.
    pub fn forward(&self, inputs: &[&Maps], residual: Option<&Maps>, cancel: &Cancel) -> anyhow::Result<Maps> {
        cancel.check()?;
        let joined;
        let input = match inputs {
            [one] => &one.0,
            many => {
                joined = Tensor::cat(&many.iter().map(|maps| &maps.0).collect::<Vec<_>>(), 1)?;
                &joined
            }
        };
        let sum = input.conv2d(&self.weight, self.padding, self.stride, 1, 1)?.broadcast_add(&self.bias)?;
        let active = match self.activation {
            Activation::Linear => sum,
            Activation::Relu => sum.relu()?,
            Activation::Leaky => candle_nn::ops::leaky_relu(&sum, 0.1)?,
        };
        Ok(Maps(match residual {
            Some(residual) => (active + &residual.0)?,
            None => active,
        }))
    }
}

impl Maps {
    /// Images of one size as `[batch, 1, height, width]`.
    pub fn from_images(images: &[&Raster<f32>], backend: &Backend) -> anyhow::Result<Self> {
        let Backend::Candle(device) = backend;
        let (width, height) = images.first().map_or((0, 0), |image| (image.width(), image.height()));
        let mut data = Vec::with_capacity(images.len() * width * height);
        images.iter().for_each(|image| data.extend_from_slice(image.data()));
        Ok(Self(Tensor::from_vec(data, (images.len(), 1, height, width), device)?))
    }

    /// Each pixel twice in each direction.
    pub fn upsampled(&self) -> anyhow::Result<Self> {
        let (_, _, height, width) = self.0.dims4()?;
        Ok(Self(self.0.upsample_nearest2d(2 * height, 2 * width)?))
    }

    /// The largest of each 2×2 pixels.
    pub fn max_pooled(&self) -> anyhow::Result<Self> {
        Ok(Self(self.0.max_pool2d(2)?))
    }

    /// `[batch, channels, height, width]`
    pub fn dims(&self) -> anyhow::Result<(usize, usize, usize, usize)> {
        Ok(self.0.dims4()?)
    }

    /// The values, row-major in the order of [`Self::dims`].
    pub fn values(&self) -> anyhow::Result<Vec<f32>> {
        Ok(self.0.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()?)
    }
}
