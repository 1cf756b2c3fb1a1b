//! Laterality, view and the other facts that name an image.

/// A breast side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Laterality {
    Right,
    Left,
    Both,
}

/// A value with the words for where it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Sourced<T> {
    pub value: T,
    pub source: &'static str,
}

/// Who and what the image shows, for the reader's eyes only; never in logs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    pub laterality: Option<Sourced<Laterality>>,
    /// The view with modifiers, "CC", "MLO", "MCC" …, without laterality.
    pub view: Option<Sourced<String>>,
    pub patient_name: Option<String>,
    pub patient_id: Option<String>,
    pub study_date: Option<String>,
    /// A For Processing image: never shown as if processed.
    pub for_processing: bool,
}

impl Identity {
    /// Laterality + view, "RMCC"; empty when neither is known.
    pub fn label(&self) -> String {
        let side = match self.laterality.as_ref().map(|l| l.value) {
            Some(Laterality::Right) => "R",
            Some(Laterality::Left) => "L",
            Some(Laterality::Both) => "B",
            None => "",
        };
        format!("{side}{}", self.view.as_ref().map_or("", |v| v.value.as_str()))
    }
}
