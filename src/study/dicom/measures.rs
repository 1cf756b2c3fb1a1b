//! Millimetres per pixel of a DICOM image, by the order of trust; implausible statements are passed over with a warning.

use super::dataset::Dataset;
use super::tags;
use crate::study::{Spacing, SpacingSource};

/// Pixels smaller or larger than these are no mammogram's, in mm.
const PLAUSIBLE_MM: std::ops::RangeInclusive<f64> = 0.002..=5.0;
/// No mammography unit magnifies less than contact or more than this.
const PLAUSIBLE_MAGNIFICATION: std::ops::RangeInclusive<f64> = 1.0..=4.0;

/// Calibrated Pixel Spacing → Imager Pixel Spacing / magnification → Imager Pixel Spacing → Pixel Spacing of unstated
/// calibration → Nominal Scanned Pixel Spacing.
pub fn spacing(dataset: &Dataset, warnings: &mut Vec<String>) -> Option<Spacing> {
    let pixel = pair(dataset, tags::PIXEL_SPACING, "Pixel Spacing", warnings);
    let imager = pair(dataset, tags::IMAGER_PIXEL_SPACING, "Imager Pixel Spacing", warnings);
    let calibration = dataset.string(tags::CALIBRATION_TYPE);
    let says_calibrated = matches!(calibration.as_deref(), Some("GEOMETRY" | "FIDUCIAL"));
    let of = |(row_mm, column_mm): (f64, f64), source| Spacing { row_mm, column_mm, source };
    match (pixel, imager) {
        (Some(pixel), Some(imager)) if says_calibrated || differs(pixel, imager) => {
            Some(of(pixel, SpacingSource::Calibrated))
        }
        (Some(pixel), None) if says_calibrated => Some(of(pixel, SpacingSource::Calibrated)),
        (_, Some((row, column))) => Some(match magnification(dataset, warnings) {
            Some(factor) if factor > 1.0 => of((row / factor, column / factor), SpacingSource::Magnification(factor)),
            _ => of((row, column), SpacingSource::AtDetector),
        }),
        (Some(pixel), None) => Some(of(pixel, SpacingSource::Unstated)),
        (None, None) => pair(dataset, tags::NOMINAL_SCANNED_SPACING, "Nominal Scanned Pixel Spacing", warnings)
            .map(|film| of(film, SpacingSource::Film)),
    }
}

fn differs(a: (f64, f64), b: (f64, f64)) -> bool {
    (a.0 - b.0).abs() > 1e-6 * b.0 || (a.1 - b.1).abs() > 1e-6 * b.1
}

/// Row and column spacing, when both are plausible.
fn pair(dataset: &Dataset, tag: u32, name: &str, warnings: &mut Vec<String>) -> Option<(f64, f64)> {
    let source = dataset.describing(tag);
    source.bytes(tag)?;
    match source.numbers(tag).as_slice() {
        [Some(row), Some(column)] if PLAUSIBLE_MM.contains(row) && PLAUSIBLE_MM.contains(column) => {
            Some((*row, *column))
        }
        _ => {
            warnings.push(format!("The file's {name} is implausible and is not used."));
            None
        }
    }
}

/// Estimated Radiographic Magnification Factor, else source-to-detector over source-to-object distance.
fn magnification(dataset: &Dataset, warnings: &mut Vec<String>) -> Option<f64> {
    let mut plausible = |factor: f64, name: &str| {
        let plausible = PLAUSIBLE_MAGNIFICATION.contains(&factor);
        if !plausible {
            warnings.push(format!("The file's {name} is implausible and is not used."));
        }
        plausible.then_some(factor)
    };
    if dataset.bytes(tags::MAGNIFICATION).is_some() {
        let stated = dataset.number(tags::MAGNIFICATION).unwrap_or(f64::NAN);
        if let Some(factor) = plausible(stated, "magnification factor") {
            return Some(factor);
        }
    }
    let detector = dataset.number(tags::SOURCE_TO_DETECTOR)?;
    let object = dataset.number(tags::SOURCE_TO_PATIENT)?;
    plausible(detector / object, "distances from the source")
}
