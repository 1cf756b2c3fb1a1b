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

use super::Image;
use super::maps::{Draft as PlainDraft, Layout as PlainLayout, Map as PlainMap, Pool};
use super::simd::LANES;
use super::whole::{rounded, step_of};
use tiles::{Configured, SIDE, Steps};

mod maps;
mod resample;
mod store;
mod tiles;

pub use maps::Map;
pub use tiles::is_supported;
pub(super) use tiles::long_product;

use maps::{DEPTH, Draft, Grey, Layout, Pixel};
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
    /// Of the maps that it reads; 1: a grey image, whose pixels' neighbours are taken as [`DEPTH`] channels.
    inputs: usize,
    outputs: usize,
    /// 1 where the image is grey.
    kernel: usize,
    stride: usize,
    slope: f32,
    /// `[group, inputs / 32, kernel², 2]`
    weights: Vec<Tile>,
    /// What the sums are multiplied with; complete to whole groups, as the bias.
    scale: Vec<f32>,
    bias: Vec<f32>,
}

/// An image on its way through a convolution.
struct Job<'a> {
    grey: Option<Grey<'a>>,
    /// None of a grey image.
    steps: Steps,
    segments: Vec<Segment>,
    target: Target<'a>,
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
        let known =
            grey || (inputs > 0 && inputs.is_multiple_of(DEPTH) && matches!((kernel, stride), (1, 1) | (3, 1 | 2)));
        anyhow::ensure!(known && fits, "a convolution {kernel}×{kernel} of stride {stride} that bf16 does not have");
        let padded = |mut values: Vec<f32>| {
            values.resize(outputs.next_multiple_of(GROUP), 0.0);
            values
        };
        // The number of steps is a bf16, and nothing is rounded.
        let scale = |row: &[f32]| step_of(row).unwrap_or(1.0);
        let (scale, bias) = (weight.chunks_exact(inputs * kernel * kernel).map(scale), padded(bias.to_vec()));
        let scale = padded(scale.collect());
        if grey {
            let weights = pack(&maps::grey_weights(weight), &scale, outputs, DEPTH, 1);
            return Ok(Self { inputs, outputs, kernel: 1, stride, slope, weights, scale, bias });
        }
        let weights = pack(weight, &scale, outputs, inputs, kernel * kernel);
        Ok(Self { inputs, outputs, kernel, stride, slope, weights, scale, bias })
    }

    /// As [`super::Conv::forward`], of several images of any sizes: weights that one image has brought near serve the others.
    ///
    /// # Errors
    /// Inputs of other sizes than each other or another number of channels than the weights; outputs that are no multiple of 32.
    pub fn forward(&self, images: &[Image<'_, Map>], pool: &Arc<Pool>) -> anyhow::Result<Vec<Map>> {
        anyhow::ensure!(self.outputs.is_multiple_of(DEPTH), "maps of {} channels in bf16", self.outputs);
        let layouts = self.layouts(images)?;
        let fits = |(image, layout): (&Image<'_, Map>, &Layout)| image.residual.is_none_or(|r| r.layout() == *layout);
        anyhow::ensure!(images.iter().zip(&layouts).all(fits), "a residual of another size");
        let mut drafts: Vec<Draft> = layouts.iter().map(|layout| Draft::new(*layout, pool)).collect();
        let targets = drafts.iter_mut().zip(&layouts).zip(images).map(|((draft, layout), image)| {
            Target::bf16(draft.pixels(), *layout, image.residual.map(Map::pixels), self.slope)
        });
        let targets = targets.collect();
        self.run(images, &layouts, targets);
        Ok(drafts.into_iter().map(Draft::finish).collect())
    }

    /// The results in f32, as the heads of a network need them.
    ///
    /// # Errors
    /// As [`Self::forward`], with any number of outputs; a residual.
    pub fn forward_f32(&self, images: &[Image<'_, Map>], pool: &Arc<Pool>) -> anyhow::Result<Vec<PlainMap>> {
        anyhow::ensure!(images.iter().all(|image| image.residual.is_none()), "a residual of maps in f32");
        let layouts = self.layouts(images)?;
        let plain = |layout: &Layout| PlainLayout::new(self.outputs, layout.height, layout.width);
        let mut drafts: Vec<PlainDraft> = layouts.iter().map(|layout| PlainDraft::new(plain(layout), pool)).collect();
        let targets = drafts.iter_mut().zip(&layouts);
        let targets = targets.map(|(draft, layout)| Target::f32(draft.values(), *layout, plain(layout), self.slope));
        let targets = targets.collect();
        self.run(images, &layouts, targets);
        Ok(drafts.into_iter().map(|draft| draft.finish(None)).collect())
    }

    /// The results', of inputs that fit.
    fn layouts(&self, images: &[Image<'_, Map>]) -> anyhow::Result<Vec<Layout>> {
        let layout = |Image { inputs, .. }: &Image<'_, Map>| {
            let first = inputs.first().map_or(Layout::new(0, 0, 0), |map| map.layout());
            let channels: usize = inputs.iter().map(|map| map.layout().channels).sum();
            let whole = |l: Layout| self.inputs == 1 || l.channels.is_multiple_of(DEPTH);
            let same = |l: Layout| (l.height, l.width) == (first.height, first.width) && whole(l);
            let fits = channels == self.inputs && first.width > 0 && inputs.iter().all(|map| same(map.layout()));
            anyhow::ensure!(
                fits,
                "a convolution of {} channels got {channels}, or maps of different sizes",
                self.inputs
            );
            Ok(Layout::new(self.outputs, first.height.div_ceil(self.stride), first.width.div_ceil(self.stride)))
        };
        images.iter().map(layout).collect()
    }

    /// A task takes a group of output channels on some segments of an image.
    fn run(&self, images: &[Image<'_, Map>], layouts: &[Layout], targets: Vec<Target<'_>>) {
        let jobs = images.iter().zip(layouts).zip(targets).map(|((image, layout), target)| {
            let segments = self.segments(image.inputs[0].layout(), *layout);
            let grey = image.inputs[0].grey();
            let steps = if grey.is_some() { Steps(Vec::new()) } else { self.steps(&image.inputs) };
            Job { grey, steps, segments, target }
        });
        let jobs: Vec<Job<'_>> = jobs.collect();
        let bytes_of_pair = 2 * SIDE * 2 * self.inputs * self.stride;
        let most = (CACHED / bytes_of_pair).max(1) * 2;
        let parts = jobs.iter().flat_map(|job| job.segments.chunks(most).map(move |segments| (job, segments)));
        let parts: Vec<(&Job<'_>, &[Segment])> = parts.collect();
        let groups = self.outputs.div_ceil(GROUP);
        // What is larger is gone through once.
        let pairs: usize = jobs.iter().map(|job| job.segments.len().div_ceil(2)).sum();
        let by_group = size_of_val(&*self.weights) > pairs * bytes_of_pair;
        (0..parts.len() * groups).into_par_iter().with_max_len(1).for_each(|task| {
            let (part, group) =
                if by_group { (task % parts.len(), task / parts.len()) } else { (task / groups, task % groups) };
            let (job, segments) = parts[part];
            // SAFETY: `layouts` checked the sizes; each task writes its own segments and channels.
            unsafe { self.task(job, segments, group) };
        });
    }

    /// # Safety
    /// The job is one of this convolution, and no other task writes the segments of the group.
    unsafe fn task(&self, Job { grey, steps, target, .. }: &Job<'_>, segments: &[Segment], group: usize) {
        let mut around = [Pixel::default(); 2 * SIDE];
        let mut only = Steps(vec![around.as_ptr()]);
        let tiles_of_group = if grey.is_some() { STEP } else { steps.0.len() * STEP };
        let weights = &self.weights[group * tiles_of_group..][..tiles_of_group];
        let of_group = group * GROUP..(group + 1) * GROUP;
        let finish = Finish { target, scale: &self.scale[of_group.clone()], bias: &self.bias[of_group], group };
        let mut tiles = Configured::new();
        for pair in segments.chunks(2) {
            // The last may be alone, and is computed twice.
            let mut pixels = [pair[0].from, pair[pair.len() - 1].from];
            if let Some(grey) = grey {
                for (segment, around) in pair.iter().zip(around.chunks_exact_mut(SIDE)) {
                    grey.neighbourhoods(segment.to, &mut around[..segment.count]);
                }
                only.0[0] = around.as_ptr();
                pixels = [0, SIDE];
            }
            let steps = if grey.is_some() { &only } else { steps };
            // SAFETY: the addresses are those of the inputs' planes, which the segments and taps stay in (`Layout`), or of the
            // neighbours; the weights are those of all steps.
            let sums = unsafe { tiles.product(steps, pixels, self.stride, weights.as_ptr()) };
            for (segment, sums) in pair.iter().zip(sums.chunks_exact(SIDE)) {
                // SAFETY: the segment is in the result; this function's contract.
                unsafe { finish.write(sums, segment.to, segment.count) };
            }
        }
        finish.publish();
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

/// `[out, in, taps]` in steps of the scales as `[group, in / 32, taps, 2]` tiles; `outputs` is completed to whole groups with zeros.
fn pack(weight: &[f32], scale: &[f32], outputs: usize, inputs: usize, taps: usize) -> Vec<Tile> {
    let blocks = inputs / DEPTH;
    let mut packed = vec![Tile::default(); outputs.div_ceil(GROUP) * blocks * taps * STEP];
    let of_group = blocks * taps * STEP;
    packed.par_chunks_exact_mut(of_group).enumerate().for_each(|(group, tiles)| {
        for output in group * GROUP..outputs.min((group + 1) * GROUP) {
            let (part, column) = (output % GROUP / SIDE, output % SIDE);
            let row = &weight[output * inputs * taps..][..inputs * taps];
            let steps = 1.0 / scale[output];
            let row: Vec<u16> = match scale[output] {
                1.0 => row.iter().map(|value| maps::bf16(*value)).collect(),
                _ => row.iter().map(|value| maps::bf16_of_whole(rounded(value * steps))).collect(),
            };
            for (input, row) in row.chunks_exact(taps).enumerate() {
                for (tap, value) in row.iter().enumerate() {
                    let tile = &mut tiles[(input / DEPTH * taps + tap) * STEP + part];
                    tile[input % DEPTH / 2].0[2 * column + input % 2] = *value;
                }
            }
        }
    });
    packed
}

const _: () = assert!(SIDE == LANES, "a tile is as wide as a vector");
