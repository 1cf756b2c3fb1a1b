//! From sums to results: bias, activation, residual, rounding.

use std::marker::PhantomData;

use super::super::maps::Layout as PlainLayout;
use super::maps::{Layout, Pixel};
use super::tiles::SIDE;

/// Where results go, shared by tasks that write different pixels or channels.
pub struct Target<'a> {
    /// The result's, whose pixels are counted.
    layout: Layout,
    place: Place,
    /// What negative sums are multiplied with: 1 for no activation, 0 for a ReLU.
    slope: f32,
    lifetime: PhantomData<&'a mut [Pixel]>,
}

#[derive(Clone, Copy)]
enum Place {
    /// The residual is laid out as the result.
    Bf16 { start: *mut Pixel, residual: Option<*const Pixel> },
    F32 { start: *mut f32, layout: PlainLayout },
}

// SAFETY: the pointers come from slices that outlive 'a; whoever writes through them states that no two tasks share a pixel.
unsafe impl Send for Target<'_> {}
// SAFETY: as above.
unsafe impl Sync for Target<'_> {}

impl<'a> Target<'a> {
    /// # Panics
    /// Where the slices are not as long as the layout says.
    pub fn bf16(pixels: &'a mut [Pixel], layout: Layout, residual: Option<&'a [Pixel]>, slope: f32) -> Self {
        assert!(pixels.len() == layout.total() && residual.is_none_or(|r| r.len() == layout.total()));
        let place = Place::Bf16 { start: pixels.as_mut_ptr(), residual: residual.map(<[Pixel]>::as_ptr) };
        Self { layout, place, slope, lifetime: PhantomData }
    }

    /// # Panics
    /// As [`Self::bf16`].
    pub fn f32(values: &'a mut [f32], layout: Layout, plain: PlainLayout, slope: f32) -> Self {
        assert!(values.len() == plain.total() && (layout.height, layout.width) == (plain.height, plain.width));
        let place = Place::F32 { start: values.as_mut_ptr(), layout: plain };
        Self { layout, place, slope, lifetime: PhantomData }
    }
}

/// What is done with the sums of a group of output channels.
pub struct Finish<'a> {
    pub target: &'a Target<'a>,
    /// Of the group's channels.
    pub bias: &'a [f32],
    pub group: usize,
}

impl Finish<'_> {
    /// Writes `count` pixels from `to` of the result's plane on, leaving out the border.
    ///
    /// # Safety
    /// The pixels and the group are inside the target and no other task touches them; matrix units were detected.
    pub unsafe fn write(&self, sums: &[[f32; 2 * SIDE]], to: usize, count: usize) {
        let layout = &self.target.layout;
        let (mut y, mut x) = ((to - 1) / layout.pitch() - 1, (to - 1) % layout.pitch());
        for (at, sums) in (to..).zip(&sums[..count]) {
            if x < layout.width {
                match self.target.place {
                    Place::Bf16 { start, residual } => {
                        let at = self.group * layout.plane() + at;
                        let residual = residual.map(|residual| residual.wrapping_add(at));
                        // SAFETY: this function's contract; `Target::bf16` checked the lengths.
                        unsafe { vectors::write(sums, self.bias, self.target.slope, residual, start.add(at)) };
                    }
                    // SAFETY: this function's contract; `Target::f32` checked the length.
                    Place::F32 { start, layout } => unsafe { self.write_f32(sums, start, &layout, y, x) },
                }
            }
            x += 1;
            if x == layout.pitch() {
                (y, x) = (y + 1, 0);
            }
        }
    }

    /// # Safety
    /// As [`Self::write`], of the pixel at (`y`, `x`).
    unsafe fn write_f32(&self, sums: &[f32; 2 * SIDE], start: *mut f32, layout: &PlainLayout, y: usize, x: usize) {
        for (channel, (sum, bias)) in (self.group * 2 * SIDE..).zip(sums.iter().zip(self.bias)) {
            let (block, lane) = (channel / layout.lanes, channel % layout.lanes);
            if block < layout.blocks() {
                let value = sum + bias;
                let value = if value < 0.0 { value * self.target.slope } else { value };
                // SAFETY: the block and the pixel are inside the layout.
                unsafe { start.add(block * layout.plane() + layout.at(y, x) + lane).write(value) };
            }
        }
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod vectors {
    use std::arch::x86_64::*;

    use super::{Pixel, SIDE};

    /// # Safety
    /// AVX-512 with BF16 was detected; the residual is readable and `to` writable.
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub unsafe fn write(sums: &[f32; 2 * SIDE], bias: &[f32], slope: f32, residual: Option<*const Pixel>, to: *mut Pixel) {
        assert!(bias.len() == 2 * SIDE);
        let slope = _mm512_set1_ps(slope);
        let mut halves = [_mm512_setzero_ps(); 2];
        for (i, half) in halves.iter_mut().enumerate() {
            // SAFETY: there are two times sixteen sums and biases.
            let sum = unsafe {
                _mm512_add_ps(_mm512_loadu_ps(sums.as_ptr().add(i * SIDE)), _mm512_loadu_ps(bias.as_ptr().add(i * SIDE)))
            };
            *half = _mm512_max_ps(sum, _mm512_mul_ps(sum, slope));
            if let Some(residual) = residual {
                // SAFETY: this function's contract.
                let values = unsafe { _mm256_loadu_si256(residual.cast::<__m256i>().add(i)) };
                let values = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(values)));
                *half = _mm512_add_ps(*half, values);
            }
        }
        let rounded = _mm512_cvtne2ps_pbh(halves[1], halves[0]);
        // SAFETY: this function's contract; both types are 64 bytes of any content.
        unsafe { to.write(std::mem::transmute::<__m512bh, Pixel>(rounded)) };
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod vectors {
    use super::{Pixel, SIDE};

    /// # Safety
    /// None: never called, as there are no matrix units.
    pub unsafe fn write(_: &[f32; 2 * SIDE], _: &[f32], _: f32, _: Option<*const Pixel>, _: *mut Pixel) {}
}
