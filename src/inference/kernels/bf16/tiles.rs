//! The matrix units: asking the system for them, setting them up, and the product that every convolution here is made of.

use std::sync::OnceLock;

use super::Tile;
use super::maps::Pixel;

/// Rows of a tile, and f32 in a row of sums.
pub const SIDE: usize = 16;

/// The sums of two segments × two tiles of output channels.
#[repr(C, align(64))]
struct Sums([[f32; 2 * SIDE]; 2 * SIDE]);

/// The addresses of a convolution's steps, of a tap and a block of input channels each: that of the pixel under the tap for the
/// pixel that the plane begins with.
pub struct Steps(pub Vec<*const Pixel>);

// SAFETY: the addresses are only read from, while the maps that they lie in are borrowed.
unsafe impl Send for Steps {}
// SAFETY: as above.
unsafe impl Sync for Steps {}

/// Whether this processor has matrix units for bf16, and the vectors that go with them, and the system lets this program use
/// them; asked once.
pub fn is_supported() -> bool {
    static SUPPORTED: OnceLock<bool> = OnceLock::new();
    *SUPPORTED.get_or_init(system::enable)
}

/// This thread's matrix units, set up; until it is dropped.
pub struct Configured {
    sums: Sums,
}

impl Configured {
    /// # Panics
    /// Where [`is_supported`] is false.
    pub fn new() -> Self {
        assert!(is_supported(), "matrix units are used only where they are");
        // SAFETY: they are supported.
        unsafe { system::configure() };
        Self { sums: Sums([[0.0; 2 * SIDE]; 2 * SIDE]) }
    }

    /// For the sixteen pixels from each of `pixels` on, `stride` apart, the sums over all steps: `[2 · 16, 32]`.
    ///
    /// # Safety
    /// For every step, these pixels after its address are readable; there are two tiles of weights for every step.
    pub unsafe fn product(
        &mut self,
        steps: &Steps,
        pixels: [usize; 2],
        stride: usize,
        weights: *const Tile,
    ) -> &[[f32; 2 * SIDE]] {
        if !steps.0.is_empty() {
            // SAFETY: this function's contract; the units are set up.
            unsafe { system::product(&steps.0, pixels, stride, weights, &mut self.sums) };
        }
        &self.sums.0
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        // SAFETY: they are supported, or there were no such value.
        unsafe { system::release() };
    }
}

/// Products of operands that stay in the first-level cache, and how many operations these were.
pub fn long_product() -> usize {
    const STEPS: usize = 8;
    const TIMES: usize = 1000;
    let (pixels, weights) = ([Pixel::default(); 2 * SIDE], [[Pixel::default(); SIDE]; 2 * STEPS]);
    let steps = Steps(vec![pixels.as_ptr(); STEPS]);
    let mut tiles = Configured::new();
    for _ in 0..TIMES {
        // SAFETY: these are as many pixels and weights as the steps need.
        std::hint::black_box(unsafe { tiles.product(&steps, [0, SIDE], 1, weights.as_ptr()) });
    }
    // Four tiles of sums of 16 × 16, each of 32 products, a multiplication and an addition.
    TIMES * STEPS * 4 * SIDE * SIDE * 32 * 2
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod system {
    use std::arch::asm;
    use std::arch::x86_64::__cpuid_count;

    use super::{Pixel, SIDE, Sums, Tile};

    const PIXEL: usize = size_of::<Pixel>();

    /// Detects the units and asks the system for their registers, for all threads of the process.
    pub fn enable() -> bool {
        const BF16: u32 = 1 << 22;
        const TILE: u32 = 1 << 24;
        const ARCH_PRCTL: usize = 158;
        const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
        const TILE_DATA: usize = 18;
        let vectors = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16");
        // Leaf 7 is there where AVX-512 is.
        if !vectors || __cpuid_count(7, 0).edx & (BF16 | TILE) != BF16 | TILE {
            return false;
        }
        let mut result = ARCH_PRCTL;
        // SAFETY: the call reads no memory, and an older system refuses it. See Linux, Documentation/arch/x86/xstate.rst.
        unsafe {
            asm!(
                "syscall",
                inout("rax") result, in("rdi") ARCH_REQ_XCOMP_PERM, in("rsi") TILE_DATA, out("rcx") _, out("r11") _,
                options(nostack),
            );
        }
        result == 0
    }

    /// What LDTILECFG reads.
    #[repr(C, align(64))]
    struct Configuration {
        palette: u8,
        start_row: u8,
        reserved: [u8; 14],
        row_bytes: [u16; 16],
        rows: [u8; 16],
    }

    /// All eight tiles of sixteen rows of 64 bytes.
    ///
    /// # Safety
    /// [`enable`] was true.
    pub unsafe fn configure() {
        let mut all = Configuration { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
        all.row_bytes[..8].fill(PIXEL as u16);
        all.rows[..8].fill(SIDE as u8);
        // SAFETY: the processor has the instruction, and 64 bytes are readable.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &all, options(readonly, nostack, preserves_flags)) };
    }

    /// # Safety
    /// [`enable`] was true.
    pub unsafe fn release() {
        // SAFETY: the processor has the instruction.
        unsafe { asm!("tilerelease", options(nomem, nostack, preserves_flags)) };
    }

    /// # Safety
    /// [`configure`] was called on this thread; as [`super::Configured::product`], and there is a step.
    pub unsafe fn product(
        steps: &[*const Pixel],
        pixels: [usize; 2],
        stride: usize,
        weights: *const Tile,
        sums: &mut Sums,
    ) {
        let first = pixels[0] * PIXEL;
        // SAFETY: the caller's contract; the sums have room for four tiles. No code of the compiler's uses these registers.
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "2:",
                "mov {from}, [{step}]",
                "tileloadd tmm6, [{weights} + 1*{row}]",
                "add {from}, {first}",
                "tileloadd tmm4, [{from} + 1*{stride}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{weights} + 1*{row} + 1024]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "add {from}, {apart}",
                "tileloadd tmm5, [{from} + 1*{stride}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {weights}, 2048",
                "add {step}, 8",
                "cmp {step}, {end}",
                "jne 2b",
                "mov {row}, 128",
                "tilestored [{sums} + 1*{row}], tmm0",
                "tilestored [{sums} + 1*{row} + 64], tmm1",
                "tilestored [{sums} + 1*{row} + 2048], tmm2",
                "tilestored [{sums} + 1*{row} + 2112], tmm3",
                from = out(reg) _,
                step = inout(reg) steps.as_ptr() => _,
                end = in(reg) steps.as_ptr_range().end,
                weights = inout(reg) weights => _,
                row = inout(reg) PIXEL => _,
                stride = in(reg) stride * PIXEL,
                first = in(reg) first,
                apart = in(reg) (pixels[1] * PIXEL).wrapping_sub(first),
                sums = in(reg) sums,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod system {
    use super::{Pixel, Sums, Tile};

    pub fn enable() -> bool {
        false
    }

    /// # Safety
    /// None: never called, as [`enable`] is false.
    pub unsafe fn configure() {}

    /// # Safety
    /// As [`configure`].
    pub unsafe fn release() {}

    /// # Safety
    /// As [`configure`].
    pub unsafe fn product(_: &[*const Pixel], _: [usize; 2], _: usize, _: *const Tile, _: &mut Sums) {}
}
