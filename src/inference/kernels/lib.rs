//! Convolutions for the CPU: convolution, bias, activation and residual in one pass, on channel-blocked maps ([`maps`]).
//!
//! 3×3 convolutions of stride 1 use Winograd's method ([`winograd`]), all others are summed directly ([`direct`]); at reduced
//! precision both are done in whole numbers ([`whole`]), or all on matrix units ([`bf16`]). Nothing is laid out anew between layers, and
//! concatenation is a list. The kernels are written once over [`simd::Lanes`] and compiled for each instruction set ([`isa`]). How
//! the work is cut does not depend on the number of threads or on other images, and no sum is shared between tasks, so neither do
//! the results.
//!
//! This folder is the one place with `unsafe`: the inner loops read and write through pointers, in bounds that the safe
//! functions here check first.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use direct::pack;
use maps::Lines;
use simd::{LANES, larger_magnitude};
use tile::{Job, Plane, Target};
use winograd::POSITIONS;

pub mod bf16;
mod direct;
mod isa;
mod maps;
mod peak;
mod resample;
mod simd;
mod tasks;
mod tile;
mod whole;
mod winograd;

pub use isa::Isa;
pub use maps::{Draft, Layout, Map, Pool};
pub use peak::{bf16_peak_gflops, peak_gflops};

/// Pairs of channels up to which transformed weights are kept: four times the size, for the layers on large maps, which have
/// few channels. The others transform theirs anew each time, which is little beside their products.
const KEPT_PAIRS: usize = 100_000;

/// A convolution of stride 1 or 2 with a kernel of 1×1 or 3×3, padded to keep the size, and what follows it.
pub struct Conv {
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    slope: f32,
    isa: Isa,
    weights: Weights,
    /// Complete to whole groups.
    bias: Vec<f32>,
}

/// What a convolution does to one image.
#[derive(Clone)]
pub struct Image<'a, M> {
    /// The maps of the channels of all of them together.
    pub inputs: Vec<&'a M>,
    /// Of the result's size; added after the activation.
    pub residual: Option<&'a M>,
}

/// Weights in groups of `V` blocks of output channels.
enum Weights {
    /// `[group, in / lanes, kernel², lanes, V, 16]`
    Plain(Lines),
    /// `[group, 36, in, V, 16]`
    Transformed(Lines),
    /// Of 8 bits, for direct sums.
    Whole(whole::direct::Weights),
    /// Of 8 bits, for Winograd's method.
    WholeTransformed(whole::winograd::Weights),
}

/// Output channels from which rounding the inputs to whole numbers pays.
const MANY: usize = 32;

impl Conv {
    /// `weight` is `[out, in, kernel, kernel]`, `bias` `[out]`; negative results are multiplied by `slope`. One input channel
    /// means a grey image.
    ///
    /// # Errors
    /// Another kernel or stride, or slices of other lengths.
    pub fn new(
        [outputs, inputs, kernel]: [usize; 3],
        stride: usize,
        weight: &[f32],
        bias: &[f32],
        slope: f32,
        isa: Isa,
    ) -> anyhow::Result<Self> {
        let known = matches!(kernel, 1 | 3) && matches!(stride, 1 | 2) && outputs > 0 && inputs > 0;
        let fits = weight.len() == outputs * inputs * kernel * kernel && bias.len() == outputs;
        anyhow::ensure!(
            known && fits,
            "a convolution {kernel}×{kernel} of stride {stride} that does not fit its weights"
        );
        let mut bias = bias.to_vec();
        bias.resize(outputs.next_multiple_of(isa.group() * LANES), 0.0);
        let weights = Weights::Plain(Lines::default());
        let mut conv = Self { inputs, outputs, kernel, stride, slope, isa, weights, bias };
        if isa.is_coarse()
            && outputs >= MANY
            && let Some(whole) = conv.in_8_bits(weight)
        {
            conv.weights = whole;
            return Ok(conv);
        }
        conv.weights = Weights::Plain(pack(weight, outputs, inputs, kernel, isa));
        if conv.winograd() && inputs * outputs <= KEPT_PAIRS {
            conv.weights = Weights::Transformed(conv.transformed());
        }
        Ok(conv)
    }

    /// The weights as whole numbers, where they are.
    fn in_8_bits(&self, weight: &[f32]) -> Option<Weights> {
        if self.winograd() {
            whole::winograd::Weights::new(weight, self.outputs, self.inputs).map(Weights::WholeTransformed)
        } else {
            let taps = self.kernel * self.kernel;
            whole::direct::Weights::new(weight, self.outputs, self.inputs, taps).map(Weights::Whole)
        }
    }

    /// The results of several images of any sizes: weights that one image has brought near serve the others.
    ///
    /// # Errors
    /// Inputs of other sizes than each other or another number of channels than the weights; a residual of another size.
    pub fn forward(&self, images: &[Image<'_, Map>], pool: &Arc<Pool>) -> anyhow::Result<Vec<Map>> {
        let sizes = images.iter().map(|image| self.sizes(image)).collect::<anyhow::Result<Vec<_>>>()?;
        let inputs = images.iter().zip(&sizes).map(|(image, (_, to))| {
            let readable = |map: &&Map| if self.transforms(to) { Map::clone(map) } else { map.written_out() };
            image.inputs.iter().map(readable).collect()
        });
        let inputs: Vec<Vec<Map>> = inputs.collect();
        let residuals: Vec<_> = images.iter().map(|image| image.residual.map(Map::written_out)).collect();
        let mut drafts: Vec<Draft> = sizes.iter().map(|(_, to)| Draft::new(*to, pool)).collect();
        // Only convolutions in whole numbers ask for it.
        let largest: Vec<_> = images.iter().map(|_| self.isa.is_coarse().then(|| AtomicU32::new(0))).collect();
        let jobs = inputs.iter().zip(&residuals).zip(&sizes).zip(&mut drafts).zip(&largest);
        let jobs = jobs.map(|((((inputs, residual), (from, to)), draft), largest)| Job {
            planes: inputs.iter().flat_map(planes).collect(),
            largest: inputs.iter().map(Map::largest).try_fold(0.0, |most, map| Some(larger_magnitude(most, map?))),
            from: *from,
            target: Target::new(draft.values(), *to, residual.as_ref().map(Map::values), self.slope, largest.as_ref()),
        });
        let (transformed, direct): (Vec<_>, Vec<_>) = jobs.partition(|job| self.transforms(&job.target.layout));
        match &self.weights {
            Weights::Transformed(weights) => self.tile_by_tile(&transformed, weights, pool),
            Weights::Plain(weights) => {
                self.group_by_group(&transformed, weights, pool);
                self.directly(&direct, weights);
            }
            // SAFETY: `sizes` checked the jobs, each of which has a target of its own; the instructions were detected.
            Weights::Whole(weights) => unsafe {
                weights.run(&direct, [self.kernel, self.stride], &self.bias, pool);
            },
            // SAFETY: as above.
            Weights::WholeTransformed(weights) => unsafe { weights.run(&transformed, &self.bias, pool) },
        }
        let finish = |(draft, largest): (Draft, Option<AtomicU32>)| {
            draft.finish(largest.map(|bits| f32::from_bits(bits.into_inner())))
        };
        Ok(drafts.into_iter().zip(largest).map(finish).collect())
    }

    /// The sizes of an image's input and result.
    fn sizes(&self, Image { inputs, residual }: &Image<'_, Map>) -> anyhow::Result<(Layout, Layout)> {
        let from = inputs.first().map_or(Layout::new(0, 0, 0), |map| map.layout());
        let lanes = self.lanes();
        let channels: usize = inputs.iter().map(|map| map.layout().channels).sum();
        let same = |l: Layout| (l.height, l.width, l.lanes) == (from.height, from.width, lanes);
        // Only the last of several may end within a block.
        let whole = inputs.iter().rev().skip(1).all(|map| map.layout().channels % lanes == 0);
        let fits = channels == self.inputs && whole && from.width > 0 && inputs.iter().all(|map| same(map.layout()));
        anyhow::ensure!(fits, "a convolution of {} channels got {channels}, or maps of different sizes", self.inputs);
        let to = Layout::new(self.outputs, from.height.div_ceil(self.stride), from.width.div_ceil(self.stride));
        anyhow::ensure!(residual.is_none_or(|r| r.layout() == to), "a residual of another size");
        Ok((from, to))
    }

    fn lanes(&self) -> usize {
        if self.inputs == 1 { 1 } else { LANES }
    }

    fn winograd(&self) -> bool {
        self.kernel == 3 && self.stride == 1 && self.lanes() == LANES
    }

    /// Whether Winograd's method pays for a result of this size: by the image alone, so that its result does not depend on those
    /// beside it.
    fn transforms(&self, layout: &Layout) -> bool {
        let pays = || POSITIONS * 3 * layout.tiles(winograd::TILE) < 2 * 9 * layout.height * layout.width;
        matches!(self.weights, Weights::Transformed(_) | Weights::WholeTransformed(_)) || (self.winograd() && pays())
    }

    fn groups(&self) -> usize {
        self.outputs.div_ceil(self.isa.group() * LANES)
    }
}

/// The planes as they lie in memory.
fn planes(map: &Map) -> impl Iterator<Item = Plane<'_>> {
    map.planes().map(move |values| Plane { values, doubled: map.is_doubled() })
}
