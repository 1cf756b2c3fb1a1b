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
use winograd::{GroupWeights, POSITIONS, Plane, Tiles};

pub mod bf16;
mod direct;
mod isa;
mod maps;
mod peak;
mod resample;
mod simd;
mod tile;
mod winograd;

pub use isa::Isa;
pub use maps::{Draft, Layout, Map, Pool};
pub use peak::{bf16_peak_gflops, peak_gflops};

/// Pairs of channels up to which transformed weights are kept: four times the size, for the layers on large maps, which have
/// few channels. The others transform theirs anew each time, which is little beside their products.
const KEPT_PAIRS: usize = 100_000;
/// What a task's inputs or transformed inputs and products may take, in values, so that they stay in the second-level cache.
const CACHED: usize = 180_000;
/// What all transformed inputs together may take, in values, where each task needs all of them.
const SHARED: usize = 4_000_000;
/// Tiles whose products with one group stay in the second-level cache.
const MOST_SUMS: usize = 154;

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
        let first = inputs.first().map_or(Layout::new(0, 0, 0), |map| map.layout());
        let lanes = self.lanes();
        let channels: usize = inputs.iter().map(|map| map.layout().channels).sum();
        let same = |l: Layout| (l.height, l.width, l.lanes) == (first.height, first.width, lanes);
        // Only the last of several may end within a block.
        let whole = inputs.iter().rev().skip(1).all(|map| map.layout().channels % lanes == 0);
        let fits = channels == self.inputs && whole && first.width > 0 && inputs.iter().all(|map| same(map.layout()));
        anyhow::ensure!(fits, "a convolution of {} channels got {channels}, or maps of different sizes", self.inputs);

        let layout = Layout::new(self.outputs, first.height.div_ceil(self.stride), first.width.div_ceil(self.stride));
        let residual = residual.map(Map::written_out);
        anyhow::ensure!(residual.as_ref().is_none_or(|r| r.layout() == layout), "a residual of another size");
        let mut draft = Draft::new(layout, pool);
        let target = Target::new(draft.values(), layout, residual.as_ref().map(Map::values), self.slope);
        match &self.weights {
            Weights::Transformed(weights) => self.tile_by_tile(&doubled_planes(inputs), first, weights, &target, pool),
            Weights::Plain(weights) if self.winograd() && worth_transforming(&layout) => {
                self.group_by_group(&doubled_planes(inputs), first, weights, &target, pool);
            }
            Weights::Plain(weights) => {
                let inputs: Vec<Map> = inputs.iter().map(|map| map.written_out()).collect();
                let planes: Vec<&[f32]> = inputs.iter().flat_map(Map::planes).collect();
                self.directly(&planes, first, weights, &target);
            }
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
    fn tile_by_tile(&self, planes: &[Plane<'_>], from: Layout, weights: &[f32], target: &Target<'_>, pool: &Arc<Pool>) {
        let (channels, isa) = (planes.len() * LANES, self.isa);
        let most = self.round_up_to_rounds(CACHED / (POSITIONS * (channels + isa.group() * LANES)));
        let tasks: Vec<_> = tile::split(winograd::tiles(&from), most).collect();
        tasks.into_par_iter().for_each(|(first, count)| {
            let mut memory = pool.take(POSITIONS * channels * count);
            let mut sums = pool.take(self.sums(count));
            for (before, n) in tile::split(count, isa.pixels()) {
                let to = &mut memory.values[POSITIONS * channels * before..];
                // SAFETY: the instruction set was detected.
                unsafe { winograd::transform_inputs(isa, planes, &from, first + before, n, to) };
            }
            let tiles = Tiles { values: &memory.values, first, count, channels };
            for (group, weights) in weights.chunks_exact(weights.len() / self.groups()).enumerate() {
                let weights = GroupWeights::Transformed(weights);
                // SAFETY: the instruction set was detected, and each task writes its own tiles.
                unsafe { winograd::multiply(isa, &tiles, weights, &self.bias, group, target, &mut sums.values) };
            }
        });
    }

    /// For many channels on small maps: all tiles are transformed first, then a task takes a group of output channels.
    fn group_by_group(
        &self,
        planes: &[Plane<'_>],
        from: Layout,
        weights: &[f32],
        target: &Target<'_>,
        pool: &Arc<Pool>,
    ) {
        let (channels, isa) = (planes.len() * LANES, self.isa);
        let most = self.round_up_to_rounds((SHARED / (POSITIONS * channels)).min(MOST_SUMS));
        for (first, count) in tile::split(winograd::tiles(&from), most) {
            let mut memory = pool.take(POSITIONS * channels * count);
            let mut rest = &mut memory.values[..];
            let mut rounds = Vec::new();
            for (before, n) in tile::split(count, isa.pixels()) {
                let (round, after) = std::mem::take(&mut rest).split_at_mut(POSITIONS * channels * n);
                rounds.push((first + before, n, round));
                rest = after;
            }
            rounds.into_par_iter().for_each(|(first, n, to)| {
                // SAFETY: the instruction set was detected.
                unsafe { winograd::transform_inputs(isa, planes, &from, first, n, to) };
            });
            let tiles = Tiles { values: &memory.values, first, count, channels };
            let groups = weights.par_chunks_exact(weights.len() / self.groups()).enumerate();
            groups.for_each(|(group, plain)| {
                let mut room = pool.take(plain.len() / 9 * 6);
                let mut sums = pool.take(self.sums(count));
                let weights = GroupWeights::Plain(plain, &mut room.values);
                // SAFETY: the instruction set was detected, and each task writes its own channels.
                unsafe { winograd::multiply(isa, &tiles, weights, &self.bias, group, target, &mut sums.values) };
            });
        }
    }

    /// Values of the products of so many tiles with one group.
    fn sums(&self, tiles: usize) -> usize {
        POSITIONS * tiles * self.isa.group() * LANES
    }

    /// At least two whole rounds of tiles.
    fn round_up_to_rounds(&self, tiles: usize) -> usize {
        (tiles / self.isa.pixels()).max(2) * self.isa.pixels()
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

/// The planes of all maps, for what can read pixels twice.
fn doubled_planes<'a>(inputs: &[&'a Map]) -> Vec<Plane<'a>> {
    let planes = |map: &&'a Map| {
        let map = *map;
        map.planes().map(move |values| Plane { values, doubled: map.is_doubled() })
    };
    inputs.iter().flat_map(planes).collect()
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
