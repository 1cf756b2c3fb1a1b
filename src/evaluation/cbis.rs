//! CBIS-DDSM: a table with a row per abnormality, which names an image and a mask.
//!
//! Known traps: the columns of crop and mask are swapped in many rows, so both files are tried and the one that is binary and
//! of the image's shape is the mask; paths hold newlines or backslashes; downloads name their folders and files differently
//! from the table; a mask may differ from its image by one uniform factor.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::dataset::{Case, Dataset, TruthSource};
use crate::annotation::{self, GroundTruth, Lesion, LesionKind, LesionShape};
use crate::findings::Contour;
use crate::raster::Mask;
use crate::space::ImagePoint;
use crate::study;

/// Larger tables are not of this data set.
const MAX_TABLE_BYTES: u64 = 16 << 20;
/// Under a folder of one image or mask lie a few files.
const MAX_FILES: usize = 64;
/// How far a mask's scale may be from its image's.
const FACTORS: std::ops::RangeInclusive<f64> = 0.25..=2.0;

/// One row's groundtruth.
#[derive(Clone, Debug, PartialEq)]
pub struct Abnormality {
    pub kind: LesionKind,
    /// One of these is the mask.
    pub files: Vec<PathBuf>,
}

/// The images that a table names and its folder holds.
pub fn list(table: &Path) -> anyhow::Result<Dataset> {
    let size = std::fs::metadata(table)?.len();
    anyhow::ensure!(size <= MAX_TABLE_BYTES, "The table is larger than any of CBIS-DDSM.");
    let rows = parse_csv(&String::from_utf8_lossy(&std::fs::read(table)?));
    let root = table.parent().unwrap_or(Path::new("."));
    let columns = Columns::of(rows.first().map_or(&[][..], Vec::as_slice)).ok_or_else(|| {
        anyhow::anyhow!("The table lacks columns of CBIS-DDSM's mass_case_description: give that table.")
    })?;
    let mut images: BTreeMap<String, Case> = BTreeMap::new();
    let mut absent = std::collections::BTreeSet::new();
    for row in &rows[1..] {
        let Some((name, case)) = columns.case(row, root) else {
            absent.extend(columns.name(row));
            continue;
        };
        match images.get_mut(&name) {
            None => {
                images.insert(name, case);
            }
            Some(known) => {
                if let (TruthSource::Abnormalities(all), TruthSource::Abnormalities(more)) =
                    (&mut known.truth, case.truth)
                {
                    all.extend(more);
                }
            }
        }
    }
    let warnings = (!absent.is_empty())
        .then(|| format!("{} images of the table are not in its folder and were left out.", absent.len()));
    Ok(Dataset { cases: images.into_values().collect(), warnings: warnings.into_iter().collect() })
}

/// Where the table keeps what.
struct Columns {
    patient: usize,
    side: usize,
    view: usize,
    kind: Option<usize>,
    image: usize,
    crop: Option<usize>,
    mask: usize,
}

impl Columns {
    fn of(header: &[String]) -> Option<Self> {
        let find = |names: &[&str]| {
            let plain = |cell: &String| cell.trim().trim_start_matches('\u{feff}').to_lowercase();
            header.iter().position(|cell| names.contains(&plain(cell).as_str()))
        };
        Some(Self {
            patient: find(&["patient_id"])?,
            side: find(&["left or right breast", "side"])?,
            view: find(&["image view", "view"])?,
            kind: find(&["abnormality type", "abnormality_type"]),
            image: find(&["image file path", "od_img_path"])?,
            crop: find(&["cropped image file path", "od_crop_path"]),
            mask: find(&["roi mask file path", "mask_path"])?,
        })
    }

    /// `<patient>_<side>_<view>`, which is one image.
    fn name(&self, row: &[String]) -> Option<String> {
        let [patient, side, view] = [self.patient, self.side, self.view].map(|i| row.get(i).map(|c| c.trim()));
        Some(format!("{}_{}_{}", patient?.trim_start_matches("P_"), side?, view?))
    }

    fn case(&self, row: &[String], root: &Path) -> Option<(String, Case)> {
        let name = self.name(row)?;
        let patient = name.split('_').next().unwrap_or_default().to_string();
        let flat =
            || ["dcm", "png", "tif", "jpg"].iter().map(|e| root.join(format!("{name}.{e}"))).find(|p| p.is_file());
        let image = files_at(root, row.get(self.image)?).into_iter().next().or_else(flat)?;
        let kind = match self.kind.and_then(|i| row.get(i)) {
            Some(kind) if !kind.trim().eq_ignore_ascii_case("mass") => LesionKind::Other,
            _ => LesionKind::Mass,
        };
        let mut files = files_at(root, row.get(self.mask)?);
        if let Some(crop) = self.crop.and_then(|i| row.get(i)) {
            files.extend(files_at(root, crop).into_iter().filter(|f| !files.contains(f)).collect::<Vec<_>>());
        }
        // A copy with plain file names keeps all of an image's masks in one file beside it.
        let truth = match files.is_empty() {
            true => TruthSource::Beside { healthy_without: false },
            false => TruthSource::Abnormalities(vec![Abnormality { kind, files }]),
        };
        Some((name.clone(), Case { image, name, patient, truth }))
    }
}

/// The files that a cell of the table can mean: the path itself; else what lies in its folder; else what lies anywhere under
/// its first folder, as downloads name the inner ones by date.
fn files_at(root: &Path, cell: &str) -> Vec<PathBuf> {
    let text: String = cell.chars().filter(|c| !c.is_control() && *c != '"').collect();
    let path = PathBuf::from(text.trim().replace('\\', "/"));
    let plain = path.components().all(|c| matches!(c, Component::Normal(_)));
    let (Some(first), true) = (path.components().next(), plain) else { return Vec::new() };
    let whole = root.join(&path);
    if whole.is_file() {
        return vec![whole];
    }
    let inner = whole.parent().map(files_under).unwrap_or_default();
    if inner.is_empty() && path.components().count() > 1 { files_under(&root.join(first)) } else { inner }
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten().take(MAX_FILES) {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && open.len() < MAX_FILES => open.push(entry.path()),
                Ok(kind) if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
        if files.len() >= MAX_FILES {
            break;
        }
    }
    files.sort();
    files
}

/// One lesion per abnormality, from its mask.
///
/// # Errors
/// When none of an abnormality's files is a mask of the image.
pub fn read_masks(abnormalities: &[Abnormality], width: usize, height: usize) -> anyhow::Result<GroundTruth> {
    let mut truth = GroundTruth { format: "CBIS-DDSM", ..GroundTruth::default() };
    for abnormality in abnormalities {
        let contours = abnormality
            .files
            .iter()
            .find_map(|file| mask_contours(file, width, height))
            .ok_or_else(|| anyhow::anyhow!("None of an abnormality's files is a mask of the image's size."))?;
        let shape = LesionShape::Outline(contours);
        truth.lesions.push(Lesion { name: "Mass".into(), kind: abnormality.kind, shape });
    }
    Ok(truth)
}

/// The outline of a file that is a binary image of the image's shape; `None` for any other.
fn mask_contours(file: &Path, width: usize, height: usize) -> Option<Vec<Contour>> {
    let image = study::open(file).ok()?.image;
    let (sx, sy) = (image.width() as f64 / width as f64, image.height() as f64 / height as f64);
    let rounding = 1.0 / width as f64 + 1.0 / height as f64;
    if !FACTORS.contains(&sx) || (sx - sy).abs() > rounding {
        return None;
    }
    let darkest = *image.data().iter().min()?;
    let brightest = *image.data().iter().max()?;
    if darkest == brightest || image.data().iter().any(|v| *v != darkest && *v != brightest) {
        return None;
    }
    let mask: Mask = image.map(|v| v == brightest);
    let mut contours: Vec<Contour> =
        annotation::components(&mask, 1000)?.into_iter().flat_map(|c| c.contours).collect();
    for p in contours.iter_mut().flat_map(|c| &mut c.points) {
        *p = ImagePoint::new(p.x / sx, p.y / sy);
    }
    Some(contours)
}

/// Comma-separated text with double quotes (RFC 4180); empty lines are left out.
pub fn parse_csv(text: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let (mut row, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                cell.push('"');
                characters.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        rows.push(row);
    }
    rows.retain(|row| row.iter().any(|cell| !cell.trim().is_empty()));
    rows
}
