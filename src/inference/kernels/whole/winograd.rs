//! 3×3 convolutions of stride 1 in whole numbers by Winograd's F(2×2, 3×3): tiles of 2×2 outputs from 4×4 inputs with 16
//! multiplications per pair of channels instead of 36 (Lavin and Gray, 2016).
//!
//! Y = Aᵀ[(2G g (2G)ᵀ) ⊙ (Bᵀ d B)]A / 4 has whole factors only, so that nothing but the inputs is rounded. Sums may leave 32 bits on
//! their way: whole numbers wrap, and the results, which do not leave them, are right again.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::{GROUP, LANES, PAIRS, PIXELS, Pair, Steps, TASKS, in_steps, step, step_of};
use crate::maps::{Layout, Pool};
use crate::tile::{Job, split};

/// Outputs of a tile on each side.
const TILE: usize = 2;
/// Inputs of a tile on each side.
const SIDE: usize = TILE + 2;
/// Positions in a tile, each with its own matrix product.
const POSITIONS: usize = SIDE * SIDE;
/// What a task's transformed inputs may take, in steps.
const CACHED: usize = 80_000;
/// Rounds that a task has at least, for which its weights are brought near once.
const LEAST: usize = 3;
/// Steps of the largest input with fewer of which results would be too coarse.
const FEWEST: i32 = 1000;

/// The transformed tiles of a round, of a block of input channels.
type Tiles = [[Steps; PIXELS]; POSITIONS];
/// The products of a round and a group.
#[repr(C, align(64))]
struct Sums([[[[i32; LANES]; GROUP]; PIXELS]; POSITIONS]);

/// Weights that are whole multiples of a step, one for each output channel, transformed.
pub struct Weights {
    /// `[group, 16, in / 16, 8]`
    pairs: Vec<Pair>,
    /// What a product of steps is worth; complete to whole groups.
    scale: Vec<f32>,
    /// What the largest input is in steps.
    most: f32,
}

/// A job and the step of its inputs.
struct Input<'a> {
    job: &'a Job<'a>,
    step: f32,
}

/// Consecutive tiles of an image whose sums fit the registers.
#[derive(Clone, Copy)]
struct Round<'a> {
    input: &'a Input<'a>,
    first: usize,
    count: usize,
}

impl<'a> Round<'a> {
    fn all_of(input: &'a Input<'a>) -> impl Iterator<Item = Self> {
        split(input.job.from.tiles(TILE), PIXELS).map(move |(first, count)| Self { input, first, count })
    }
}

impl Round<'_> {
    /// Each tile's row and column.
    fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        let across = self.input.job.from.tiles_across(TILE);
        let next = move |&(ty, tx): &(usize, usize)| Some(if tx + 1 < across { (ty, tx + 1) } else { (ty + 1, 0) });
        std::iter::successors(Some((self.first / across, self.first % across)), next).take(self.count)
    }
}

impl Weights {
    /// Of `weight`, `[out, in, 9]`; none where these are no whole multiples of a step, at most 127 of it, where the inputs do
    /// not fill blocks, or are so many that their steps would be too coarse.
    pub fn new(weight: &[f32], outputs: usize, inputs: usize) -> Option<Self> {
        if !inputs.is_multiple_of(LANES) {
            return None;
        }
        let rows: Vec<&[f32]> = weight.chunks_exact(9 * inputs).collect();
        let steps: Vec<f32> = rows.par_iter().map(|row| step_of(row)).collect::<Option<_>>()?;
        let of_group = POSITIONS * inputs / 2;
        let mut pairs = vec![Pair::default(); outputs.div_ceil(GROUP * LANES) * of_group];
        let groups = pairs.par_chunks_exact_mut(of_group).zip(rows.par_chunks(GROUP * LANES));
        let sums = groups.zip(steps.par_chunks(GROUP * LANES)).map(|((to, rows), steps)| pack(rows, steps, to));
        let largest_sum = sums.max().unwrap_or(0).max(1);
        // Four times the results are summed; the last four steps are for the rounding of what was transformed.
        let most = (i32::MAX / 4 / largest_sum - 4).min(i32::from(i16::MAX) / 4 - 1);
        if most < FEWEST {
            return None;
        }
        let mut scale: Vec<f32> = steps.iter().map(|step| step / 4.0).collect();
        scale.resize(outputs.next_multiple_of(GROUP * LANES), 0.0);
        Some(Self { pairs, scale, most: most as f32 })
    }

    /// Computes the results of all jobs. A task takes some rounds through the whole method, for some groups of output channels.
    ///
    /// # Safety
    /// The jobs fit the weights, `bias` is `[out]`, complete to whole groups, no one else writes their targets, and
    /// [`super::is_supported`].
    pub unsafe fn run(&self, jobs: &[Job<'_>], bias: &[f32], pool: &Arc<Pool>) {
        let inputs: Vec<_> = jobs.iter().map(|job| Input { job, step: step(job, self.most) }).collect();
        let rounds: Vec<Round<'_>> = inputs.iter().flat_map(Round::all_of).collect();
        let most = (CACHED / (POSITIONS * self.blocks() * LANES * PIXELS)).max(LEAST);
        let chunks: Vec<_> = split(rounds.len(), most).map(|(first, count)| &rounds[first..][..count]).collect();
        let groups = self.groups();
        let parts = split(groups, groups.div_ceil(TASKS.div_ceil(chunks.len().max(1))));
        let tasks = parts.flat_map(|(first, count)| chunks.iter().map(move |chunk| (first..first + count, *chunk)));
        let tasks: Vec<_> = tasks.collect();
        tasks.into_par_iter().with_max_len(1).for_each(|(groups, rounds)| {
            // SAFETY: this function's contract; each task writes its own tiles and groups.
            unsafe { self.some(groups, rounds, bias, pool) };
        });
    }

    /// Computes some groups of some rounds.
    ///
    /// # Safety
    /// As [`Self::run`], for these.
    unsafe fn some(&self, groups: Range<usize>, rounds: &[Round<'_>], bias: &[f32], pool: &Arc<Pool>) {
        let blocks = self.blocks();
        let of_group = POSITIONS * blocks * PAIRS;
        let mut memory = pool.take(rounds.len() * blocks * size_of::<Tiles>() / size_of::<f32>());
        let mut sums = Sums([[[[0; LANES]; GROUP]; PIXELS]; POSITIONS]);
        // SAFETY: whatever the bits of the memory, they are whole numbers.
        let tiles: &mut [Tiles] = unsafe { memory.values.align_to_mut().1 };
        // SAFETY: this function's contract.
        unsafe {
            for (round, to) in rounds.iter().zip(tiles.chunks_exact_mut(blocks)) {
                system::transform(round, to);
            }
            for group in groups {
                let weights = &self.pairs[group * of_group..][..of_group];
                for (round, tiles) in rounds.iter().zip(tiles.chunks_exact(blocks)) {
                    system::prefetch(round, group);
                    system::multiply(round.count, tiles, weights, &mut sums);
                    system::finish(round, &sums, group, &self.scale, bias);
                }
            }
        }
    }

    fn groups(&self) -> usize {
        self.scale.len() / (GROUP * LANES)
    }

    /// Those of input channels.
    fn blocks(&self) -> usize {
        self.pairs.len() / (self.groups() * POSITIONS * PAIRS)
    }
}

/// A pair of channels' values of each output channel of a group.
type Both = [i16; 2 * GROUP * LANES];

/// The weights of a group's output channels, each `[in, 9]`, transformed, to `[16, in / 16, 8]`; the largest sum of the magnitudes
/// of an output channel's weights in steps.
fn pack(rows: &[&[f32]], steps: &[f32], to: &mut [Pair]) -> i32 {
    let pairs = to.len() / POSITIONS;
    let rows: Vec<_> = rows.iter().zip(steps).map(|(row, step)| in_steps(row, *step)).collect();
    for pair in 0..pairs {
        let mut g = [[0; 2 * GROUP * LANES]; 9];
        for (output, (row, _)) in rows.iter().enumerate() {
            for (at, step) in row[18 * pair..][..18].iter().enumerate() {
                g[at % 9][2 * output + at / 9] = *step;
            }
        }
        for (position, both) in transformed(&g).iter().enumerate() {
            let to = &mut to[position * pairs + pair];
            let each = to.0.iter_mut().flatten().flatten();
            each.zip(both).for_each(|(to, value)| *to = *value);
        }
    }
    rows.iter().map(|(_, sum)| *sum).max().unwrap_or(0)
}

/// 2G g (2G)ᵀ
fn transformed(g: &[Both; 9]) -> [Both; POSITIONS] {
    let rows = [0, 3, 6].map(|row| weights_1d([&g[row], &g[row + 1], &g[row + 2]]));
    let columns: [[Both; SIDE]; SIDE] = std::array::from_fn(|x| weights_1d([&rows[0][x], &rows[1][x], &rows[2][x]]));
    std::array::from_fn(|position| columns[position % SIDE][position / SIDE])
}

/// 2G g
fn weights_1d([g0, g1, g2]: [&Both; 3]) -> [Both; SIDE] {
    let of = |f: fn(i16, i16, i16) -> i16| std::array::from_fn(|i| f(g0[i], g1[i], g2[i]));
    [of(|g0, _, _| 2 * g0), of(|g0, g1, g2| g0 + g1 + g2), of(|g0, g1, g2| g0 - g1 + g2), of(|_, _, g2| 2 * g2)]
}

#[cfg(target_arch = "x86_64")]
#[path = "winograd_vnni.rs"]
mod system;

/// Nothing of the kind.
#[cfg(not(target_arch = "x86_64"))]
mod system {
    use super::*;

    pub unsafe fn transform(_: &Round<'_>, _: &mut [Tiles]) {
        unreachable!("not supported")
    }

    pub unsafe fn multiply(_: usize, _: &[Tiles], _: &[Pair], _: &mut Sums) {
        unreachable!("not supported")
    }

    pub fn prefetch(_: &Round<'_>, _: usize) {}

    pub unsafe fn finish(_: &Round<'_>, _: &Sums, _: usize, _: &[f32], _: &[f32]) {
        unreachable!("not supported")
    }
}
