//! The inner loops of both methods with the instructions of AVX-512 VNNI.

use std::arch::x86_64::*;

use super::{GROUP, PAIRS, Pair, Steps};

/// Sums for `N` pixels and a group of output channels.
pub type Sums<const N: usize> = [[__m512i; GROUP]; N];

/// A pixel's values × `factor`, rounded.
#[target_feature(enable = "avx512f")]
#[inline]
pub fn steps(values: __m512, factor: __m512) -> __m256i {
    _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(_mm512_mul_ps(values, factor)))
}

/// Adds a block of input channels: `sums[n] += Σₖ x[n·STEP][k] · w[k]`.
///
/// # Safety
/// `x` and `w` have that many readable values, `w` one pair after the other; [`super::is_supported`].
#[target_feature(enable = "avx512f,avx512vnni")]
#[inline]
pub unsafe fn accumulate<const N: usize, const STEP: usize>(sums: &mut Sums<N>, x: *const Steps, w: *const Pair) {
    let x: *const i32 = x.cast();
    for pair in 0..PAIRS {
        // SAFETY: this function's contract.
        unsafe {
            let w = w.add(pair).cast::<__m512i>();
            let weights = [_mm512_load_si512(w), _mm512_load_si512(w.add(1))];
            for (n, sums) in sums.iter_mut().enumerate() {
                let both = _mm512_set1_epi32(x.add(n * STEP * PAIRS + pair).read_unaligned());
                sums[0] = _mm512_dpwssd_epi32(sums[0], both, weights[0]);
                sums[1] = _mm512_dpwssd_epi32(sums[1], both, weights[1]);
            }
        }
    }
}
