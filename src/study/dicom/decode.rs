//! Compressed frames, through dicom-rs's codecs but for JPEG-LS. They see the first frame's checked bytes and the image's size, nothing else
//! of the file.

use std::borrow::Cow;

use dicom::core::value::C;
use dicom::encoding::adapters::{PixelDataObject, RawPixelData};
use dicom::encoding::transfer_syntax::TransferSyntaxIndex;
use dicom::transfer_syntax::TransferSyntaxRegistry;

use super::jpeg_ls;
use super::pixels::{PixelFormat, too_short};
use super::syntax::{Coding, TransferSyntax};
use crate::study::OpenError;
use crate::study::codestream::{CodestreamHeader, Process, jpeg_header, jpeg2000_header};
use crate::study::limits::guarded;

/// Decodes a JPEG, JPEG-LS or JPEG 2000 frame to 16-bit words.
pub fn decode(frame: &[u8], format: &PixelFormat, syntax: &TransferSyntax) -> Result<Vec<u16>, OpenError> {
    let header = if syntax.coding == Coding::Jpeg2000 { jpeg2000_header(frame)? } else { jpeg_header(frame)? };
    check_agreement(&header, format)?;
    if frame.len() < header.fewest_bytes() {
        return Err(too_short(format));
    }
    if header.process == Process::JpegLs {
        return jpeg_ls::decode(frame, format.columns, format.rows, header.precision);
    }
    let wide = header.precision > 8;
    let object = Frame { bytes: frame, format, bits_allocated: if wide { 16 } else { 8 }, syntax: syntax.uid };
    let bytes = guarded(|| decode_frame(&object)).ok_or_else(|| {
        OpenError::new(format!(
            "The {} data of this file cannot be decoded: it is damaged or of an unusual kind. \
             Export it uncompressed or as JPEG Lossless.",
            syntax.name
        ))
    })?;
    let words: Vec<u16> = if wide {
        bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect()
    } else {
        bytes.iter().map(|byte| u16::from(*byte)).collect()
    };
    if words.len() == format.pixels() { Ok(words) } else { Err(too_short(format)) }
}

fn check_agreement(header: &CodestreamHeader, format: &PixelFormat) -> Result<(), OpenError> {
    let CodestreamHeader { width, height, components, precision, .. } = *header;
    if components != 1 {
        return Err(OpenError::new(
            "The compressed data of this file is a colour image, and a mammogram is grey. Choose the original mammogram.",
        ));
    }
    if (height, width) != (format.rows, format.columns) {
        return Err(OpenError::damaged(&format!(
            "its header states {}×{} pixels and its compressed data {width}×{height}",
            format.columns, format.rows
        )));
    }
    if precision > format.bits_allocated {
        return Err(OpenError::damaged(&format!(
            "its header states {} bits a pixel and its compressed data {precision}",
            format.bits_allocated
        )));
    }
    Ok(())
}

fn decode_frame(object: &Frame<'_>) -> Option<Vec<u8>> {
    let syntax = TransferSyntaxRegistry.get(object.syntax)?;
    let mut decoded = Vec::new();
    syntax.pixel_data_reader()?.decode_frame(object, 0, &mut decoded).ok()?;
    Some(decoded)
}

/// One grey frame as the codecs want to see it.
struct Frame<'a> {
    bytes: &'a [u8],
    format: &'a PixelFormat,
    bits_allocated: u16,
    syntax: &'a str,
}

impl PixelDataObject for Frame<'_> {
    fn transfer_syntax_uid(&self) -> &str {
        self.syntax
    }

    fn rows(&self) -> Option<u16> {
        u16::try_from(self.format.rows).ok()
    }

    fn cols(&self) -> Option<u16> {
        u16::try_from(self.format.columns).ok()
    }

    fn samples_per_pixel(&self) -> Option<u16> {
        Some(1)
    }

    fn bits_allocated(&self) -> Option<u16> {
        Some(self.bits_allocated)
    }

    fn bits_stored(&self) -> Option<u16> {
        u16::try_from(self.format.bits_stored).ok()
    }

    fn photometric_interpretation(&self) -> Option<&str> {
        Some("MONOCHROME2")
    }

    fn number_of_frames(&self) -> Option<u32> {
        Some(1)
    }

    fn number_of_fragments(&self) -> Option<u32> {
        Some(1)
    }

    fn fragment(&self, fragment: usize) -> Option<Cow<'_, [u8]>> {
        (fragment == 0).then_some(Cow::Borrowed(self.bytes))
    }

    fn offset_table(&self) -> Option<Cow<'_, [u32]>> {
        None
    }

    fn raw_pixel_data(&self) -> Option<RawPixelData> {
        let fragments: C<Vec<u8>> = std::iter::once(self.bytes.to_vec()).collect();
        Some(RawPixelData { fragments, offset_table: C::new() })
    }
}
