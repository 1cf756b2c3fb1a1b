//! VOI transformations (DICOM PS3.3 C.11.2): which modality values are worth seeing, and how they spread from black to white.
//!
//! The formulas are those of the standard, word for word; a window of a vendor's file must not move by a grey level.

use std::sync::Arc;

/// A VOI transformation: modality value → [0, 1].
#[derive(Clone, Debug, PartialEq)]
pub enum Voi {
    /// C.11.2.1.2.1; width ≥ 1.
    Linear {
        center: f64,
        width: f64,
    },
    /// C.11.2.1.3.2; width > 0.
    LinearExact {
        center: f64,
        width: f64,
    },
    /// C.11.2.1.3.1; width > 0.
    Sigmoid {
        center: f64,
        width: f64,
    },
    Lut(Arc<VoiLut>),
}

/// A VOI LUT (0028,3010).
#[derive(Clone, Debug, PartialEq)]
pub struct VoiLut {
    /// The modality value of the first entry.
    pub first: i32,
    /// Entries reach from 0 to 2^bits − 1; 1 to 16.
    pub bits: u32,
    /// Never empty.
    pub data: Vec<u16>,
}

/// A named window or LUT.
#[derive(Clone, Debug, PartialEq)]
pub struct VoiChoice {
    pub name: String,
    pub voi: Voi,
}

/// No narrower than this when dragged; files may state narrower ones.
const NARROWEST: f64 = 1e-3;

impl Voi {
    /// The brightness of modality value `x`, 0 black to 1 white.
    pub fn apply(&self, x: f64) -> f64 {
        match self {
            Self::Linear { center: c, width: w } => {
                if x <= c - 0.5 - (w - 1.0) / 2.0 {
                    0.0
                } else if x > c - 0.5 + (w - 1.0) / 2.0 {
                    1.0
                } else {
                    (x - (c - 0.5)) / (w - 1.0) + 0.5
                }
            }
            Self::LinearExact { center: c, width: w } => {
                if x <= c - w / 2.0 {
                    0.0
                } else if x > c + w / 2.0 {
                    1.0
                } else {
                    (x - c) / w + 0.5
                }
            }
            Self::Sigmoid { center: c, width: w } => 1.0 / (1.0 + (-4.0 * (x - c) / w).exp()),
            Self::Lut(lut) => lut.apply(x),
        }
    }

    /// (center, width) of the window; for a LUT, of the window that covers its entries, from which a drag starts.
    pub fn window(&self) -> (f64, f64) {
        match self {
            Self::Linear { center, width } | Self::LinearExact { center, width } | Self::Sigmoid { center, width } => {
                (*center, *width)
            }
            Self::Lut(lut) => {
                let width = lut.data.len().max(2) as f64;
                (f64::from(lut.first) + width / 2.0, width)
            }
        }
    }

    /// The same function with another window; a LUT becomes LINEAR. Too narrow is widened, not finite is ignored.
    pub fn with_window(&self, center: f64, width: f64) -> Self {
        if !(center.is_finite() && width.is_finite()) {
            return self.clone();
        }
        match self {
            Self::Linear { .. } | Self::Lut(_) => Self::Linear { center, width: width.max(1.0) },
            Self::LinearExact { .. } => Self::LinearExact { center, width: width.max(NARROWEST) },
            Self::Sigmoid { .. } => Self::Sigmoid { center, width: width.max(NARROWEST) },
        }
    }

    /// The function's name in the standard.
    pub fn function(&self) -> &'static str {
        match self {
            Self::Linear { .. } => "LINEAR",
            Self::LinearExact { .. } => "LINEAR_EXACT",
            Self::Sigmoid { .. } => "SIGMOID",
            Self::Lut(_) => "LUT",
        }
    }
}

impl VoiLut {
    /// Below the first entry the first, past the last the last; scaled by the largest possible entry, not by bit shift.
    fn apply(&self, x: f64) -> f64 {
        let last = self.data.len().saturating_sub(1) as f64;
        let index = (x.round() - f64::from(self.first)).clamp(0.0, last) as usize;
        let entry = self.data.get(index).copied().unwrap_or(0);
        (f64::from(entry) / f64::from((1u32 << self.bits) - 1)).min(1.0)
    }
}

impl VoiChoice {
    /// Codes of `bits` bits, unchanged.
    pub fn full_range(bits: u32) -> Self {
        let width = f64::from(1u32 << bits);
        Self { name: "Full range".into(), voi: Voi::Linear { center: width / 2.0, width } }
    }

    /// From `darkest` to `brightest`, modality values.
    pub fn automatic(darkest: f64, brightest: f64) -> Self {
        let width = (brightest - darkest).max(1.0);
        let voi = Voi::LinearExact { center: (darkest + brightest) / 2.0, width };
        Self { name: "Automatic".into(), voi }
    }
}
