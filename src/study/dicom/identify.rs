//! Who and what a DICOM image shows: laterality and view with their sources, orientation, the names for the screen.

use std::path::Path;

use super::dataset::Dataset;
use super::pixels::PixelFormat;
use super::{tags, views};
use crate::study::file_name;
use crate::study::{ChestWall, DicomReference, Identity, Laterality, Sourced};

const FOR_PROCESSING: &str = "1.2.840.10008.5.1.4.1.1.1.2.1";

/// Reads the identity; contradictions and guesses become warnings.
pub fn identity(dataset: &Dataset, path: &Path, format: &PixelFormat, warnings: &mut Vec<String>) -> Identity {
    let for_processing = dataset.string(tags::PRESENTATION_INTENT).as_deref() == Some("FOR PROCESSING")
        || dataset.string(tags::SOP_CLASS_UID).as_deref() == Some(FOR_PROCESSING);
    if for_processing {
        warnings.push("This is a For Processing image: the device made it for computing, not for reading.".into());
    }
    if dataset.string(tags::MODALITY).is_some_and(|modality| modality != "MG") {
        warnings.push("The file is not marked as a mammogram (its modality is not MG).".into());
    }
    let mut identity = Identity {
        laterality: laterality(dataset, warnings),
        view: view(dataset, warnings),
        chest_wall: chest_wall(dataset),
        patient_name: dataset.human_text(tags::PATIENT_NAME).and_then(|name| person(&name)),
        patient_id: dataset.human_text(tags::PATIENT_ID).map(|id| displayable(&id)).filter(|id| !id.is_empty()),
        study_date: dataset.string(tags::STUDY_DATE).and_then(|date| iso_date(&date)),
        for_processing,
        dicom: reference(dataset, format, warnings),
    };
    file_name::complete(&mut identity, path, warnings);
    identity
}

/// Removes what could disguise other text on the screen: control characters and directional marks and overrides.
pub fn displayable(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}')
            || c == '\u{FEFF}'
    };
    text.chars().filter(|c| !is_hidden(*c)).take(128).collect::<String>().trim().to_owned()
}

/// A person name (PS3.5 6.2.1) as it is written for people: "Family, Given Middle".
fn person(name: &str) -> Option<String> {
    let parts: Vec<String> = name.split('=').next()?.split('^').map(displayable).collect();
    let family = parts.first()?.clone();
    let given: Vec<&str> = parts.iter().skip(1).take(2).map(String::as_str).filter(|part| !part.is_empty()).collect();
    match (family.is_empty(), given.is_empty()) {
        (true, true) => None,
        (true, false) => Some(given.join(" ")),
        (false, true) => Some(family),
        (false, false) => Some(format!("{family}, {}", given.join(" "))),
    }
}

fn iso_date(date: &str) -> Option<String> {
    let is_date = date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit());
    is_date.then(|| format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..]))
}

fn side(letter: &str) -> Option<Laterality> {
    match letter {
        "R" => Some(Laterality::Right),
        "L" => Some(Laterality::Left),
        "B" => Some(Laterality::Both),
        _ => None,
    }
}

fn laterality(dataset: &Dataset, warnings: &mut Vec<String>) -> Option<Sourced<Laterality>> {
    let read = |tag| dataset.describing(tag).string(tag).and_then(|letter| side(&letter));
    let image = read(tags::IMAGE_LATERALITY).or_else(|| read(tags::FRAME_LATERALITY));
    let series = read(tags::LATERALITY);
    if let (Some(image), Some(series)) = (image, series)
        && image != series
    {
        warnings.push(format!(
            "The file contradicts itself about the side: Image Laterality {}, Laterality {}. Check the marker in the image.",
            image.letter(),
            series.letter()
        ));
    }
    let sourced = |source| move |value| Sourced { value, source };
    image.map(sourced("Image Laterality")).or_else(|| series.map(sourced("Laterality"))).or_else(|| {
        let value = orientation_side(dataset)?;
        warnings.push(format!(
            "The side ({}) is inferred from Patient Orientation. Check the marker in the image.",
            value.letter()
        ));
        Some(Sourced { value, source: "Patient Orientation" })
    })
}

/// The directions of increasing columns and of increasing rows.
fn orientation(dataset: &Dataset) -> Option<(String, String)> {
    match dataset.strings(tags::PATIENT_ORIENTATION).as_slice() {
        [row, column] if row.bytes().chain(column.bytes()).all(|b| b"APRLHF".contains(&b)) => {
            Some((row.clone(), column.clone()))
        }
        _ => None,
    }
}

/// Mammograms are stored with the lateral or axillary edge on top, so rows run from a left breast towards the patient's right.
/// Where they do not name a side, columns run towards anterior in a left breast, towards posterior in a right one.
fn orientation_side(dataset: &Dataset) -> Option<Laterality> {
    let (row, column) = orientation(dataset)?;
    let by_row = match row.chars().next() {
        Some('A') => Laterality::Left,
        Some('P') => Laterality::Right,
        _ => return None,
    };
    match (column.contains('R'), column.contains('L')) {
        (true, false) if by_row == Laterality::Left => Some(Laterality::Left),
        (false, true) if by_row == Laterality::Right => Some(Laterality::Right),
        (false, false) => Some(by_row),
        _ => None,
    }
}

fn chest_wall(dataset: &Dataset) -> Option<ChestWall> {
    match orientation(dataset)?.0.chars().next() {
        Some('A') => Some(ChestWall::Left),
        Some('P') => Some(ChestWall::Right),
        _ => None,
    }
}

fn view(dataset: &Dataset, warnings: &mut Vec<String>) -> Option<Sourced<String>> {
    let coded = views::coded_view(dataset);
    let position = views::view_position(dataset);
    if let (Some((view, _)), Some(position)) = (&coded, position)
        && *view != position
    {
        warnings.push(format!("The file contradicts itself about the view: code {view}, View Position {position}."));
    }
    match (coded, position) {
        (Some((_, label)), _) => Some(Sourced { value: label, source: "View Code Sequence" }),
        (None, Some(position)) => Some(Sourced { value: position.into(), source: "View Position" }),
        (None, None) => None,
    }
}

/// The identifiers that results must quote, when all of them are well formed.
fn reference(dataset: &Dataset, format: &PixelFormat, warnings: &mut Vec<String>) -> Option<DicomReference> {
    let mut uid = |tag| {
        let uid = dataset.string(tag)?;
        let valid = uid.len() <= 64 && uid.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if !valid {
            warnings.push("An identifier (UID) of the file is malformed and is not used.".into());
        }
        valid.then_some(uid)
    };
    Some(DicomReference {
        sop_class_uid: uid(tags::SOP_CLASS_UID)?,
        sop_instance_uid: uid(tags::SOP_INSTANCE_UID)?,
        study_instance_uid: uid(tags::STUDY_INSTANCE_UID)?,
        series_instance_uid: uid(tags::SERIES_INSTANCE_UID)?,
        rows: format.rows,
        columns: format.columns,
    })
}
