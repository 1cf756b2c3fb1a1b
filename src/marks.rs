//! How marks look, on the screen and in exports: one colour, line style and name per kind of mark.
//!
//! Each mark differs by line style too, for readers who cannot tell red from green. Colours are sRGB, widths in screen
//! points (a raster export scales them to its image).

/// sRGB, 0..=255.
pub type Rgb = [u8; 3];

/// A kind of mark.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// As the legend names it.
    pub name: &'static str,
    pub color: Rgb,
    pub width: f32,
    pub line: LineStyle,
}

/// How a mark's line runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineStyle {
    Solid,
    /// [`DASH`] long, [`DASH_GAP`] apart.
    Dashed,
    /// Dots as long as the line is wide, [`DOT_GAP`] apart.
    Dotted,
    /// Only the corners of a box.
    Corners,
}

pub const DASH: f32 = 6.0;
pub const DASH_GAP: f32 = 7.0;
pub const DOT_GAP: f32 = 3.0;

/// A box of the detector; its opacity follows its confidence.
pub const DETECTION: Mark = Mark { name: "Detection", color: [255, 214, 0], width: 1.0, line: LineStyle::Solid };
/// The box of a candidate at the current λ.
pub const CANDIDATE: Mark = Mark { name: "Candidate", color: [255, 214, 0], width: 2.0, line: LineStyle::Corners };
/// The outline of a finding.
pub const CONTOUR: Mark = Mark { name: "Contour", color: [255, 64, 64], width: 2.0, line: LineStyle::Solid };
/// Groundtruth.
pub const TRUTH: Mark = Mark { name: "Groundtruth", color: [64, 224, 96], width: 2.0, line: LineStyle::Dashed };
/// The boundary of the region Ms ≥ λ.
pub const LAMBDA: Mark = Mark { name: "Ms = λ", color: [235, 240, 245], width: 1.25, line: LineStyle::Dotted };

/// Drawn under every line, wider by [`HALO_WIDTH`] on each side, so that it stands out on bright tissue.
pub const HALO: Rgb = [0, 0, 0];
pub const HALO_WIDTH: f32 = 1.0;
pub const HALO_OPACITY: f32 = 0.55;

/// The opacity of a detection's box, so that weak boxes stay faint but visible.
pub fn detection_opacity(confidence: f32) -> f32 {
    0.25 + 0.75 * confidence.clamp(0.0, 1.0)
}

/// The heatmap's colour at Ms, not premultiplied: transparent at 0, then dark violet through orange to pale yellow at 1
/// and above; lightness rises evenly, so that it reads without colour too.
pub fn heat_color(ms: f32) -> [u8; 4] {
    const STOPS: [Rgb; 5] = [[38, 12, 74], [98, 18, 112], [190, 56, 84], [248, 142, 18], [253, 228, 110]];
    let ms = if ms.is_nan() { 0.0 } else { ms.clamp(0.0, 1.0) };
    let at = ms * (STOPS.len() - 1) as f32;
    let low = (at as usize).min(STOPS.len() - 2);
    let mix = |a: u8, b: u8| (f32::from(a) + (f32::from(b) - f32::from(a)) * (at - low as f32)).round() as u8;
    let [r, g, b] = [0, 1, 2].map(|i| mix(STOPS[low][i], STOPS[low + 1][i]));
    let rise = (ms / 0.2).min(1.0);
    [r, g, b, (255.0 * rise * rise * (3.0 - 2.0 * rise)).round() as u8]
}

#[cfg(test)]
mod tests {
    use super::heat_color;

    #[test]
    fn heat_is_transparent_at_zero_and_grows_lighter() {
        assert_eq!(heat_color(0.0)[3], 0);
        assert_eq!(heat_color(f32::NAN)[3], 0);
        assert_eq!(heat_color(7.0), heat_color(1.0));
        let luma = |ms: f32| {
            let [r, g, b, _] = heat_color(ms).map(u32::from);
            2126 * r + 7152 * g + 722 * b
        };
        assert!((0..100).all(|i| luma(i as f32 / 100.0) <= luma((i + 1) as f32 / 100.0)));
    }
}
