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

use rayon::prelude::*;

use direct::{Operands, pack};
use maps::Lines;
use simd::{LANES, larger_magnitude};
use tile::{Job, Plane, Target};
use winograd::{GroupWeights, POSITIONS, Round, Tiles};

pub mod bf16;
mod direct;
mod isa;
mod maps;
mod peak;
mod resample;
mod simd;
mod tile;
mod whole;
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
/// Tiles whose products with one group mostly stay in the second-level cache. With more, a group's weights are transformed less
/// often.
const MOST_SUMS: usize = 182;

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
        let finish = |(draft, largest): (Draft, Option<AtomicU32>)| match largest {
            Some(largest) => draft.finish_with(f32::from_bits(largest.into_inner())),
            None => draft.finish(),
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
        let pays = || POSITIONS * 3 * winograd::tiles(layout) < 2 * 9 * layout.height * layout.width;
        matches!(self.weights, Weights::Transformed(_) | Weights::WholeTransformed(_)) || (self.winograd() && pays())
    }

    fn groups(&self) -> usize {
        self.outputs.div_ceil(self.isa.group() * LANES)
    }

    /// The transformed weights of all groups.
    fn transformed(&self) -> Lines {
        let Weights::Plain(plain) = &self.weights else { return Lines::default() };
        let mut to = Lines::new(plain.len() / 9 * POSITIONS);
        let (length, plain_length) = (to.len() / self.groups(), plain.len() / self.groups());
        let groups = to.par_chunks_mut(length).zip(plain.par_chunks(plain_length));
        // SAFETY: the instruction set was detected.
        groups.for_each(|(to, plain)| unsafe { winograd::transform_weights(self.isa, plain, to) });
        to
    }

    /// For few channels on large maps: a task takes some tiles through the whole method, for all channels.
    fn tile_by_tile(&self, jobs: &[Job<'_>], weights: &[f32], pool: &Arc<Pool>) {
        let (channels, isa) = (self.inputs.next_multiple_of(LANES), self.isa);
        let most = self.rounds_of(CACHED / (POSITIONS * (channels + isa.group() * LANES)));
        let rounds: Vec<Vec<Round<'_>>> = jobs.iter().map(|job| Round::all_of(job, isa).collect()).collect();
        let tasks: Vec<&[Round<'_>]> = rounds
            .iter()
            .flat_map(|rounds| tile::split(rounds.len(), most).map(|(first, count)| &rounds[first..][..count]))
            .collect();
        tasks.into_par_iter().with_max_len(1).for_each(|rounds| {
            let count = rounds.iter().map(|round| round.count).sum();
            let mut memory = pool.take(POSITIONS * channels * count);
            let mut sums = pool.take(self.sums(count));
            for (round, to) in with_room(rounds, POSITIONS * channels, &mut memory.values) {
                // SAFETY: the instruction set was detected.
                unsafe { winograd::transform_inputs(isa, round, to) };
            }
            let tiles = Tiles { values: &memory.values, rounds };
            for (group, weights) in weights.chunks_exact(weights.len() / self.groups()).enumerate() {
                let weights = GroupWeights::Transformed(weights);
                // SAFETY: the instruction set was detected, and each task writes its own tiles.
                unsafe { winograd::multiply(isa, &tiles, weights, &self.bias, group, &mut sums.values) };
            }
        });
    }

    /// For many channels on small maps: tiles are transformed first, then a task takes a group of output channels.
    fn group_by_group(&self, jobs: &[Job<'_>], weights: &[f32], pool: &Arc<Pool>) {
        let (channels, isa) = (self.inputs.next_multiple_of(LANES), self.isa);
        let most = self.rounds_of((SHARED / (POSITIONS * channels)).min(MOST_SUMS));
        let rounds: Vec<Round<'_>> = jobs.iter().flat_map(|job| Round::all_of(job, isa)).collect();
        for (first, count) in tile::split(rounds.len(), most) {
            let rounds = &rounds[first..][..count];
            let count = rounds.iter().map(|round| round.count).sum();
            let mut memory = pool.take(POSITIONS * channels * count);
            let each = with_room(rounds, POSITIONS * channels, &mut memory.values);
            each.into_par_iter().with_max_len(1).for_each(|(round, to)| {
                // SAFETY: the instruction set was detected.
                unsafe { winograd::transform_inputs(isa, round, to) };
            });
            let tiles = Tiles { values: &memory.values, rounds };
            let groups = weights.par_chunks_exact(weights.len() / self.groups()).enumerate().with_max_len(1);
            groups.for_each(|(group, plain)| {
                let mut room = pool.take(plain.len() / 9 * 6);
                let mut sums = pool.take(self.sums(count));
                let weights = GroupWeights::Plain(plain, &mut room.values);
                // SAFETY: the instruction set was detected, and each task writes its own channels.
                unsafe { winograd::multiply(isa, &tiles, weights, &self.bias, group, &mut sums.values) };
            });
        }
    }

    /// Values of the products of so many tiles with one group.
    fn sums(&self, tiles: usize) -> usize {
        POSITIONS * tiles * self.isa.group() * LANES
    }

    /// Rounds of so many tiles; at least two.
    fn rounds_of(&self, tiles: usize) -> usize {
        (tiles / self.isa.pixels()).max(2)
    }

    /// A task takes a group of output channels on some rows.
    fn directly(&self, jobs: &[Job<'_>], weights: &[f32]) {
        let Self { kernel, stride, isa, .. } = *self;
        let parts = jobs.iter().flat_map(|job| {
            let row = job.planes.len() * job.from.pitch() * job.from.lanes * stride;
            let operands = move || Operands { job, weights, bias: &self.bias, kernel, stride };
            tile::split(job.target.layout.height, (CACHED / row).max(1)).map(move |rows| (operands(), rows))
        });
        let parts: Vec<(Operands<'_>, (usize, usize))> = parts.collect();
        let groups = self.groups();
        // What is larger is gone through once.
        let by_group = weights.len() > jobs.iter().map(|job| job.planes.len() * job.from.plane()).sum();
        (0..parts.len() * groups).into_par_iter().with_max_len(1).for_each(|task| {
            let (part, group) =
                if by_group { (task % parts.len(), task / parts.len()) } else { (task / groups, task % groups) };
            let (operands, (first, count)) = &parts[part];
            // SAFETY: `sizes` checked these; each task writes its own rows and channels; the instruction set was detected.
            unsafe { operands.rows(group, *first..first + count, isa) };
        });
    }
}

/// The planes as they lie in memory.
fn planes(map: &Map) -> impl Iterator<Item = Plane<'_>> {
    map.planes().map(move |values| Plane { values, doubled: map.is_doubled() })
}

/// Each round with its part of `values`, so many for each tile.
fn with_room<'a, 'b>(
    rounds: &'a [Round<'b>],
    of_tile: usize,
    mut values: &'a mut [f32],
) -> Vec<(&'a Round<'b>, &'a mut [f32])> {
    let part = |round: &'a Round<'b>| {
        let (own, rest) = std::mem::take(&mut values).split_at_mut(of_tile * round.count);
        values = rest;
        (round, own)
    };
    rounds.iter().map(part).collect()
}
