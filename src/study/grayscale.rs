//! From codes to display values (DICOM PS3.3 C.11.1, C.11.2, C.11.6): modality → VOI → inversion, padding black.
//!
//! A *code* is a stored value plus an offset that makes it non-negative; it is what [`Study::image`](super::Study) holds.
//! A *modality value* is what windows are stated in. A *display value* is 0 (black) to 65535 (white).

use std::sync::Arc;

use super::voi::{Voi, VoiChoice};

/// Everything between a code and a display value.
#[derive(Clone, Debug, PartialEq)]
pub struct Grayscale {
    /// The VOI choices of the file by name, the default first, "Automatic" last; never empty.
    pub choices: Vec<VoiChoice>,
    /// MONOCHROME1 or Presentation LUT Shape INVERSE: one inversion after VOI.
    pub inverted: bool,
    pub modality: Modality,
    /// code = stored value + offset.
    pub offset: i32,
    /// Codes are below 2^bits; at most 16.
    pub bits: u32,
    /// Codes that are padding, both ends included: painted black whatever is inverted.
    pub padding: Option<(u16, u16)>,
    /// Smallest and largest modality value of the image apart from padding.
    pub range: (f64, f64),
}

/// From stored values to modality values.
#[derive(Clone, Debug, PartialEq)]
pub enum Modality {
    /// slope · stored + intercept.
    Rescale {
        slope: f64,
        intercept: f64,
    },
    Lut(Arc<ModalityLut>),
}

/// A Modality LUT (0028,3000): stored values below `first` give the first entry, values past the end the last.
#[derive(Clone, Debug, PartialEq)]
pub struct ModalityLut {
    pub first: i32,
    /// Never empty.
    pub data: Vec<u16>,
}

impl Modality {
    /// Stored values are modality values.
    pub const IDENTITY: Self = Self::Rescale { slope: 1.0, intercept: 0.0 };

    /// The modality value of a stored value.
    pub fn value(&self, stored: i32) -> f64 {
        match self {
            Self::Rescale { slope, intercept } => slope * f64::from(stored) + intercept,
            Self::Lut(lut) => {
                let last = lut.data.len().saturating_sub(1);
                let index = i64::from(stored) - i64::from(lut.first);
                f64::from(lut.data.get(index.clamp(0, last as i64) as usize).copied().unwrap_or(0))
            }
        }
    }
}

impl Grayscale {
    /// Codes of `bits` bits (1 to 16) shown over their whole range.
    pub fn identity(bits: u32) -> Self {
        let bits = bits.clamp(1, 16);
        Self {
            choices: vec![VoiChoice::full_range(bits)],
            inverted: false,
            modality: Modality::IDENTITY,
            offset: 0,
            bits,
            padding: None,
            range: (0.0, f64::from((1u32 << bits) - 1)),
        }
    }

    /// 65,536 display values (0 black … 65535 white) by code. `invert`: the reader's own inversion. Padding is 0 always.
    /// Fast enough for every frame of a window/level drag.
    pub fn display_lut(&self, voi: &Voi, invert: bool) -> Vec<u16> {
        let invert = invert != self.inverted;
        let display = |code: i32| {
            let shown = voi.apply(self.modality.value(code - self.offset));
            let shown = if invert { 1.0 - shown } else { shown };
            (shown * 65535.0).round() as u16
        };
        let mut lut: Vec<u16> = (0..1i32 << self.bits).map(display).collect();
        lut.resize(65_536, lut.last().copied().unwrap_or(0));
        if let Some((first, last)) = self.padding {
            lut[usize::from(first)..=usize::from(last)].fill(0);
        }
        lut
    }

    /// The modality value of a code, as a reader is shown it.
    pub fn modality_value(&self, code: u16) -> f64 {
        self.modality.value(i32::from(code) - self.offset)
    }

    /// Whether a code is padding, which has no value.
    pub fn is_padding(&self, code: u16) -> bool {
        self.padding.is_some_and(|(first, last)| (first..=last).contains(&code))
    }
}
