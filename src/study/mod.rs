//! What a file holds once opened: an immutable image with its grey scale, geometry and identity.

use std::path::{Path, PathBuf};

use crate::raster::GrayImage;

mod geometry;
mod grayscale;
mod identity;
mod voi;

pub use geometry::{Spacing, SpacingSource};
pub use grayscale::{Grayscale, Modality, ModalityLut};
pub use identity::{ChestWall, DicomReference, Identity, Laterality, Sourced};
pub use voi::{Voi, VoiChoice, VoiLut};

/// A mammogram as opened; shared between threads by `Arc` and never changed.
#[derive(Clone, Debug)]
pub struct Study {
    /// Codes: stored value + an offset that makes it non-negative. The grey scale turns codes into display values.
    pub image: GrayImage,
    pub grayscale: Grayscale,
    pub identity: Identity,
    /// `None`: lengths in pixels.
    pub spacing: Option<Spacing>,
    pub path: PathBuf,
    /// What the file is, for the reader: "DICOM, JPEG Lossless, For Presentation", "8-bit JPEG".
    pub format: String,
    /// Recoverable trouble, a plain sentence each.
    pub warnings: Vec<String>,
}

impl Study {
    /// The image through the file's own default VOI, 0 black … 65535 white, padding 0.
    pub fn default_display(&self) -> GrayImage {
        let lut = self.grayscale.display_lut(&self.grayscale.choices[0].voi, false);
        self.image.map(|code| lut[usize::from(code)])
    }

    /// File name without folder and extension, for naming outputs.
    pub fn stem(&self) -> String {
        self.path.file_stem().map_or_else(|| "image".into(), |s| s.to_string_lossy().into_owned())
    }
}

/// Why a file could not be opened: one plain sentence that says what is wrong and what to do, without patient data.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(pub String);

/// Opens a DICOM, PNG, TIFF or JPEG mammogram. Safe with any file: bounded memory and time.
pub fn open(_path: &Path) -> Result<Study, OpenError> {
    todo!()
}

/// A study made in memory from normalised grey (0 black … 65535 white), for tests and phantoms.
pub fn from_gray(image: GrayImage, path: PathBuf) -> Study {
    Study {
        image,
        grayscale: Grayscale::identity(16),
        identity: Identity::default(),
        spacing: None,
        path,
        format: "image in memory".into(),
        warnings: Vec::new(),
    }
}

/// The files that look like mammograms among files and folders (folders searched one level at a time, depth bounded).
pub fn list_inputs(_paths: &[PathBuf]) -> Vec<PathBuf> {
    todo!()
}
