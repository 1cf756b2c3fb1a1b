//! Cutting an image into textures that every device takes.
//!
//! A tile *draws* its core and *holds* its region: the core and a border on the inner sides, wide enough that
//! interpolation at the core's edge finds its neighbours on every mip level. Cores tile the image; regions start at
//! multiples of [`ALIGN`], so that levels of a region are parts of the image's levels.

use std::collections::VecDeque;

use super::mips::MIP_LEVELS;
use crate::space::PixelRect;

/// Image pixels per pixel of the last mip level, and the width of a border.
pub const ALIGN: usize = 1 << MIP_LEVELS;
/// Larger textures are split even where the device would take them.
const MAX_SIDE: usize = 4096;

/// A part of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    pub core: PixelRect,
    pub region: PixelRect,
}

/// Tiles for an image of `width` × `height` pixels on a device that takes textures of `max_side`.
pub fn tiles(width: usize, height: usize, max_side: usize) -> Vec<Tile> {
    let max_side = max_side.min(MAX_SIDE) / ALIGN * ALIGN;
    let (columns, rows) = (spans(width, max_side), spans(height, max_side));
    rows.iter()
        .flat_map(|y| columns.iter().map(move |x| (x, y)))
        .map(|(x, y)| Tile {
            core: PixelRect::new(x.core.0, y.core.0, x.core.1, y.core.1),
            region: PixelRect::new(x.region.0, y.region.0, x.region.1, y.region.1),
        })
        .collect()
}

/// The texture's size for a region: whole pixels on every mip level.
pub fn texture_size(region: PixelRect) -> [u32; 2] {
    [region.width(), region.height()].map(|side| side.next_multiple_of(ALIGN) as u32)
}

struct Span {
    core: (usize, usize),
    region: (usize, usize),
}

fn spans(length: usize, max_side: usize) -> Vec<Span> {
    if length <= max_side {
        return vec![Span { core: (0, length), region: (0, length) }];
    }
    let step = max_side - 2 * ALIGN;
    (0..length)
        .step_by(step)
        .map(|start| {
            let end = (start + step).min(length);
            Span { core: (start, end), region: (start.saturating_sub(ALIGN), (end + ALIGN).min(length)) }
        })
        .collect()
}

/// Some rows of a tile's mip level, still to be copied to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    pub tile: usize,
    pub level: u32,
    /// In the level's pixels of the image.
    pub rect: PixelRect,
}

/// Bytes per slice, about.
const SLICE_BYTES: usize = 2 << 20;

/// All that is to be copied for `tiles`, the smallest level first, so that something can be shown at once.
pub fn slices(tiles: &[Tile]) -> VecDeque<Slice> {
    let mut slices = VecDeque::new();
    for level in (0..=MIP_LEVELS).rev() {
        for (tile, Tile { region, .. }) in tiles.iter().enumerate() {
            let end = |v: usize| v.div_ceil(1 << level);
            let rect = PixelRect::new(region.x0 >> level, region.y0 >> level, end(region.x1), end(region.y1));
            let rows = (SLICE_BYTES / (2 * rect.width()).max(1)).max(1);
            for y0 in (rect.y0..rect.y1).step_by(rows) {
                let rect = PixelRect { y0, y1: (y0 + rows).min(rect.y1), ..rect };
                slices.push_back(Slice { tile, level, rect });
            }
        }
    }
    slices
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(width: usize, height: usize, max_side: usize, expected: usize) {
        let tiles = tiles(width, height, max_side);
        assert_eq!(tiles.len(), expected, "{width}×{height}");
        let covered: usize = tiles.iter().map(|t| t.core.width() * t.core.height()).sum();
        assert_eq!(covered, width * height);
        for Tile { core, region } in tiles {
            assert!(texture_size(region).iter().all(|side| *side as usize <= max_side));
            assert!(region.x0 % ALIGN == 0 && region.y0 % ALIGN == 0);
            assert!(region.x0 == 0 || core.x0 - region.x0 == ALIGN);
            assert!(region.x1 == width || region.x1 - core.x1 == ALIGN);
            assert!(region.y1 == height || region.y1 - core.y1 == ALIGN);
        }
    }

    #[test]
    fn every_pixel_lies_in_one_core() {
        check(1, 1, 2048, 1);
        check(3328, 4084, 8192, 1);
        check(4708, 5844, 8192, 4);
        check(10_000, 10_000, 2048, 36);
        check(4097, 60_000, 4096, 32);
        check(300, 200, 256, 3);
    }
}
