//! `mammoscope prepare`: what the networks see of a mammogram, for training and for checking.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use image::{ExtendedColorType, ImageEncoder};

use crate::annotation;
use crate::evaluation::mass_box;
use crate::export::{ExportError, write_whole};
use crate::pipeline::resize::resample;
use crate::pipeline::segment::patch;
use crate::pipeline::{Prepared, prepare};
use crate::raster::Raster;
use crate::space::{NetSize, PixelRect};
use crate::study;

/// Write mammograms as the networks see them: the normalised image, and around each mass of the groundtruth beside it the
/// equalised patch.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Mammograms, or folders of them.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// The folder to write into; created if need be.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Resize to this size, aspect not kept, as the detector does; native resolution when not given.
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub size: Option<NetSize>,
    /// Write NAME.u8 (one byte per pixel, all images in a row) and NAME.txt (their files) in place of images; needs --size.
    #[arg(long, value_name = "NAME", requires = "size")]
    pub array: Option<String>,
}

/// A size such as 480x960.
pub fn size(text: &str) -> Result<NetSize, String> {
    let parse = |part: &str| part.trim().parse().ok().filter(|side| (1..=16384).contains(side));
    let sides = text.split_once(['x', '×']).and_then(|(w, h)| Some(NetSize::new(parse(w)?, parse(h)?)));
    sides.ok_or_else(|| "a size is written as 480x960, each side at most 16384".into())
}

/// Exit status: 0 all prepared, 1 some input failed.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&args.out).context("The folder to write into cannot be made: choose another")?;
    let inputs = study::list_inputs(&args.inputs);
    anyhow::ensure!(!inputs.is_empty(), "No mammogram was found.");
    let done = match (&args.array, args.size) {
        (Some(name), Some(size)) => write_array(&inputs, &args.out, name, size)?,
        _ => inputs.iter().filter(|input| said(input, write_images(input, &args)).is_some()).count(),
    };
    Ok(if done == inputs.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The value; an error goes to standard error.
fn said<T>(input: &Path, outcome: anyhow::Result<T>) -> Option<T> {
    outcome.map_err(|error| eprintln!("{}: {error:#}", input.display())).ok()
}

/// All inputs resized to `size` in one file, and the list of those that are in it. Returns how many.
fn write_array(inputs: &[PathBuf], folder: &Path, name: &str, size: NetSize) -> anyhow::Result<usize> {
    let mut written = Vec::new();
    write_whole(&folder.join(format!("{name}.u8")), |out| {
        for input in inputs {
            let Some(prepared) = said(input, study::open(input).map_err(Into::into).map(|study| prepare(&study)))
            else {
                continue;
            };
            let image = resample(&prepared.image, prepared.image.bounds().into(), size);
            let bytes: Vec<u8> = image.data().iter().map(|v| (v * 255.0).round() as u8).collect();
            out.write_all(&bytes)?;
            written.push(input.display().to_string());
        }
        Ok(())
    })?;
    write_whole(&folder.join(format!("{name}.txt")), |out| Ok(out.write_all(written.join("\n").as_bytes())?))?;
    Ok(written.len())
}

/// `<stem>.png` of 16 bits, and `<stem>-patch-<n>.png` for each mass of its groundtruth.
fn write_images(input: &Path, args: &Args) -> anyhow::Result<()> {
    let study = study::open(input)?;
    let prepared = prepare(&study);
    let stem = study.stem();
    let image = match args.size {
        None => prepared.image.clone(),
        Some(size) => resample(&prepared.image, prepared.image.bounds().into(), size).map(to_u16),
    };
    write_png(&args.out.join(format!("{stem}.png")), &image)?;
    for (index, candidate) in mass_boxes(input, &stem, &prepared)?.into_iter().enumerate() {
        let path = args.out.join(format!("{stem}-patch-{}.png", index + 1));
        write_png(&path, &patch(&prepared, candidate).map(to_u16))?;
    }
    Ok(())
}

fn to_u16(value: f32) -> u16 {
    (value * 65535.0).round() as u16
}

/// The masses of the groundtruth beside `input`, as candidate boxes.
fn mass_boxes(input: &Path, stem: &str, prepared: &Prepared) -> anyhow::Result<Vec<PixelRect>> {
    let Some(path) = annotation::find_beside(input) else { return Ok(Vec::new()) };
    let truth = annotation::read(&path, stem, prepared.image.width(), prepared.image.height())?;
    let whole = |b: crate::space::ImageRect| {
        PixelRect::new(b.x0 as usize, b.y0 as usize, b.x1.ceil() as usize, b.y1.ceil() as usize)
    };
    Ok(truth.lesions.iter().filter_map(mass_box).map(whole).collect())
}

fn write_png(path: &Path, image: &Raster<u16>) -> anyhow::Result<()> {
    let bytes: Vec<u8> = image.data().iter().flat_map(|v| v.to_ne_bytes()).collect();
    write_whole(path, |out| {
        image::codecs::png::PngEncoder::new(out)
            .write_image(&bytes, image.width() as u32, image.height() as u32, ExtendedColorType::L16)
            .map_err(|_| ExportError("The image could not be written as PNG.".into()))
    })?;
    Ok(())
}
