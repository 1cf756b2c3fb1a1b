//! Convolutions for the CPU: convolution, bias, activation and residual in one pass, on channel-blocked maps ([`maps`]).
//!
//! 3×3 convolutions of stride 1 use Winograd's method ([`winograd`]), all others are summed directly ([`direct`]); nothing is
//! laid out anew between layers, and concatenation is a list. The kernels are written once over [`simd::Lanes`] and compiled
//! for each instruction set ([`isa`]). How the work is cut does not depend on the number of threads, and no sum is shared
//! between tasks, so neither do the results.
//!
//! This folder is the one place with `unsafe`: the inner loops read and write through pointers, in bounds that the safe
//! functions here check first.

use std::sync::Arc;

use rayon::prelude::*;

use direct::Operands;
use simd::LANES;
use tile::Target;
use winograd::{POSITIONS, Tiles};

mod direct;
mod isa;
mod maps;
mod resample;
mod simd;
mod tile;
mod winograd;

pub use isa::Isa;
pub use maps::{Draft, Layout, Map, Pool};

/// Pairs of channels up to which transformed weights are kept: four times the size, for the layers on large maps, which have
/// few channels. The others transform theirs anew each time, which is little beside their products.
const KEPT_PAIRS: usize = 100_000;
/// What a task's transformed inputs may take, in values, so that they stay in the second-level cache.
const CACHED: usize = 160_000;
/// What all transformed inputs together may take, in values, where each task needs all of them.
const SHARED: usize = 4_000_000;

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

/// Weights in groups of `V` blocks of output channels.
enum Weights {
    /// `[group, in / lanes, kernel², lanes, V, 16]`
    Plain(Vec<f32>),
    /// `[group, 36, in, V, 16]`
    Transformed(Vec<f32>),
}

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
        let plain = pack(weight, outputs, inputs, kernel, isa);
        let mut conv = Self { inputs, outputs, kernel, stride, slope, isa, weights: Weights::Plain(plain), bias };
        if conv.winograd() && inputs * outputs <= KEPT_PAIRS {
            conv.weights = Weights::Transformed(conv.transformed());
        }
        Ok(conv)
    }

    /// The maps of the channels of all `inputs` together. `residual`, of the result's size, is added after the activation.
    ///
    /// # Errors
    /// Inputs of other sizes than each other or another number of channels than the weights.
    pub fn forward(&self, inputs: &[&Map], residual: Option<&Map>, pool: &Arc<Pool>) -> anyhow::Result<Map> {
        let first = inputs.first().map_or(Layout::new(0, 0, 0), |map| map.layout);
        let lanes = self.lanes();
        let channels: usize = inputs.iter().map(|map| map.layout.channels).sum();
        let same = |l: Layout| (l.height, l.width, l.lanes) == (first.height, first.width, lanes);
        // Only the last of several may end within a block.
        let whole = inputs.iter().rev().skip(1).all(|map| map.layout.channels % lanes == 0);
        let fits = channels == self.inputs && whole && first.width > 0 && inputs.iter().all(|map| same(map.layout));
        anyhow::ensure!(fits, "a convolution of {} channels got {channels}, or maps of different sizes", self.inputs);

        let layout = Layout::new(self.outputs, first.height.div_ceil(self.stride), first.width.div_ceil(self.stride));
        anyhow::ensure!(residual.is_none_or(|r| r.layout == layout), "a residual of another size");
        let mut draft = Draft::new(layout, pool);
        let target = Target::new(draft.values(), layout, residual.map(Map::values), self.slope);
        let planes: Vec<&[f32]> = inputs.iter().flat_map(|map| map.planes()).collect();
        match &self.weights {
            Weights::Transformed(weights) => self.tile_by_tile(&planes, first, weights, &target, pool),
            Weights::Plain(weights) if self.winograd() && worth_transforming(&layout) => {
                self.group_by_group(&planes, first, weights, &target, pool);
            }
            Weights::Plain(weights) => self.directly(&planes, first, weights, &target),
        }
        Ok(draft.finish())
    }

    fn lanes(&self) -> usize {
        if self.inputs == 1 { 1 } else { LANES }
    }

    fn winograd(&self) -> bool {
        self.kernel == 3 && self.stride == 1 && self.lanes() == LANES
    }

    fn groups(&self) -> usize {
        self.outputs.div_ceil(self.isa.group() * LANES)
    }

    /// The transformed weights of all groups.
    fn transformed(&self) -> Vec<f32> {
        let Weights::Plain(plain) = &self.weights else { return Vec::new() };
        let mut to = vec![0.0; plain.len() / 9 * POSITIONS];
        let (length, plain_length) = (to.len() / self.groups(), plain.len() / self.groups());
        let groups = to.par_chunks_mut(length).zip(plain.par_chunks(plain_length));
        // SAFETY: the instruction set was detected.
        groups.for_each(|(to, plain)| unsafe { winograd::transform_weights(self.isa, plain, to) });
        to
    }

    /// For few channels on large maps: a task takes some tiles through the whole method, for all channels.
    fn tile_by_tile(&self, planes: &[&[f32]], from: Layout, weights: &[f32], target: &Target<'_>, pool: &Arc<Pool>) {
        let all = winograd::tiles(&from);
        let per_tile = POSITIONS * planes.len() * LANES;
        let most = (CACHED / per_tile / 14).max(2) * 14;
        let tasks: Vec<_> = tile::split(all, most).collect();
        tasks.into_par_iter().for_each(|(first, count)| {
            let mut memory = pool.take(count * per_tile);
            let mut scratch = pool.take(winograd::scratch(self.isa));
            for (plane, to) in planes.iter().zip(memory.values.chunks_exact_mut(POSITIONS * count * LANES)) {
                // SAFETY: the instruction set was detected.
                unsafe { winograd::transform_inputs(self.isa, plane, &from, first, count, to) };
            }
            let tiles = Tiles { values: &memory.values, first, count };
            for (group, weights) in weights.chunks_exact(weights.len() / self.groups()).enumerate() {
                // SAFETY: the instruction set was detected, and each task writes its own tiles.
                unsafe {
                    winograd::multiply(self.isa, &tiles, weights, &self.bias, group, target, &mut scratch.values);
                }
            }
        });
    }

    /// For many channels on small maps: all tiles are transformed first, then a task takes a group of output channels.
    fn group_by_group(&self, planes: &[&[f32]], from: Layout, weights: &[f32], target: &Target<'_>, pool: &Arc<Pool>) {
        let per_tile = POSITIONS * planes.len() * LANES;
        let most = (SHARED / per_tile).max(14);
        for (first, count) in tile::split(winograd::tiles(&from), most) {
            let length = POSITIONS * count * LANES;
            let mut memory = pool.take(count * per_tile);
            let memory = &mut memory.values[..count * per_tile];
            planes.par_iter().zip(memory.par_chunks_exact_mut(length)).for_each(|(plane, to)| {
                // SAFETY: the instruction set was detected.
                unsafe { winograd::transform_inputs(self.isa, plane, &from, first, count, to) };
            });
            let tiles = Tiles { values: memory, first, count };
            let groups = weights.par_chunks_exact(weights.len() / self.groups()).enumerate();
            groups.for_each(|(group, plain)| {
                let length = plain.len() / 9 * POSITIONS;
                let mut transformed = pool.take(length);
                let transformed = &mut transformed.values[..length];
                let mut scratch = pool.take(winograd::scratch(self.isa));
                // SAFETY: the instruction set was detected, and each task writes its own channels.
                unsafe {
                    winograd::transform_weights(self.isa, plain, transformed);
                    winograd::multiply(self.isa, &tiles, transformed, &self.bias, group, target, &mut scratch.values);
                }
            });
        }
    }

    /// A task takes a group of output channels on some rows.
    fn directly(&self, planes: &[&[f32]], from: Layout, weights: &[f32], target: &Target<'_>) {
        let Self { kernel, stride, isa, .. } = *self;
        let operands = Operands { inputs: planes, layout: from, weights, bias: &self.bias, kernel, stride };
        let row = planes.len() * from.pitch() * from.lanes * stride;
        let rows: Vec<_> = tile::split(target.layout.height, (CACHED / row).max(1)).collect();
        let groups = self.groups();
        (0..rows.len() * groups).into_par_iter().for_each(|task| {
            let (first, count) = rows[task / groups];
            // SAFETY: `forward` checked the sizes; each task writes its own rows and channels; the instruction set was detected.
            unsafe { operands.rows(target, task % groups, first..first + count, isa) };
        });
    }
}

/// Whether transforming the weights anew pays: products of a tile and the transform against those of its pixels.
fn worth_transforming(layout: &Layout) -> bool {
    3 * (110 + POSITIONS * winograd::tiles(layout)) < 2 * 9 * layout.height * layout.width
}

/// `[out, in, kernel, kernel]` as [`Weights::Plain`].
fn pack(weight: &[f32], outputs: usize, inputs: usize, kernel: usize, isa: Isa) -> Vec<f32> {
    let lanes = if inputs == 1 { 1 } else { LANES };
    let width = isa.group() * LANES;
    let taps = kernel * kernel;
    let length = outputs.div_ceil(width) * inputs.next_multiple_of(lanes) * taps * width;
    let mut packed = vec![0.0; length];
    let group_length = inputs.next_multiple_of(lanes) * taps * width;
    packed.par_chunks_exact_mut(group_length).enumerate().for_each(|(group, to)| {
        for output in group * width..outputs.min((group + 1) * width) {
            let row = &weight[output * inputs * taps..][..inputs * taps];
            for (input, row) in row.chunks_exact(taps).enumerate() {
                for (tap, value) in row.iter().enumerate() {
                    let channel = (input / lanes * taps + tap) * lanes + input % lanes;
                    to[channel * width + output % width] = *value;
                }
            }
        }
    });
    packed
}
