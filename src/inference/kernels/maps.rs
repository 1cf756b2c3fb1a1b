//! Feature maps in memory: blocks of sixteen channels, `[channels / 16, rows, pitch, 16]`, each plane with a border of zeros.
//!
//! The border is one pixel above and to the left, and one plus what completes a multiple of four below and to the right, so
//! that a 3×3 convolution, or a tile of it, never has to ask where the image ends. Channels beyond the last are zero.
//! A grey image has blocks of one channel.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use super::simd::LANES;

/// Memory that layers give back and take again: fresh memory costs more than most layers.
#[derive(Debug, Default)]
pub struct Pool {
    free: Mutex<Vec<Lines>>,
}

/// Buffers kept for later.
const KEPT: usize = 64;

impl Pool {
    /// At least `length` values, of any content.
    pub fn take(self: &Arc<Self>, length: usize) -> Buffer {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |values: &Lines| values.len() >= length && values.len() / 4 <= length.max(4096);
        let best = (0..free.len()).filter(|i| fits(&free[*i])).min_by_key(|i| free[*i].len());
        let reused = best.map(|i| free.swap_remove(i));
        drop(free);
        Buffer { values: reused.unwrap_or_else(|| Lines::new(length)), pool: self.clone() }
    }

    fn give(&self, values: Lines) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(values);
        if free.len() > KEPT {
            free.remove(0);
        }
    }
}

/// Values from the beginning of a cache line on: sixteen of them never lie in two.
#[derive(Debug, Default)]
pub struct Lines {
    values: Vec<f32>,
    /// Those before the first line.
    before: usize,
}

/// Bytes of a cache line.
const LINE: usize = 64;

impl Lines {
    /// So many zeros.
    pub fn new(length: usize) -> Self {
        let mut values = vec![0.0; length + LINE / size_of::<f32>() - 1];
        let before = values.as_ptr().align_offset(LINE);
        values.truncate(before + length);
        Self { values, before }
    }
}

impl Deref for Lines {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[self.before..]
    }
}

impl DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.before..]
    }
}

/// Memory of a [`Pool`], which gets it back.
pub struct Buffer {
    pub values: Lines,
    pool: Arc<Pool>,
}

impl Buffer {
    /// Where it came from.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.pool.give(std::mem::take(&mut self.values));
    }
}

/// The size of feature maps, and where their values lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// Channels in a block: [`LANES`], or 1 for a grey image.
    pub lanes: usize,
}

impl Layout {
    pub fn new(channels: usize, height: usize, width: usize) -> Self {
        Self { channels, height, width, lanes: LANES }
    }

    pub fn blocks(&self) -> usize {
        self.channels.div_ceil(self.lanes)
    }

    /// Pixels from one row to the next.
    pub fn pitch(&self) -> usize {
        self.width.next_multiple_of(4) + 2
    }

    pub fn rows(&self) -> usize {
        self.height.next_multiple_of(4) + 2
    }

    /// Values in the plane of a block.
    pub fn plane(&self) -> usize {
        self.rows() * self.pitch() * self.lanes
    }

    /// Values in all planes.
    pub fn total(&self) -> usize {
        self.blocks() * self.plane()
    }

    /// Tiles of so many pixels on each side, side by side.
    pub fn tiles_across(&self, side: usize) -> usize {
        self.width.div_ceil(side)
    }

    /// All of them.
    pub fn tiles(&self, side: usize) -> usize {
        self.tiles_across(side) * self.height.div_ceil(side)
    }

    /// Where in its plane the pixel in column `x`, row `y` begins.
    pub fn at(&self, y: usize, x: usize) -> usize {
        ((y + 1) * self.pitch() + x + 1) * self.lanes
    }
}

/// Feature maps; clones share the memory.
#[derive(Clone)]
pub struct Map {
    /// Of the memory.
    layout: Layout,
    /// Every pixel stands for 2×2.
    doubled: bool,
    /// The largest magnitude or one that is larger, where that is known.
    largest: Option<f32>,
    memory: Arc<Buffer>,
}

/// Feature maps being written: the border is there, the pixels are of any content.
pub struct Draft {
    pub layout: Layout,
    memory: Buffer,
}

impl Draft {
    pub fn new(layout: Layout, pool: &Arc<Pool>) -> Self {
        let mut draft = Self { layout, memory: pool.take(layout.total()) };
        let row = layout.pitch() * layout.lanes;
        for plane in draft.values().chunks_exact_mut(layout.plane()) {
            plane[..row].fill(0.0);
            plane[(layout.height + 1) * row..].fill(0.0);
            for line in plane.chunks_exact_mut(row).skip(1).take(layout.height) {
                line[..layout.lanes].fill(0.0);
                line[(layout.width + 1) * layout.lanes..].fill(0.0);
            }
        }
        draft
    }

    /// All planes.
    pub fn values(&mut self) -> &mut [f32] {
        &mut self.memory.values[..self.layout.total()]
    }

    /// The maps; `largest` as [`Map::largest`].
    pub fn finish(self, largest: Option<f32>) -> Map {
        Map { layout: self.layout, doubled: false, largest, memory: Arc::new(self.memory) }
    }
}

impl Map {
    /// Maps of the values `[channels, height, width]`; one channel is a grey image.
    ///
    /// # Panics
    /// Where there are not that many values.
    pub fn from_rows(rows: &[f32], [channels, height, width]: [usize; 3], pool: &Arc<Pool>) -> Self {
        assert_eq!(rows.len(), channels * height * width, "maps need all their values");
        let lanes = if channels == 1 { 1 } else { LANES };
        let layout = Layout { channels, height, width, lanes };
        let mut draft = Draft::new(layout, pool);
        let planes = draft.values().chunks_exact_mut(layout.plane());
        for (block, plane) in planes.enumerate() {
            for lane in 0..lanes {
                let channel = block * lanes + lane;
                for y in 0..height {
                    let line = plane[layout.at(y, 0)..][..width * lanes].iter_mut().skip(lane).step_by(lanes);
                    match rows.get((channel * height + y) * width..(channel * height + y + 1) * width) {
                        Some(row) => line.zip(row).for_each(|(to, value)| *to = *value),
                        None => line.for_each(|to| *to = 0.0),
                    }
                }
            }
        }
        draft.finish(None)
    }

    /// The maps' size; where pixels are doubled, not that of the memory.
    pub fn layout(&self) -> Layout {
        let scale = if self.doubled { 2 } else { 1 };
        Layout { height: scale * self.layout.height, width: scale * self.layout.width, ..self.layout }
    }

    /// Channels, height and width of [`Self::layout`].
    pub fn size(&self) -> [usize; 3] {
        let Layout { channels, height, width, .. } = self.layout();
        [channels, height, width]
    }

    /// Each pixel twice in each direction. The memory is shared: what reads the maps reads pixels twice.
    pub fn upsampled(&self) -> Self {
        Self { doubled: true, ..self.written_out() }
    }

    /// The largest magnitude or one that is larger, where that is known; not a number where a value is not.
    pub fn largest(&self) -> Option<f32> {
        self.largest
    }

    /// Whether the memory has each pixel once for 2×2.
    pub fn is_doubled(&self) -> bool {
        self.doubled
    }

    /// The maps whose memory has every pixel; a copy where that is not so.
    pub fn written_out(&self) -> Self {
        if !self.doubled {
            return self.clone();
        }
        Self { doubled: false, ..self.clone() }.doubled_copy()
    }

    /// The planes as they lie in memory.
    pub fn planes(&self) -> impl Iterator<Item = &[f32]> {
        self.memory.values[..self.layout.total()].chunks_exact(self.layout.plane())
    }

    /// The whole memory.
    pub fn values(&self) -> &[f32] {
        &self.memory.values[..self.layout.total()]
    }

    /// Where the memory came from.
    pub fn pool(&self) -> &Arc<Pool> {
        self.memory.pool()
    }

    /// The values `[channels, height, width]`, without any border.
    pub fn to_rows(&self) -> Vec<f32> {
        let map = self.written_out();
        let Layout { channels, height, width, lanes } = map.layout;
        let mut rows = Vec::with_capacity(channels * height * width);
        let planes: Vec<&[f32]> = map.planes().collect();
        for channel in 0..channels {
            for y in 0..height {
                let row = &planes[channel / lanes][map.layout.at(y, 0)..][..width * lanes];
                rows.extend(row.iter().skip(channel % lanes).step_by(lanes));
            }
        }
        rows
    }
}
