//! A groundtruth file in memory, with what its readers must know about the image.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::TruthError;

/// Larger files are not hand-drawn outlines of one image, and would take long to refuse.
const MAX_BYTES: u64 = 64 << 20;

/// The file's bytes, and the image that it should describe.
pub struct Source {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
    /// The image's file name without folder and extension.
    pub stem: String,
    /// Of the image, in pixels.
    pub width: usize,
    pub height: usize,
}

impl Source {
    /// Reads a regular file of bounded size.
    pub fn open(path: &Path, stem: &str, width: usize, height: usize) -> Result<Self, TruthError> {
        let unreadable = |_| TruthError("The groundtruth file cannot be read: check that it is there.".into());
        // A pipe or a device would block for ever.
        if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(TruthError("The groundtruth is not a file: choose a file.".into()));
        }
        let mut bytes = Vec::new();
        File::open(path).map_err(unreadable)?.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_BYTES {
            let text = format!("The groundtruth file is larger than {} MB, the most that is read.", MAX_BYTES >> 20);
            return Err(TruthError(text));
        }
        Ok(Self { path: path.to_path_buf(), bytes, stem: stem.to_string(), width, height })
    }

    /// The bytes without a byte order mark.
    pub fn text_bytes(&self) -> &[u8] {
        self.bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&self.bytes)
    }

    /// The file's extension in lower case; empty when it has none.
    pub fn extension(&self) -> String {
        self.path.extension().map_or_else(String::new, |e| e.to_string_lossy().to_lowercase())
    }
}
