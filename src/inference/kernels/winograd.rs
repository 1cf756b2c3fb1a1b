//! 3×3 convolutions of stride 1 by Winograd's F(4×4, 3×3): tiles of 4×4 outputs from 6×6 inputs with 36 multiplications per
//! pair of channels instead of 144 (Lavin and Gray, 2016).
//!
//! Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A. For each of the 36 positions, tiles × input channels times input channels × output
//! channels is a matrix product.

use super::isa::{Isa, on_isa};
use super::maps::Layout;
use super::simd::{LANES, Lanes};
use super::tile::{Job, Sums, Target, accumulate, split, with_count};

/// Outputs of a tile on each side.
pub const TILE: usize = 4;
/// Inputs of a tile on each side.
const SIDE: usize = TILE + 2;
/// Positions in a tile, each with its own matrix product.
pub const POSITIONS: usize = SIDE * SIDE;

/// Consecutive tiles of an image, at most [`Isa::pixels`], which go through the method together.
#[derive(Clone, Copy)]
pub struct Round<'a> {
    pub job: &'a Job<'a>,
    pub first: usize,
    pub count: usize,
}

impl<'a> Round<'a> {
    /// Those of all of an image's tiles.
    pub fn all_of(job: &'a Job<'a>, isa: Isa) -> impl Iterator<Item = Self> {
        split(job.from.tiles(TILE), isa.pixels()).map(move |(first, count)| Self { job, first, count })
    }
}

/// Rounds of images of the same channels, transformed, one after the other: each `[6, channels / 16, 6, tiles of the round, 16]`,
/// where position 6·y + x is found under y and x.
pub struct Tiles<'a> {
    pub values: &'a [f32],
    pub rounds: &'a [Round<'a>],
}

/// The weights of a group of output channels.
pub enum GroupWeights<'a> {
    /// `[36, channels, V, 16]`
    Transformed(&'a [f32]),
    /// `[channels / 16, 9, 16, V, 16]`, and room for a row of the transformed, `[6, channels, V, 16]`: little enough to stay
    /// in the second-level cache until it was used.
    Plain(&'a [f32], &'a mut [f32]),
}

on_isa! {
    /// Transforms the weights of a group, `[channels / 16, 9, 16, V, 16]`, to `[36, channels, V, 16]`.
    fn transform_weights = all_weights(plain: &[f32], to: &mut [f32])
}

on_isa! {
    /// Transforms the tiles of a round, of all planes, to `[6, planes, 6, count, 16]`.
    fn transform_inputs = transform(round: &Round<'_>, to: &mut [f32])
}

on_isa! {
    /// Multiplies tiles by the weights of a group and writes the resulting pixels of the group's channels.
    /// `bias` is `[out]`, complete to whole groups; `sums` has room for 36 · V · 16 values a tile.
    fn multiply = products(
        tiles: &Tiles<'_>, weights: GroupWeights<'_>, bias: &[f32], group: usize, sums: &mut [f32],
    )
}

/// # Safety
/// The lanes' instruction set is enabled.
#[inline(always)]
unsafe fn all_weights<L: Lanes, const V: usize>(plain: &[f32], to: &mut [f32]) {
    for (y, row) in to.chunks_exact_mut(to.len() / SIDE).enumerate() {
        // SAFETY: this function's contract.
        unsafe { row_of_weights::<L, V>(plain, y, row) };
    }
}

/// Transforms weights to the positions in row `y` of the tile.
///
/// # Safety
/// The lanes' instruction set is enabled.
#[inline(always)]
unsafe fn row_of_weights<L: Lanes, const V: usize>(plain: &[f32], y: usize, to: &mut [f32]) {
    let channels = plain.len() / (9 * V * LANES);
    assert!(to.len() >= SIDE * channels * V * LANES && channels.is_multiple_of(LANES));
    let factors = G[y].map(L::splat);
    for channel in 0..channels {
        for v in 0..V {
            let from = (channel / LANES * 9 * LANES + channel % LANES) * V + v;
            let mut row = [L::splat(0.0); 3];
            for (x, sum) in row.iter_mut().enumerate() {
                for (y, factor) in factors.iter().enumerate() {
                    // SAFETY: channel, v and the tap are within `plain`.
                    let g = unsafe { L::load(plain.as_ptr().add((from + (3 * y + x) * LANES * V) * LANES)) };
                    *sum = g.mul_add(*factor, *sum);
                }
            }
            for (x, u) in weights_1d(row).iter().enumerate() {
                // SAFETY: the assertion above.
                unsafe { u.store(to.as_mut_ptr().add(((x * channels + channel) * V + v) * LANES)) };
            }
        }
    }
}

/// # Safety
/// The lanes' instruction set is enabled.
#[inline(always)]
unsafe fn transform<L: Lanes, const V: usize>(round: &Round<'_>, to: &mut [f32]) {
    let Round { job: Job { planes, from: layout, .. }, first, count } = *round;
    let halved = Layout::new(layout.channels, layout.height / 2, layout.width / 2);
    assert!(first + count <= layout.tiles(TILE) && to.len() >= POSITIONS * planes.len() * count * LANES);
    let across = layout.tiles_across(TILE);
    for (block, plane) in planes.iter().enumerate() {
        let own = if plane.doubled { &halved } else { layout };
        assert!(plane.values.len() == own.plane() && (!plane.doubled || layout.height % 2 + layout.width % 2 == 0));
        for n in 0..count {
            let (ty, tx) = ((first + n) / across, (first + n) % across);
            let to = to[(block * SIDE * count + n) * LANES..].as_mut_ptr();
            let steps = [planes.len() * SIDE * count * LANES, count * LANES];
            // SAFETY: the tile is inside the maps, and the assertions above.
            unsafe {
                if plane.doubled {
                    tile::<L, 2>(plane.values.as_ptr(), own.pitch(), ty, tx, to, steps);
                } else {
                    tile::<L, 1>(plane.values.as_ptr(), own.pitch(), ty, tx, to, steps);
                }
            }
        }
    }
}

/// Transforms the tile in row `ty`, column `tx` to vectors `steps` values apart from row to row and column to column. `SCALE` is 2 where pixels count twice.
///
/// # Safety
/// The tile is inside the plane; there is room for 36 vectors.
#[inline(always)]
unsafe fn tile<L: Lanes, const SCALE: usize>(
    plane: *const f32,
    pitch: usize,
    ty: usize,
    tx: usize,
    to: *mut f32,
    steps: [usize; 2],
) {
    // The tile begins in the border above and to the left of its first output, so pixel k of a doubled row is (k + 1) / 2.
    let from = (ty * TILE / SCALE * pitch + tx * TILE / SCALE) * LANES;
    let pixel = |k: usize| if SCALE == 2 { k.div_ceil(2) } else { k };
    let mut columns = [[L::splat(0.0); SIDE]; SIDE];
    for (x, column) in columns.iter_mut().enumerate() {
        let mut d = [L::splat(0.0); SIDE];
        for (y, value) in d.iter_mut().enumerate() {
            // SAFETY: planes are whole tiles with a border, so 6×6 pixels lie inside.
            let at = plane.wrapping_add(from + (pixel(y) * pitch + pixel(x)) * LANES);
            *value = unsafe { L::load(at) };
            if x >= 2 {
                L::prefetch(at.wrapping_add(2 * TILE / SCALE * LANES));
            }
        }
        *column = input_1d(d);
    }
    for y in 0..SIDE {
        for (x, value) in input_1d(across(&columns, y)).iter().enumerate() {
            // SAFETY: this function's contract.
            unsafe { value.store(to.add(y * steps[0] + x * steps[1])) };
        }
    }
}

/// # Safety
/// The lanes' instruction set is enabled; the tiles and the group are inside the targets and no other task writes them.
#[inline(always)]
unsafe fn products<L: Lanes, const V: usize>(
    tiles: &Tiles<'_>,
    mut weights: GroupWeights<'_>,
    bias: &[f32],
    group: usize,
    sums: &mut [f32],
) {
    let Tiles { values, rounds } = *tiles;
    let Some(channels) = rounds.first().map(|round| round.job.planes.len() * LANES) else { return };
    let (width, count) = (V * LANES, rounds.iter().map(|round| round.count).sum::<usize>());
    let row_length = SIDE * channels * width;
    assert!(values.len() >= POSITIONS * channels * count && sums.len() >= POSITIONS * count * width);
    assert!(rounds.iter().all(|round| round.count <= L::PIXELS && round.job.planes.len() * LANES == channels));
    // With each round the tiles before it.
    let rounds = || {
        rounds.iter().scan(0, |next, round| {
            let before = *next;
            *next += round.count;
            Some((before, round))
        })
    };
    for y in 0..SIDE {
        let row = match &mut weights {
            GroupWeights::Transformed(all) => &all[y * row_length..][..row_length],
            GroupWeights::Plain(plain, room) => {
                // SAFETY: this function's contract.
                unsafe { row_of_weights::<L, V>(plain, y, room) };
                &room[..row_length]
            }
        };
        for x in 0..SIDE {
            for (before, round) in rounds() {
                let n = round.count;
                // SAFETY: the assertions above: a round begins after the `before` tiles of those ahead of it.
                unsafe {
                    let from = (POSITIONS * before + y * SIDE * n) * channels + x * n * LANES;
                    let from = values.as_ptr().add(from);
                    let w = row.as_ptr().add(x * channels * width);
                    let to = sums.as_mut_ptr().add((POSITIONS * before + (y * SIDE + x) * n) * width);
                    with_count!(n, L::PIXELS, product::<[L, V], []>(from, channels / LANES, w, to));
                }
            }
        }
    }
    for (before, Round { job, first, count: n }) in rounds() {
        let mut most = L::splat(0.0);
        for i in 0..*n {
            for v in 0..V {
                prefetch_tile::<L>(group * V + v, first + i + 1, &job.target);
                let (from, block) = (&sums[(POSITIONS * before + i) * width + v * LANES..], group * V + v);
                // SAFETY: this function's contract; the sums of the round are `n · width` values apart.
                unsafe {
                    output::<L>(
                        from.as_ptr(),
                        n * width,
                        &bias[block * LANES..],
                        block,
                        first + i,
                        &job.target,
                        &mut most,
                    )
                };
            }
        }
        job.target.tell(most);
    }
}

/// The product of `N` tiles `[blocks, 6, N, 16]` (the first of the six) and weights `[blocks, 16, V, 16]` at one position, `[N, V, 16]`.
///
/// # Safety
/// The pointers have that many values.
#[inline(always)]
unsafe fn product<L: Lanes, const V: usize, const N: usize>(x: *const f32, blocks: usize, w: *const f32, to: *mut f32) {
    let mut sums: Sums<L, V, N> = [[L::splat(0.0); V]; N];
    for block in 0..blocks {
        let x = x.wrapping_add(block * SIDE * N * LANES);
        for n in 0..N {
            L::prefetch(x.wrapping_add((SIDE * N + n) * LANES));
        }
        // SAFETY: this function's contract.
        unsafe { accumulate::<L, V, N, LANES, LANES>(&mut sums, x, w.add(block * LANES * V * LANES)) };
    }
    // A copy: sums that a loop runs over would be kept in memory all the while.
    let done = sums;
    for (n, row) in done.iter().enumerate() {
        for (v, sum) in row.iter().enumerate() {
            // SAFETY: this function's contract.
            unsafe { sum.store(to.add((n * V + v) * LANES)) };
        }
    }
}

/// Transforms the sums of a tile back and writes those of its 4×4 pixels that are in the maps.
///
/// # Safety
/// `sums` has 36 vectors `step` values apart; as [`Target::write`].
#[inline(always)]
unsafe fn output<L: Lanes>(
    sums: *const f32,
    step: usize,
    bias: &[f32],
    block: usize,
    tile: usize,
    target: &Target<'_>,
    most: &mut L,
) {
    let layout = &target.layout;
    if block >= layout.blocks() {
        return;
    }
    let (ty, tx) = (tile / layout.tiles_across(TILE), tile % layout.tiles_across(TILE));
    let mut columns = [[L::splat(0.0); TILE]; SIDE];
    for (x, column) in columns.iter_mut().enumerate() {
        let mut m = [L::splat(0.0); SIDE];
        for (y, value) in m.iter_mut().enumerate() {
            // SAFETY: this function's contract.
            *value = unsafe { L::load(sums.add((y * SIDE + x) * step)) };
        }
        *column = output_1d(m);
    }
    // SAFETY: the bias has sixteen values for the block.
    let bias = unsafe { L::load(bias[..LANES].as_ptr()) };
    for y in 0..TILE {
        for (x, value) in output_1d(across(&columns, y)).iter().enumerate() {
            if ty * TILE + y < layout.height && tx * TILE + x < layout.width {
                // SAFETY: the pixel is in the maps; this function's contract.
                unsafe { target.write(*value + bias, block, ty * TILE + y, tx * TILE + x, most) };
            }
        }
    }
}

/// Asks for what [`output`] of this tile will touch; of one that is not in the maps for something of no use.
#[inline(always)]
fn prefetch_tile<L: Lanes>(block: usize, tile: usize, target: &Target<'_>) {
    let across = target.layout.tiles_across(TILE);
    target.prefetch_tile::<L, TILE>(block, tile / across, tile % across);
}

/// Row `y` of a tile kept in columns.
#[inline(always)]
fn across<L: Lanes, const HEIGHT: usize>(c: &[[L; HEIGHT]; SIDE], y: usize) -> [L; SIDE] {
    [c[0][y], c[1][y], c[2][y], c[3][y], c[4][y], c[5][y]]
}

/// The points of the interpolation are 0, ±A, ±B and infinity. These lose half as many bits as the usual 1 and 2.
const A: f32 = 0.625;
const B: f32 = 1.5;
const A2: f32 = A * A;
const B2: f32 = B * B;

/// The first and second factors of the weights' transform.
const NEAR: f32 = 1.0 / (2.0 * A2 * (A2 - B2));
const FAR: f32 = 1.0 / (2.0 * B2 * (B2 - A2));
/// G
const G: [[f32; 3]; SIDE] = [
    [1.0 / (A2 * B2), 0.0, 0.0],
    [NEAR, NEAR * A, NEAR * A2],
    [NEAR, -NEAR * A, NEAR * A2],
    [FAR, FAR * B, FAR * B2],
    [FAR, -FAR * B, FAR * B2],
    [0.0, 0.0, 1.0],
];

/// G g
#[inline(always)]
fn weights_1d<L: Lanes>([g0, g1, g2]: [L; 3]) -> [L; SIDE] {
    let even = g0 * L::splat(NEAR) + g2 * L::splat(NEAR * A2);
    let odd = g1 * L::splat(NEAR * A);
    let far_even = g0 * L::splat(FAR) + g2 * L::splat(FAR * B2);
    let far_odd = g1 * L::splat(FAR * B);
    [g0 * L::splat(1.0 / (A2 * B2)), even + odd, even - odd, far_even + far_odd, far_even - far_odd, g2]
}

/// Bᵀ d
#[inline(always)]
fn input_1d<L: Lanes>([d0, d1, d2, d3, d4, d5]: [L; SIDE]) -> [L; SIDE] {
    let (both, product) = (L::splat(-A2 - B2), L::splat(A2 * B2));
    let even = d2.mul_add(L::splat(-B2), d4);
    let odd = d1.mul_add(L::splat(-B2), d3) * L::splat(A);
    let far_even = d2.mul_add(L::splat(-A2), d4);
    let far_odd = d1.mul_add(L::splat(-A2), d3) * L::splat(B);
    [
        d0.mul_add(product, d2.mul_add(both, d4)),
        even + odd,
        even - odd,
        far_even + far_odd,
        far_even - far_odd,
        d1.mul_add(product, d3.mul_add(both, d5)),
    ]
}

/// Aᵀ m
#[inline(always)]
fn output_1d<L: Lanes>([m0, m1, m2, m3, m4, m5]: [L; SIDE]) -> [L; TILE] {
    let (plus, minus) = (m1 + m2, m1 - m2);
    let (far_plus, far_minus) = (m3 + m4, m3 - m4);
    [
        m0 + plus + far_plus,
        far_minus.mul_add(L::splat(B), minus * L::splat(A)),
        far_plus.mul_add(L::splat(B2), plus * L::splat(A2)),
        far_minus.mul_add(L::splat(B * B2), minus.mul_add(L::splat(A * A2), m5)),
    ]
}
