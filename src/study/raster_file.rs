//! PNG, TIFF and JPEG mammograms: exports and scans without the facts that DICOM holds.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;

use image::{ColorType, DynamicImage, ExtendedColorType, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::codestream::{jpeg_header, jpeg_is_complete};
use super::limits::{check_size, guarded};
use super::statistics::{Statistics, statistics};
use super::{Grayscale, Identity, OpenError, Study, VoiChoice, file_name};
use crate::raster::GrayImage;

/// No raster file of a mammogram is larger.
const MAX_FILE: u64 = 300 << 20;
/// The most that decoded pixels may take: the largest grey image with 16 bits.
const MAX_DECODED: u64 = 200_000_000;
/// Channels that differ by less are grey with coding noise, of 255.
const COLOUR_NOISE: u8 = 24;

/// The format of a file that begins with `start`.
pub fn recognise(start: &[u8]) -> Option<ImageFormat> {
    const STARTS: [(&[u8], ImageFormat); 6] = [
        (b"\x89PNG\r\n\x1a\n", ImageFormat::Png),
        (b"II*\0", ImageFormat::Tiff),
        (b"MM\0*", ImageFormat::Tiff),
        (b"II+\0", ImageFormat::Tiff),
        (b"MM\0+", ImageFormat::Tiff),
        (b"\xFF\xD8\xFF", ImageFormat::Jpeg),
    ];
    STARTS.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, format)| *format)
}

/// Opens a raster file that begins with `start`.
pub fn open(path: &Path, mut file: File, start: &[u8], format: ImageFormat) -> Result<Study, OpenError> {
    let too_large = file.metadata().map_or(true, |data| data.len() > MAX_FILE);
    if too_large {
        return Err(OpenError::new(format!(
            "The file is larger than {} megabytes, which no exported mammogram is. Export it as DICOM.",
            MAX_FILE >> 20
        )));
    }
    let image = match format {
        ImageFormat::Jpeg => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(|_| OpenError::truncated())?;
            check_jpeg(&bytes)?;
            decode(Cursor::new(bytes), format)?
        }
        _ => {
            check_png(start)?;
            decode(BufReader::new(file), format)?
        }
    };
    let mut warnings = Vec::new();
    let (image, bits) = grey(image, &mut warnings);
    let mut identity = Identity::default();
    file_name::complete(&mut identity, path, &mut warnings);
    let name = match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Tiff => "TIFF",
        _ => "JPEG",
    };
    Ok(Study {
        grayscale: grayscale(&image, bits),
        image,
        identity,
        spacing: None,
        path: path.to_path_buf(),
        format: format!("{bits}-bit {name}"),
        warnings,
    })
}

fn check_jpeg(bytes: &[u8]) -> Result<(), OpenError> {
    let header = jpeg_header(bytes)?;
    check_size(header.width, header.height)?;
    if bytes.len() < header.fewest_bytes() || !jpeg_is_complete(bytes) {
        return Err(OpenError::truncated());
    }
    Ok(())
}

/// A PNG states its bit depth in its first bytes; other formats pass.
fn check_png(start: &[u8]) -> Result<(), OpenError> {
    const DEPTH: usize = 24;
    match start.get(DEPTH) {
        Some(1 | 2 | 4) if recognise(start) == Some(ImageFormat::Png) => Err(too_few_bits()),
        _ => Ok(()),
    }
}

fn decode(reader: impl std::io::BufRead + Seek + Send, format: ImageFormat) -> Result<DynamicImage, OpenError> {
    let outcome = guarded(|| Some(decode_within_limits(reader, format)));
    outcome.unwrap_or_else(|| Err(OpenError::damaged("its image data cannot be decoded")))
}

fn decode_within_limits(
    reader: impl std::io::BufRead + Seek + Send,
    format: ImageFormat,
) -> Result<DynamicImage, OpenError> {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(2 * MAX_DECODED);
    let mut reader = ImageReader::with_format(reader, format);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|error| refusal(&error))?;
    let (width, height) = decoder.dimensions();
    check_size(width as usize, height as usize)?;
    if decoder.original_color_type() == ExtendedColorType::L1 {
        return Err(too_few_bits());
    }
    if matches!(decoder.color_type(), ColorType::Rgb32F | ColorType::Rgba32F) {
        return Err(unsupported());
    }
    if decoder.total_bytes() > MAX_DECODED {
        return Err(OpenError::new(
            "The colour image in this file is too large. Export it in grey, with 8 or 16 bits.",
        ));
    }
    DynamicImage::from_decoder(decoder).map_err(|error| refusal(&error))
}

fn refusal(error: &ImageError) -> OpenError {
    match error {
        ImageError::Unsupported(_) => unsupported(),
        ImageError::Limits(_) => OpenError::new("The image in this file is too large to be opened."),
        ImageError::IoError(_) => OpenError::truncated(),
        _ => OpenError::damaged("its image data cannot be decoded"),
    }
}

fn unsupported() -> OpenError {
    OpenError::new(
        "This image is of a kind that is not read, such as floating point or a colour palette. \
         Save it in grey, with 8 or 16 bits, as PNG or TIFF.",
    )
}

fn too_few_bits() -> OpenError {
    OpenError::new(
        "This image has fewer than 8 bits of grey and cannot be a mammogram; perhaps it is a mask. \
         Choose the mammogram itself.",
    )
}

/// The grey image and its bits; colour becomes luma.
fn grey(image: DynamicImage, warnings: &mut Vec<String>) -> (GrayImage, u32) {
    let (width, height) = (image.width() as usize, image.height() as usize);
    if has_colour(&image) {
        warnings.push("The image is in colour; only its brightness is shown and analysed.".into());
    }
    let narrow = matches!(image.color(), ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8);
    if narrow {
        let values = image.into_luma8().into_raw().into_iter().map(u16::from).collect();
        (GrayImage::new(width, height, values), 8)
    } else {
        (GrayImage::new(width, height, image.into_luma16().into_raw()), 16)
    }
}

fn has_colour(image: &DynamicImage) -> bool {
    let differ = |[r, g, b]: [u8; 3]| r.max(g).max(b) - r.min(g).min(b) > COLOUR_NOISE;
    match image {
        DynamicImage::ImageRgb8(pixels) => pixels.pixels().any(|p| differ(p.0)),
        DynamicImage::ImageRgba8(pixels) => pixels.pixels().any(|p| differ([p.0[0], p.0[1], p.0[2]])),
        DynamicImage::ImageRgb16(pixels) => pixels.pixels().any(|p| differ(p.0.map(|v| (v >> 8) as u8))),
        DynamicImage::ImageRgba16(pixels) => {
            pixels.pixels().any(|p| differ([p.0[0], p.0[1], p.0[2]].map(|v| (v >> 8) as u8)))
        }
        _ => false,
    }
}

/// Exports are ready for display as they are, except 16-bit ones that use less than half of their range: values of a detector
/// with fewer bits, almost black without a window.
fn grayscale(image: &GrayImage, bits: u32) -> Grayscale {
    let mut histogram = vec![0u32; 1 << bits];
    image.data().iter().for_each(|code| histogram[usize::from(*code)] += 1);
    let statistics = statistics(&histogram, None, f64::from).unwrap_or(Statistics::EMPTY);
    let automatic = VoiChoice::automatic(statistics.dark, statistics.bright);
    let full = VoiChoice::full_range(bits);
    let unscaled = bits == 16 && statistics.greatest < f64::from(1 << 15);
    Grayscale {
        choices: if unscaled { vec![automatic, full] } else { vec![full, automatic] },
        range: (statistics.least, statistics.greatest),
        ..Grayscale::identity(bits)
    }
}
