//! A data set through the networks: images are opened and prepared on other threads while the networks run, and each
//! image's figures are kept in a file of their own, so that a run that was stopped goes on where it was.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::dataset::Case;
use super::measured::{LOWEST_CONFIDENCE, Measured, Settings, compact_masses, measure};
use crate::annotation::GroundTruth;
use crate::export::write_whole;
use crate::inference::Models;
use crate::pipeline::{Cancel, Prepared, prepare};
use crate::study;

/// Threads that open images ahead of the networks, and so how many images are in memory beside the one being measured.
const LOADERS: usize = 2;

/// What came of a data set.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// In the order of the cases.
    pub measured: Vec<Measured>,
    /// Name and reason of each image that gave no figures.
    pub left_out: Vec<(String, String)>,
}

/// Measures all cases; what `cache` holds of the same images, models and settings is taken from there. `progress` hears the
/// number of images done after each.
///
/// # Errors
/// When stopped, or when the cache cannot be written. An image that fails is left out with its reason.
pub fn run(
    cases: &[Case],
    models: &mut Models,
    settings: &Settings,
    cache: &Path,
    cancel: &Cancel,
    progress: &mut dyn FnMut(usize),
) -> anyhow::Result<Outcome> {
    std::fs::create_dir_all(cache)?;
    let key = key_of(models, settings);
    let mut results: Vec<Option<Result<Measured, String>>> =
        cases.iter().map(|case| cached(cache, case, &key).map(Ok)).collect();
    let missing: Vec<usize> = (0..cases.len()).filter(|i| results[*i].is_none()).collect();
    let mut done = cases.len() - missing.len();
    progress(done);
    let next = AtomicUsize::new(0);
    let (sender, receiver) = crossbeam_channel::bounded(0);
    std::thread::scope(|scope| {
        for _ in 0..LOADERS {
            let (sender, next, missing) = (sender.clone(), &next, &missing);
            scope.spawn(move || {
                while let Some(&index) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if sender.send((index, load(&cases[index], settings))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (index, loaded) in receiver {
            cancel.check()?;
            let case = &cases[index];
            let result = match loaded {
                Err(reason) => Err(reason),
                Ok((image, truth, ambiguous)) => {
                    let (detector, segmenter) = (models.detector.as_mut(), models.segmenter.as_mut());
                    measure(&image, &truth, ambiguous, detector, segmenter, settings, cancel)
                        .map(|m| Measured { name: case.name.clone(), patient: case.patient.clone(), ..m })
                        .map_err(|e| e.to_string())
                }
            };
            cancel.check()?;
            if let Ok(measured) = &result {
                store(cache, case, &key, measured)?;
            }
            results[index] = Some(result);
            done += 1;
            progress(done);
        }
        Ok::<_, anyhow::Error>(())
    })?;
    let mut outcome = Outcome::default();
    for (case, result) in cases.iter().zip(results) {
        match result {
            Some(Ok(measured)) => outcome.measured.push(measured),
            Some(Err(reason)) => outcome.left_out.push((case.name.clone(), reason)),
            None => outcome.left_out.push((case.name.clone(), "It was not reached.".into())),
        }
    }
    Ok(outcome)
}

/// The image, its masses, and whether it shows other findings too.
fn load(case: &Case, settings: &Settings) -> Result<(Prepared, GroundTruth, bool), String> {
    let study = study::open(&case.image).map_err(|e| e.to_string())?;
    let (width, height) = (study.image.width(), study.image.height());
    let truth = case.read_truth(width, height).map_err(|e| e.to_string())?;
    let truth = truth.ok_or("There is no groundtruth for this image.")?;
    let (truth, ambiguous) = match settings.compact {
        false => (truth, false),
        true => compact_masses(&truth, width, height),
    };
    if ambiguous && (truth.lesions.is_empty() || !settings.outlines) {
        return Err("Its mask shows findings that are no compact masses.".into());
    }
    Ok((prepare(&study), truth, ambiguous))
}

/// A measured image as stored, with what it depends on.
#[derive(Serialize, Deserialize)]
struct Stored {
    key: String,
    measured: Measured,
}

/// What figures depend on besides the image and its groundtruth. Boxes are kept down to [`LOWEST_CONFIDENCE`]: without
/// outlines, other confidences and λ are a matter of the summary alone.
fn key_of(models: &Models, settings: &Settings) -> String {
    let mut settings = settings.clone();
    let mut identities = vec![models.detector.identity()];
    if settings.outlines {
        identities.push(models.segmenter.identity());
    } else {
        settings.parameters.min_confidence = LOWEST_CONFIDENCE;
        settings.dice_lambdas.clear();
    }
    let words = format!("{} {identities:?} {settings:?} {LOWEST_CONFIDENCE}", crate::VERSION);
    Sha256::digest(words.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Names come from files and tables: what could leave the folder is replaced.
fn cache_file(cache: &Path, case: &Case) -> PathBuf {
    let safe = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    cache.join(format!("{}.json", case.name.chars().map(safe).collect::<String>()))
}

fn case_key(case: &Case, key: &str) -> String {
    let stamp = std::fs::metadata(&case.image).map(|m| (m.len(), m.modified().ok()));
    format!("{key} {:?} {:?}", stamp.ok(), case.truth)
}

fn cached(cache: &Path, case: &Case, key: &str) -> Option<Measured> {
    let stored: Stored = serde_json::from_slice(&std::fs::read(cache_file(cache, case)).ok()?).ok()?;
    (stored.key == case_key(case, key) && stored.measured.name == case.name).then_some(stored.measured)
}

fn store(cache: &Path, case: &Case, key: &str, measured: &Measured) -> anyhow::Result<()> {
    let stored = Stored { key: case_key(case, key), measured: measured.clone() };
    let bytes = serde_json::to_vec(&stored)?;
    write_whole(&cache_file(cache, case), |file| Ok(std::io::Write::write_all(file, &bytes)?))?;
    Ok(())
}
