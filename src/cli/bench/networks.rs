//! The networks alone on given inputs, to be compared with other engines: see `tests/bench/`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::report::Case;
use super::stages::Clock;
use crate::cli::prepare::size;
use crate::export::write_whole;
use crate::inference::{Networks, unetpp, yolov3};
use crate::pipeline::{Cancel, Detector};
use crate::raster::Raster;
use crate::space::NetSize;

/// Which network an input is for, by the beginning of its file's name.
#[derive(Clone, Copy, PartialEq)]
enum Network {
    Yolov3,
    Unetpp,
}

struct Input {
    network: Network,
    /// The file's name without its ending.
    name: String,
    image: Raster<f32>,
}

/// Runs every input of the folder once, writes what came out, then times them in turn.
pub fn measure(networks: &Networks, inputs: &Path, outputs: &Path, repetitions: usize) -> anyhow::Result<Case> {
    let inputs = list(inputs)?;
    anyhow::ensure!(!inputs.is_empty(), "No file yolov3-<W>x<H>.f32 or unetpp-<W>x<H>.f32 was found");
    std::fs::create_dir_all(outputs).context("The folder to write into cannot be made: choose another")?;
    let about = format!("{} inputs", inputs.len());
    let runs = runs(inputs, networks.detector.takes_all());
    for run in &runs {
        for (input, values) in run.inputs.iter().zip(run.network.run(networks, &run.images())?) {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            write_whole(&outputs.join(format!("{}.f32", input.name)), |out| Ok(out.write_all(&bytes)?))?;
        }
    }
    let mut clock = Clock::default();
    for _ in 0..repetitions {
        for run in &runs {
            let operations = run.images().iter().map(|image| run.network.operations(image)).sum();
            clock.time(&run.name, Some(operations), || run.network.run(networks, &run.images()))?;
        }
    }
    Ok(Case { name: "networks".into(), about, stages: clock.stages() })
}

/// Inputs that go through a network at once.
struct Run {
    network: Network,
    name: String,
    inputs: Vec<Input>,
}

impl Run {
    fn images(&self) -> Vec<&Raster<f32>> {
        self.inputs.iter().map(|input| &input.image).collect()
    }
}

/// Each input alone; those of the detector `together`.
fn runs(inputs: Vec<Input>, together: bool) -> Vec<Run> {
    let (detected, others): (Vec<Input>, Vec<Input>) =
        inputs.into_iter().partition(|input| together && input.network == Network::Yolov3);
    let all = Run { network: Network::Yolov3, name: "yolov3, all inputs at once".into(), inputs: detected };
    let alone = |input: Input| Run { network: input.network, name: input.name.clone(), inputs: vec![input] };
    (!all.inputs.is_empty()).then_some(all).into_iter().chain(others.into_iter().map(alone)).collect()
}

impl Network {
    /// Of each image all raw outputs, one after the other.
    fn run(self, networks: &Networks, images: &[&Raster<f32>]) -> anyhow::Result<Vec<Vec<f32>>> {
        let cancel = Cancel::default();
        match self {
            Self::Yolov3 => {
                let heads = networks.detector.heads_of_all(images, &cancel, &mut |_| ())?;
                Ok(heads.into_iter().map(|heads| heads.into_iter().flat_map(|head| head.values).collect()).collect())
            }
            Self::Unetpp => {
                let logits = |image: &&Raster<f32>| networks.segmenter.logits(image, unetpp::HEADS, &cancel);
                images.iter().map(|image| Ok(logits(image)?.concat())).collect()
            }
        }
    }

    fn operations(self, image: &Raster<f32>) -> f64 {
        let (width, height) = (image.width(), image.height());
        match self {
            Self::Yolov3 => yolov3::operations(NetSize::new(width, height)),
            // They go with the area.
            Self::Unetpp => unetpp::operations(width, unetpp::HEADS) * height as f64 / width as f64,
        }
    }
}

/// The folder's inputs by name.
fn list(folder: &Path) -> anyhow::Result<Vec<Input>> {
    let entries = std::fs::read_dir(folder).context("The folder of inputs cannot be read")?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().filter_map(|path| input(path).transpose()).collect()
}

/// The file as an input; `None` where its name says that it is something else.
fn input(path: &Path) -> anyhow::Result<Option<Input>> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".f32")) else { return Ok(None) };
    let Some((network, size)) = name.split_once('-').and_then(|(network, text)| {
        let network = match network {
            "yolov3" => Network::Yolov3,
            "unetpp" => Network::Unetpp,
            _ => return None,
        };
        Some((network, size(text).ok()?))
    }) else {
        return Ok(None);
    };
    let bytes = std::fs::read(path).with_context(|| format!("{name}.f32 cannot be read"))?;
    let values: Vec<f32> = bytes.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
    anyhow::ensure!(bytes.len() == 4 * size.width * size.height, "{name}.f32 has not the size that its name says");
    Ok(Some(Input { network, name: name.to_owned(), image: Raster::new(size.width, size.height, values) }))
}
