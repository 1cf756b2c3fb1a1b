//! What leaves the program: one file per exporter, and the table of exporters.
//!
//! Whatever is written appears whole or not at all, and never over a file that was opened.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use crate::session::Session;
use crate::space::NetSize;
use crate::study::Voi;

mod annotated;
mod draw;
mod heat;
mod json;
mod strip;
mod text;
mod whole;

pub use annotated::compose;
pub use draw::Picture;
pub use whole::write_whole;

/// How the image is shown: the parts of the view that an annotated image repeats.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExportView {
    /// `None`: the file's own default.
    pub voi: Option<Voi>,
    /// The reader's own inversion.
    pub invert: bool,
    pub layers: Layers,
}

/// What is drawn over the image.
#[derive(Clone, Debug, PartialEq)]
pub struct Layers {
    /// The detector's boxes, of `scale` or of every scale.
    pub detections: bool,
    pub scale: Option<NetSize>,
    /// The boxes of Ms ≥ λ.
    pub candidates: bool,
    pub contours: bool,
    pub truth: bool,
    /// The heatmap of Ms under the marks, with this opacity in [0, 1].
    pub heat: Option<f32>,
}

impl Default for Layers {
    /// Candidates, contours and groundtruth, without the boxes of single scales and the heatmap.
    fn default() -> Self {
        Self { detections: false, scale: None, candidates: true, contours: true, truth: true, heat: None }
    }
}

/// An exporter.
pub struct Exporter {
    pub name: &'static str,
    /// Lower-case, without the dot.
    pub extension: &'static str,
    encode: fn(&Session, &ExportView, &mut BufWriter<&File>) -> Result<(), ExportError>,
}

impl Exporter {
    /// Writes the session to `path`, whole or not at all; refuses to replace the image or the groundtruth that was opened.
    pub fn write(&self, session: &Session, view: &ExportView, path: &Path) -> Result<(), ExportError> {
        let truth = session.truth().and_then(|t| t.path.as_deref());
        for opened in [Some(session.study().path.as_path()), truth].into_iter().flatten() {
            if same_file(opened, path) {
                let text = "This file is open in Mammoscope and is never overwritten: choose another name.";
                return Err(ExportError(text.into()));
            }
        }
        write_whole(path, |file| (self.encode)(session, view, file))
    }
}

/// Why an export failed: one plain sentence.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct ExportError(pub String);

/// All exporters.
pub const EXPORTERS: &[Exporter] = &[annotated::PNG, annotated::TIFF, json::FINDINGS];

/// Whether both paths lead to one existing file, through links and other spellings too.
fn same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}
