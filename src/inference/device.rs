//! Where the networks run. The `cuda` feature is named here alone.

use std::sync::Arc;

use candle_core::Device;

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

/// What runs the layers.
#[derive(Clone, Debug)]
pub enum Backend {
    /// The program's own kernels, on all cores.
    Cpu { isa: Isa, pool: Arc<Pool> },
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
pub fn choose(choice: DeviceChoice) -> anyhow::Result<Chosen> {
    match choice {
        DeviceChoice::Cpu => Ok(cpu(None)),
        DeviceChoice::Auto => Ok(cuda().unwrap_or_else(|reason| cpu(Some(format!("{reason}: running on the CPU."))))),
        DeviceChoice::Cuda => cuda().map_err(|reason| anyhow::anyhow!("{reason}: choose the CPU with --device cpu.")),
    }
}

fn cpu(notice: Option<String>) -> Chosen {
    let threads = rayon::current_num_threads();
    let plural = if threads == 1 { "" } else { "s" };
    let description = format!("CPU, {threads} thread{plural}, {}", Isa::best());
    Chosen { backend: Backend::cpu(), description, notice }
}

impl Backend {
    /// The CPU, on as many threads as rayon has.
    pub fn cpu() -> Self {
        Self::on_isa(Isa::best())
    }

    /// The CPU with a certain instruction set of [`Isa::detected`].
    pub fn on_isa(isa: Isa) -> Self {
        Self::Cpu { isa, pool: Arc::default() }
    }

    /// candle's operations on the CPU: slower, and independent of the program's own kernels.
    pub fn candle_cpu() -> Self {
        Self::Candle(Device::Cpu)
    }
}

/// The first CUDA device, proved by a small sum on it; or the reason in words why there is none.
#[cfg(feature = "cuda")]
fn cuda() -> Result<Chosen, &'static str> {
    const NONE: &str = "No CUDA device was found";
    const BROKEN: &str = "The CUDA device does not work with this program";
    shim::load().map_err(|error| {
        log::info!("no CUDA: {error}");
        NONE
    })?;
    // candle panics where the libraries and the driver do not agree.
    let device = std::panic::catch_unwind(|| Device::new_cuda(0)).map_err(|_| BROKEN)?.map_err(|error| {
        log::info!("no CUDA: {error}");
        NONE
    })?;
    let probe = candle_core::Tensor::ones(8, candle_core::DType::F32, &device)
        .and_then(|ones| (ones * 2.0)?.sum_all()?.to_scalar::<f32>());
    match probe {
        Ok(16.0) => {
            Ok(Chosen { backend: Backend::Candle(device), description: "CUDA device 0".to_owned(), notice: None })
        }
        _ => Err(BROKEN),
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Result<Chosen, &'static str> {
    Err("This build of the program cannot use CUDA")
}

#[cfg(feature = "cuda")]
#[path = "cuda_shim.rs"]
mod shim;
