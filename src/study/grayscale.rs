//! From stored values to display values (DICOM PS3.3 C.11.1, C.11.2): modality → VOI → inversion.

use std::sync::Arc;

/// Everything between a code and a display value.
#[derive(Clone, Debug, PartialEq)]
pub struct Grayscale {
    /// The VOI choices of the file by name, the default first; never empty.
    pub choices: Vec<VoiChoice>,
    /// MONOCHROME1 or Presentation LUT Shape INVERSE: one inversion after VOI.
    pub inverted: bool,
}

/// A named window or LUT.
#[derive(Clone, Debug, PartialEq)]
pub struct VoiChoice {
    pub name: String,
    pub voi: Voi,
}

/// A VOI transformation on modality values.
#[derive(Clone, Debug, PartialEq)]
pub enum Voi {
    Linear { center: f64, width: f64 },
    LinearExact { center: f64, width: f64 },
    Sigmoid { center: f64, width: f64 },
    Lut(Arc<VoiLut>),
}

/// A VOI LUT (0028,3010), its entries scaled by 2^bits − 1 to 0..=65535 when used.
#[derive(Clone, Debug, PartialEq)]
pub struct VoiLut {
    pub first: i32,
    pub bits: u32,
    pub data: Vec<u16>,
}

impl Grayscale {
    /// Codes of `bits` bits shown over their whole range.
    pub fn identity(bits: u32) -> Self {
        let width = f64::from(1u32 << bits);
        let voi = Voi::Linear { center: width / 2.0, width };
        Self { choices: vec![VoiChoice { name: "Full range".into(), voi }], inverted: false }
    }

    /// 65,536 display values (0 black … 65535 white) by code. `invert`: the reader's own inversion. Padding is 0 always.
    pub fn display_lut(&self, _voi: &Voi, _invert: bool) -> Vec<u16> {
        todo!()
    }

    /// The modality value of a code, as a reader is shown it.
    pub fn modality_value(&self, _code: u16) -> f64 {
        todo!()
    }
}
