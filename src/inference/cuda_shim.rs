//! Lets a program built for CUDA start where there is no NVIDIA driver.
//!
//! candle asks for linked CUDA libraries, and a program that is linked to a missing library does not start. So the few
//! functions that candle really references are defined here as jumps through pointers, which [`load`] fills from the
//! libraries of the machine. Until then each returns `CUDA_ERROR_NO_DEVICE`, and creating a device is an error.
//! Where candle comes to use another function, the linker names it: add it to the list. See `packaging/cuda/README.md`.

use std::sync::OnceLock;

use libloading::Library;

/// What all entries have in common: a status as the result.
type Function = unsafe extern "C" fn() -> i32;

const NO_DEVICE: i32 = 100;

unsafe extern "C" fn missing() -> i32 {
    NO_DEVICE
}

macro_rules! shim {
    ($($table:ident: $($symbol:ident)*;)*) => {
        #[expect(non_upper_case_globals, reason = "the names are CUDA's")]
        mod pointer {
            $($( pub static mut $symbol: super::Function = super::missing; )*)*
        }
        $($( core::arch::global_asm!(
            concat!(".globl ", stringify!($symbol)),
            concat!(".type ", stringify!($symbol), ",@function"),
            concat!(stringify!($symbol), ":"),
            "jmp *{pointer}(%rip)",
            concat!(".size ", stringify!($symbol), ", .-", stringify!($symbol)),
            pointer = sym pointer::$symbol,
            options(att_syntax)
        ); )*)*
        $(
            fn $table(library: &'static Library) -> Result<(), String> {
                $(
                    // SAFETY: the symbol is a function of the C calling convention; it is called only through the jump
                    // above, with the arguments that candle's own declaration gives it.
                    let function = unsafe { library.get::<Function>(concat!(stringify!($symbol), "\0").as_bytes()) };
                    let function = *function.map_err(|error| error.to_string())?;
                    // SAFETY: `load` runs this once, before any CUDA call, so nothing reads the pointer meanwhile.
                    unsafe { pointer::$symbol = function };
                )*
                Ok(())
            }
        )*
    };
}

shim! {
    driver: cuCtxDestroy_v2 cuCtxGetCurrent cuCtxSetCurrent cuCtxSynchronize cuDeviceGet cuDeviceGetAttribute
        cuDeviceGetDefaultMemPool cuDeviceGetName cuDevicePrimaryCtxRelease_v2 cuDevicePrimaryCtxRetain cuEventCreate
        cuEventDestroy_v2 cuEventRecord cuGetErrorString cuInit cuLaunchKernel cuMemAllocAsync cuMemAlloc_v2
        cuMemFreeAsync cuMemFree_v2 cuMemPoolSetAttribute cuMemcpyDtoDAsync_v2 cuMemcpyDtoHAsync_v2 cuMemcpyHtoDAsync_v2
        cuMemcpyPeerAsync cuMemsetD8Async cuModuleGetFunction cuModuleLoad cuModuleLoadData cuModuleUnload
        cuStreamCreate cuStreamDestroy_v2 cuStreamIsCapturing cuStreamSynchronize cuStreamWaitEvent;
    cublas: cublasCreate_v2 cublasDestroy_v2 cublasDgemmStridedBatched cublasGemmStridedBatchedEx cublasSetStream_v2;
    curand: curandCreateGenerator curandDestroyGenerator curandGenerateNormal curandGenerateNormalDouble
        curandGenerateUniform curandGenerateUniformDouble curandSetPseudoRandomGeneratorSeed curandSetStream;
}

/// Finds the CUDA libraries, once; without them the reason. Must come before anything else of CUDA.
pub fn load() -> Result<(), &'static str> {
    static LOADED: OnceLock<Result<(), &'static str>> = OnceLock::new();
    *LOADED.get_or_init(|| {
        let driver = open(&["libcuda.so.1", "libcuda.so"]).and_then(driver);
        driver.map_err(because("No CUDA device was found"))?;
        let cublas = open(&["libcublas.so.13", "libcublas.so.12", "libcublas.so"]).and_then(cublas);
        cublas.map_err(because("There is a CUDA device, but the library libcublas was not found"))?;
        let curand = open(&["libcurand.so.10", "libcurand.so"]).and_then(curand);
        curand.map_err(because("There is a CUDA device, but the library libcurand was not found"))
    })
}

/// The reason for the reader; the error is for the log.
fn because(reason: &'static str) -> impl Fn(String) -> &'static str {
    move |error| {
        log::info!("{reason}: {error}");
        reason
    }
}

/// The first of these libraries that there is, for the life of the program.
fn open(names: &[&str]) -> Result<&'static Library, String> {
    let mut reason = String::new();
    for name in names {
        // SAFETY: these are NVIDIA's libraries, whose initialisers may run at any time.
        match unsafe { Library::new(name) } {
            Ok(library) => return Ok(Box::leak(Box::new(library))),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(reason)
}
