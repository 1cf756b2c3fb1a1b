//! `mammoscope phantom`: synthetic mammograms of known masses, the demonstration case, and arrays to train with.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use crate::export::{ExportError, write_whole};
use crate::phantom::{self, DEMONSTRATION, Plan, Side, View, arrays, dicom, truth};
use crate::space::NetSize;

/// Draw synthetic mammograms with known masses: for each a DICOM file and its groundtruth in INbreast's XML. The same seed gives
/// the same files.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder to write into; created if need be.
    #[arg(long, value_name = "DIR", required_unless_present = "demo", conflicts_with = "demo")]
    pub out: Option<PathBuf>,
    /// Write the demonstration case (demo.dcm and demo.xml) into this folder instead.
    #[arg(long, value_name = "DIR")]
    pub demo: Option<PathBuf>,
    /// The first phantom's seed; the next ones have the next numbers.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub count: u64,
    /// Pixels.
    #[arg(long, default_value_t = 2560, value_parser = clap::value_parser!(u32).range(64..=8192))]
    pub width: u32,
    /// Pixels.
    #[arg(long, default_value_t = 3328, value_parser = clap::value_parser!(u32).range(64..=8192))]
    pub height: u32,
    /// The view; from the seed when not given.
    #[arg(long, value_enum)]
    pub view: Option<ViewArg>,
    /// The side; from the seed when not given.
    #[arg(long, value_enum)]
    pub side: Option<SideArg>,
    /// How many masses at most (crowded ones are left out); from the seed when not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(0..=20))]
    pub masses: Option<u16>,
    /// What to write: cases to look at, or the arrays that models/training reads.
    #[arg(long, value_enum, default_value_t)]
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// <seed>.dcm and <seed>.xml.
    #[default]
    Cases,
    /// phantom.u8 and phantom.jsonl: whole images of 480×960 with boxes.
    Images,
    /// phseg.u8: patches with masks.
    Patches,
    /// masslib.u8: masses alone.
    Masses,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ViewArg {
    Cc,
    Mlo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum SideArg {
    Left,
    Right,
}

/// The size of the arrays' images: the largest that the detector reads.
const ARRAY_SIZE: NetSize = NetSize::new(480, 960);

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    if let Some(folder) = &args.demo {
        make_folder(folder)?;
        write_case(&DEMONSTRATION, folder, "demo")?;
    } else if let Some(folder) = &args.out {
        make_folder(folder)?;
        write_all(&args, folder)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn make_folder(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).context("The folder to write into cannot be made: choose another")
}

fn write_all(args: &Args, folder: &Path) -> anyhow::Result<()> {
    let last = args.seed.checked_add(args.count).context("This seed is too large: choose a smaller one")?;
    let seeds = args.seed..last;
    match args.kind {
        Kind::Cases => seeds.into_iter().try_for_each(|seed| write_case(&plan(args, seed), folder, &seed.to_string())),
        Kind::Images => {
            let mut boxes = Vec::new();
            write_file(&folder.join("phantom.u8"), |out| arrays::write_images(seeds, ARRAY_SIZE, out, &mut boxes))?;
            write_file(&folder.join("phantom.jsonl"), |out| Ok(out.write_all(&boxes)?))
        }
        Kind::Patches => write_file(&folder.join("phseg.u8"), |out| arrays::write_patches(seeds, out)),
        Kind::Masses => write_file(&folder.join("masslib.u8"), |out| arrays::write_masses(seeds, out)),
    }
}

fn plan(args: &Args, seed: u64) -> Plan {
    let random = Plan::random(seed, args.width as usize, args.height as usize);
    let view = |arg| if arg == ViewArg::Cc { View::Cc } else { View::Mlo };
    let side = |arg| if arg == SideArg::Left { Side::Left } else { Side::Right };
    Plan {
        view: args.view.map_or(random.view, view),
        side: args.side.map_or(random.side, side),
        masses: args.masses.map_or(random.masses, usize::from),
        ..random
    }
}

fn write_case(plan: &Plan, folder: &Path, name: &str) -> anyhow::Result<()> {
    let phantom = phantom::generate(plan);
    let image = dicom::to_dicom(plan, &phantom.image)?;
    let groundtruth = truth::to_inbreast(&phantom.masses)?;
    write_file(&folder.join(format!("{name}.dcm")), |out| Ok(out.write_all(&image)?))?;
    write_file(&folder.join(format!("{name}.xml")), |out| Ok(out.write_all(&groundtruth)?))?;
    eprintln!("Wrote {name}.dcm and {name}.xml: {} masses.", phantom.masses.len());
    Ok(())
}

/// Writes a file that appears whole or not at all.
fn write_file(
    path: &Path,
    write: impl FnOnce(&mut std::io::BufWriter<&std::fs::File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    write_whole(path, |out| write(out).map_err(|error| ExportError(format!("{error:#}"))))?;
    Ok(())
}
