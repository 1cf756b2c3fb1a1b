//! Shared by tests: writers of small files, none of which is a real patient's.

use std::path::Path;

use mammoscope::study::{OpenError, Study, open};

pub mod dicom;
pub mod raster;
pub mod session;

/// Opens a file of these bytes under `name`.
pub fn open_named(name: &str, bytes: &[u8]) -> Result<Study, OpenError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("a temporary file");
    open(&path)
}

/// Opens a file of these bytes under a name that says nothing.
pub fn open_bytes(bytes: &[u8]) -> Result<Study, OpenError> {
    open_named("image", bytes)
}

/// The folder of real data, or `None` with a line that says so.
pub fn real_data() -> Option<std::path::PathBuf> {
    let folder = std::env::var_os("MAMMOSCOPE_DATA");
    if folder.is_none() {
        println!("skipped: MAMMOSCOPE_DATA is not set");
    }
    folder.map(|folder| Path::new(&folder).to_path_buf())
}
