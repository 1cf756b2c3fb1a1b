//! Which file holds the groundtruth of an image, by the habits of data sets.

use std::path::{Path, PathBuf};

use super::{FORMATS, Source, coco};

const MASK_EXTENSIONS: [&str; 5] = ["png", "tif", "tiff", "jpg", "jpeg"];
/// What a mask is called after its image's stem.
const MASK_SUFFIX: &str = "_mask";
/// Of a folder's JSON files so many at most are asked whether they name an image.
const MAX_JSON_FILES: usize = 8;

/// The groundtruth file that lies beside an image, if any: `<stem>.xml` or INbreast's `<id>.xml` in the same folder or in
/// `../AllXML`; `<stem>_mask.png` (or .tif, .jpg), or the image's own name in `../masks`; `<stem>.json`; a COCO file of the
/// folder that names it; `<stem>.txt` there or in `../labels`.
pub fn find_beside(image: &Path) -> Option<PathBuf> {
    let folder = folder_of(image);
    let sibling = |name: &str| folder.join("..").join(name);
    let xml = || named(&sibling("AllXML"), &xml_names(image));
    let mask = || named(&sibling("masks"), &mask_names(image, ""));
    let labels = || named(&sibling("labels"), &[file_name(&stem_of(image), "txt")]);
    let found = named(&folder, &xml_names(image))
        .or_else(xml)
        .or_else(|| named(&folder, &mask_names(image, MASK_SUFFIX)))
        .or_else(mask)
        .or_else(|| json_in(&folder, image))
        .or_else(|| named(&folder, &[file_name(&stem_of(image), "txt")]))
        .or_else(labels);
    found.filter(|path| !is_same(path, image))
}

/// The groundtruth of an image in a folder of groundtruth files; there a mask may have the image's own name too.
pub fn find_in(folder: &Path, image: &Path) -> Option<PathBuf> {
    let found = named(folder, &xml_names(image))
        .or_else(|| named(folder, &mask_names(image, MASK_SUFFIX)))
        .or_else(|| json_in(folder, image))
        .or_else(|| named(folder, &[file_name(&stem_of(image), "txt")]))
        .or_else(|| named(folder, &mask_names(image, "")));
    found.filter(|path| !is_same(path, image))
}

/// Whether a file's name says that it is a mask and not a mammogram.
pub fn is_mask_name(path: &Path) -> bool {
    stem_of(path).to_lowercase().ends_with(MASK_SUFFIX)
}

/// The first of the files that is there and of a known format.
fn named(folder: &Path, names: &[String]) -> Option<PathBuf> {
    names.iter().map(|name| folder.join(name)).find(|path| path.is_file() && is_known(path))
}

fn is_known(path: &Path) -> bool {
    // The size of the image does not matter for recognising.
    Source::open(path, "", 0, 0).is_ok_and(|source| FORMATS.iter().any(|format| (format.recognises)(&source)))
}

fn xml_names(image: &Path) -> Vec<String> {
    let stem = stem_of(image);
    // INbreast: <id>_<hash>_MG_<side>_<view>_ANON.dcm has its outlines in <id>.xml.
    let id = stem.split('_').next().filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()));
    let id = id.map(|id| file_name(id, "xml"));
    [Some(file_name(&stem, "xml")), id].into_iter().flatten().collect()
}

fn mask_names(image: &Path, suffix: &str) -> Vec<String> {
    let stem = stem_of(image);
    MASK_EXTENSIONS.iter().map(|extension| file_name(&format!("{stem}{suffix}"), extension)).collect()
}

/// `<stem>.json` of a known format, or a COCO file that names the image.
fn json_in(folder: &Path, image: &Path) -> Option<PathBuf> {
    let stem = stem_of(image);
    let own = folder.join(file_name(&stem, "json"));
    if own.is_file() && is_known(&own) {
        return Some(own);
    }
    let is_json = |path: &PathBuf| path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
    let is_data_set = |path: &PathBuf| {
        let name = stem_of(path).to_lowercase();
        ["coco", "annotation", "instances"].iter().any(|word| name.contains(word))
    };
    let entries = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let mut files: Vec<_> = entries.filter(|path| is_json(path) && is_data_set(path)).collect();
    files.sort();
    files.into_iter().take(MAX_JSON_FILES).find(|path| {
        Source::open(path, &stem, 0, 0)
            .is_ok_and(|source| (coco::FORMAT.recognises)(&source) && coco::names_image(&source))
    })
}

fn stem_of(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

fn file_name(stem: &str, extension: &str) -> String {
    format!("{stem}.{extension}")
}

fn folder_of(image: &Path) -> PathBuf {
    match image.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

fn is_same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
