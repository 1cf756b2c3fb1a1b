//! The weights that come with the program, and the SHA-256 that each must have.
//!
//! The hashes are in `models/SHA256SUMS`, in the format of `sha256sum`, and are part of the program: a default file that was
//! changed is refused, unless the reader names it with `--detector` or `--segmenter`.

use std::path::{Path, PathBuf};

use super::weights::Source;

const SUMS: &str = include_str!("../../models/SHA256SUMS");

/// A model that the program comes with.
pub struct DefaultModel {
    /// In words, for errors: "detector".
    role: &'static str,
    /// In `models/`.
    file: &'static str,
    option: &'static str,
}

pub const DETECTOR: DefaultModel = DefaultModel { role: "detector", file: "yolov3.safetensors", option: "--detector" };
pub const SEGMENTER: DefaultModel =
    DefaultModel { role: "segmenter", file: "unetpp.safetensors", option: "--segmenter" };

impl DefaultModel {
    /// The file that the reader gave, or else the one that comes with the program, with the hash it must have.
    pub fn source(&self, given: Option<&Path>) -> anyhow::Result<Source> {
        if let Some(path) = given {
            return Ok(Source { path: path.to_path_buf(), sha256: None });
        }
        let Self { role, file, option } = self;
        let path: PathBuf = crate::resources::find(Path::new("models").join(file)).ok_or_else(|| {
            anyhow::anyhow!(
                "The {role}'s weights are missing: models/{file} is not beside the program; install it or give weights with {option}"
            )
        })?;
        let sha256 = known_hash(file).ok_or_else(|| {
            anyhow::anyhow!("This build of the program knows no weights for its {role}: give them with {option}")
        })?;
        Ok(Source { path, sha256: Some(sha256.to_owned()) })
    }
}

/// The hash in `models/SHA256SUMS`: lines of "hash  file".
fn known_hash(file: &str) -> Option<&'static str> {
    SUMS.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let (hash, name) = line.split_once(char::is_whitespace)?;
        (name.trim_start_matches([' ', '*']) == file).then_some(hash)
    })
}
