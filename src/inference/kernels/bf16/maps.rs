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

impl Pixel {
    /// Those of the memory that begin at a multiple of their size.
    fn of(memory: &Buffer) -> &[Self] {
        // SAFETY: whatever the bits of the memory, they are sixteen-bit words.
        unsafe { memory.values.align_to().1 }
    }

    fn of_mut(memory: &mut Buffer) -> &mut [Self] {
        // SAFETY: as above; and as f32 they may have any bits too.
        unsafe { memory.values.align_to_mut().1 }
    }

    /// Memory for so many.
    fn room(count: usize, pool: &Arc<Pool>) -> Buffer {
        // One more, as the first may begin later than the memory.
        pool.take((count + 1) * size_of::<Self>() / size_of::<f32>())
    }
}

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
    memory: Arc<Buffer>,
}

/// Feature maps being written: the border is there, the pixels are of any content.
pub struct Draft {
    layout: Layout,
    memory: Buffer,
}

impl Draft {
    pub fn new(layout: Layout, pool: &Arc<Pool>) -> Self {
        let mut draft = Self { layout, memory: Pixel::room(layout.total() + REACH, pool) };
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
        &mut Pixel::of_mut(&mut self.memory)[..self.layout.total()]
    }

    pub fn finish(self) -> Map {
        Map { layout: self.layout, memory: Arc::new(self.memory) }
    }
}

impl Map {
    /// Maps of the values `[channels, height, width]`; one channel is a grey image, which is kept as [`Grey`] describes.
    ///
    /// # Panics
    /// Where there are not that many values.
    pub fn from_rows(rows: &[f32], [channels, height, width]: [usize; 3], pool: &Arc<Pool>) -> Self {
        assert_eq!(rows.len(), channels * height * width, "maps need all their values");
        let layout = Layout::new(channels, height, width);
        if channels == 1 {
            let mut memory = Pixel::room(Grey::words(layout).div_ceil(DEPTH), pool);
            Grey::fill(words_mut(Pixel::of_mut(&mut memory)), layout, rows);
            return Self { layout, memory: Arc::new(memory) };
        }
        let mut draft = Draft::new(layout, pool);
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

    /// The grey image, if it is one.
    pub fn grey(&self) -> Option<Grey<'_>> {
        (self.layout.channels == 1).then(|| Grey { layout: self.layout, words: words(Pixel::of(&self.memory)) })
    }

    /// Channels, height and width.
    pub fn size(&self) -> [usize; 3] {
        [self.layout.channels, self.layout.height, self.layout.width]
    }

    /// Of an image that is not grey.
    pub fn planes(&self) -> impl Iterator<Item = &[Pixel]> {
        self.pixels().chunks_exact(self.layout.plane())
    }

    /// All planes.
    pub fn pixels(&self) -> &[Pixel] {
        &Pixel::of(&self.memory)[..self.layout.total()]
    }

    /// Where the memory came from.
    pub fn pool(&self) -> &Arc<Pool> {
        self.memory.pool()
    }

    /// The values `[channels, height, width]`, without any border, of an image that is not grey.
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

/// Of a whole number of 8 bits, which has a bf16.
pub fn bf16_of_whole(value: f32) -> u16 {
    (value.to_bits() >> 16) as u16
}

pub fn f32_of(value: u16) -> f32 {
    f32::from_bits(u32::from(value) << 16)
}

/// A grey image with one pixel of zeros around it: first every value's nearest bf16, then what rounding left of each, so that
/// the image is read almost as exactly as in f32, at no cost, as a tile is deep enough for both.
#[derive(Clone, Copy)]
pub struct Grey<'a> {
    layout: Layout,
    words: &'a [u16],
}

/// Channels of a row of three neighbours; the fourth counts nothing.
const ROW: usize = 4;

impl Grey<'_> {
    fn pitch(layout: Layout) -> usize {
        layout.width + 2
    }

    /// Values in one of the two parts.
    fn part(layout: Layout) -> usize {
        (layout.height + 2) * Self::pitch(layout)
    }

    /// Of both, and one that the last fourth neighbour may be.
    fn words(layout: Layout) -> usize {
        2 * Self::part(layout) + 1
    }

    fn fill(words: &mut [u16], layout: Layout, rows: &[f32]) {
        let (part, pitch) = (Self::part(layout), Self::pitch(layout));
        let words = &mut words[..Self::words(layout)];
        words[2 * part] = 0;
        let (near, rest) = words[..2 * part].split_at_mut(part);
        let lines = near.par_chunks_exact_mut(pitch).zip(rest.par_chunks_exact_mut(pitch)).enumerate();
        lines.for_each(|(y, (near, rest))| {
            near.fill(0);
            rest.fill(0);
            if (1..=layout.height).contains(&y) {
                let row = &rows[(y - 1) * layout.width..][..layout.width];
                for ((near, rest), value) in near[1..].iter_mut().zip(&mut rest[1..]).zip(row) {
                    *near = bf16(*value);
                    *rest = bf16(value - f32_of(*near));
                }
            }
        });
    }

    /// The 3×3 neighbours of so many pixels, from `at` of a plane of the result on, as their channels; nothing of use for the
    /// border's.
    pub fn neighbourhoods(&self, at: usize, pixels: &mut [Pixel]) {
        let (part, pitch) = (Self::part(self.layout), Self::pitch(self.layout));
        let (first, own) = (at - self.layout.at(0, 0), self.layout.pitch());
        let (mut y, mut x) = (first / own, first % own);
        for pixel in pixels {
            for (number, to) in pixel.0[..6 * ROW].as_chunks_mut::<ROW>().0.iter_mut().enumerate() {
                let from = number / 3 * part + (y + number % 3) * pitch + x;
                to.copy_from_slice(&self.words[from..from + ROW]);
            }
            x += 1;
            if x == own {
                (y, x) = (y + 1, 0);
            }
        }
    }
}

/// `[out, 1, 3, 3]` as `[out, 32]` for what [`Grey::neighbourhoods`] gives.
pub fn grey_weights(weight: &[f32]) -> Vec<f32> {
    let mut all = vec![0.0; weight.len() / 9 * DEPTH];
    for (channels, taps) in all.chunks_exact_mut(DEPTH).zip(weight.chunks_exact(9)) {
        for (number, row) in channels[..6 * ROW].chunks_exact_mut(ROW).enumerate() {
            row[..3].copy_from_slice(&taps[number % 3 * 3..][..3]);
        }
    }
    all
}

fn words(pixels: &[Pixel]) -> &[u16] {
    // SAFETY: a pixel is so many words and nothing else.
    unsafe { std::slice::from_raw_parts(pixels.as_ptr().cast(), pixels.len() * DEPTH) }
}

fn words_mut(pixels: &mut [Pixel]) -> &mut [u16] {
    // SAFETY: as above.
    unsafe { std::slice::from_raw_parts_mut(pixels.as_mut_ptr().cast(), pixels.len() * DEPTH) }
}
