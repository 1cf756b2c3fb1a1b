//! `mammoscope read`: mammograms in, findings as JSON and annotated images out; needs no display.

use std::path::PathBuf;
use std::process::ExitCode;

use super::ModelArgs;

/// Read mammograms without a window: writes <stem>.json and <stem>.png for each.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Mammograms, or folders of them.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// The folder to write into; created if need be.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The operating point: regions of the fused map Ms ≥ λ are kept.
    #[arg(long, default_value_t = crate::pipeline::DEFAULT_LAMBDA, value_parser = lambda)]
    pub lambda: f32,
    /// Groundtruth: a file for the only input, or a folder in which it is found by name. By default it is looked for
    /// beside each input.
    #[arg(long, value_name = "PATH")]
    pub truth: Option<PathBuf>,
    #[command(flatten)]
    pub models: ModelArgs,
}

/// Exit status 0: all read; 1: some input failed, the others are written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    args.models.apply_threads()?;
    anyhow::bail!("reading {} inputs", args.inputs.len())
}

/// A λ: finite and not negative.
pub fn lambda(text: &str) -> Result<f32, String> {
    let value: f32 = text.trim().parse().map_err(|_| "λ is a number such as 0.6".to_string())?;
    if value.is_finite() && value >= 0.0 { Ok(value) } else { Err("λ must be finite and not negative".into()) }
}
