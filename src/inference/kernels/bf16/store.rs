//! From sums to results: bias, activation, residual, rounding.

use std::marker::PhantomData;

use super::super::maps::Layout as PlainLayout;
use super::maps::{Layout, Pixel};
use super::tiles::SIDE;

/// Bytes of maps from which on they are written past the caches: what comes last would push out what is read next.
const PAST_CACHE: usize = 12 << 20;

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
    Bf16 {
        start: *mut Pixel,
        residual: Option<*const Pixel>,
    },
    F32 {
        start: *mut f32,
        layout: PlainLayout,
    },
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
    /// What the sums of the group's channels are multiplied with, and what is added then.
    pub scale: &'a [f32],
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
        let (y, x) = ((to - 1) / layout.pitch() - 1, (to - 1) % layout.pitch());
        let sums = &sums[..count];
        match self.target.place {
            Place::Bf16 { start, residual } => {
                let at = self.group * layout.plane() + to;
                let residual = residual.map(|residual| residual.wrapping_add(at));
                let row = Row { x, width: layout.width };
                let past_cache = size_of::<Pixel>() * layout.total() > PAST_CACHE;
                // SAFETY: this function's contract; `Target::bf16` checked the lengths.
                unsafe {
                    vectors::write(
                        sums,
                        [self.scale, self.bias],
                        self.target.slope,
                        residual,
                        start.add(at),
                        row,
                        past_cache,
                    )
                };
            }
            Place::F32 { start, layout } => {
                let pitch = self.target.layout.pitch();
                for (x, sums) in (x..).zip(sums) {
                    let (y, x) = (y + x / pitch, x % pitch);
                    if x < layout.width {
                        // SAFETY: this function's contract; `Target::f32` checked the length.
                        unsafe { self.write_f32(sums, start, &layout, y, x) };
                    }
                }
            }
        }
    }

    /// Makes what was written be seen by other threads; to be called before they may look.
    pub fn publish(&self) {
        vectors::publish();
    }

    /// # Safety
    /// As [`Self::write`], of the pixel at (`y`, `x`).
    unsafe fn write_f32(&self, sums: &[f32; 2 * SIDE], start: *mut f32, layout: &PlainLayout, y: usize, x: usize) {
        for (i, sum) in sums.iter().enumerate() {
            let channel = self.group * 2 * SIDE + i;
            let (block, lane) = (channel / layout.lanes, channel % layout.lanes);
            if block < layout.blocks() {
                let value = sum * self.scale[i] + self.bias[i];
                let value = if value < 0.0 { value * self.target.slope } else { value };
                // SAFETY: the block and the pixel are inside the layout.
                unsafe { start.add(block * layout.plane() + layout.at(y, x) + lane).write(value) };
            }
        }
    }
}

/// Where in its row a pixel is, of rows so wide, each with one border pixel.
#[derive(Clone, Copy)]
struct Row {
    x: usize,
    width: usize,
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod vectors {
    use std::arch::x86_64::*;

    use super::{Pixel, Row, SIDE};

    /// Stores past the caches are not ordered before others by themselves.
    pub fn publish() {
        // SAFETY: every x86-64 processor has the instruction.
        unsafe { _mm_sfence() };
    }

    /// # Safety
    /// AVX-512 with BF16 was detected; for every pixel but the border's the residual is readable and `to` writable.
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub unsafe fn write(
        sums: &[[f32; 2 * SIDE]],
        [scale, bias]: [&[f32]; 2],
        slope: f32,
        residual: Option<*const Pixel>,
        to: *mut Pixel,
        Row { mut x, width }: Row,
        past_cache: bool,
    ) {
        assert!(scale.len() == 2 * SIDE && bias.len() == 2 * SIDE);
        let slope = _mm512_set1_ps(slope);
        // SAFETY: there are two times sixteen of each.
        let [scale, bias] = [scale, bias]
            .map(|values| unsafe { [_mm512_loadu_ps(values.as_ptr()), _mm512_loadu_ps(values.as_ptr().add(SIDE))] });
        for (pixel, sums) in sums.iter().enumerate() {
            if x == width {
                x = 0;
                continue;
            }
            x += 1;
            let mut halves = [_mm512_setzero_ps(); 2];
            for (i, half) in halves.iter_mut().enumerate() {
                // SAFETY: there are two times sixteen sums.
                let sum = unsafe { _mm512_loadu_ps(sums.as_ptr().add(i * SIDE)) };
                let sum = _mm512_fmadd_ps(sum, scale[i], bias[i]);
                *half = _mm512_max_ps(sum, _mm512_mul_ps(sum, slope));
                if let Some(residual) = residual {
                    // SAFETY: this function's contract.
                    let values = unsafe { _mm256_loadu_si256(residual.add(pixel).cast::<__m256i>().add(i)) };
                    let values = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(values)));
                    *half = _mm512_add_ps(*half, values);
                }
            }
            let rounded = _mm512_cvtne2ps_pbh(halves[1], halves[0]);
            // SAFETY: this function's contract; the types are 64 bytes of any content, and a pixel begins at a multiple of that.
            unsafe {
                let (to, rounded) = (to.add(pixel).cast(), std::mem::transmute::<__m512bh, __m512i>(rounded));
                if past_cache { _mm512_stream_si512(to, rounded) } else { _mm512_store_si512(to, rounded) }
            }
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod vectors {
    use super::{Pixel, Row, SIDE};

    pub fn publish() {}

    /// # Safety
    /// None: never called, as there are no matrix units.
    pub unsafe fn write(
        _: &[[f32; 2 * SIDE]],
        _: [&[f32]; 2],
        _: f32,
        _: Option<*const Pixel>,
        _: *mut Pixel,
        _: Row,
        _: bool,
    ) {
    }
}
