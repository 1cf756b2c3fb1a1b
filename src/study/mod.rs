//! What a file holds once opened: an immutable image with its grey scale, geometry and identity.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use crate::raster::GrayImage;

mod codestream;
mod dicom;
mod file_name;
mod geometry;
mod grayscale;
mod identity;
mod inputs;
mod limits;
mod raster_file;
mod statistics;
mod voi;

pub use geometry::{Spacing, SpacingSource};
pub use grayscale::{Grayscale, Modality, ModalityLut};
pub use identity::{ChestWall, DicomReference, Identity, Laterality, Sourced};
pub use inputs::list_inputs;
pub use limits::MAX_PIXELS;
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
///
/// The format is recognised by content. What is recoverable is said in [`Study::warnings`].
pub fn open(path: &Path) -> Result<Study, OpenError> {
    let (file, start) = read_start(path)?;
    if let Some(format) = raster_file::recognise(&start) {
        raster_file::open(path, file, &start, format)
    } else if dicom::recognises(&start) {
        dicom::open(path, file, &start)
    } else {
        Err(OpenError::new("This file is not a DICOM, PNG, TIFF or JPEG image. Choose the image of a mammogram."))
    }
}

/// The file, back at its beginning, and its first bytes.
fn read_start(path: &Path) -> Result<(File, Vec<u8>), OpenError> {
    let unreadable = |error: std::io::Error| {
        OpenError::new(match error.kind() {
            std::io::ErrorKind::NotFound => "There is no such file. Check its name and place.",
            std::io::ErrorKind::PermissionDenied => "The file may not be read. Ask its owner for permission.",
            _ => "The file cannot be read. Check the disk or the network connection and try again.",
        })
    };
    // Asked before opening: opening a pipe would wait for its other end.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(OpenError::new("This is not a file. Choose the image of a mammogram."));
    }
    let mut file = File::open(path).map_err(unreadable)?;
    let mut start = Vec::with_capacity(inputs::START);
    file.by_ref().take(inputs::START as u64).read_to_end(&mut start).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    Ok((file, start))
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
