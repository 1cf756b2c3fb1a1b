//! `mammoscope bench`: how long each stage of a reading takes on this machine, and how near the networks come to its peak.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;

use super::ModelArgs;
use super::prepare::size;
use crate::export::write_whole;
use crate::inference::kernels::{Isa, bf16_peak_gflops, peak_gflops};
use crate::inference::{self, Backend, Models, Networks};
use crate::phantom::{self, Plan, Side, View};
use crate::pipeline::analyse::milliseconds_since;
use crate::space::NetSize;
use crate::study;

mod networks;
mod report;
mod stages;

pub use report::{Case, Report, Stage};
pub use stages::{Source, measure};

/// Time each stage of a reading on this machine: on the demonstration case and on a random synthetic mammogram. Prints a table.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A mammogram to read in place of the demonstration case.
    #[arg(value_name = "FILE", conflicts_with = "inputs")]
    pub file: Option<PathBuf>,
    /// How often each stage runs; the table shows the first run and the median of all.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub repetitions: u16,
    /// The size of the random mammogram.
    #[arg(long, value_name = "WxH", default_value = "3328x4084", value_parser = size)]
    pub size: NetSize,
    /// The random mammogram's seed.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Write all times into this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Run the networks alone, each on the files yolov3-<W>x<H>.f32 and unetpp-<W>x<H>.f32 of this folder: one grey channel, row by
    /// row, as little-endian 32-bit numbers. After an untimed run, repetitions go through all files in turn.
    #[arg(long, value_name = "DIR", requires = "outputs")]
    pub inputs: Option<PathBuf>,
    /// Where the networks' raw outputs go, under the names of their inputs.
    #[arg(long, value_name = "DIR", requires = "inputs")]
    pub outputs: Option<PathBuf>,
    #[command(flatten)]
    pub models: ModelArgs,
}

/// Measures, prints the table to standard output and writes the JSON.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    args.models.apply_threads()?;
    let start = Instant::now();
    let networks = inference::load_networks(&args.models.options())?;
    let load_ms = milliseconds_since(start);
    networks.notice.iter().for_each(|notice| eprintln!("{notice}"));
    let (device, backend) = (networks.device.clone(), networks.backend.clone());
    let repetitions = args.repetitions.into();
    let mut cases = match (&args.inputs, &args.outputs) {
        (Some(inputs), Some(outputs)) => vec![networks::measure(&networks, inputs, outputs, repetitions)?],
        _ => readings(networks, &args, repetitions)?,
    };
    // After the networks, when the processor has found its pace under load.
    let (peak_gflops, peak_of) = match backend {
        Backend::Bf16 { .. } => (bf16_peak_gflops(), "bf16"),
        _ => (peak_gflops(Isa::best()), "f32"),
    };
    cases.iter_mut().flat_map(|case| &mut case.stages).for_each(|stage| stage.compare_with(peak_gflops));
    let report = Report {
        version: crate::VERSION,
        processor: processor(),
        device,
        threads: rayon::current_num_threads(),
        peak_gflops,
        peak_of,
        load_ms,
        cases,
    };
    write!(std::io::stdout(), "{report}").context("The table could not be printed")?;
    if let Some(path) = &args.json {
        write_whole(path, |out| {
            serde_json::to_writer_pretty(out, &report).map_err(|error| std::io::Error::from(error).into())
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The demonstration case, or the file that was named in its place, and a random mammogram.
fn readings(networks: Networks, args: &Args, repetitions: usize) -> anyhow::Result<Vec<Case>> {
    let mut models = Models::from(networks);
    let demonstration = crate::resources::demonstration_case();
    let (name, path) = match &args.file {
        Some(path) => ("the file given", path.clone()),
        None => (
            "the demonstration case",
            demonstration.context("The demonstration case is not beside the program: name a file")?,
        ),
    };
    let random = random_mammogram(args.size, args.seed);
    Ok(vec![
        measure(name, &Source::File(path), &mut models, repetitions)?,
        measure("a random synthetic mammogram in memory", &random, &mut models, repetitions)?,
    ])
}

/// With two masses, so that there is something to find.
fn random_mammogram(size: NetSize, seed: u64) -> Source {
    let NetSize { width, height } = size;
    let plan = Plan { width, height, view: View::Mlo, side: Side::Left, masses: 2, seed };
    // From 12 bits to 16.
    let image = phantom::generate(&plan).image.map(|value| value << 4);
    Source::Memory(Arc::new(study::from_gray(image, Path::new("random").to_path_buf())))
}

/// The processor's name, where the system tells.
fn processor() -> Option<String> {
    let about = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = about.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
