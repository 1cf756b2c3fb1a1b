//! Laterality, view and the other facts that name an image. For the reader's eyes only; never in logs or error texts.

/// A breast side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Laterality {
    Right,
    Left,
    Both,
}

/// The side of the image, as stored, where the chest wall is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChestWall {
    Left,
    Right,
}

/// A value with the words for where it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Sourced<T> {
    pub value: T,
    pub source: &'static str,
}

/// What later DICOM results about an image must quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DicomReference {
    pub sop_class_uid: String,
    pub sop_instance_uid: String,
    pub study_instance_uid: String,
    pub series_instance_uid: String,
    pub rows: usize,
    pub columns: usize,
}

/// Who and what the image shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    pub laterality: Option<Sourced<Laterality>>,
    /// The view with modifiers, "CC", "MLO", "MCC" …, without laterality.
    pub view: Option<Sourced<String>>,
    /// From Patient Orientation; hanging needs it.
    pub chest_wall: Option<ChestWall>,
    pub patient_name: Option<String>,
    pub patient_id: Option<String>,
    /// "2026-01-31".
    pub study_date: Option<String>,
    /// A For Processing image: never shown as if processed.
    pub for_processing: bool,
    /// `None` for files other than DICOM, or when an identifier is missing or malformed.
    pub dicom: Option<DicomReference>,
}

impl Laterality {
    /// "R", "L" or "B".
    pub fn letter(self) -> &'static str {
        match self {
            Self::Right => "R",
            Self::Left => "L",
            Self::Both => "B",
        }
    }
}

impl Identity {
    /// Laterality + view, "RMCC"; empty when neither is known.
    pub fn label(&self) -> String {
        let side = self.laterality.as_ref().map_or("", |l| l.value.letter());
        format!("{side}{}", self.view.as_ref().map_or("", |v| v.value.as_str()))
    }
}
