//! The command line: the window, and one file per subcommand.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::inference::{DeviceChoice, ModelOptions, Precision};

pub mod bench;
pub mod evaluate;
pub mod phantom;
pub mod prepare;
pub mod read;

/// A viewer for the second reading of mammograms: finds and outlines masses. Research use, not for diagnosis.
#[derive(Parser)]
#[command(name = "mammoscope", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    window: WindowArgs,
}

/// The subcommands. A new one: its file in `cli/`, a row here and a row in [`run`].
#[derive(Subcommand)]
enum Command {
    Read(read::Args),
    Evaluate(evaluate::Args),
    Bench(bench::Args),
    Phantom(phantom::Args),
    Prepare(prepare::Args),
}

#[derive(clap::Args)]
struct WindowArgs {
    /// Mammograms to open, or folders of them; the demonstration case when none is given. A file that is named like a
    /// subcommand opens as ./read.
    #[arg(value_name = "FILE|FOLDER")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    models: ModelArgs,
}

/// Which weights and which device: the same words for the window and for every subcommand.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ModelArgs {
    /// Where the networks run.
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceChoice,
    /// What the networks may be computed in on the CPU: f32, unless the window's settings say otherwise.
    #[arg(long, value_enum)]
    pub precision: Option<Precision>,
    /// YOLOv3 weights, .safetensors or Darknet .weights, in place of those that come with the program.
    #[arg(long, value_name = "FILE")]
    pub detector: Option<PathBuf>,
    /// U-Net++ weights, .safetensors, in place of those that come with the program.
    #[arg(long, value_name = "FILE")]
    pub segmenter: Option<PathBuf>,
    /// How many processor threads to use; all cores by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

impl ModelArgs {
    pub fn options(&self) -> ModelOptions {
        let Self { device, precision, detector, segmenter, .. } = self.clone();
        ModelOptions { device, precision, detector, segmenter }
    }

    /// Sizes the thread pool that everything in the program shares; to be called once, before any work.
    pub fn apply_threads(&self) -> anyhow::Result<()> {
        if let Some(threads) = self.threads {
            rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global()?;
        }
        Ok(())
    }
}

/// Runs the program with `arguments` (the program's name first). Bad arguments exit with status 2, trouble with 1; every
/// message goes to standard error.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // A closed standard error leaves nowhere to complain to.
            error.print().ok();
            return ExitCode::from(error.exit_code().try_into().unwrap_or(2));
        }
    };
    let outcome = match cli.command {
        None => window(cli.window),
        Some(Command::Read(args)) => read::run(args),
        Some(Command::Evaluate(args)) => evaluate::run(args),
        Some(Command::Bench(args)) => bench::run(args),
        Some(Command::Phantom(args)) => phantom::run(args),
        Some(Command::Prepare(args)) => prepare::run(args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("mammoscope: {error:#}");
        ExitCode::FAILURE
    })
}

/// Opens the window. Where there is no display, the demonstration case is read without one; named files are not, as nobody
/// said where their results should go.
fn window(args: WindowArgs) -> anyhow::Result<ExitCode> {
    if has_display() {
        crate::worker::start_inference_pool(args.models.threads.map(usize::from));
        crate::ui::run(args.inputs, args.models.options())?;
        return Ok(ExitCode::SUCCESS);
    }
    if !args.inputs.is_empty() {
        anyhow::bail!(
            "No display was found, so no window can be opened: `mammoscope read FILE --out FOLDER` reads without one."
        );
    }
    let demonstration = crate::resources::demonstration_case()
        .context("No display was found, and the demonstration case is not installed beside the program")?;
    let out = PathBuf::from(DEMONSTRATION_RESULTS);
    eprintln!("No display was found: the demonstration case is read without a window.");
    let status = read::run(read::Args {
        inputs: vec![demonstration],
        out: out.clone(),
        lambda: crate::pipeline::DEFAULT_LAMBDA,
        truth: None,
        models: args.models,
    })?;
    if status == ExitCode::SUCCESS {
        let out = out.canonicalize().unwrap_or(out);
        eprintln!("The findings (JSON) and the annotated image (PNG) are in {}.", out.display());
    }
    Ok(status)
}

/// Where the demonstration case's results go, in the current folder.
const DEMONSTRATION_RESULTS: &str = "mammoscope-demo";

/// Whether a window can be hoped for. Only on Linux and its like can one tell beforehand.
fn has_display() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(all(unix, not(target_os = "macos")))
        || ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"].into_iter().any(is_set)
}
