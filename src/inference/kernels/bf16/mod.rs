//! Convolutions in bf16 on the matrix units (AMX) of x86 processors: products of bf16, sums in f32, maps in bf16.
//!
//! Elsewhere there is no such thing: without matrix units bf16 gives twice the f32 products per cycle at best, and Winograd's
//! method saves more than that, which bf16 is too coarse for.
//!
//! A convolution is one matrix product over pixels that lie one after the other in memory, border included
//! ([`maps`]): sixteen pixels × thirty-two channels are a tile as they lie, whatever the tap, so nothing is copied. The results
//! at the border are thrown away; they are one pixel of a row.

use std::sync::Arc;

use rayon::prelude::*;

use super::maps::{Draft as PlainDraft, Layout as PlainLayout, Map as PlainMap, Pool};
use super::simd::LANES;
use tiles::{Configured, SIDE, Steps};

mod maps;
mod resample;
mod store;
mod tiles;

pub use maps::{DEPTH, Map, Pixel};
pub use tiles::is_supported;
pub(super) use tiles::long_product;

use maps::{Draft, Layout};
use store::{Finish, Target};

/// Output channels that are computed together: two tiles.
const GROUP: usize = 2 * SIDE;
/// Tiles of weights of a group for one step, of a tap and [`DEPTH`] input channels.
const STEP: usize = 2;
/// What a task's part of the inputs may take in bytes, so that it stays in the second-level cache beside the weights.
const CACHED: usize = 512 << 10;

/// A tile of weights: sixteen pairs of input channels × sixteen output channels × 2.
type Tile = [Pixel; SIDE];

/// A convolution of stride 1 with a kernel of 1×1 or 3×3, or of stride 2 with 3×3, padded to keep the size, and what follows it.
pub struct Conv {
    /// Of the maps that it reads; a grey image has been made [`DEPTH`] channels.
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    slope: f32,
    /// `[group, inputs / 32, kernel², 2]`
    weights: Vec<Tile>,
    /// Complete to whole groups.
    bias: Vec<f32>,
}

/// Sixteen pixels of the inputs and of the result, both one after the other.
#[derive(Clone, Copy)]
struct Segment {
    /// The pixel of the inputs' plane under the middle tap.
    from: usize,
    /// In the result's plane.
    to: usize,
    count: usize,
}

impl Conv {
    /// As [`super::Conv::new`]. One input channel means a grey image, which only a 3×3 kernel of stride 1 reads.
    ///
    /// # Errors
    /// Another kernel or stride, slices of other lengths, input channels that are no multiple of 32, or a processor without
    /// matrix units.
    pub fn new(
        [outputs, inputs, kernel]: [usize; 3],
        stride: usize,
        weight: &[f32],
        bias: &[f32],
        slope: f32,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(is_supported(), "this processor has no matrix units for bf16");
        let fits = weight.len() == outputs * inputs * kernel * kernel && bias.len() == outputs && outputs > 0;
        let grey = inputs == 1 && (kernel, stride) == (3, 1);
        let known = grey || (inputs > 0 && inputs.is_multiple_of(DEPTH) && matches!((kernel, stride), (1, 1) | (3, 1 | 2)));
        anyhow::ensure!(known && fits, "a convolution {kernel}×{kernel} of stride {stride} that bf16 does not have");
        let mut bias = bias.to_vec();
        bias.resize(outputs.next_multiple_of(GROUP), 0.0);
        if grey {
            let weights = pack(&maps::grey_weights(weight), outputs, DEPTH, 1);
            return Ok(Self { inputs: DEPTH, outputs, kernel: 1, stride, slope, weights, bias });
        }
        let weights = pack(weight, outputs, inputs, kernel * kernel);
        Ok(Self { inputs, outputs, kernel, stride, slope, weights, bias })
    }

    /// As [`super::Conv::forward`].
    ///
    /// # Errors
    /// Inputs of other sizes than each other or another number of channels than the weights; outputs that are no multiple of 32.
    pub fn forward(&self, inputs: &[&Map], residual: Option<&Map>, pool: &Arc<Pool<Pixel>>) -> anyhow::Result<Map> {
        let layout = self.layout(inputs)?;
        anyhow::ensure!(self.outputs.is_multiple_of(DEPTH), "maps of {} channels in bf16", self.outputs);
        anyhow::ensure!(residual.is_none_or(|r| r.layout() == layout), "a residual of another size");
        let mut draft = Draft::new(layout, pool);
        let residual = residual.map(Map::pixels);
        self.run(inputs, layout, &Target::bf16(draft.pixels(), layout, residual, self.slope));
        Ok(draft.finish())
    }

    /// The result in f32, as the heads of a network need it.
    ///
    /// # Errors
    /// As [`Self::forward`], with any number of outputs.
    pub fn forward_f32(&self, inputs: &[&Map], pool: &Arc<Pool>) -> anyhow::Result<PlainMap> {
        let layout = self.layout(inputs)?;
        let plain = PlainLayout::new(self.outputs, layout.height, layout.width);
        let mut draft = PlainDraft::new(plain, pool);
        self.run(inputs, layout, &Target::f32(draft.values(), layout, plain, self.slope));
        Ok(draft.finish())
    }

    /// The result's, of inputs that fit.
    fn layout(&self, inputs: &[&Map]) -> anyhow::Result<Layout> {
        let first = inputs.first().map_or(Layout::new(0, 0, 0), |map| map.layout());
        let channels: usize = inputs.iter().map(|map| map.layout().channels).sum();
        let same = |l: Layout| (l.height, l.width) == (first.height, first.width);
        let fits = channels == self.inputs && first.width > 0 && inputs.iter().all(|map| same(map.layout()));
        anyhow::ensure!(fits, "a convolution of {} channels got {channels}, or maps of different sizes", self.inputs);
        Ok(Layout::new(self.outputs, first.height.div_ceil(self.stride), first.width.div_ceil(self.stride)))
    }

    /// A task takes a group of output channels on some segments.
    fn run(&self, inputs: &[&Map], layout: Layout, target: &Target<'_>) {
        let from = inputs[0].layout();
        let steps = self.steps(inputs);
        let segments = self.segments(from, layout);
        let chunk = (CACHED / (2 * SIDE * 2 * self.inputs * self.stride)).max(1) * 2;
        let chunks: Vec<&[Segment]> = segments.chunks(chunk).collect();
        let groups = self.outputs.div_ceil(GROUP);
        (0..chunks.len() * groups).into_par_iter().for_each(|task| {
            let group = task % groups;
            let tiles_of_group = steps.0.len() * STEP;
            let weights = &self.weights[group * tiles_of_group..][..tiles_of_group];
            let finish = Finish { target, bias: &self.bias[group * GROUP..][..GROUP], group };
            let mut tiles = Configured::new();
            for pair in chunks[task / groups].chunks(2) {
                let [first, second] = [pair[0], pair[pair.len() - 1]];
                // SAFETY: the addresses are those of the inputs' planes, which the segments and taps stay in (`Layout`); the
                // weights are those of all steps.
                let sums = unsafe { tiles.product(&steps, [first.from, second.from], self.stride, weights.as_ptr().cast()) };
                for (segment, sums) in pair.iter().zip(sums.chunks_exact(SIDE)) {
                    // SAFETY: the segment is in the result, and no other task has it and the group.
                    unsafe { finish.write(sums, segment.to, segment.count) };
                }
            }
        });
    }

    fn steps(&self, inputs: &[&Map]) -> Steps {
        let pitch = inputs[0].layout().pitch();
        let taps: Vec<usize> = match self.kernel {
            1 => vec![0],
            // Wrapping: one row and one pixel back.
            _ => (0..9).map(|tap| (tap / 3 * pitch + tap % 3).wrapping_sub(pitch + 1)).collect(),
        };
        let planes = inputs.iter().flat_map(|map| map.planes());
        Steps(planes.flat_map(|plane| taps.iter().map(move |tap| plane.as_ptr().wrapping_add(*tap))).collect())
    }

    fn segments(&self, from: Layout, to: Layout) -> Vec<Segment> {
        if self.stride == 1 {
            let (first, end) = (to.at(0, 0), to.at(to.height - 1, to.width));
            let segment = |at: usize| Segment { from: at, to: at, count: SIDE.min(end - at) };
            return (first..end).step_by(SIDE).map(segment).collect();
        }
        let segment = |y: usize, x: usize| {
            let count = SIDE.min(to.width - x);
            Segment { from: from.at(y * self.stride, x * self.stride), to: to.at(y, x), count }
        };
        (0..to.height).flat_map(|y| (0..to.width).step_by(SIDE).map(move |x| segment(y, x))).collect()
    }
}

/// `[out, in, taps]` as `[group, in / 32, taps, 2]` tiles; `outputs` is completed to whole groups with zeros.
fn pack(weight: &[f32], outputs: usize, inputs: usize, taps: usize) -> Vec<Tile> {
    let blocks = inputs / DEPTH;
    let mut packed = vec![Tile::default(); outputs.div_ceil(GROUP) * blocks * taps * STEP];
    let of_group = blocks * taps * STEP;
    packed.par_chunks_exact_mut(of_group).enumerate().for_each(|(group, tiles)| {
        for output in group * GROUP..outputs.min((group + 1) * GROUP) {
            let (part, column) = (output % GROUP / SIDE, output % SIDE);
            let row = &weight[output * inputs * taps..][..inputs * taps];
            for (input, row) in row.chunks_exact(taps).enumerate() {
                for (tap, value) in row.iter().enumerate() {
                    let tile = &mut tiles[(input / DEPTH * taps + tap) * STEP + part];
                    tile[input % DEPTH / 2].0[2 * column + input % 2] = maps::bf16(*value);
                }
            }
        }
    });
    packed
}

const _: () = assert!(SIDE == LANES, "a tile is as wide as a vector");
