//! Upsampling and pooling of channel-blocked maps.

use rayon::prelude::*;

use super::maps::{Draft, Layout, Map};
use super::simd::LANES;

impl Map {
    /// A copy with each pixel twice in each direction.
    pub(super) fn doubled_copy(&self) -> Self {
        let from = self.layout();
        let to = Layout::new(from.channels, 2 * from.height, 2 * from.width);
        self.resampled(to, |plane, y, line| {
            let row = &plane[from.at(y / 2, 0)..][..from.width * LANES];
            for (pair, pixel) in line.chunks_exact_mut(2 * LANES).zip(row.chunks_exact(LANES)) {
                pair[..LANES].copy_from_slice(pixel);
                pair[LANES..].copy_from_slice(pixel);
            }
        })
    }

    /// The largest of each 2×2 pixels; an odd last row or column is left out.
    pub fn max_pooled(&self) -> Self {
        let map = self.written_out();
        let from = map.layout();
        let to = Layout::new(from.channels, from.height / 2, from.width / 2);
        map.resampled(to, |plane, y, line| {
            let above = plane[from.at(2 * y, 0)..].chunks_exact(2 * LANES);
            let below = plane[from.at(2 * y + 1, 0)..].chunks_exact(2 * LANES);
            for ((pixel, above), below) in line.chunks_exact_mut(LANES).zip(above).zip(below) {
                for lane in 0..LANES {
                    let larger = |a: f32, b: f32| if a > b { a } else { b };
                    let (left, right) =
                        (larger(above[lane], below[lane]), larger(above[lane + LANES], below[lane + LANES]));
                    pixel[lane] = larger(left, right);
                }
            }
        })
    }

    /// Maps whose every row `fill(plane, y, row)` writes.
    fn resampled(&self, to: Layout, fill: impl Fn(&[f32], usize, &mut [f32]) + Sync) -> Self {
        let mut draft = Draft::new(to, self.pool());
        let planes: Vec<&[f32]> = self.planes().collect();
        draft.values().par_chunks_exact_mut(to.plane()).zip(planes).for_each(|(target, plane)| {
            for y in 0..to.height {
                let at = to.at(y, 0);
                fill(plane, y, &mut target[at..at + to.width * LANES]);
            }
        });
        // No value is new.
        draft.finish(self.largest())
    }
}
