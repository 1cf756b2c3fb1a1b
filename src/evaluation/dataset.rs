//! Which images a data set holds, and where their groundtruth is.
//!
//! Known forms: a CBIS-DDSM table ([`super::cbis`]), a COCO file, an INbreast folder (`AllDICOMs` beside `AllXML`), a folder with
//! `images` beside `masks` or `labels`, and a folder of images with groundtruth beside each.

use std::path::{Path, PathBuf};

use super::cbis;
use crate::annotation::{self, GroundTruth};
use crate::study;

/// One image to evaluate.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    pub image: PathBuf,
    /// Unique within the data set; names the image in the report.
    pub name: String,
    /// Images of one patient never fall into different parts.
    pub patient: String,
    pub truth: TruthSource,
}

/// Where an image's groundtruth comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum TruthSource {
    /// Looked for beside the image; where there is none, the image is healthy or else of no use.
    Beside {
        healthy_without: bool,
    },
    /// Looked for in this folder, by the image's name.
    Folder {
        folder: PathBuf,
        healthy_without: bool,
    },
    File(PathBuf),
    /// CBIS-DDSM: per abnormality the files of which one is its mask.
    Abnormalities(Vec<cbis::Abnormality>),
}

/// The images of a data set, and a sentence for each thing that was left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    pub cases: Vec<Case>,
    pub warnings: Vec<String>,
}

/// Lists a data set: a folder, a COCO file or a CBIS-DDSM table. `truth` is a file or folder of groundtruth to use instead of
/// what lies beside the images. `healthy_without`: an image without groundtruth is healthy (INbreast's always are).
///
/// # Errors
/// A sentence that says why the place is no data set.
pub fn list(path: &Path, truth: Option<&Path>, healthy_without: bool) -> anyhow::Result<Dataset> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let mut dataset = match extension.as_deref() {
        Some("csv") if path.is_file() => cbis::list(path)?,
        Some("json") if path.is_file() => {
            let folder = path.parent().unwrap_or(Path::new("."));
            Dataset { cases: images_of(folder, &TruthSource::File(path.to_path_buf())), warnings: Vec::new() }
        }
        _ if path.is_dir() => list_folder(path, healthy_without),
        _ => anyhow::bail!("The data set is not there: give a folder, a COCO .json or a CBIS-DDSM .csv."),
    };
    if let Some(truth) = truth {
        let source = match truth.is_dir() {
            true => TruthSource::Folder { folder: truth.to_path_buf(), healthy_without },
            false => TruthSource::File(truth.to_path_buf()),
        };
        dataset.cases.iter_mut().for_each(|case| case.truth = source.clone());
    }
    dataset.cases.sort_by(|a, b| a.name.cmp(&b.name).then(a.image.cmp(&b.image)));
    make_names_unique(&mut dataset.cases);
    anyhow::ensure!(!dataset.cases.is_empty(), "The data set holds no mammogram that can be read.");
    Ok(dataset)
}

fn list_folder(folder: &Path, healthy_without: bool) -> Dataset {
    let (dicoms, images) = (folder.join("AllDICOMs"), folder.join("images"));
    let cases = if dicoms.is_dir() {
        images_of(&dicoms, &TruthSource::Beside { healthy_without: true })
    } else if images.is_dir() {
        images_of(&images, &TruthSource::Beside { healthy_without })
    } else {
        images_of(folder, &TruthSource::Beside { healthy_without })
    };
    Dataset { cases, warnings: Vec::new() }
}

fn images_of(folder: &Path, truth: &TruthSource) -> Vec<Case> {
    study::list_inputs(&[folder.to_path_buf()])
        .into_iter()
        .filter(|image| !annotation::is_mask_name(image))
        .map(|image| {
            let name = stem_of(&image);
            Case { patient: patient_of(&name), name, truth: truth.clone(), image }
        })
        .collect()
}

/// Files of one stem in different folders get a number.
fn make_names_unique(cases: &mut [Case]) {
    let mut seen = std::collections::HashMap::new();
    for case in cases {
        let count = seen.entry(case.name.clone()).or_insert(0_usize);
        *count += 1;
        if *count > 1 {
            case.name = format!("{}-{count}", case.name);
        }
    }
}

impl Case {
    /// The groundtruth for the image of `width` × `height` pixels; `None` where there is none and the image is not healthy.
    ///
    /// # Errors
    /// A sentence that says why it could not be read.
    pub fn read_truth(&self, width: usize, height: usize) -> anyhow::Result<Option<GroundTruth>> {
        let stem = stem_of(&self.image);
        let read = |path: &Path| annotation::read(path, &stem, width, height);
        let or_healthy = |healthy: bool| healthy.then(GroundTruth::default);
        Ok(match &self.truth {
            TruthSource::File(path) => Some(read(path)?),
            TruthSource::Beside { healthy_without } => match annotation::find_beside(&self.image) {
                Some(path) => Some(read(&path)?),
                None => or_healthy(*healthy_without),
            },
            TruthSource::Folder { folder, healthy_without } => match annotation::find_in(folder, &self.image) {
                Some(path) => Some(read(&path)?),
                None => or_healthy(*healthy_without),
            },
            TruthSource::Abnormalities(abnormalities) => Some(cbis::read_masks(abnormalities, width, height)?),
        })
    }
}

/// Keeps the cases that a list names, by image or by patient. The list is text with one name per line, or JSON in which every
/// text under a key `val` is a name (the split file of the training recipe).
pub fn keep_only(cases: &mut Vec<Case>, list: &str) {
    let names: std::collections::HashSet<String> = match serde_json::from_str::<serde_json::Value>(list) {
        Ok(json) if json.is_object() => {
            let mut names = Vec::new();
            collect_validation(&json, false, &mut names);
            names.into_iter().collect()
        }
        _ => list.lines().map(|line| line.trim().to_string()).filter(|line| !line.is_empty()).collect(),
    };
    cases.retain(|case| names.contains(&case.name) || names.contains(&case.patient));
}

fn collect_validation(json: &serde_json::Value, named: bool, names: &mut Vec<String>) {
    match json {
        serde_json::Value::String(name) if named => names.push(name.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect_validation(item, named, names)),
        serde_json::Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| collect_validation(value, named || key == "val", names));
        }
        _ => {}
    }
}

/// The patient in a file name: INbreast's `<id>_<patient>_MG_…`, CBIS-DDSM's `…_P_<patient>_…`, else what stands before the first `_`.
pub fn patient_of(stem: &str) -> String {
    let parts: Vec<&str> = stem.split('_').collect();
    let after_p = parts.windows(2).find(|pair| pair[0] == "P" && is_number(pair[1])).map(|pair| pair[1]);
    let patient = match parts[..] {
        _ if after_p.is_some() => after_p.unwrap_or_default(),
        [_, patient, "MG", ..] => patient,
        [patient, ..] => patient,
        [] => stem,
    };
    patient.to_string()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn stem_of(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}
