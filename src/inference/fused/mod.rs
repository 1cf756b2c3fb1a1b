//! The layers on CUDA: f16 values, f32 sums, convolution with bias, activation and residual as one operation.
//!
//! candle's own convolution writes every pixel's neighbourhood out, multiplies, and turns the result; activation and residual
//! are more passes. Here a layer is one kernel (`kernels.cu`), which also reads several maps as if their channels were joined, and
//! a map of half the size as if it were doubled. Maps are `[batch, height, width, channels]`.
//!
//! Each operation is a candle custom operation. On candle's CPU it is computed by [`kernels`] and rounded to f16 as on CUDA:
//! that is what [`check`] compares a device with before anything is entrusted to it, and how tests see the effect of f16.

use std::sync::Arc;

use anyhow::ensure;
use candle_core::{CpuStorage, CudaStorage, CustomOp1, Device, Layout, Shape, Tensor};
use half::f16;

use super::device::{Backend, launch};
use super::kernels::{self, Image, Map, Pool};
use super::weights::{ConvShape, ConvWeights};
use crate::raster::Raster;

mod check;

pub use check::check;

/// The most maps that a convolution joins.
pub const MOST_SOURCES: usize = 5;
/// Input channels come in whole steps of so many, output channels are padded to whole blocks of so many.
const STEP: usize = 32;
const BLOCK: usize = 64;
/// The largest f16: larger values stop there.
const LARGEST: f32 = 65504.0;

/// Feature maps of a batch of images; clones share the memory.
#[derive(Clone)]
pub struct HalfMap {
    /// f16 `[batch, height, width, channels]`, or grey images, f32 `[batch, height, width]`.
    pub values: Tensor,
    /// Each pixel stands for two by two.
    pub doubled: bool,
}

/// A convolution with bias and activation; its padding keeps the size.
pub struct HalfConv {
    /// f16 `[outputs in whole blocks, kernel · kernel, inputs]`; of a grey image f32 `[kernel · kernel, outputs]`.
    pub weights: Tensor,
    /// f32 `[outputs in whole blocks]`
    pub bias: Tensor,
    pub shape: ConvShape,
    /// Negative sums are multiplied by this.
    pub slope: f32,
    /// The same for candle's CPU.
    cpu: Option<(kernels::Conv, Arc<Pool>)>,
}

/// A convolution and what it is applied to.
pub struct Convolution<'a> {
    pub conv: &'a HalfConv,
    pub inputs: &'a [&'a HalfMap],
    /// Added after the activation.
    pub residual: Option<&'a HalfMap>,
}

/// The largest of each 2×2 pixels.
struct MaxPool<'a>(&'a HalfMap);

impl HalfMap {
    /// Grey images of one size.
    pub fn from_images(images: &[&Raster<f32>], device: &Device) -> candle_core::Result<Self> {
        let (width, height) = images.first().map_or((0, 0), |image| (image.width(), image.height()));
        let values: Vec<f32> = images.iter().flat_map(|image| image.data().iter().copied()).collect();
        Ok(Self { values: Tensor::from_vec(values, (images.len(), height, width), device)?, doubled: false })
    }

    /// Batch, height, width, channels; doubled where that is so.
    pub fn dims(&self) -> candle_core::Result<[usize; 4]> {
        let factor = if self.doubled { 2 } else { 1 };
        match *self.values.dims() {
            [batch, height, width, channels] => Ok([batch, factor * height, factor * width, channels]),
            [batch, height, width] => Ok([batch, factor * height, factor * width, 1]),
            _ => candle_core::bail!("maps of {} dimensions", self.values.rank()),
        }
    }

    pub fn upsampled(&self) -> Self {
        Self { values: self.values.clone(), doubled: true }
    }

    pub fn max_pooled(&self) -> candle_core::Result<Self> {
        Ok(Self { values: self.values.apply_op1_no_bwd(&MaxPool(self))?, doubled: false })
    }

    /// The values of a map that is not doubled, row-major `[batch, channels, height, width]`.
    pub fn values(&self) -> candle_core::Result<Vec<f32>> {
        if self.doubled {
            candle_core::bail!("a doubled map is not written out");
        }
        let [batch, height, width, channels] = self.dims()?;
        let values: Vec<f16> = self.values.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()?;
        let images = values.chunks_exact((height * width * channels).max(1)).take(batch);
        Ok(images.flat_map(|image| rows(image, channels)).collect())
    }
}

impl HalfConv {
    /// Rounds the weights to f16 and uploads them.
    pub fn new(weights: &ConvWeights, slope: f32, device: &Device) -> anyhow::Result<Self> {
        let shape = weights.shape;
        let ConvShape { inputs, outputs, kernel, stride } = shape;
        let taps = kernel * kernel;
        let grey = inputs == 1 && kernel == 3 && stride == 1 && outputs.is_multiple_of(8);
        ensure!(grey || inputs.is_multiple_of(STEP), "a convolution of {inputs} channels is not made for CUDA");
        let padded = outputs.next_multiple_of(BLOCK);
        let mut bias = weights.bias.clone();
        bias.resize(padded, 0.0);
        let turned = if grey {
            let value = |at: usize| weights.weight[at % outputs * taps + at / outputs];
            Tensor::from_vec((0..taps * outputs).map(value).collect::<Vec<f32>>(), (taps, outputs), device)?
        } else {
            let mut turned = vec![f16::ZERO; padded * taps * inputs];
            for (row, to) in weights.weight.chunks_exact(inputs * taps).zip(turned.chunks_exact_mut(inputs * taps)) {
                for (tap, to) in to.chunks_exact_mut(inputs).enumerate() {
                    for (value, of_input) in to.iter_mut().zip(row.chunks_exact(taps)) {
                        *value = rounded(of_input[tap]);
                    }
                }
            }
            Tensor::from_vec(turned, (padded, taps, inputs), device)?
        };
        let cpu = match device {
            Device::Cpu => {
                let Backend::Cpu { isa, pool } = Backend::cpu() else { anyhow::bail!("the CPU is not the CPU") };
                let round = |value: &f32| if grey { *value } else { rounded(*value).to_f32() };
                let weight: Vec<f32> = weights.weight.iter().map(round).collect();
                let size = [outputs, inputs, kernel];
                Some((kernels::Conv::new(size, stride, &weight, &weights.bias, slope, isa)?, pool))
            }
            _ => None,
        };
        Ok(Self { weights: turned, bias: Tensor::from_vec(bias, padded, device)?, shape, slope, cpu })
    }

    /// The activation of the convolution of the channels of all `inputs` together, after which `residual` is added.
    pub fn forward(&self, inputs: &[&HalfMap], residual: Option<&HalfMap>) -> candle_core::Result<HalfMap> {
        let call = Convolution { conv: self, inputs, residual };
        call.result_dims()?;
        Ok(HalfMap { values: inputs[0].values.apply_op1_no_bwd(&call)?, doubled: false })
    }
}

impl Convolution<'_> {
    /// Batch, height, width, channels of the result.
    ///
    /// # Errors
    /// Inputs that do not fit each other or the weights: a kernel reads what it is told.
    pub fn result_dims(&self) -> candle_core::Result<[usize; 4]> {
        let ConvShape { inputs, outputs, stride, .. } = self.conv.shape;
        let Some(first) = self.inputs.first() else { candle_core::bail!("a convolution of nothing") };
        let [batch, height, width, _] = first.dims()?;
        let mut channels = 0;
        for input in self.inputs {
            let [b, h, w, c] = input.dims()?;
            let whole = c.is_multiple_of(STEP) || inputs == 1;
            if (b, h, w) != (batch, height, width) || !whole || !input.values.is_contiguous() {
                candle_core::bail!("a convolution of maps that do not fit each other");
            }
            channels += c;
        }
        let result = [batch, height.div_ceil(stride), width.div_ceil(stride), outputs];
        let small = result.iter().try_fold(1usize, |a, b| a.checked_mul(*b)).is_some_and(|n| n <= 1 << 31);
        if channels != inputs || self.inputs.len() > MOST_SOURCES || !small {
            candle_core::bail!("a convolution of {inputs} channels got {channels}");
        }
        if let Some(residual) = self.residual
            && (residual.doubled || residual.dims()? != result || !residual.values.is_contiguous())
        {
            candle_core::bail!("a residual of another size");
        }
        Ok(result)
    }
}

impl CustomOp1 for Convolution<'_> {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let dims = self.result_dims()?;
        let Some((conv, pool)) = &self.conv.cpu else { candle_core::bail!("a convolution of another device") };
        let inputs = self.inputs.iter().map(|input| maps(input, pool)).collect::<candle_core::Result<Vec<_>>>()?;
        let residual = self.residual.map(|map| maps(map, pool)).transpose()?;
        let image = |i: usize| Image {
            inputs: inputs.iter().map(|maps| &maps[i]).collect(),
            residual: residual.as_ref().map(|maps| &maps[i]),
        };
        let images: Vec<Image<'_, Map>> = (0..dims[0]).map(image).collect();
        let mut values = Vec::with_capacity(dims.iter().product());
        for result in conv.forward(&images, pool).map_err(candle_core::Error::msg)? {
            let (result, area) = (result.to_rows(), dims[1] * dims[2]);
            values.extend((0..result.len()).map(|at| rounded(result[at % dims[3] * area + at / dims[3]])));
        }
        Ok((CpuStorage::F16(values), Shape::from(dims.to_vec())))
    }

    fn cuda_fwd(&self, storage: &CudaStorage, _: &Layout) -> candle_core::Result<(CudaStorage, Shape)> {
        launch::convolve(self, storage)
    }
}

impl MaxPool<'_> {
    /// Batch, height, width, channels of the result.
    fn result_dims(&self) -> candle_core::Result<[usize; 4]> {
        let [batch, height, width, channels] = self.0.dims()?;
        let even = height.is_multiple_of(2) && width.is_multiple_of(2) && channels.is_multiple_of(8);
        if !even || self.0.doubled || !self.0.values.is_contiguous() {
            candle_core::bail!("a pooling of {height}×{width}×{channels}");
        }
        Ok([batch, height / 2, width / 2, channels])
    }
}

impl CustomOp1 for MaxPool<'_> {
    fn name(&self) -> &'static str {
        "max-pool"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let dims = self.result_dims()?;
        let [_, _, width, channels] = dims;
        let values: Vec<f16> = self.0.values.flatten_all()?.to_vec1()?;
        let largest = |at: usize| {
            let (channel, x, y) = (at % channels, at / channels % width, at / channels / width);
            let corner = (4 * y * width + 2 * x) * channels + channel;
            let below = corner + 2 * width * channels;
            values[corner].max(values[corner + channels]).max(values[below].max(values[below + channels]))
        };
        let pooled = (0..dims.iter().product()).map(largest).collect();
        Ok((CpuStorage::F16(pooled), Shape::from(dims.to_vec())))
    }

    fn cuda_fwd(&self, storage: &CudaStorage, _: &Layout) -> candle_core::Result<(CudaStorage, Shape)> {
        launch::max_pool(self.result_dims()?, storage)
    }
}

/// The nearest f16, at most the largest there is.
fn rounded(value: f32) -> f16 {
    f16::from_f32(value.clamp(-LARGEST, LARGEST))
}

/// `[height, width, channels]` as `[channels, height, width]`.
fn rows(image: &[f16], channels: usize) -> Vec<f32> {
    let area = image.len() / channels.max(1);
    (0..image.len()).map(|at| image[at % area * channels + at / area].to_f32()).collect()
}

/// Each image of the batch for the CPU's kernels.
fn maps(map: &HalfMap, pool: &Arc<Pool>) -> candle_core::Result<Vec<Map>> {
    let stored = HalfMap { values: map.values.clone(), doubled: false };
    let [batch, height, width, channels] = stored.dims()?;
    let values: Vec<f32> = match map.values.rank() {
        3 => map.values.flatten_all()?.to_vec1()?,
        _ => stored.values()?,
    };
    let images = values.chunks_exact((channels * height * width).max(1)).take(batch);
    let map_of = |image| Map::from_rows(image, [channels, height, width], pool);
    Ok(images.map(|image| if map.doubled { map_of(image).upsampled() } else { map_of(image) }).collect())
}
