//! DICOM files: the header is walked and checked by our own parser, uncompressed, RLE and JPEG-LS
//! pixels are read here, other codings by dicom-rs's codecs. No decoder sees anything of a file that was not checked first.

mod dataset;
mod decode;
mod elements;
mod encapsulated;
mod grey;
mod identify;
mod jpeg_ls;
mod measures;
mod pixels;
mod rle;
mod source;
mod syntax;
mod tags;
mod views;

use std::fs::File;
use std::path::{Path, PathBuf};

use super::{OpenError, Study};
use crate::raster::GrayImage;
use dataset::Dataset;
use elements::{is_vr, read_header, read_meta_element};
use pixels::PixelFormat;
use source::Source;
use syntax::{Coding, TransferSyntax};

pub use dataset::trimmed;

const PREAMBLE: u64 = 128;
const DICOMDIR: &str = "1.2.840.10008.1.3.10";

/// Whether a file that begins so is DICOM: a preamble and "DICM", or, without them, a first element of the groups 2 or 8.
pub fn recognises(start: &[u8]) -> bool {
    has_preamble(start) || is_bare(start)
}

fn has_preamble(start: &[u8]) -> bool {
    start.get(PREAMBLE as usize..).is_some_and(|rest| rest.starts_with(b"DICM"))
}

/// A data set without preamble: group 2 or 8, a low element, then a type's letters or a short length.
fn is_bare(start: &[u8]) -> bool {
    let &[group, 0, element, high, v0, v1, l2, l3, ..] = start else { return false };
    let plausible_length = l2 == 0 && l3 == 0;
    matches!(group, 2 | 8) && high == 0 && element <= 0x20 && (is_vr([v0, v1]) || plausible_length)
}

/// Opens a DICOM file that begins with `start`.
pub fn open(path: &Path, file: File, start: &[u8]) -> Result<Study, OpenError> {
    let mut source = Source::new(file).map_err(|_| OpenError::new("The file cannot be read."))?;
    source.seek(if has_preamble(start) { PREAMBLE + 4 } else { 0 })?;
    let mut warnings = Vec::new();
    let syntax = read_meta(&mut source, &mut warnings)?;
    if syntax.deflated {
        source = source.inflate();
    }
    let header = read_header(&mut source, syntax.layout)?;
    if header.explicit != syntax.layout.explicit {
        warnings.push("The file is not written in the transfer syntax that it names; it was read as it is.".into());
    }
    let format = PixelFormat::of(&header.dataset, &mut warnings)?;
    let (codes, histogram) = match (syntax.coding, header.pixel_length) {
        (Coding::Native, Some(length)) => pixels::read_native(&mut source, &format, length, syntax.layout.big_endian)?,
        (Coding::Native, None) => return Err(mismatch("uncompressed", "compressed")),
        (_, Some(_)) => return Err(mismatch("compressed", "uncompressed")),
        (coding, None) => {
            let frame = encapsulated::read_first_frame(&mut source, &format, coding)?;
            let mut words = if coding == Coding::Rle {
                rle::decode(&frame, &format)?
            } else {
                decode::decode(&frame, &format, &syntax)?
            };
            let histogram = format.codes(&mut words);
            (words, histogram)
        }
    };
    assemble(path.to_path_buf(), &header.dataset, &syntax, &format, codes, &histogram, warnings)
}

/// The transfer syntax of the file meta group; without one the data set itself shows how it is written.
fn read_meta(source: &mut Source, warnings: &mut Vec<String>) -> Result<TransferSyntax, OpenError> {
    let mut syntax = None;
    let mut end = u64::MAX;
    // The group's stated length is often wrong, and needed only before a deflated data set, which may begin with any bytes.
    let deflated = |syntax: &Option<TransferSyntax>| syntax.is_some_and(|s| s.deflated);
    while !(deflated(&syntax) && source.position() >= end) {
        let Some((tag, value)) = read_meta_element(source)? else { break };
        match (tag, value.as_slice()) {
            (tags::META_LENGTH, &[a, b, c, d]) => {
                end = source.position().saturating_add(u64::from(u32::from_le_bytes([a, b, c, d])));
            }
            (tags::TRANSFER_SYNTAX, value) => {
                syntax = Some(TransferSyntax::from_uid(&trimmed(&String::from_utf8_lossy(value)))?);
            }
            (tags::MEDIA_SOP_CLASS, value) if trimmed(&String::from_utf8_lossy(value)) == DICOMDIR => {
                return Err(OpenError::new(
                    "This file is the index of a DICOM disc (DICOMDIR), not an image. Open the folder that it is in.",
                ));
            }
            _ => {}
        }
    }
    Ok(syntax.unwrap_or_else(|| {
        warnings.push("The file does not say how it is written; it was read as it looks.".into());
        syntax::UNCOMPRESSED
    }))
}

fn assemble(
    path: PathBuf,
    dataset: &Dataset,
    syntax: &TransferSyntax,
    format: &PixelFormat,
    codes: Vec<u16>,
    histogram: &[u32],
    mut warnings: Vec<String>,
) -> Result<Study, OpenError> {
    let grayscale = grey::grayscale(dataset, format, histogram, &mut warnings);
    let identity = identify::identity(dataset, &path, format, &mut warnings);
    let spacing = measures::spacing(dataset, &mut warnings);
    let intent = dataset.string(tags::PRESENTATION_INTENT);
    let intent = match intent.as_deref() {
        Some("FOR PRESENTATION") => ", For Presentation",
        _ if identity.for_processing => ", For Processing",
        _ => "",
    };
    Ok(Study {
        image: GrayImage::new(format.columns, format.rows, codes),
        grayscale,
        identity,
        spacing,
        path,
        format: format!("DICOM, {}{intent}", syntax.name),
        warnings,
    })
}

fn mismatch(stated: &str, found: &str) -> OpenError {
    OpenError::damaged(&format!("it says that its pixels are {stated}, but they are {found}"))
}
