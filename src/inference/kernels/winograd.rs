//! 3×3 convolutions of stride 1 by Winograd's F(4×4, 3×3): tiles of 4×4 outputs from 6×6 inputs with 36 multiplications per
//! pair of channels instead of 144 (Lavin and Gray, 2016).
//!
//! Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A. For each of the 36 positions, tiles × input channels times input channels × output
//! channels is a matrix product.

use super::isa::{Isa, on_isa};
use super::maps::Layout;
use super::simd::{LANES, Lanes};
use super::tile::{Sums, Target, accumulate, split, with_count};

/// Outputs of a tile on each side.
const TILE: usize = 4;
/// Inputs of a tile on each side.
const SIDE: usize = TILE + 2;
/// Positions in a tile, each with its own matrix product.
pub const POSITIONS: usize = SIDE * SIDE;
/// The most tiles whose products are computed before they are transformed back.
const MOST_TILES: usize = 14;

/// All tiles of maps of this size.
pub fn tiles(layout: &Layout) -> usize {
    tiles_across(layout) * layout.height.div_ceil(TILE)
}

fn tiles_across(layout: &Layout) -> usize {
    layout.width.div_ceil(TILE)
}

/// Values of scratch that [`multiply`] needs.
pub fn scratch(isa: Isa) -> usize {
    POSITIONS * MOST_TILES * isa.group() * LANES
}

/// Transformed tiles `[in / 16, 36, count, 16]` of consecutive tiles.
pub struct Tiles<'a> {
    pub values: &'a [f32],
    pub first: usize,
    pub count: usize,
}

on_isa! {
    /// Transforms the weights of a group, `[in / 16, 9, 16, V, 16]`, to `[36, in, V, 16]`.
    fn transform_weights = weights_of_group(plain: &[f32], to: &mut [f32])
}

on_isa! {
    /// Transforms tiles of one plane to `[36, count, 16]`.
    fn transform_inputs = tiles_of_plane(plane: &[f32], layout: &Layout, first: usize, count: usize, to: &mut [f32])
}

on_isa! {
    /// Multiplies tiles by the transformed weights of a group and writes the resulting pixels of the group's channels.
    /// `bias` is `[out]`, complete to whole groups; `scratch` has [`scratch`] values.
    fn multiply = products(
        tiles: &Tiles<'_>, weights: &[f32], bias: &[f32], group: usize, target: &Target<'_>, scratch: &mut [f32],
    )
}

/// # Safety
/// The lanes' instruction set is enabled.
#[inline(always)]
unsafe fn weights_of_group<L: Lanes, const V: usize>(plain: &[f32], to: &mut [f32]) {
    let channels = plain.len() / (9 * V * LANES);
    assert!(to.len() >= POSITIONS * channels * V * LANES && channels.is_multiple_of(LANES));
    for channel in 0..channels {
        for v in 0..V {
            let from = (channel / LANES * 9 * LANES + channel % LANES) * V + v;
            let mut g = [[L::splat(0.0); 3]; 3];
            for (y, row) in g.iter_mut().enumerate() {
                for (x, value) in row.iter_mut().enumerate() {
                    // SAFETY: channel, v and the tap are within `plain`.
                    *value = unsafe { L::load(plain.as_ptr().add((from + (3 * y + x) * LANES * V) * LANES)) };
                }
            }
            let mut rows = [[L::splat(0.0); 3]; SIDE];
            for column in 0..3 {
                let u = weights_1d([g[0][column], g[1][column], g[2][column]]);
                for (row, u) in rows.iter_mut().zip(u) {
                    row[column] = u;
                }
            }
            for (y, row) in rows.into_iter().enumerate() {
                for (x, u) in weights_1d(row).into_iter().enumerate() {
                    let position = y * SIDE + x;
                    // SAFETY: the assertion above.
                    unsafe { u.store(to.as_mut_ptr().add(((position * channels + channel) * V + v) * LANES)) };
                }
            }
        }
    }
}

/// # Safety
/// The lanes' instruction set is enabled.
#[inline(always)]
unsafe fn tiles_of_plane<L: Lanes, const V: usize>(
    plane: &[f32],
    layout: &Layout,
    first: usize,
    count: usize,
    to: &mut [f32],
) {
    assert!(plane.len() == layout.plane() && first + count <= tiles(layout) && to.len() >= POSITIONS * count * LANES);
    let across = tiles_across(layout);
    let pitch = layout.pitch() * LANES;
    for tile in 0..count {
        let (ty, tx) = ((first + tile) / across, (first + tile) % across);
        // The tile begins in the border above and to the left of its first output.
        let from = ty * TILE * pitch + tx * TILE * LANES;
        let mut columns = [[L::splat(0.0); SIDE]; SIDE];
        for (x, column) in columns.iter_mut().enumerate() {
            let mut d = [L::splat(0.0); SIDE];
            for (y, value) in d.iter_mut().enumerate() {
                // SAFETY: planes are whole tiles with a border, so 6×6 pixels lie inside.
                *value = unsafe { L::load(plane.as_ptr().add(from + y * pitch + x * LANES)) };
            }
            *column = input_1d(d);
        }
        for y in 0..SIDE {
            for (x, value) in input_1d(columns.map(|column| column[y])).into_iter().enumerate() {
                // SAFETY: the assertion above.
                unsafe { value.store(to.as_mut_ptr().add(((y * SIDE + x) * count + tile) * LANES)) };
            }
        }
    }
}

/// # Safety
/// The lanes' instruction set is enabled; the tiles and the group are inside the target and no other task writes them.
#[inline(always)]
unsafe fn products<L: Lanes, const V: usize>(
    tiles: &Tiles<'_>,
    weights: &[f32],
    bias: &[f32],
    group: usize,
    target: &Target<'_>,
    scratch: &mut [f32],
) {
    let channels = weights.len() / (POSITIONS * V * LANES);
    assert!(
        tiles.values.len() >= channels * POSITIONS * tiles.count && scratch.len() >= POSITIONS * MOST_TILES * V * LANES
    );
    assert!(bias.len() >= (group + 1) * V * LANES);
    for (first, count) in split(tiles.count, L::PIXELS.min(MOST_TILES)) {
        // SAFETY: first + count is within the tiles; the assertions above; this function's contract.
        unsafe {
            with_count!(count, positions::<L, V>(tiles, first, channels, weights.as_ptr(), scratch.as_mut_ptr()));
            for n in 0..count {
                for v in 0..V {
                    let sums = scratch.as_ptr().add((n * V + v) * LANES);
                    output::<L>(
                        sums,
                        count * V * LANES,
                        &bias[(group * V + v) * LANES..],
                        group * V + v,
                        tiles.first + first + n,
                        target,
                    );
                }
            }
        }
    }
}

/// The products of `N` tiles at all positions, `[36, N, V, 16]`.
///
/// # Safety
/// The tiles, `weights` and `to` have that many values.
#[inline(always)]
unsafe fn positions<L: Lanes, const V: usize, const N: usize>(
    tiles: &Tiles<'_>,
    first: usize,
    channels: usize,
    weights: *const f32,
    to: *mut f32,
) {
    for position in 0..POSITIONS {
        let mut sums: Sums<L, V, N> = [[L::splat(0.0); V]; N];
        for block in 0..channels / LANES {
            let x = ((block * POSITIONS + position) * tiles.count + first) * LANES;
            let w = (position * channels + block * LANES) * V * LANES;
            // SAFETY: this function's contract.
            unsafe {
                accumulate::<L, V, N, LANES, LANES>(&mut sums, tiles.values.as_ptr().add(x), weights.add(w));
            }
        }
        // A copy: sums that a loop runs over would be kept in memory all the while.
        let done = sums;
        for (n, row) in done.into_iter().enumerate() {
            for (v, sum) in row.into_iter().enumerate() {
                // SAFETY: this function's contract.
                unsafe { sum.store(to.add(((position * N + n) * V + v) * LANES)) };
            }
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
) {
    let layout = &target.layout;
    if block >= layout.blocks() {
        return;
    }
    let (ty, tx) = (tile / tiles_across(layout), tile % tiles_across(layout));
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
    for y in 0..TILE.min(layout.height - ty * TILE) {
        for (x, value) in output_1d(columns.map(|column| column[y])).into_iter().enumerate() {
            if tx * TILE + x < layout.width {
                // SAFETY: the pixel is in the maps; this function's contract.
                unsafe { target.write(value + bias, block, ty * TILE + y, tx * TILE + x) };
            }
        }
    }
}

/// The points of the interpolation are 0, ±A, ±B and infinity. These lose half as many bits as the usual 1 and 2.
const A: f32 = 0.625;
const B: f32 = 1.5;
const A2: f32 = A * A;
const B2: f32 = B * B;

/// G g
#[inline(always)]
fn weights_1d<L: Lanes>([g0, g1, g2]: [L; 3]) -> [L; SIDE] {
    const NEAR: f32 = 1.0 / (2.0 * A2 * (A2 - B2));
    const FAR: f32 = 1.0 / (2.0 * B2 * (B2 - A2));
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
