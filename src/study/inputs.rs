//! The mammograms among files and folders.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{dicom, raster_file};

const MAX_DEPTH: usize = 8;
const MAX_FOUND: usize = 10_000;
const MAX_SEEN: usize = 200_000;
/// Enough to recognise every format.
pub const START: usize = 160;

/// The files that look like mammograms among files and folders.
///
/// A path that is no folder is taken as it is, so that opening it can say what is wrong with it. Folders are searched level by
/// level, to a bounded depth and number, in the order of names; in them hidden files, DICOMDIR, groundtruth (masks, XML,
/// JSON, CSV) and whatever is not an image by its content are passed over.
pub fn list_inputs(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut seen = 0;
    for path in paths {
        if path.is_dir() {
            search(path, &mut found, &mut seen);
        } else {
            found.push(path.clone());
        }
    }
    found.truncate(MAX_FOUND);
    found
}

fn search(root: &Path, found: &mut Vec<PathBuf>, seen: &mut usize) {
    let mut folders = VecDeque::from([(root.to_path_buf(), 0)]);
    while let Some((folder, depth)) = folders.pop_front() {
        let mut entries: Vec<_> = fs::read_dir(&folder).into_iter().flatten().flatten().take(MAX_SEEN).collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            *seen += 1;
            if *seen > MAX_SEEN || found.len() >= MAX_FOUND {
                return;
            }
            let path = entry.path();
            // The type of the entry itself: links to folders are not followed, so there are no circles.
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < MAX_DEPTH && !is_hidden(&path) => {
                    folders.push_back((path, depth + 1))
                }
                Ok(kind) if !kind.is_dir() && is_candidate(&path) && is_image(&path) => found.push(path),
                _ => {}
            }
        }
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'))
}

fn is_candidate(path: &Path) -> bool {
    const NOT_IMAGES: [&str; 6] = ["xml", "json", "csv", "txt", "md", "toml"];
    let lower = |part: Option<&std::ffi::OsStr>| part.map(|p| p.to_string_lossy().to_lowercase()).unwrap_or_default();
    let (stem, extension) = (lower(path.file_stem()), lower(path.extension()));
    let is_mask = stem.ends_with("_mask") || stem.ends_with("-mask") || stem.contains("_mask_");
    !is_hidden(path) && stem != "dicomdir" && !is_mask && !NOT_IMAGES.contains(&extension.as_str())
}

fn is_image(path: &Path) -> bool {
    let is_file = fs::metadata(path).is_ok_and(|data| data.is_file());
    let start = || {
        let mut start = Vec::with_capacity(START);
        File::open(path)?.take(START as u64).read_to_end(&mut start).map(|_| start)
    };
    is_file && start().is_ok_and(|start| dicom::recognises(&start) || raster_file::recognise(&start).is_some())
}
