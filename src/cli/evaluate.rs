//! `mammoscope evaluate`: the networks against the groundtruth of a data set.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;

use super::ModelArgs;
use super::read::lambda;
use crate::evaluation::dataset::{self, Dataset};
use crate::evaluation::measured::Settings;
use crate::evaluation::report::{self, Provenance};
use crate::evaluation::run;
use crate::evaluation::summary::{Questions, summarise};
use crate::pipeline::{Cancel, DEFAULT_LAMBDA, Parameters};

/// Measure the networks on images with groundtruth: writes report.md, report.json and plots. Stopped and started again with
/// the same folder, it goes on where it was.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A folder of images with groundtruth beside them (INbreast; images and masks), a COCO .json or a CBIS-DDSM .csv.
    #[arg(value_name = "DATASET")]
    pub dataset: PathBuf,
    /// The folder to write into; created if need be.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The operating points of the table TPR@FPavg.
    #[arg(long, value_delimiter = ',', value_parser = lambda, default_values_t = [0.0, 0.5, 0.6, 0.7])]
    pub lambda: Vec<f32>,
    /// The operating points of the Dice of whole images; each takes its own outlines.
    #[arg(long, value_delimiter = ',', value_parser = lambda, default_values_t = [DEFAULT_LAMBDA])]
    pub dice_lambda: Vec<f32>,
    /// Groundtruth to use instead of what lies beside the images: a file, or a folder in which it is found by name.
    #[arg(long, value_name = "PATH")]
    pub truth: Option<PathBuf>,
    /// Only these images: text with an image's or a patient's name per line, or the training recipe's splits.json, of which
    /// the validation patients are taken.
    #[arg(long, value_name = "FILE")]
    pub only: Option<PathBuf>,
    /// Only the first so many images.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// An image without groundtruth is healthy, and not left out.
    #[arg(long)]
    pub healthy_without_truth: bool,
    /// Masks show all findings, as CDD-CESM's: only compact, lesion-sized components count as masses.
    #[arg(long)]
    pub compact_masks: bool,
    /// Detection only: no outlines are drawn or measured.
    #[arg(long)]
    pub no_outlines: bool,
    /// Boxes below this confidence do not enter the fused mask.
    #[arg(long, value_name = "C", default_value_t = Parameters::default().min_confidence, value_parser = confidence)]
    pub min_confidence: f32,
    /// Into how many random parts the patients are dealt for the standard errors.
    #[arg(long, value_name = "K", default_value_t = 5)]
    pub splits: usize,
    /// Of the random parts.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    #[command(flatten)]
    pub models: ModelArgs,
}

/// Exit status 0: the report is written, and says which images were left out and why; 1: no image gave figures.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    args.models.apply_threads()?;
    let dataset = list(&args)?;
    std::fs::create_dir_all(&args.out).context("The folder to write into cannot be made")?;
    let mut models = crate::inference::load(&args.models.options())?;
    models.notice.iter().for_each(|notice| eprintln!("{notice}"));
    let settings = Settings {
        parameters: Parameters { min_confidence: args.min_confidence, ..Parameters::default() },
        dice_lambdas: args.dice_lambda.clone(),
        outlines: !args.no_outlines,
        compact: args.compact_masks,
    };
    let questions = Questions { lambdas: args.lambda.clone(), parts: args.splits, seed: args.seed };
    let mut progress = Progress::new(dataset.cases.len());
    let cache = args.out.join("images");
    let outcome =
        run::run(&dataset.cases, &mut models, &settings, &cache, &Cancel::default(), &mut |done| progress.say(done))?;
    let summary = summarise(&outcome.measured, &settings, &questions);
    let provenance = Provenance {
        dataset: name_of(&args.dataset),
        detector: models.detector.identity(),
        segmenter: models.segmenter.identity(),
        device: models.device,
    };
    report::write(&args.out, &provenance, &dataset.warnings, &settings, &questions, &summary, &outcome)?;
    let left_out = outcome.left_out.len();
    eprintln!("{} images measured, {left_out} left out; the report is report.md.", outcome.measured.len());
    Ok(if outcome.measured.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn list(args: &Args) -> anyhow::Result<Dataset> {
    let mut dataset = dataset::list(&args.dataset, args.truth.as_deref(), args.healthy_without_truth)?;
    if let Some(only) = &args.only {
        let list = std::fs::read_to_string(only).context("The list of images cannot be read")?;
        dataset::keep_only(&mut dataset.cases, &list);
    }
    dataset.cases.truncate(args.limit.unwrap_or(usize::MAX));
    anyhow::ensure!(!dataset.cases.is_empty(), "The list names no image of the data set.");
    Ok(dataset)
}

/// The data set's folder or file without where it lies.
fn name_of(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    whole.file_name().map_or_else(|| "a data set".into(), |name| name.to_string_lossy().into_owned())
}

fn confidence(text: &str) -> Result<f32, String> {
    let value: f32 = text.trim().parse().map_err(|_| "a confidence is a number such as 0.1".to_string())?;
    let least = crate::evaluation::measured::LOWEST_CONFIDENCE;
    if (least..=1.0).contains(&value) { Ok(value) } else { Err(format!("a confidence lies in [{least}, 1]")) }
}

/// Says how far a run is, without naming an image.
struct Progress {
    total: usize,
    start: Instant,
    /// Images that an earlier run had done.
    before: Option<usize>,
}

impl Progress {
    fn new(total: usize) -> Self {
        Self { total, start: Instant::now(), before: None }
    }

    fn say(&mut self, done: usize) {
        let before = *self.before.get_or_insert(done);
        let ran = done - before;
        if ran == 0 {
            eprintln!("{} images, {before} of them done before", self.total);
            return;
        }
        let each = self.start.elapsed().as_secs_f64() / ran as f64;
        let left = each * (self.total - done) as f64;
        eprintln!("{done} of {}, {each:.1} s each, {:.0} min left", self.total, (left / 60.0).ceil());
    }
}
