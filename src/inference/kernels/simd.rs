//! Sixteen f32 at a time, on each instruction set that the program knows.

use std::ops::{Add, Mul, Sub};

/// Channels in a block of the feature maps' layout, and lanes of a [`Lanes`].
pub const LANES: usize = 16;

/// The larger of a magnitude and that of `b`. As whole numbers, magnitudes have the same order, and what is not a number comes
/// last.
#[inline(always)]
pub fn larger_magnitude(magnitude: f32, b: f32) -> f32 {
    f32::from_bits(magnitude.to_bits().max(b.abs().to_bits()))
}

/// Sixteen f32. The operations must be inlined into a function that has the instruction set enabled.
pub trait Lanes: Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> {
    /// Pixels whose sums, for one step of output channels, fit the registers.
    const PIXELS: usize;

    fn splat(value: f32) -> Self;

    /// # Safety
    /// `from` is the first of sixteen readable values.
    unsafe fn load(from: *const f32) -> Self;

    /// # Safety
    /// `to` is the first of sixteen writable values.
    unsafe fn store(self, to: *mut f32);

    /// self · b + c
    fn mul_add(self, b: Self, c: Self) -> Self;

    /// Asks for these sixteen values to be brought nearer; any address will do.
    #[inline(always)]
    fn prefetch(_from: *const f32) {}

    /// The same of values that will be written.
    #[inline(always)]
    fn prefetch_to_write(_to: *const f32) {}

    /// The larger of each; not a number where `other` is.
    fn max(self, other: Self) -> Self;

    /// The larger of each, where this is a magnitude and `other` of any sign; not a number where either is not.
    fn larger_magnitude(self, other: Self) -> Self;

    /// The largest of magnitudes.
    #[inline(always)]
    fn largest(self) -> f32 {
        let mut values = [0.0_f32; LANES];
        // SAFETY: there is room for sixteen values.
        unsafe { self.store(values.as_mut_ptr()) };
        values.into_iter().fold(0.0, larger_magnitude)
    }
}

/// The portable form; the compiler makes vectors of it where it can.
#[derive(Clone, Copy)]
pub struct Portable([f32; LANES]);

impl Lanes for Portable {
    const PIXELS: usize = 4;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: sixteen values are readable, by this function's contract.
        Self(unsafe { from.cast::<[f32; LANES]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: sixteen values are writable, by this function's contract.
        unsafe { to.cast::<[f32; LANES]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        self * b + c
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        lane_by_lane(self, other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn larger_magnitude(self, other: Self) -> Self {
        lane_by_lane(self, other, larger_magnitude)
    }
}

#[inline(always)]
fn lane_by_lane(a: Portable, b: Portable, f: impl Fn(f32, f32) -> f32) -> Portable {
    let mut result = a;
    for (lane, b) in result.0.iter_mut().zip(b.0) {
        *lane = f(*lane, b);
    }
    result
}

macro_rules! operators {
    ($lanes:ident: $($operator:ident $name:ident $apply:expr;)*) => {
        $(impl $operator for $lanes {
            type Output = Self;

            #[inline(always)]
            fn $name(self, other: Self) -> Self {
                $apply(self, other)
            }
        })*
    };
}

operators! { Portable:
    Add add |a, b| lane_by_lane(a, b, |a, b| a + b);
    Sub sub |a, b| lane_by_lane(a, b, |a, b| a - b);
    Mul mul |a, b| lane_by_lane(a, b, |a, b| a * b);
}

#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::*;

    /// One register of AVX-512F.
    #[derive(Clone, Copy)]
    pub struct Avx512(__m512);

    /// Two registers of AVX2 with FMA.
    #[derive(Clone, Copy)]
    pub struct Avx2(__m256, __m256);

    impl Avx512 {
        /// Sixteen whole numbers as f32.
        #[inline(always)]
        pub fn from_whole(values: __m512i) -> Self {
            // SAFETY: `Avx512` is only used where AVX-512F was detected.
            Self(unsafe { _mm512_cvtepi32_ps(values) })
        }
    }

    impl Lanes for Avx512 {
        const PIXELS: usize = 14;

        #[inline(always)]
        fn splat(value: f32) -> Self {
            // SAFETY: `Avx512` is only used where AVX-512F was detected; so too below.
            Self(unsafe { _mm512_set1_ps(value) })
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: as above, and sixteen values are readable, by this function's contract.
            Self(unsafe { _mm512_loadu_ps(from) })
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: as above, and sixteen values are writable, by this function's contract.
            unsafe { _mm512_storeu_ps(to, self.0) }
        }

        #[inline(always)]
        fn mul_add(self, b: Self, c: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe { _mm512_fmadd_ps(self.0, b.0, c.0) })
        }

        #[inline(always)]
        fn prefetch(from: *const f32) {
            // SAFETY: as above; prefetching never faults.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
        }

        #[inline(always)]
        fn prefetch_to_write(to: *const f32) {
            // SAFETY: as above; prefetching never faults.
            unsafe { _mm_prefetch::<_MM_HINT_ET0>(to.cast()) }
        }

        #[inline(always)]
        fn max(self, other: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe { _mm512_max_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn larger_magnitude(self, other: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe {
                let magnitude = _mm512_and_si512(_mm512_castps_si512(other.0), _mm512_set1_epi32(i32::MAX));
                _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(self.0), magnitude))
            })
        }
    }

    // SAFETY of all: as above.
    operators! { Avx512:
        Add add |a: Self, b: Self| Self(unsafe { _mm512_add_ps(a.0, b.0) });
        Sub sub |a: Self, b: Self| Self(unsafe { _mm512_sub_ps(a.0, b.0) });
        Mul mul |a: Self, b: Self| Self(unsafe { _mm512_mul_ps(a.0, b.0) });
    }

    impl Lanes for Avx2 {
        const PIXELS: usize = 6;

        #[inline(always)]
        fn splat(value: f32) -> Self {
            // SAFETY: `Avx2` is only used where AVX2 and FMA were detected; so too below.
            let half = unsafe { _mm256_set1_ps(value) };
            Self(half, half)
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: as above, and sixteen values are readable, by this function's contract.
            unsafe { Self(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: as above, and sixteen values are writable, by this function's contract.
            unsafe {
                _mm256_storeu_ps(to, self.0);
                _mm256_storeu_ps(to.add(8), self.1);
            }
        }

        #[inline(always)]
        fn mul_add(self, b: Self, c: Self) -> Self {
            // SAFETY: as above.
            unsafe { Self(_mm256_fmadd_ps(self.0, b.0, c.0), _mm256_fmadd_ps(self.1, b.1, c.1)) }
        }

        #[inline(always)]
        fn prefetch(from: *const f32) {
            // SAFETY: as above; prefetching never faults.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
        }

        #[inline(always)]
        fn max(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe { Self(_mm256_max_ps(self.0, other.0), _mm256_max_ps(self.1, other.1)) }
        }

        #[inline(always)]
        fn larger_magnitude(self, other: Self) -> Self {
            // SAFETY: as above.
            let half = |a, b| unsafe {
                let magnitude = _mm256_and_si256(_mm256_castps_si256(b), _mm256_set1_epi32(i32::MAX));
                _mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(a), magnitude))
            };
            Self(half(self.0, other.0), half(self.1, other.1))
        }
    }

    // SAFETY of all: as above.
    operators! { Avx2:
        Add add |a: Self, b: Self| unsafe { Self(_mm256_add_ps(a.0, b.0), _mm256_add_ps(a.1, b.1)) };
        Sub sub |a: Self, b: Self| unsafe { Self(_mm256_sub_ps(a.0, b.0), _mm256_sub_ps(a.1, b.1)) };
        Mul mul |a: Self, b: Self| unsafe { Self(_mm256_mul_ps(a.0, b.0), _mm256_mul_ps(a.1, b.1)) };
    }
}
