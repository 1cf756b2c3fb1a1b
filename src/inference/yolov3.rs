//! YOLOv3 (Redmon and Farhadi, 2018), the detector: Darknet-53 and three heads, 75 convolutions in the order of the standard
//! `yolov3.cfg`. Input: one grey channel in [0, 1], standing for three equal ones.
//!
//! Every convolution but the three that end in a head has a batch norm and a leaky ReLU of slope 0.1.
//!
//! # Weights
//! - Safetensors: `conv.{0…74}.weight` `[out, in, k, k]` and either `conv.{i}.bias` `[out]` (batch norm already folded in, and
//!   always for the heads 58, 66 and 74) or `conv.{i}.bn.{weight,bias,running_mean,running_var}` `[out]`. Metadata: `format` =
//!   `mammoscope-yolov3`, `name`, and the description below under the keys `anchors`, `anchor_units`, `net` and `classes`, each a
//!   JSON text.
//! - Darknet `.weights` with a description `<same stem>.json` beside it; safetensors without anchors may have one too.
//!
//! The description is explained at [`super::decode::Description`].

use std::path::Path;

use super::decode::{self, Description, Head};
use super::device::Backend;
use super::layers::{Activation, Conv, Maps};
use super::weights::darknet::Layer;
use super::weights::safetensors::TensorFile;
use super::weights::{self, BatchNorm, ConvShape, ConvWeights, Format, Source, WeightError, darknet};
use crate::findings::ModelIdentity;
use crate::pipeline::{Cancel, Detector, NetDetection};
use crate::raster::Raster;
use crate::space::NetSize;

/// The number of convolutions.
pub const CONVOLUTIONS: usize = 75;
/// The convolutions that end in a head, strides 32, 16 and 8.
pub const HEADS: [usize; 3] = [58, 66, 74];
/// The value of `format` in a safetensors file.
pub const FORMAT: &str = "mammoscope-yolov3";
/// The input's sides are multiples of this.
pub const STRIDE: usize = 32;
/// The largest input in pixels, which bounds the memory.
const MAX_PIXELS: usize = 1 << 22;
/// The stages whose maps are larger than their weights.
const BEGINNING_STAGES: usize = 2;
/// Residual blocks in each stage of the backbone.
const BLOCKS: [usize; 5] = [1, 2, 8, 8, 4];

/// The detector.
pub struct Yolov3 {
    convolutions: Vec<Conv>,
    description: Description,
    identity: ModelIdentity,
    backend: Backend,
}

impl Yolov3 {
    /// Reads the weights.
    pub fn load(source: &Source, backend: &Backend) -> Result<Self, WeightError> {
        let ((convolutions, description), identity) = weights::read(source, |format, bytes| match format {
            Format::Safetensors => from_safetensors(bytes, &source.path, backend),
            Format::Darknet => from_darknet(bytes, &source.path, backend),
        })?;
        Ok(Self { convolutions, description, identity, backend: backend.clone() })
    }

    /// The raw outputs of the heads at strides 32, 16 and 8, before any sigmoid.
    ///
    /// # Errors
    /// An input whose sides are no multiples of 32, too large or not finite; [`crate::pipeline::Cancelled`].
    pub fn heads(&self, input: &Raster<f32>, cancel: &Cancel) -> anyhow::Result<[Head; 3]> {
        let heads = self.heads_of_all(&[input], cancel, &mut |_| ())?;
        heads.into_iter().next().ok_or_else(|| anyhow::anyhow!("The detector gave no answer."))
    }

    /// The same of several inputs at once; of several sizes where [`Backend::mixes_sizes`]. `progress` is told what part of the
    /// work is done, in [0, 1].
    pub fn heads_of_all(
        &self,
        inputs: &[&Raster<f32>],
        cancel: &Cancel,
        progress: &mut dyn FnMut(f32),
    ) -> anyhow::Result<Vec<[Head; 3]>> {
        inputs.iter().try_for_each(|input| check_input(input))?;
        let mut run = Run::new(&self.convolutions, inputs, cancel, progress);
        // Where maps are large and weights few, one after the other: their memory is used again.
        let mut beginnings = Vec::with_capacity(inputs.len());
        for input in inputs {
            run.restart(input);
            let image = Maps::from_images(&[input], &self.backend)?;
            let mut x = run.layer(&[&image], None)?;
            for blocks in BLOCKS.into_iter().take(BEGINNING_STAGES) {
                x = run.stage(x, blocks)?;
            }
            beginnings.push(x);
        }
        let mut x = Maps::joined(beginnings)?;
        run.pixels = pixels(inputs);
        let mut stages = Vec::with_capacity(BLOCKS.len());
        for blocks in BLOCKS.into_iter().skip(BEGINNING_STAGES) {
            x = run.stage(x, blocks)?;
            stages.push(x.clone());
        }

        // Each head: five convolutions, whose result also goes up to the next finer head, then two more.
        let mut heads = Vec::with_capacity(HEADS.len());
        let mut neck: Option<Maps> = None;
        for (stage, stride) in stages.iter().rev().zip([32, 16, 8]) {
            x = match &neck {
                None => run.layer(&[stage], None)?,
                Some(neck) => {
                    let up = run.layer(&[neck], None)?.upsampled()?;
                    run.layer(&[&up, stage], None)?
                }
            };
            for _ in 0..4 {
                x = run.layer(&[&x], None)?;
            }
            let wide = run.layer(&[&x], None)?;
            heads.push(heads_of_images(stride, &run.layer(&[&wide], None)?)?.into_iter());
            neck = Some(x.clone());
        }
        let each = inputs.iter().map(|_| {
            let heads: Vec<Head> = heads.iter_mut().filter_map(Iterator::next).collect();
            heads.try_into().map_err(|_| anyhow::anyhow!("The detector lacks a head."))
        });
        each.collect()
    }
}

/// A way through the convolutions in their order.
struct Run<'a> {
    convolutions: &'a [Conv],
    next: usize,
    /// Of the inputs that go through together.
    pixels: f64,
    /// Of each convolution for a pixel of the input.
    operations: Vec<f64>,
    done: f64,
    total: f64,
    cancel: &'a Cancel,
    progress: &'a mut dyn FnMut(f32),
}

impl<'a> Run<'a> {
    fn new(
        convolutions: &'a [Conv],
        inputs: &[&Raster<f32>],
        cancel: &'a Cancel,
        progress: &'a mut dyn FnMut(f32),
    ) -> Self {
        let operations = operations_per_pixel();
        let total = operations.iter().sum::<f64>() * pixels(inputs);
        Self { convolutions, next: 0, pixels: 0.0, operations, done: 0.0, total, cancel, progress }
    }

    /// Begins with the first convolution, for one input.
    fn restart(&mut self, input: &Raster<f32>) {
        (self.next, self.pixels) = (0, pixels(&[input]));
    }

    /// The next convolution.
    fn layer(&mut self, inputs: &[&Maps], residual: Option<&Maps>) -> anyhow::Result<Maps> {
        let conv = self.convolutions.get(self.next).ok_or_else(|| anyhow::anyhow!("The detector lacks a layer."))?;
        let maps = conv.forward(inputs, residual, self.cancel)?;
        self.done += self.operations[self.next] * self.pixels;
        (self.progress)((self.done / self.total) as f32);
        self.next += 1;
        Ok(maps)
    }

    /// Half the size, then so many residual blocks.
    fn stage(&mut self, x: Maps, blocks: usize) -> anyhow::Result<Maps> {
        let mut x = self.layer(&[&x], None)?;
        for _ in 0..blocks {
            let narrow = self.layer(&[&x], None)?;
            x = self.layer(&[&narrow], Some(&x))?;
        }
        Ok(x)
    }
}

fn pixels(inputs: &[&Raster<f32>]) -> f64 {
    inputs.iter().map(|input| (input.width() * input.height()) as f64).sum()
}

impl Detector for Yolov3 {
    fn detect(
        &mut self,
        input: &Raster<f32>,
        min_confidence: f32,
        cancel: &Cancel,
    ) -> anyhow::Result<Vec<NetDetection>> {
        let found = self.detect_all(std::slice::from_ref(input), min_confidence, cancel, &mut |_| ())?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    fn detect_all(
        &mut self,
        inputs: &[Raster<f32>],
        min_confidence: f32,
        cancel: &Cancel,
        progress: &mut dyn FnMut(f32),
    ) -> anyhow::Result<Vec<Vec<NetDetection>>> {
        let at_once = if self.takes_all() { inputs.len().max(1) } else { 1 };
        let runs = inputs.len().div_ceil(at_once) as f32;
        let mut found = Vec::with_capacity(inputs.len());
        for (before, inputs) in inputs.chunks(at_once).enumerate() {
            let mut say = |part| progress((before as f32 + part) / runs);
            let heads = self.heads_of_all(&inputs.iter().collect::<Vec<_>>(), cancel, &mut say)?;
            cancel.check()?;
            for (input, heads) in inputs.iter().zip(&heads) {
                let net = NetSize::new(input.width(), input.height());
                found.push(decode::boxes(heads, &self.description, net, min_confidence)?);
            }
        }
        Ok(found)
    }

    fn takes_all(&self) -> bool {
        self.backend.mixes_sizes()
    }

    fn identity(&self) -> ModelIdentity {
        self.identity.clone()
    }
}

/// A head's values, image by image.
fn heads_of_images(stride: usize, output: &Maps) -> anyhow::Result<Vec<Head>> {
    let values = output.values()?;
    let mut rest = &values[..];
    let head = |[channels, height, width]: [usize; 3]| {
        let (own, others) = rest.split_at(channels * height * width);
        rest = others;
        Head { stride, width, height, values: own.to_vec() }
    };
    Ok(output.sizes()?.into_iter().map(head).collect())
}

fn check_input(input: &Raster<f32>) -> anyhow::Result<()> {
    let (width, height) = (input.width(), input.height());
    anyhow::ensure!(
        width > 0 && height > 0 && width % STRIDE == 0 && height % STRIDE == 0,
        "The detector needs an input whose sides are multiples of {STRIDE}, not {width}×{height}."
    );
    anyhow::ensure!(width * height <= MAX_PIXELS, "An input of {width}×{height} is too large for the detector.");
    anyhow::ensure!(input.data().iter().all(|v| v.is_finite()), "The detector's input is not finite.");
    Ok(())
}

/// The convolutions in file order.
pub fn layers(classes: usize) -> Vec<Layer> {
    let mut shapes = vec![ConvShape::new(3, 32, 3, 1)];
    let mut width = 32;
    for blocks in BLOCKS {
        shapes.push(ConvShape::new(width, 2 * width, 3, 2));
        width *= 2;
        for _ in 0..blocks {
            shapes.extend([ConvShape::new(width, width / 2, 1, 1), ConvShape::new(width / 2, width, 3, 1)]);
        }
    }
    for (index, narrow) in [512, 256, 128].into_iter().enumerate() {
        let first = if index == 0 { 1024 } else { 3 * narrow };
        if index > 0 {
            shapes.push(ConvShape::new(2 * narrow, narrow, 1, 1));
        }
        for inputs in [first, 2 * narrow, 2 * narrow] {
            shapes.extend([ConvShape::new(inputs, narrow, 1, 1), ConvShape::new(narrow, 2 * narrow, 3, 1)]);
        }
        shapes.push(ConvShape::new(2 * narrow, 3 * (5 + classes), 1, 1));
    }
    let layer = |(index, shape)| Layer { name: format!("conv.{index}"), shape, batch_norm: !HEADS.contains(&index) };
    shapes.into_iter().enumerate().map(layer).collect()
}

/// Floating-point operations of one run on an input of that size, a multiplication and an addition counted as two.
pub fn operations(size: NetSize) -> f64 {
    operations_per_pixel().iter().sum::<f64>() * (size.width * size.height) as f64
}

/// Those of each convolution for a pixel of the input.
fn operations_per_pixel() -> Vec<f64> {
    let mut stride = 1;
    let each = layers(1).into_iter().enumerate().map(|(index, layer)| {
        stride = match index {
            60 => 16,
            68 => 8,
            _ => stride * layer.shape.stride,
        };
        2.0 * layer.shape.count() as f64 / (stride * stride) as f64
    });
    each.collect()
}

type Loaded = ((Vec<Conv>, Description), String);

fn from_safetensors(bytes: &[u8], path: &Path, backend: &Backend) -> Result<Loaded, WeightError> {
    let file = TensorFile::parse(bytes)?;
    file.expect_format(FORMAT)?;
    let description = match Description::from_metadata(|key| file.metadata(key))? {
        Some(description) => description,
        None => Description::beside(path)?,
    };
    let convolutions =
        weights::in_parallel(layers(description.classes), |layer| build(convolution(&file, &layer)?, &layer, backend))?;
    Ok(((convolutions, description), file.name().unwrap_or_else(|| "YOLOv3".to_owned())))
}

fn from_darknet(bytes: &[u8], path: &Path, backend: &Backend) -> Result<Loaded, WeightError> {
    let description = Description::beside(path)?;
    let layers = layers(description.classes);
    let read = darknet::read(bytes, &layers)?.into_iter().zip(&layers).collect();
    let convolutions = weights::in_parallel(read, |(weights, layer)| build(weights, layer, backend))?;
    Ok(((convolutions, description), "YOLOv3 (Darknet weights)".to_owned()))
}

/// Reads one convolution, with its batch norm folded in where it still has one.
fn convolution(file: &TensorFile<'_>, layer: &Layer) -> Result<ConvWeights, WeightError> {
    let Layer { name, shape, batch_norm } = layer;
    let weight = file.values(&format!("{name}.weight"), &shape.dims())?;
    if *batch_norm && file.has(&format!("{name}.bn.weight")) {
        BatchNorm::read(file, &format!("{name}.bn"), shape.outputs)?.fold(name, *shape, weight)
    } else {
        let bias = file.values(&format!("{name}.bias"), &[shape.outputs])?;
        Ok(ConvWeights { shape: *shape, weight, bias })
    }
}

fn build(weights: ConvWeights, layer: &Layer, backend: &Backend) -> Result<Conv, WeightError> {
    let weights = if weights.shape.inputs == 3 { weights.for_grey() } else { weights };
    let activation = if layer.batch_norm { Activation::Leaky } else { Activation::Linear };
    Conv::new(weights, activation, backend).map_err(|error| WeightError::Build(error.to_string()))
}
