//! Which instruction set runs, chosen once at run time.

use super::simd::Lanes;

/// An instruction set with a form of the kernels; the others on this machine stay available to tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// AVX-512 with convolutions of 8-bit weights in whole numbers ([`crate::whole`]): faster, and less exact.
    #[cfg(target_arch = "x86_64")]
    Avx512Whole,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

impl Isa {
    /// The one that is faster than the best and less exact, where there is one.
    pub fn coarse() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if crate::whole::is_supported() {
            return Some(Self::Avx512Whole);
        }
        None
    }

    /// Whether this is [`Self::coarse`].
    pub fn is_coarse(self) -> bool {
        Self::coarse() == Some(self)
    }

    /// The exact ones that this machine has, best first.
    pub fn detected() -> Vec<Self> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                found.push(Self::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                found.push(Self::Avx2);
            }
        }
        found.push(Self::Portable);
        found
    }

    /// The best of them.
    pub fn best() -> Self {
        Self::detected()[0]
    }

    /// [`Lanes::PIXELS`] of this instruction set.
    pub fn pixels(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx512Whole => crate::simd::Avx512::PIXELS,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => crate::simd::Avx2::PIXELS,
            Self::Portable => crate::simd::Portable::PIXELS,
        }
    }

    /// Blocks of sixteen output channels that are computed together, `V` in the kernels.
    pub fn group(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx512Whole => 2,
            _ => 1,
        }
    }
}

impl std::fmt::Display for Isa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Whole => "AVX-512 in part in whole numbers",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "AVX2",
            Self::Portable => "portable code",
        })
    }
}

/// Defines `$name(isa, …)`, which runs `$inner::<L, V, …>(…)` compiled for the instruction set.
macro_rules! on_isa {
    ($(#[$about:meta])* fn $name:ident $([$($g:ident),*])? = $inner:ident($($argument:ident: $kind:ty),* $(,)?) $(-> $result:ty)?) => {
        $(#[$about])*
        ///
        /// # Safety
        /// As the function of that name with lanes, and `isa` was detected on this machine.
        #[inline]
        pub unsafe fn $name $(<$(const $g: usize),*>)? (isa: Isa, $($argument: $kind),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f")]
            unsafe fn avx512 $(<$(const $g: usize),*>)? ($($argument: $kind),*) $(-> $result)? {
                // SAFETY: the caller's contract; AVX-512F is enabled here.
                unsafe { $inner::<$crate::simd::Avx512, 2 $($(, $g)*)?>($($argument),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2 $(<$(const $g: usize),*>)? ($($argument: $kind),*) $(-> $result)? {
                // SAFETY: the caller's contract; AVX2 and FMA are enabled here.
                unsafe { $inner::<$crate::simd::Avx2, 1 $($(, $g)*)?>($($argument),*) }
            }
            // SAFETY: the caller's contract; each form runs only where its instruction set was detected.
            match isa {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 | Isa::Avx512Whole => unsafe { avx512 $(::<$($g),*>)? ($($argument),*) },
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => unsafe { avx2 $(::<$($g),*>)? ($($argument),*) },
                Isa::Portable => unsafe {
                    $inner::<$crate::simd::Portable, 1 $($(, $g)*)?>($($argument),*)
                },
            }
        }
    };
}
pub(super) use on_isa;
