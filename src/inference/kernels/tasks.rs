//! How convolutions in f32 are cut into tasks: what a task needs stays in the second-level cache, and no two write the same.

use std::sync::Arc;

use rayon::prelude::*;

use super::direct::Operands;
use super::maps::{Lines, Pool};
use super::simd::LANES;
use super::tile::{self, Job};
use super::winograd::{self, GroupWeights, POSITIONS, Round, Tiles};
use super::{Conv, Weights};

/// What a task's inputs or transformed inputs and products may take, in values, so that they stay in the second-level cache.
const CACHED: usize = 180_000;
/// What all transformed inputs together may take, in values, where each task needs all of them.
const SHARED: usize = 4_000_000;
/// Tiles whose products with one group mostly stay in the second-level cache. With more, a group's weights are transformed less
/// often.
const MOST_SUMS: usize = 182;

impl Conv {
    /// The transformed weights of all groups.
    pub(super) fn transformed(&self) -> Lines {
        let Weights::Plain(plain) = &self.weights else { return Lines::default() };
        let mut to = Lines::new(plain.len() / 9 * POSITIONS);
        let (length, plain_length) = (to.len() / self.groups(), plain.len() / self.groups());
        let groups = to.par_chunks_mut(length).zip(plain.par_chunks(plain_length));
        // SAFETY: the instruction set was detected.
        groups.for_each(|(to, plain)| unsafe { winograd::transform_weights(self.isa, plain, to) });
        to
    }

    /// For few channels on large maps: a task takes some tiles through the whole method, for all channels.
    pub(super) fn tile_by_tile(&self, jobs: &[Job<'_>], weights: &[f32], pool: &Arc<Pool>) {
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
    pub(super) fn group_by_group(&self, jobs: &[Job<'_>], weights: &[f32], pool: &Arc<Pool>) {
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
    pub(super) fn directly(&self, jobs: &[Job<'_>], weights: &[f32]) {
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
