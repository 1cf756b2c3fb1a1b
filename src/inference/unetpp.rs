//! U-Net++ (Zhou et al., 2018) with a VGG-19 encoder, the segmenter. Input: one grey channel in [0, 1], standing for three
//! equal ones; sides are multiples of 16.
//!
//! The encoder gives X(0,0) … X(4,0): blocks of 2, 2, 4, 4, 4 convolutions 3×3 + ReLU with 64, 128, 256, 512, 512 channels and a
//! 2×2 max-pool between blocks. A node X(i,j) is two of convolution 3×3 → batch norm → ReLU on the concatenation of
//! X(i,0) … X(i,j−1) and X(i+1,j−1) upsampled twice (nearest), as wide as encoder block i. Head k is a 1×1 convolution on
//! X(0,k+1). The result is the sigmoid of the mean of the heads' logits. With n heads only the nodes with i + j ≤ n are
//! computed.
//!
//! # Weights
//! Safetensors: `encoder.{block}.{conv}.{weight,bias}`, `nodes.{i}_{j}.conv{1,2}.weight`,
//! `nodes.{i}_{j}.bn{1,2}.{weight,bias,running_mean,running_var}`, `heads.{0…3}.{weight,bias}`. Metadata: `format` =
//! `mammoscope-unetpp`, `name`.

use super::decode::sigmoid;
use super::device::Backend;
use super::layers::{Activation, Conv, Maps};
use super::range::{self, Range};
use super::weights::safetensors::TensorFile;
use super::weights::{self, BatchNorm, ConvShape, ConvWeights, Format, Source, WeightError};
use crate::findings::ModelIdentity;
use crate::pipeline::{Cancel, Segmenter};
use crate::raster::{ProbabilityMap, Raster};

/// The value of `format` in a safetensors file.
pub const FORMAT: &str = "mammoscope-unetpp";
/// The number of heads.
pub const HEADS: usize = 4;
/// The patches' sides are multiples of this.
pub const STRIDE: usize = 16;
/// The largest patch in pixels, which bounds the memory.
const MAX_PIXELS: usize = 1 << 20;
/// Channels and convolutions of each encoder block.
const BLOCKS: [(usize, usize); 5] = [(64, 2), (128, 2), (256, 4), (512, 4), (512, 4)];

/// The segmenter.
pub struct UnetPlusPlus {
    /// By block.
    encoder: Vec<Vec<Conv>>,
    /// `nodes[j - 1][i]` is X(i,j).
    nodes: Vec<Vec<[Conv; 2]>>,
    heads: Vec<Conv>,
    identity: ModelIdentity,
    backend: Backend,
}

/// A convolution by the name of its tensors.
struct Spec {
    conv: String,
    /// The batch norm's name; `None`: the convolution has a bias of its own.
    norm: Option<String>,
    shape: ConvShape,
    activation: Activation,
    place: Place,
}

/// Where a convolution reads what the encoder gives.
#[derive(Clone, Copy)]
enum Place {
    /// The encoder's convolution of this number.
    Encoder(usize),
    /// The first of node X(i,j).
    Joint(usize, usize),
    Elsewhere,
}

impl UnetPlusPlus {
    /// Reads the weights.
    pub fn load(source: &Source, backend: &Backend) -> Result<Self, WeightError> {
        let (convolutions, identity) = weights::read(source, |format, bytes| {
            if format != Format::Safetensors {
                return Err(WeightError::DetectorOnly);
            }
            let file = TensorFile::parse(bytes)?;
            file.expect_format(FORMAT)?;
            let range = match backend {
                Backend::Half(_) => Some(encoder_range(&file)?),
                _ => None,
            };
            let convolutions = weights::in_parallel(specs(), |spec| spec.load(&file, range.as_ref(), backend))?;
            Ok((convolutions, file.name().unwrap_or_else(|| "U-Net++ (VGG-19)".to_owned())))
        })?;
        // In the order of `specs`, which yields as many as are taken here.
        let mut next = convolutions.into_iter();
        let encoder = BLOCKS.map(|(_, count)| next.by_ref().take(count).collect()).into();
        let nodes = (1..=HEADS).map(|j| (0..=HEADS - j).filter_map(|_| Some([next.next()?, next.next()?])).collect());
        let nodes = nodes.collect();
        Ok(Self { encoder, nodes, heads: next.collect(), identity, backend: backend.clone() })
    }

    /// The logits of the first `heads` heads on one patch, each `[height, width]`.
    ///
    /// # Errors
    /// A patch whose sides are no multiples of 16, too large or not finite; a number of heads out of 1…4;
    /// [`crate::pipeline::Cancelled`].
    pub fn logits(&self, patch: &Raster<f32>, heads: usize, cancel: &Cancel) -> anyhow::Result<Vec<Vec<f32>>> {
        self.logits_of_all(&[patch], heads, cancel)
    }

    /// The same of several patches of one size, as many as [`Backend::batch`] allows; a head's values are theirs one after the
    /// other.
    fn logits_of_all(&self, patches: &[&Raster<f32>], heads: usize, cancel: &Cancel) -> anyhow::Result<Vec<Vec<f32>>> {
        for patch in patches {
            check_input(patch, heads)?;
        }
        let mut x = Maps::from_images(patches, &self.backend)?;
        // rows[i] holds X(i,0), X(i,1), …
        let mut rows: Vec<Vec<Maps>> = Vec::new();
        for block in &self.encoder[..=heads] {
            if !rows.is_empty() {
                x = x.max_pooled()?;
            }
            for conv in block {
                x = conv.forward(&[&x], None, cancel)?;
            }
            rows.push(vec![x.clone()]);
        }
        let mut logits = Vec::with_capacity(heads);
        for (j, column) in (1..=heads).zip(&self.nodes) {
            for (i, [first, second]) in column.iter().enumerate().take(heads + 1 - j) {
                let up = rows[i + 1][j - 1].upsampled()?;
                let inputs: Vec<&Maps> = rows[i].iter().chain([&up]).collect();
                let inner = first.forward(&inputs, None, cancel)?;
                let node = second.forward(&[&inner], None, cancel)?;
                rows[i].push(node);
            }
            logits.push(self.heads[j - 1].forward(&[&rows[0][j]], None, cancel)?);
        }
        logits.iter().map(Maps::values).collect()
    }

    fn outline(&self, patches: &[Raster<f32>], heads: usize, cancel: &Cancel) -> anyhow::Result<Vec<ProbabilityMap>> {
        let logits = self.logits_of_all(&patches.iter().collect::<Vec<_>>(), heads, cancel)?;
        let mut first = 0;
        let maps = patches.iter().map(|patch| {
            let pixels = first..first + patch.data().len();
            first = pixels.end;
            let mean = |pixel: usize| logits.iter().map(|head| head[pixel]).sum::<f32>() / heads as f32;
            let probabilities: Vec<f32> = pixels.map(|pixel| sigmoid(mean(pixel))).collect();
            anyhow::ensure!(
                probabilities.iter().all(|p| p.is_finite()),
                "The segmenter's output is not a number: its weights are unsuitable."
            );
            Ok(ProbabilityMap::new(patch.width(), patch.height(), probabilities))
        });
        maps.collect()
    }
}

impl Segmenter for UnetPlusPlus {
    fn segment(
        &mut self,
        patches: &[Raster<f32>],
        heads: usize,
        cancel: &Cancel,
    ) -> anyhow::Result<Vec<ProbabilityMap>> {
        let mut maps = Vec::with_capacity(patches.len());
        for batch in patches.chunks(self.backend.batch()) {
            maps.extend(self.outline(batch, heads, cancel)?);
        }
        Ok(maps)
    }

    fn preferred_batch(&self) -> usize {
        self.backend.batch().max(2)
    }

    fn identity(&self) -> ModelIdentity {
        self.identity.clone()
    }
}

fn check_input(patch: &Raster<f32>, heads: usize) -> anyhow::Result<()> {
    let (width, height) = (patch.width(), patch.height());
    anyhow::ensure!((1..=HEADS).contains(&heads), "The segmenter has 1 to {HEADS} heads, not {heads}.");
    anyhow::ensure!(
        width > 0 && height > 0 && width % STRIDE == 0 && height % STRIDE == 0,
        "The segmenter needs patches whose sides are multiples of {STRIDE}, not {width}×{height}."
    );
    anyhow::ensure!(width * height <= MAX_PIXELS, "A patch of {width}×{height} is too large for the segmenter.");
    anyhow::ensure!(patch.data().iter().all(|v| v.is_finite()), "The segmenter's input is not finite.");
    Ok(())
}

/// All convolutions: the encoder, the nodes column by column, the heads.
fn specs() -> Vec<Spec> {
    let mut specs = Vec::new();
    let mut inputs = 3;
    for (block, (width, count)) in BLOCKS.into_iter().enumerate() {
        for conv in 0..count {
            let shape = ConvShape::new(inputs, width, 3, 1);
            specs.push(Spec {
                conv: format!("encoder.{block}.{conv}"),
                norm: None,
                shape,
                activation: Activation::Relu,
                place: Place::Encoder(specs.len()),
            });
            inputs = width;
        }
    }
    for j in 1..=HEADS {
        for i in 0..=HEADS - j {
            let width = BLOCKS[i].0;
            for (part, inputs) in [(1, j * width + BLOCKS[i + 1].0), (2, width)] {
                specs.push(Spec {
                    conv: format!("nodes.{i}_{j}.conv{part}"),
                    norm: Some(format!("nodes.{i}_{j}.bn{part}")),
                    shape: ConvShape::new(inputs, width, 3, 1),
                    activation: Activation::Relu,
                    place: if part == 1 { Place::Joint(i, j) } else { Place::Elsewhere },
                });
            }
        }
    }
    for head in 0..HEADS {
        let shape = ConvShape::new(BLOCKS[0].0, 1, 1, 1);
        let conv = format!("heads.{head}");
        specs.push(Spec { conv, norm: None, shape, activation: Activation::Linear, place: Place::Elsewhere });
    }
    specs
}

/// Floating-point operations of one run on a patch of `side` × `side` pixels with so many heads, a multiplication and an
/// addition counted as two.
pub fn operations(side: usize, heads: usize) -> f64 {
    let used = |spec: &Spec| {
        let [kind, place, ..] = spec.conv.split('.').collect::<Vec<_>>()[..] else { return None };
        let (i, j) = place.split_once('_').unwrap_or((place, "0"));
        let (i, j): (usize, usize) = (i.parse().ok()?, j.parse().ok()?);
        let depth = if kind == "heads" { 0 } else { i };
        let needed = if kind == "heads" { i < heads } else { i + j <= heads };
        needed.then(|| 2.0 * spec.shape.count() as f64 * (side * side) as f64 / (1 << (2 * depth)) as f64)
    };
    specs().iter().filter_map(used).sum()
}

/// What brings the encoder into f16's range.
fn encoder_range(file: &TensorFile<'_>) -> Result<Range, WeightError> {
    let encoder = specs().into_iter().filter(|spec| matches!(spec.place, Place::Encoder(_))).collect();
    Ok(Range::new(&weights::in_parallel(encoder, |spec| spec.read(file))?))
}

impl Spec {
    fn load(&self, file: &TensorFile<'_>, range: Option<&Range>, backend: &Backend) -> Result<Conv, WeightError> {
        let mut weights = self.read(file)?;
        if let Some(range) = range {
            self.fit(range, &mut weights);
        }
        let weights = if self.shape.inputs == 3 { weights.for_grey() } else { weights };
        Conv::new(weights, self.activation, backend).map_err(|error| WeightError::Build(error.to_string()))
    }

    fn read(&self, file: &TensorFile<'_>) -> Result<ConvWeights, WeightError> {
        let Self { conv, norm, shape, .. } = self;
        let weight = file.values(&format!("{conv}.weight"), &shape.dims())?;
        match norm {
            Some(norm) => BatchNorm::read(file, norm, shape.outputs)?.fold(conv, *shape, weight),
            None => {
                let bias = file.values(&format!("{conv}.bias"), &[shape.outputs])?;
                Ok(ConvWeights { shape: *shape, weight, bias })
            }
        }
    }

    /// The same convolution where the encoder's results are scaled.
    fn fit(&self, range: &Range, weights: &mut ConvWeights) {
        let of_block = |block: usize| range.factor(BLOCKS[..=block].iter().map(|(_, count)| count).sum::<usize>() - 1);
        match self.place {
            Place::Encoder(number) => range.scale_encoder(number, weights),
            Place::Joint(i, j) => {
                range::undo(weights, 0..BLOCKS[i].0, of_block(i));
                if j == 1 {
                    range::undo(weights, BLOCKS[i].0..self.shape.inputs, of_block(i + 1));
                }
            }
            Place::Elsewhere => {}
        }
    }
}
