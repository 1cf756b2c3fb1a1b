//! Winograd's method with the instructions of AVX-512 VNNI.

use std::arch::x86_64::*;

use super::*;
use crate::simd::{Avx512, Lanes};
use crate::tile::with_count;
use crate::whole::vnni::{self, steps};

/// Transforms the tiles of a round to `[blocks, 16, 14]`.
///
/// # Safety
/// The tiles are inside the job's planes, and [`crate::whole::is_supported`].
#[target_feature(enable = "avx512f")]
pub unsafe fn transform(round: &Round<'_>, to: &mut [Tiles]) {
    let Job { planes, from: layout, .. } = round.input.job;
    let halved = Layout::new(layout.channels, layout.height / 2, layout.width / 2);
    for ((block, plane), to) in planes.iter().enumerate().zip(to) {
        let values = [plane.values, planes.get(block + 1).unwrap_or(plane).values];
        // SAFETY: this function's contract.
        unsafe {
            if plane.doubled {
                plane_of_round::<2>(round, values, halved.pitch(), to);
            } else {
                plane_of_round::<1>(round, values, layout.pitch(), to);
            }
        }
    }
}

/// Transforms a plane's tiles. `SCALE` is 2 where pixels count twice.
///
/// # Safety
/// As [`transform`].
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn plane_of_round<const SCALE: usize>(
    round: &Round<'_>,
    [plane, ahead]: [&[f32]; 2],
    pitch: usize,
    to: &mut Tiles,
) {
    let Round { input: Input { job, step }, first, count } = *round;
    let across = job.from.tiles_across(TILE);
    let factor = _mm512_set1_ps(1.0 / step);
    // A tile begins in the border above and to the left of its first output, so pixel k of a doubled row is (k + 1) / 2.
    let pixel = |k: usize| if SCALE == 2 { k.div_ceil(2) } else { k };
    let last = (first + count - 1) / across * TILE / SCALE + pixel(SIDE - 1);
    assert!((last * pitch + (across - 1) * TILE / SCALE + pixel(SIDE - 1) + 1) * LANES <= plane.len());
    assert!(count <= PIXELS);
    let mut next = first;
    while next < first + count {
        let (ty, tx) = (next / across, next % across);
        let run = (across - tx).min(first + count - next);
        let column = |tile: usize, x: usize| {
            let at = (ty * TILE / SCALE) * pitch + tile * TILE / SCALE + pixel(x);
            let mut d = [_mm512_setzero_ps(); SIDE];
            for (y, d) in d.iter_mut().enumerate() {
                Avx512::prefetch(ahead.as_ptr().wrapping_add((at + pixel(y) * pitch) * LANES));
                // SAFETY: the assertion above.
                *d = unsafe { _mm512_loadu_ps(plane.as_ptr().add((at + pixel(y) * pitch) * LANES)) };
            }
            column(d, factor)
        };
        let mut left = [column(tx, 0), column(tx, 1)];
        for n in 0..run {
            let right = [column(tx + n, 2), column(tx + n, 3)];
            for y in 0..SIDE {
                let d = [left[0][y], left[1][y], right[0][y], right[1][y]];
                let row = [
                    _mm256_sub_epi16(d[0], d[2]),
                    _mm256_add_epi16(d[1], d[2]),
                    _mm256_sub_epi16(d[2], d[1]),
                    _mm256_sub_epi16(d[1], d[3]),
                ];
                for (x, value) in row.into_iter().enumerate() {
                    let to = &mut to[y * SIDE + x][next - first + n];
                    // SAFETY: there is room for sixteen steps.
                    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), value) };
                }
            }
            left = right;
        }
        next += run;
    }
}

/// Bᵀ d in steps.
#[target_feature(enable = "avx512f")]
#[inline]
fn column(d: [__m512; SIDE], factor: __m512) -> [__m256i; SIDE] {
    [
        steps(_mm512_sub_ps(d[0], d[2]), factor),
        steps(_mm512_add_ps(d[1], d[2]), factor),
        steps(_mm512_sub_ps(d[2], d[1]), factor),
        steps(_mm512_sub_ps(d[1], d[3]), factor),
    ]
}

/// The products of `n` tiles and the weights of a group, `[16, in / 16, 8]`.
///
/// # Safety
/// [`crate::whole::is_supported`].
#[target_feature(enable = "avx512f,avx512vnni")]
pub unsafe fn multiply(n: usize, tiles: &[Tiles], weights: &[Pair], sums: &mut Sums) {
    // SAFETY: this function's contract.
    unsafe { with_count!(n, PIXELS, products::<[], []>(tiles, weights, sums)) };
}

/// Those of `N` tiles.
///
/// # Safety
/// [`crate::whole::is_supported`].
#[target_feature(enable = "avx512f,avx512vnni")]
#[inline]
unsafe fn products<const N: usize>(tiles: &[Tiles], weights: &[Pair], to: &mut Sums) {
    let of_position = tiles.len() * PAIRS;
    for (position, (weights, to)) in weights.chunks_exact(of_position).zip(&mut to.0).enumerate() {
        let mut sums: vnni::Sums<N> = [[_mm512_setzero_si512(); GROUP]; N];
        for (tiles, weights) in tiles.iter().zip(weights.chunks_exact(PAIRS)) {
            // SAFETY: N is at most the number of tiles, and these are the weights of a block.
            unsafe { vnni::accumulate::<N, 1>(&mut sums, tiles[position].as_ptr(), weights.as_ptr()) };
        }
        // A copy: sums that a loop runs over would be kept in memory all the while.
        let done = sums;
        for (to, row) in to.iter_mut().zip(&done) {
            for (to, sum) in to.iter_mut().zip(row) {
                // SAFETY: there is room for sixteen sums.
                unsafe { _mm512_store_si512(to.as_mut_ptr().cast(), *sum) };
            }
        }
    }
}

/// Asks for what [`finish`] will touch.
pub fn prefetch(round: &Round<'_>, group: usize) {
    let target = &round.input.job.target;
    for block in group * GROUP..target.layout.blocks().min((group + 1) * GROUP) {
        for (ty, tx) in round.places() {
            target.prefetch_tile::<Avx512, TILE>(block, ty, tx);
        }
    }
}

/// Transforms a group's products back and writes the pixels that are in the maps.
///
/// # Safety
/// The tiles and the group are inside the targets and no other task writes them; `scale` and `bias` are complete to whole groups,
/// and [`crate::whole::is_supported`].
#[target_feature(enable = "avx512f")]
pub unsafe fn finish(round: &Round<'_>, sums: &Sums, group: usize, scale: &[f32], bias: &[f32]) {
    let Input { job: Job { target, .. }, step } = round.input;
    let mut most = Avx512::splat(0.0);
    for v in 0..GROUP.min(target.layout.blocks() - group * GROUP) {
        let block = group * GROUP + v;
        // SAFETY: this function's contract.
        let (scale, bias) =
            unsafe { (Avx512::load(scale[block * LANES..].as_ptr()), Avx512::load(bias[block * LANES..].as_ptr())) };
        let scale = scale * Avx512::splat(*step);
        for (n, (ty, tx)) in round.places().enumerate() {
            let mut columns = [[_mm512_setzero_si512(); TILE]; SIDE];
            for (x, column) in columns.iter_mut().enumerate() {
                let mut m = [_mm512_setzero_si512(); SIDE];
                for (y, m) in m.iter_mut().enumerate() {
                    let at = &sums.0[y * SIDE + x][n][v];
                    // SAFETY: these are sixteen values.
                    *m = unsafe { _mm512_load_si512(at.as_ptr().cast()) };
                }
                *column = output_1d(m);
            }
            for y in 0..TILE {
                let row = [columns[0][y], columns[1][y], columns[2][y], columns[3][y]];
                for (x, value) in output_1d(row).into_iter().enumerate() {
                    let (y, x) = (ty * TILE + y, tx * TILE + x);
                    if y < target.layout.height && x < target.layout.width {
                        let value = Avx512::from_whole(value).mul_add(scale, bias);
                        // SAFETY: the pixel is in the maps; this function's contract.
                        unsafe { target.write(value, block, y, x, &mut most) };
                    }
                }
            }
        }
    }
    target.tell(most);
}

/// Aᵀ m
#[target_feature(enable = "avx512f")]
#[inline]
fn output_1d(m: [__m512i; SIDE]) -> [__m512i; TILE] {
    [_mm512_add_epi32(_mm512_add_epi32(m[0], m[1]), m[2]), _mm512_sub_epi32(_mm512_sub_epi32(m[1], m[2]), m[3])]
}
