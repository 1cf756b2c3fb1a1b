//! Feature maps of bf16: blocks of thirty-two channels, `[channels / 32, 1 + (rows + 2) · pitch, 32]`.
//!
//! A pixel's channels of a block fill a cache line. Rows follow each other with one border pixel of zeros between them, the right
//! border of one and the left border of the next; a row of zeros lies above and below, and one more pixel ahead of all. So the
//! neighbour at any tap is at the same distance from every pixel.

use std::sync::Arc;

use rayon::prelude::*;

use super::super::maps::{Buffer, Pool};
use super::tiles::SIDE;

/// Channels in a block.
pub const DEPTH: usize = 32;

/// A pixel's channels of a block, as bf16.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Pixel(pub [u16; DEPTH]);

/// Pixels beyond the last plane that the last tiles may reach into.
const REACH: usize = 2 * SIDE;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl Layout {
    pub fn new(channels: usize, height: usize, width: usize) -> Self {
        Self { channels, height, width }
    }

    pub fn blocks(&self) -> usize {
        self.channels.div_ceil(DEPTH)
    }

    /// Pixels from one row to the next.
    pub fn pitch(&self) -> usize {
        self.width + 1
    }

    /// Pixels in the plane of a block.
    pub fn plane(&self) -> usize {
        1 + (self.height + 2) * self.pitch()
    }

    /// Pixels in all planes.
    pub fn total(&self) -> usize {
        self.blocks() * self.plane()
    }

    /// Where in its plane the pixel in column `x`, row `y` is.
    pub fn at(&self, y: usize, x: usize) -> usize {
        1 + (y + 1) * self.pitch() + x
    }
}

/// Feature maps; clones share the memory.
#[derive(Clone)]
pub struct Map {
    layout: Layout,
    memory: Arc<Buffer<Pixel>>,
}

/// Feature maps being written: the border is there, the pixels are of any content.
pub struct Draft {
    layout: Layout,
    memory: Buffer<Pixel>,
}

impl Draft {
    pub fn new(layout: Layout, pool: &Arc<Pool<Pixel>>) -> Self {
        let mut draft = Self { layout, memory: pool.take(layout.total() + REACH) };
        let first = layout.at(0, 0);
        for plane in draft.pixels().chunks_exact_mut(layout.plane()) {
            plane[..first].fill(Pixel::default());
            for y in 0..layout.height {
                plane[layout.at(y, layout.width)] = Pixel::default();
            }
            plane[layout.at(layout.height, 0)..].fill(Pixel::default());
        }
        draft
    }

    /// All planes.
    pub fn pixels(&mut self) -> &mut [Pixel] {
        &mut self.memory.values[..self.layout.total()]
    }

    pub fn finish(self) -> Map {
        Map { layout: self.layout, memory: Arc::new(self.memory) }
    }
}

impl Map {
    /// Maps of the values `[channels, height, width]`; one channel is a grey image, of which every pixel becomes its
    /// neighbourhood of 3×3.
    ///
    /// # Panics
    /// Where there are not that many values.
    pub fn from_rows(rows: &[f32], [channels, height, width]: [usize; 3], pool: &Arc<Pool<Pixel>>) -> Self {
        assert_eq!(rows.len(), channels * height * width, "maps need all their values");
        let layout = Layout::new(if channels == 1 { DEPTH } else { channels }, height, width);
        let mut draft = Draft::new(layout, pool);
        if channels == 1 {
            neighbourhoods(rows, layout, draft.pixels());
            return draft.finish();
        }
        for (block, plane) in draft.pixels().chunks_exact_mut(layout.plane()).enumerate() {
            for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                for (lane, value) in plane[layout.at(y, x)].0.iter_mut().enumerate() {
                    let channel = block * DEPTH + lane;
                    *value = if channel < channels { bf16(rows[(channel * height + y) * width + x]) } else { 0 };
                }
            }
        }
        draft.finish()
    }

    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Channels, height and width.
    pub fn size(&self) -> [usize; 3] {
        [self.layout.channels, self.layout.height, self.layout.width]
    }

    pub fn planes(&self) -> impl Iterator<Item = &[Pixel]> {
        self.pixels().chunks_exact(self.layout.plane())
    }

    /// All planes.
    pub fn pixels(&self) -> &[Pixel] {
        &self.memory.values[..self.layout.total()]
    }

    /// Where the memory came from.
    pub fn pool(&self) -> &Arc<Pool<Pixel>> {
        self.memory.pool()
    }

    /// The values `[channels, height, width]`, without any border.
    pub fn to_rows(&self) -> Vec<f32> {
        let Layout { channels, height, width } = self.layout;
        let planes: Vec<&[Pixel]> = self.planes().collect();
        let mut rows = Vec::with_capacity(channels * height * width);
        for (channel, y) in (0..channels).flat_map(|channel| (0..height).map(move |y| (channel, y))) {
            let row = &planes[channel / DEPTH][self.layout.at(y, 0)..][..width];
            rows.extend(row.iter().map(|pixel| f32_of(pixel.0[channel % DEPTH])));
        }
        rows
    }
}

/// The nearest bf16, of two equally near ones the even.
pub fn bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

pub fn f32_of(value: u16) -> f32 {
    f32::from_bits(u32::from(value) << 16)
}

/// The value's nearest bf16, and that of what is left of it.
fn parts(value: f32) -> [u16; 2] {
    let near = bf16(value);
    [near, bf16(value - f32_of(near))]
}

/// Every pixel's neighbourhood of 3×3 as its channels, three times: rounded; what rounding left of it; rounded. With
/// [`grey_weights`] the image is read almost as exactly as in f32, at no cost, as a tile is this deep anyway.
fn neighbourhoods(rows: &[f32], layout: Layout, plane: &mut [Pixel]) {
    let Layout { height, width, .. } = layout;
    // With a border of zeros.
    let mut padded = vec![[0; 2]; (height + 2) * (width + 2)];
    let lines = padded.par_chunks_exact_mut(width + 2).skip(1);
    lines.zip(rows.par_chunks_exact(width)).for_each(|(line, row)| {
        line[1..].iter_mut().zip(row).for_each(|(to, value)| *to = parts(*value));
    });
    let lines = plane[layout.at(0, 0)..].par_chunks_exact_mut(layout.pitch()).take(height);
    lines.enumerate().for_each(|(y, line)| {
        let around = [0, 1, 2].map(|dy| &padded[(y + dy) * (width + 2)..][..width + 2]);
        for (x, pixel) in line[..width].iter_mut().enumerate() {
            for (dy, row) in around.iter().enumerate() {
                for (dx, [near, rest]) in row[x..x + 3].iter().enumerate() {
                    let tap = 3 * dy + dx;
                    pixel.0[tap] = *near;
                    pixel.0[9 + tap] = *rest;
                    pixel.0[18 + tap] = *near;
                }
            }
            pixel.0[27..].fill(0);
        }
    });
}

/// `[out, 1, 3, 3]` as `[out, 32]` for what [`neighbourhoods`] makes: rounded, rounded, and what rounding left.
pub fn grey_weights(weight: &[f32]) -> Vec<f32> {
    let mut all = vec![0.0; weight.len() / 9 * DEPTH];
    for (row, taps) in all.chunks_exact_mut(DEPTH).zip(weight.chunks_exact(9)) {
        for (tap, value) in taps.iter().enumerate() {
            let [near, rest] = parts(*value).map(f32_of);
            row[tap] = near;
            row[9 + tap] = near;
            row[18 + tap] = rest;
        }
    }
    all
}
