//! Transfer syntaxes: how a file's data set and pixels are written, one row each.

use super::elements::Layout;
use crate::study::OpenError;

/// How the pixels are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Native,
    Rle,
    Jpeg,
    Jpeg2000,
    JpegLs,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TransferSyntax {
    pub uid: &'static str,
    /// For the reader: "JPEG Lossless".
    pub name: &'static str,
    pub layout: Layout,
    pub deflated: bool,
    pub coding: Coding,
}

const EXPLICIT: Layout = Layout { explicit: true, big_endian: false };
const IMPLICIT: Layout = Layout { explicit: false, big_endian: false };
const BIG_ENDIAN: Layout = Layout { explicit: true, big_endian: true };

const fn native(uid: &'static str, name: &'static str, layout: Layout, deflated: bool) -> TransferSyntax {
    TransferSyntax { uid, name, layout, deflated, coding: Coding::Native }
}

const fn coded(uid: &'static str, name: &'static str, coding: Coding) -> TransferSyntax {
    TransferSyntax { uid, name, layout: EXPLICIT, deflated: false, coding }
}

/// Assumed when a file names none; the element structure itself shows whether types are explicit.
pub const UNCOMPRESSED: TransferSyntax = native("1.2.840.10008.1.2.1", "uncompressed", EXPLICIT, false);

const SUPPORTED: [TransferSyntax; 16] = [
    UNCOMPRESSED,
    native("1.2.840.10008.1.2", "uncompressed", IMPLICIT, false),
    native("1.2.840.10008.1.2.1.99", "deflated", EXPLICIT, true),
    native("1.2.840.10008.1.2.2", "uncompressed, big endian", BIG_ENDIAN, false),
    coded("1.2.840.10008.1.2.5", "RLE", Coding::Rle),
    coded("1.2.840.10008.1.2.4.50", "JPEG Baseline", Coding::Jpeg),
    coded("1.2.840.10008.1.2.4.51", "JPEG Extended", Coding::Jpeg),
    coded("1.2.840.10008.1.2.4.57", "JPEG Lossless", Coding::Jpeg),
    coded("1.2.840.10008.1.2.4.70", "JPEG Lossless", Coding::Jpeg),
    coded("1.2.840.10008.1.2.4.80", "JPEG-LS lossless", Coding::JpegLs),
    coded("1.2.840.10008.1.2.4.81", "JPEG-LS", Coding::JpegLs),
    coded("1.2.840.10008.1.2.4.90", "JPEG 2000 lossless", Coding::Jpeg2000),
    coded("1.2.840.10008.1.2.4.91", "JPEG 2000", Coding::Jpeg2000),
    coded("1.2.840.10008.1.2.4.201", "HTJ2K lossless", Coding::Jpeg2000),
    coded("1.2.840.10008.1.2.4.202", "HTJ2K lossless", Coding::Jpeg2000),
    coded("1.2.840.10008.1.2.4.203", "HTJ2K", Coding::Jpeg2000),
];

/// Known and not read, by the start of the identifier.
const REFUSED: [(&str, &str); 4] = [
    ("1.2.840.10008.1.2.4.10", "MPEG video"),
    ("1.2.840.10008.1.2.4.11", "JPEG XL"),
    ("1.2.840.10008.1.2.4.9", "JPEG 2000 Part 2"),
    ("1.2.840.10008.1.2.4", "a rare JPEG process"),
];

impl TransferSyntax {
    pub fn from_uid(uid: &str) -> Result<Self, OpenError> {
        if let Some(known) = SUPPORTED.iter().find(|s| s.uid == uid) {
            return Ok(*known);
        }
        let name = REFUSED.iter().find(|(start, _)| uid.starts_with(start)).map_or("an unknown coding", |(_, n)| n);
        Err(OpenError::new(format!(
            "The pixels of this DICOM file are written in {name}, which this program does not read. \
             Export it uncompressed or as JPEG Lossless."
        )))
    }
}
