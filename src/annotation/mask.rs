//! A mask image: PNG, TIFF or JPEG, each 8-connected region a mass.
//!
//! What is above 0 in any channel is lesion; in a JPEG, whose compression leaves dark ripples around edges, what is above
//! 127. CBIS-DDSM has masks that differ from their image by one uniform factor (1.149): those are scaled with a warning, and
//! any other difference in size is refused.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use super::collect::Collector;
use super::trace::components;
use super::{Format, GroundTruth, LesionKind, Source, TruthError};
use crate::raster::Mask;
use crate::space::ImagePoint;

pub const FORMAT: Format =
    Format { name: "mask image", extensions: &["png", "tif", "tiff", "jpg", "jpeg"], recognises, read };

/// How far a mask's scale may be from its image's.
const FACTORS: std::ops::RangeInclusive<f64> = 0.25..=2.0;
/// Of the decoded mask: 16-bit colour of a large mammogram still fits.
const MAX_DECODED_BYTES: u64 = 200 << 20;
/// More regions than this are noise or a photograph.
const MAX_REGIONS: usize = 1_000;
/// Smaller regions, in pixels or as a part of the largest region, are crumbs of a drawn outline and no lesions: a mask of one
/// abnormality in CBIS-DDSM has 36 of them.
const CRUMB_PIXELS: usize = 16;
const CRUMB_PART: usize = 1_000;

fn recognises(source: &Source) -> bool {
    image_format(source).is_some()
}

fn image_format(source: &Source) -> Option<ImageFormat> {
    image::guess_format(&source.bytes)
        .ok()
        .filter(|format| matches!(format, ImageFormat::Png | ImageFormat::Tiff | ImageFormat::Jpeg))
}

fn read(source: &Source) -> Result<GroundTruth, TruthError> {
    let mask = decode(source)?;
    let mut lesions = Collector::new(source);
    let factor = mask.width() as f64 / source.width as f64;
    let (sx, sy) = (factor, mask.height() as f64 / source.height as f64);
    if (mask.width(), mask.height()) != (source.width, source.height) {
        lesions.warn(format!("The mask is {factor:.3} times the image's size: it was scaled to the image."));
    }
    if mask.area() * 2 > mask.data().len() {
        lesions.warn("More than half of the image is marked as lesion: is this the right mask?");
    }
    let too_many = || TruthError("The mask has too many separate regions to be one of lesions.".into());
    let regions = components(&mask, MAX_REGIONS).ok_or_else(too_many)?;
    let largest = regions.iter().map(|region| region.area).max().unwrap_or(0);
    let (regions, crumbs): (Vec<_>, Vec<_>) =
        regions.into_iter().partition(|region| region.area >= CRUMB_PIXELS.max(largest / CRUMB_PART));
    if !crumbs.is_empty() {
        let n = crumbs.len();
        lesions.warn(format!("{n} specks of the mask are too small to be lesions and were left out."));
    }
    for component in regions {
        let scaled = |p: &ImagePoint| ImagePoint::new(p.x / sx, p.y / sy);
        let polygons = component.contours.iter().map(|c| c.points.iter().map(scaled).collect()).collect();
        lesions.polygons("Mass", LesionKind::Mass, polygons)?;
    }
    Ok(lesions.finish())
}

fn decode(source: &Source) -> Result<Mask, TruthError> {
    let damaged = || TruthError("The mask image is damaged or of an unsupported kind.".into());
    let format = image_format(source).ok_or_else(damaged)?;
    let mut reader = ImageReader::with_format(Cursor::new(&source.bytes), format);
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|_| damaged())?;
    check_size(decoder.dimensions(), source)?;
    if decoder.total_bytes() > MAX_DECODED_BYTES {
        return Err(TruthError("The mask image takes too much memory: save it as 8-bit grey.".into()));
    }
    let image = DynamicImage::from_decoder(decoder).map_err(|_| damaged())?;
    let threshold = if format == ImageFormat::Jpeg { 127 } else { 0 };
    let (width, height) = (image.width() as usize, image.height() as usize);
    let inside = threshold_pixels(&image, threshold).ok_or_else(damaged)?;
    Ok(Mask::new(width, height, inside))
}

/// The mask must be the image scaled by one factor, to within the rounding of its sides to whole pixels.
fn check_size((width, height): (u32, u32), source: &Source) -> Result<(), TruthError> {
    let (image_width, image_height) = (source.width as f64, source.height as f64);
    let (fx, fy) = (f64::from(width) / image_width, f64::from(height) / image_height);
    let rounding = 1.0 / image_width + 1.0 / image_height;
    if FACTORS.contains(&fx) && FACTORS.contains(&fy) && (fx - fy).abs() <= rounding {
        return Ok(());
    }
    let (w, h) = (source.width, source.height);
    Err(TruthError(format!("The mask has {width}×{height} pixels and the image {w}×{h}: it belongs to another image.")))
}

/// True where a colour channel is above `threshold` of 255 and the pixel is not transparent; `None` for floating point.
fn threshold_pixels(image: &DynamicImage, threshold: u8) -> Option<Vec<bool>> {
    fn above<T: Copy + PartialOrd + Default>(samples: &[T], channels: usize, alpha: bool, threshold: T) -> Vec<bool> {
        let colours = channels - usize::from(alpha);
        let is_inside =
            |pixel: &[T]| pixel[..colours].iter().any(|&v| v > threshold) && (!alpha || pixel[colours] > T::default());
        samples.chunks_exact(channels).map(is_inside).collect()
    }
    let (t8, t16) = (threshold, u16::from(threshold) * 257);
    Some(match image {
        DynamicImage::ImageLuma8(i) => above(i, 1, false, t8),
        DynamicImage::ImageLumaA8(i) => above(i, 2, true, t8),
        DynamicImage::ImageRgb8(i) => above(i, 3, false, t8),
        DynamicImage::ImageRgba8(i) => above(i, 4, true, t8),
        DynamicImage::ImageLuma16(i) => above(i, 1, false, t16),
        DynamicImage::ImageLumaA16(i) => above(i, 2, true, t16),
        DynamicImage::ImageRgb16(i) => above(i, 3, false, t16),
        DynamicImage::ImageRgba16(i) => above(i, 4, true, t16),
        _ => return None,
    })
}
