//! Where the networks run. The `cuda` feature is named here alone.

use std::sync::Arc;

use candle_core::Device;

use super::kernels::bf16;
use super::kernels::{Isa, Pool};

/// The reader's choice of device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum DeviceChoice {
    /// CUDA when there is a device, else the CPU.
    #[default]
    Auto,
    Cpu,
    Cuda,
}

/// What the networks may be computed in on the CPU. CUDA has f16.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Precision {
    /// The same results on every processor, but for rounding.
    #[default]
    F32,
    /// Faster and less exact: bf16 on matrix units (AMX), where there are any, else mostly whole numbers of 16 bits (AVX-512
    /// VNNI); on other processors f32.
    Reduced,
}

/// What runs the layers.
#[derive(Clone, Debug)]
pub enum Backend {
    /// The program's own kernels, on all cores.
    Cpu { isa: Isa, pool: Arc<Pool> },
    /// The program's own kernels for the CPU's matrix units, in bf16; what comes out of a network is f32.
    Bf16 { pool: Arc<Pool> },
    /// f16 and the program's own kernels for CUDA ([`super::fused`]); on candle's CPU the same values, for tests.
    Half(Device),
    /// candle's own operations, on its device.
    Candle(Device),
}

/// A backend that works, and what to say about it.
pub struct Chosen {
    pub backend: Backend,
    /// "CPU, 2 threads, AVX-512"
    pub description: String,
    /// Why it is not what a reader might have hoped for.
    pub notice: Option<String>,
}

/// Finds the device. Only an explicit wish for CUDA fails where there is none.
pub fn choose(choice: DeviceChoice, precision: Precision) -> anyhow::Result<Chosen> {
    let on_cpu = |notice| cpu(precision, notice);
    match choice {
        DeviceChoice::Cpu => Ok(on_cpu(None)),
        DeviceChoice::Auto => {
            Ok(cuda().unwrap_or_else(|reason| on_cpu(Some(format!("{reason}: running on the CPU.")))))
        }
        DeviceChoice::Cuda => cuda().map_err(|reason| anyhow::anyhow!("{reason}: choose the CPU with --device cpu.")),
    }
}

fn cpu(precision: Precision, notice: Option<String>) -> Chosen {
    let threads = rayon::current_num_threads();
    let plural = if threads == 1 { "" } else { "s" };
    let (backend, not_reduced) = match (precision, Backend::reduced()) {
        (Precision::Reduced, Some(backend)) => (backend, None),
        (Precision::Reduced, None) => (Backend::cpu(), Some(NOT_REDUCED)),
        (Precision::F32, _) => (Backend::cpu(), None),
    };
    let kernels = match &backend {
        Backend::Cpu { isa, .. } => isa.to_string(),
        _ => "AMX in bf16".to_owned(),
    };
    let notices: Vec<&str> = notice.as_deref().into_iter().chain(not_reduced).collect();
    let notice = (!notices.is_empty()).then(|| notices.join(" "));
    Chosen { backend, description: format!("CPU, {threads} thread{plural}, {kernels}"), notice }
}

const NOT_REDUCED: &str = "This processor is not faster at reduced precision: running in f32.";

impl Backend {
    /// The backend of the reader's choice; an error in words where there is no such device.
    pub fn of(choice: DeviceChoice) -> anyhow::Result<Self> {
        Ok(choose(choice, Precision::default())?.backend)
    }

    /// The CPU, on as many threads as rayon has.
    pub fn cpu() -> Self {
        Self::on_isa(Isa::best())
    }

    /// The CPU with a certain instruction set of [`Isa::detected`] or [`Isa::coarse`].
    pub fn on_isa(isa: Isa) -> Self {
        Self::Cpu { isa, pool: Arc::default() }
    }

    /// The CPU's matrix units, where there are any.
    pub fn bf16() -> Option<Self> {
        bf16::is_supported().then(|| Self::Bf16 { pool: Arc::default() })
    }

    /// The fastest that this CPU has at reduced precision, where it has any such thing.
    pub fn reduced() -> Option<Self> {
        Self::bf16().or_else(|| Isa::coarse().map(Self::on_isa))
    }

    /// Whether no other device than the CPU is in use.
    pub fn is_cpu(&self) -> bool {
        matches!(self, Self::Cpu { .. } | Self::Bf16 { .. })
    }

    /// The CPU with the values that CUDA has: each layer's result rounded to f16.
    pub fn half_cpu() -> Self {
        Self::Half(Device::Cpu)
    }

    /// How many images go through a network at once. One fills a CPU's cores, and the memory is that of one.
    pub fn batch(&self) -> usize {
        match self {
            Self::Cpu { .. } | Self::Bf16 { .. } => 1,
            Self::Half(_) => 8,
            // candle writes out every pixel's neighbourhood: 0.9 GB for a patch.
            Self::Candle(_) => 2,
        }
    }

    /// Whether images of several sizes go through a network at once, and faster than one after the other: each layer's weights,
    /// which are larger than the caches, are then read, and transformed, once for all.
    pub fn mixes_sizes(&self) -> bool {
        self.is_cpu()
    }

    /// candle's operations on the CPU: slower, and independent of the program's own kernels.
    pub fn candle_cpu() -> Self {
        Self::Candle(Device::Cpu)
    }
}

/// The first CUDA device, proved by each of the program's kernels; or the reason in words why there is none.
///
/// Where a kernel gives other results than the CPU, candle's own operations are used, if these work.
#[cfg(feature = "cuda")]
fn cuda() -> Result<Chosen, &'static str> {
    const NONE: &str = "No CUDA device was found";
    const BROKEN: &str = "The CUDA device does not work with this program";
    fn because<E: std::fmt::Display>(reason: &'static str) -> impl Fn(E) -> &'static str {
        move |error| {
            log::info!("{reason}: {}", error.to_string().lines().next().unwrap_or_default());
            reason
        }
    }
    shim::load()?;
    // A stream of its own: candle's other choice is a stream for each thread, and the threads that load the weights are not the
    // one that uses them. candle panics where the libraries and the driver do not agree.
    let device = std::panic::catch_unwind(|| Device::new_cuda_with_stream(0)).map_err(|_| BROKEN)?;
    let device = device.map_err(because(NONE))?;
    let name = prepare(&device).map_err(because(BROKEN))?;
    let chosen =
        |backend, precision| Ok(Chosen { backend, description: format!("CUDA, {name}, {precision}"), notice: None });
    let Err(error) = super::fused::check(&device) else { return chosen(Backend::Half(device), "f16") };
    log::warn!("the program's own kernels cannot be used: {error}");
    check_candle(&device).map_err(because(BROKEN))?;
    chosen(Backend::Candle(device), "TF32")
}

/// Settings of the device, and its name.
#[cfg(feature = "cuda")]
fn prepare(device: &Device) -> anyhow::Result<String> {
    use candle_core::cuda_backend::cudarc::driver::sys;
    let cuda = device.as_cuda_device()?;
    let context = cuda.cuda_stream().context().clone();
    // SAFETY: there is one stream, whose order is enough.
    unsafe { cuda.disable_event_tracking() };
    candle_core::cuda_backend::set_gemm_reduced_precision_f32(true);
    // The driver would give freed memory back whenever the stream is waited for, and every layer would ask for it anew. Where
    // this cannot be set, that is all.
    let mut pool = std::ptr::null_mut();
    let mut keep = u64::MAX;
    let threshold = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the pool is the device's own, and this attribute is a u64.
    unsafe {
        if sys::cuDeviceGetDefaultMemPool(&mut pool, context.cu_device()) == sys::CUresult::CUDA_SUCCESS {
            sys::cuMemPoolSetAttribute(pool, threshold, (&raw mut keep).cast());
        }
    }
    Ok(context.name()?)
}

/// Proves candle's convolution on the device with a small one.
#[cfg(feature = "cuda")]
fn check_candle(device: &Device) -> anyhow::Result<()> {
    let ones = |shape: &[usize]| candle_core::Tensor::ones(shape, candle_core::DType::F32, device);
    let sum = ones(&[1, 8, 4, 4])?.conv2d(&ones(&[8, 8, 3, 3])?, 1, 1, 1, 1)?.sum_all()?.to_scalar::<f32>()?;
    // 8 × 8 channels; 3 × 4 − 2 = 10 taps inside in each direction.
    anyhow::ensure!(sum == 6400.0, "a convolution of ones sums up to {sum}");
    Ok(())
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Result<Chosen, &'static str> {
    Err("This build of the program cannot use CUDA")
}

#[cfg(feature = "cuda")]
#[path = "cuda_shim.rs"]
mod shim;

#[cfg(feature = "cuda")]
#[path = "fused/launch.rs"]
pub mod launch;

/// Builds without CUDA never have a device for this.
#[cfg(not(feature = "cuda"))]
pub mod launch {
    use candle_core::{CudaStorage, Error, Result, Shape};

    pub fn convolve(_: &super::super::fused::Convolution<'_>, _: &CudaStorage) -> Result<(CudaStorage, Shape)> {
        Err(Error::NotCompiledWithCudaSupport)
    }

    pub fn max_pool(_: [usize; 4], _: &CudaStorage) -> Result<(CudaStorage, Shape)> {
        Err(Error::NotCompiledWithCudaSupport)
    }
}
