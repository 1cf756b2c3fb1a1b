//! `mammoscope read`: mammograms in, findings as JSON and annotated images out; needs no display.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;

use super::ModelArgs;
use crate::annotation::{self, GroundTruth};
use crate::export::{EXPORTERS, ExportView};
use crate::findings::Outline;
use crate::inference::{self, Models};
use crate::pipeline::analyse::milliseconds_since;
use crate::pipeline::{self, Cancel, Parameters, Progress};
use crate::session::{Reading, Session};
use crate::study::{self, Study};

/// Read mammograms without a window: writes <stem>.json and <stem>.png for each. Exit status: 0 all read, 1 some input failed
/// (the others are written), 2 bad arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Mammograms, or folders of them.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// The folder to write into; created if need be.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The operating point: regions of the fused map Ms ≥ λ are kept, for λ = 0 those of Ms > 0.
    #[arg(long, default_value_t = pipeline::DEFAULT_LAMBDA, value_parser = lambda, allow_negative_numbers = true)]
    pub lambda: f32,
    /// Groundtruth: a file, or a folder in which it is found by the input's name. By default it is looked for beside each
    /// input.
    #[arg(long, value_name = "PATH")]
    pub truth: Option<PathBuf>,
    #[command(flatten)]
    pub models: ModelArgs,
}

/// A λ: finite and not negative.
pub fn lambda(text: &str) -> Result<f32, String> {
    let value: f32 = text.trim().parse().map_err(|_| "λ is a number such as 0.6".to_string())?;
    if value.is_finite() && value >= 0.0 { Ok(value) } else { Err("λ must be finite and not negative".into()) }
}

/// Reads with the models that the arguments name; they are loaded once an input could be opened.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    args.models.apply_threads()?;
    let options = args.models.options();
    let all_read = read_inputs(&args, &mut || inference::load(&options))?;
    Ok(if all_read { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads every input and writes its results; says on standard error what is done and what failed. Returns whether all went
/// well; an error where no input could be read for want of models or of a place to write to.
pub fn read_inputs(args: &Args, load: &mut dyn FnMut() -> anyhow::Result<Models>) -> anyhow::Result<bool> {
    std::fs::create_dir_all(&args.out).context("The folder to write into cannot be made: choose another")?;
    let jobs = plan(args);
    let mut models = None;
    let mut all_read = !jobs.is_empty();
    for (index, job) in jobs.iter().enumerate() {
        let label = format!("[{}/{}] {}", index + 1, jobs.len(), job.input.display());
        let Some(mut study) = open(job, &label) else {
            all_read = false;
            continue;
        };
        let truth = truth_of(job, &mut study);
        all_read &= truth.is_ok();
        let models = match &mut models {
            Some(models) => models,
            None => load_said(load, &mut models)?,
        };
        let mut stage = String::new();
        let mut progress = |p: Progress| {
            if p.stage != stage {
                eprintln!("{label}: {}", p.stage);
                stage = p.stage;
            }
        };
        let request = Request { lambda: args.lambda, parameters: Parameters::default() };
        let read = guarded(|| {
            let session = read_study(Arc::new(study), truth.ok().flatten(), models, &request, &mut progress)?;
            write_results(&session, &args.out, &job.name)?;
            Ok(session)
        });
        match read {
            Ok(session) => eprintln!("{label}: {}", summary(&session, &job.name)),
            Err(error) => {
                eprintln!("{label}: {error:#}");
                all_read = false;
            }
        }
    }
    Ok(all_read)
}

/// What a reading is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    pub lambda: f32,
    pub parameters: Parameters,
}

/// The whole method on one image, as the window runs it: analysis, then the outlines of λ's candidates.
pub fn read_study(
    study: Arc<Study>,
    truth: Option<Arc<GroundTruth>>,
    models: &mut Models,
    request: &Request,
    progress: &mut dyn FnMut(Progress),
) -> anyhow::Result<Session> {
    let Request { lambda, parameters } = request;
    let cancel = Cancel::default();
    progress(Progress { stage: "Preparing the image".into(), fraction: 0.0 });
    let start = Instant::now();
    let prepared = pipeline::prepare(&study);
    let prepare_ms = milliseconds_since(start);
    let analysis = pipeline::analyse(&prepared, models.detector.as_mut(), parameters, &cancel, progress)?;

    let mut reading = Reading::new(analysis, models, prepare_ms);
    let boxes: Vec<_> = reading.fused.candidates(*lambda).iter().map(|candidate| candidate.rect).collect();
    progress(Progress { stage: format!("Outlining {} candidates", boxes.len()), fraction: 1.0 });
    let start = Instant::now();
    let segmenter = models.segmenter.as_mut();
    let outlines = pipeline::outline(&prepared, &boxes, segmenter, study.spacing.as_ref(), parameters, &cancel)?;
    reading.timings_ms.push(("outline".to_string(), milliseconds_since(start)));

    let mut session = Session::new(study);
    session.set_lambda(*lambda);
    session.set_reading(Arc::new(reading));
    session.set_truth(truth);
    session.add_outlines(boxes.into_iter().zip(outlines.into_iter().map(Arc::<Outline>::new)));
    Ok(session)
}

/// One input, its groundtruth, and the name of its results.
struct Job {
    input: PathBuf,
    truth: Option<PathBuf>,
    name: String,
}

fn plan(args: &Args) -> Vec<Job> {
    let mut inputs = Vec::new();
    for input in &args.inputs {
        if input.is_dir() {
            // A mask beside its mammogram is groundtruth, unless it is asked for by name.
            let found = study::list_inputs(std::slice::from_ref(input));
            let found: Vec<_> = found.into_iter().filter(|path| !annotation::is_mask_name(path)).collect();
            if found.is_empty() {
                eprintln!("{}: no mammogram was found in this folder.", input.display());
            }
            inputs.extend(found);
        } else {
            inputs.push(input.clone());
        }
    }
    let truths: Vec<_> = inputs.iter().map(|input| truth_path(args.truth.as_deref(), input)).collect();
    let opened = inputs.iter().chain(truths.iter().flatten()).filter_map(|path| path.canonicalize().ok()).collect();
    let mut names = Names { out: args.out.clone(), opened, taken: HashSet::new() };
    let named = |(input, truth): (PathBuf, Option<PathBuf>)| Job { name: names.take(&input), input, truth };
    inputs.into_iter().zip(truths).map(named).collect()
}

fn truth_path(given: Option<&Path>, input: &Path) -> Option<PathBuf> {
    match given {
        Some(folder) if folder.is_dir() => annotation::find_in(folder, input),
        Some(file) => Some(file.to_path_buf()),
        None => annotation::find_beside(input),
    }
}

/// Gives results names that neither collide nor replace what is read.
struct Names {
    out: PathBuf,
    /// Canonical paths of everything that is read.
    opened: HashSet<PathBuf>,
    /// In lower case: not every file system tells capitals apart.
    taken: HashSet<String>,
}

impl Names {
    /// The input's stem; with -2, -3 … where that is taken.
    fn take(&mut self, input: &Path) -> String {
        let stem = input.file_stem().map_or_else(|| "image".into(), |stem| stem.to_string_lossy().into_owned());
        let mut name = stem.clone();
        for number in 2.. {
            if !self.is_opened(&name) && self.taken.insert(name.to_lowercase()) {
                break;
            }
            name = format!("{stem}-{number}");
        }
        name
    }

    fn is_opened(&self, name: &str) -> bool {
        let paths = ["json", "png"].map(|extension| self.out.join(format!("{name}.{extension}")));
        paths.iter().any(|path| path.canonicalize().is_ok_and(|path| self.opened.contains(&path)))
    }
}

/// The input as a study; what is wrong with it goes to standard error.
fn open(job: &Job, label: &str) -> Option<Study> {
    match guarded(|| Ok(study::open(&job.input)?)) {
        Ok(study) => Some(study),
        Err(error) => {
            eprintln!("{label}: {error:#}");
            None
        }
    }
}

/// The input's groundtruth. A bad one is a failure, which the results repeat as a warning; they are still written.
fn truth_of(job: &Job, study: &mut Study) -> Result<Option<Arc<GroundTruth>>, ()> {
    let Some(path) = &job.truth else { return Ok(None) };
    let (width, height) = (study.image.width(), study.image.height());
    match guarded(|| Ok(annotation::read(path, &study.stem(), width, height)?)) {
        Ok(truth) => Ok(Some(Arc::new(truth))),
        Err(error) => {
            let sentence = format!("Read without groundtruth: {error:#}");
            eprintln!("{}: {sentence}", path.display());
            study.warnings.push(sentence);
            Err(())
        }
    }
}

fn load_said<'m>(
    load: &mut dyn FnMut() -> anyhow::Result<Models>,
    place: &'m mut Option<Models>,
) -> anyhow::Result<&'m mut Models> {
    let models = load()?;
    eprintln!("Running on {}.", models.device);
    if let Some(notice) = &models.notice {
        eprintln!("{notice}");
    }
    Ok(place.insert(models))
}

/// The contract's two files.
fn write_results(session: &Session, out: &Path, name: &str) -> anyhow::Result<()> {
    for extension in ["json", "png"] {
        let exporter = EXPORTERS.iter().find(|exporter| exporter.extension == extension);
        let exporter = exporter.context("This build cannot write its results")?;
        exporter.write(session, &ExportView::default(), &out.join(format!("{name}.{extension}")))?;
    }
    Ok(())
}

fn summary(session: &Session, name: &str) -> String {
    let findings = match session.candidates().len() {
        1 => "1 finding".to_string(),
        n => format!("{n} findings"),
    };
    let truth = session.comparison().map_or_else(String::new, |c| {
        let dice = c.image_dice.map_or_else(String::new, |dice| format!(", Dice {dice:.3}"));
        format!(" ({} hit, {} missed, {} false{dice})", c.hits, c.misses, c.false_positives)
    });
    format!("{findings} at λ = {}{truth}; wrote {name}.json and {name}.png", session.lambda())
}

/// Runs `work`; a defect in the program becomes an error, so that the other inputs are still read.
fn guarded<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    std::panic::catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| anyhow::bail!("This image could not be read because of a defect in the program."))
}
