//! The inner loop of every convolution here: a few pixels × a few blocks of output channels, kept in registers.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering};

use super::maps::Layout;
use super::simd::{LANES, Lanes};

/// Sums for `N` pixels and `V` blocks of output channels.
pub type Sums<L, const V: usize, const N: usize> = [[L; V]; N];

/// Adds `DEPTH` input channels: `sums[n] += Σₖ x[n·STEP + k] · w[k]`, with w `[DEPTH, V, 16]`.
///
/// # Safety
/// `x` and `w` have that many readable values.
#[inline(always)]
pub unsafe fn accumulate<L: Lanes, const V: usize, const N: usize, const STEP: usize, const DEPTH: usize>(
    sums: &mut Sums<L, V, N>,
    x: *const f32,
    w: *const f32,
) {
    for k in 0..DEPTH {
        let mut weights = [L::splat(0.0); V];
        for (v, weight) in weights.iter_mut().enumerate() {
            // SAFETY: k < DEPTH and v < V are inside w, by this function's contract.
            *weight = unsafe { L::load(w.add((k * V + v) * LANES)) };
        }
        for (n, row) in sums.iter_mut().enumerate() {
            // SAFETY: n < N and k < DEPTH are inside x, by this function's contract.
            let value = L::splat(unsafe { *x.add(n * STEP + k) });
            for (sum, weight) in row.iter_mut().zip(&weights) {
                *sum = value.mul_add(*weight, *sum);
            }
        }
    }
}

/// An image on its way through a convolution.
pub struct Job<'a> {
    /// Of all blocks of input channels.
    pub planes: Vec<Plane<'a>>,
    /// The largest magnitude in all of them or one that is larger, where that is known.
    pub largest: Option<f32>,
    /// The input's size, doubled planes counted in full.
    pub from: Layout,
    pub target: Target<'a>,
}

/// A plane of a block of channels as it lies in memory.
#[derive(Clone, Copy)]
pub struct Plane<'a> {
    pub values: &'a [f32],
    /// Every pixel stands for 2×2 of the maps that the convolution sees.
    pub doubled: bool,
}

/// Where results go, shared by tasks that write different pixels or channels.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    start: *mut f32,
    pub layout: Layout,
    /// Added after the activation; laid out as the result.
    residual: Option<*const f32>,
    /// What negative sums are multiplied with: 1 for no activation, 0 for a ReLU.
    slope: f32,
    /// The bits of the largest magnitude that was written, where that is asked for.
    largest: Option<&'a AtomicU32>,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: the pointers come from slices that outlive 'a; whoever writes through them states that no two tasks share a pixel.
unsafe impl Send for Target<'_> {}
// SAFETY: as above.
unsafe impl Sync for Target<'_> {}

impl<'a> Target<'a> {
    /// # Panics
    /// Where the slices are not as long as the layout says.
    pub fn new(
        values: &'a mut [f32],
        layout: Layout,
        residual: Option<&'a [f32]>,
        slope: f32,
        largest: Option<&'a AtomicU32>,
    ) -> Self {
        assert!(values.len() == layout.total() && residual.is_none_or(|r| r.len() == layout.total()));
        Self {
            start: values.as_mut_ptr(),
            layout,
            residual: residual.map(<[f32]>::as_ptr),
            slope,
            largest,
            lifetime: PhantomData,
        }
    }

    /// Asks for what [`Self::write`] of this pixel will touch, which mostly lies in no near cache.
    #[inline(always)]
    pub fn prefetch<L: Lanes>(&self, block: usize, y: usize, x: usize) {
        let at = block * self.layout.plane() + self.layout.at(y, x);
        L::prefetch_to_write(self.start.wrapping_add(at));
        if let Some(residual) = self.residual {
            L::prefetch(residual.wrapping_add(at));
        }
    }

    /// The same of the pixels of the tile in row `ty`, column `tx` of those of `TILE` pixels on each side.
    #[inline(always)]
    pub fn prefetch_tile<L: Lanes, const TILE: usize>(&self, block: usize, ty: usize, tx: usize) {
        for y in 0..TILE {
            for x in 0..TILE {
                self.prefetch::<L>(block, ty * TILE + y, tx * TILE + x);
            }
        }
    }

    /// Writes the activation of `sum` (+ residual) to the pixel at (`y`, `x`) of a block, and puts what it is in `most` where that is
    /// larger.
    ///
    /// # Safety
    /// The block, row and column are inside the layout, and no other task touches them.
    #[inline(always)]
    pub unsafe fn write<L: Lanes>(&self, sum: L, block: usize, y: usize, x: usize, most: &mut L) {
        let at = block * self.layout.plane() + self.layout.at(y, x);
        let mut value = sum.max(sum * L::splat(self.slope));
        // SAFETY: `at` is the first of sixteen values inside the slices, whose lengths `new` checked.
        unsafe {
            if let Some(residual) = self.residual {
                value = value + L::load(residual.add(at));
            }
            value.store(self.start.add(at));
        }
        *most = most.larger_magnitude(value);
    }

    /// Tells the largest magnitudes that were written.
    #[inline(always)]
    pub fn tell<L: Lanes>(&self, most: L) {
        if let Some(largest) = self.largest {
            let most = most.largest().to_bits();
            // Reading alone does not take the memory from the other tasks.
            if most > largest.load(Ordering::Relaxed) {
                largest.fetch_max(most, Ordering::Relaxed);
            }
        }
    }
}

/// `total` in the fewest pieces of at most `most`, as equal as can be: (first, length).
pub fn split(total: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let pieces = total.div_ceil(most);
    (0..pieces).map(move |i| {
        let first = i * total / pieces;
        (first, (i + 1) * total / pieces - first)
    })
}

/// Calls `$function::<$before…, N, $after…>($arguments)` with N = `$count`, 1 to 14 as far as `$most`.
macro_rules! with_count {
    ($count:expr, $most:expr, $function:ident::<[$($before:ident),*], $after:tt>$arguments:tt) => {
        with_count!(@ $count, $most, $function, [$($before,)*], $after, $arguments, 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
    };
    (@ $count:expr, $most:expr, $function:ident, $before:tt, $after:tt, $arguments:tt, $($n:literal)*) => {
        match $count {
            $($n if $n <= $most => with_count!(% $function, $before, $n, $after, $arguments),)*
            _ => {}
        }
    };
    (% $function:ident, [$($before:ident,)*], $n:literal, [$($after:ident),*], ($($argument:expr),*)) => {
        $function::<$($before,)* $n $(, $after)*>($($argument),*)
    };
}
pub(super) use with_count;
