//! Where the networks run.

/// The reader's choice of device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum DeviceChoice {
    /// CUDA when there is a device, else the CPU.
    #[default]
    Auto,
    Cpu,
    Cuda,
}
