//! Millimetres per pixel, and where they come from (DICOM PS3.3 10.7.1.3, C.8.11.7).

/// The size of a pixel in the breast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spacing {
    /// Millimetres per row step (vertical).
    pub row_mm: f64,
    /// Millimetres per column step (horizontal).
    pub column_mm: f64,
    pub source: SpacingSource,
}

/// How far a spacing can be trusted; shown beside every length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SpacingSource {
    /// Pixel Spacing, calibrated.
    Calibrated,
    /// Imager Pixel Spacing divided by the estimated radiographic magnification factor.
    Magnification(f64),
    /// Imager Pixel Spacing alone.
    AtDetector,
    /// Nominal Scanned Pixel Spacing.
    Film,
    /// Pixel Spacing alone: the file does not say at what depth it holds.
    Unstated,
}

impl SpacingSource {
    /// The words beside a length.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Calibrated => "calibrated",
            Self::Magnification(_) => "corrected for magnification",
            Self::AtDetector => "at detector",
            Self::Film => "film",
            Self::Unstated => "calibration not stated",
        }
    }
}
