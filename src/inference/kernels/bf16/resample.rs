//! Upsampling and pooling of bf16 maps.

use rayon::prelude::*;

use super::maps::{DEPTH, Draft, Layout, Map, Pixel};

impl Map {
    /// A copy with each pixel twice in each direction.
    pub fn upsampled(&self) -> Self {
        let from = self.layout();
        let to = Layout::new(from.channels, 2 * from.height, 2 * from.width);
        self.resampled(to, |plane, y, row| {
            let pixels = &plane[from.at(y / 2, 0)..][..from.width];
            for (pair, pixel) in row.chunks_exact_mut(2).zip(pixels) {
                pair.fill(*pixel);
            }
        })
    }

    /// The largest of each 2×2 pixels; an odd last row or column is left out.
    pub fn max_pooled(&self) -> Self {
        let from = self.layout();
        let to = Layout::new(from.channels, from.height / 2, from.width / 2);
        self.resampled(to, |plane, y, row| {
            let above = plane[from.at(2 * y, 0)..].chunks_exact(2);
            let below = plane[from.at(2 * y + 1, 0)..].chunks_exact(2);
            for ((pixel, above), below) in row.iter_mut().zip(above).zip(below) {
                *pixel = largest([above[0], above[1], below[0], below[1]]);
            }
        })
    }

    /// Maps whose every row `fill(plane, y, row)` writes.
    fn resampled(&self, to: Layout, fill: impl Fn(&[Pixel], usize, &mut [Pixel]) + Sync) -> Self {
        let mut draft = Draft::new(to, self.pool());
        let planes: Vec<&[Pixel]> = self.planes().collect();
        draft.pixels().par_chunks_exact_mut(to.plane()).zip(planes).for_each(|(target, plane)| {
            for y in 0..to.height {
                let at = to.at(y, 0);
                fill(plane, y, &mut target[at..at + to.width]);
            }
        });
        draft.finish()
    }
}

/// Of every channel.
fn largest(pixels: [Pixel; 4]) -> Pixel {
    // Numbers whose order is that of the bf16: the bits below the sign turned round where it is set. Turned twice they are as before.
    let turned = |value: u16| (value as i16) ^ (((value as i16) >> 15) & 0x7fff);
    let mut best = [i16::MIN; DEPTH];
    for pixel in pixels {
        for (best, value) in best.iter_mut().zip(pixel.0) {
            *best = (*best).max(turned(value));
        }
    }
    Pixel(best.map(|value| turned(value as u16) as u16))
}
