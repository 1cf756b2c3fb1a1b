//! Text on a picture.

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};

use super::draw::Picture;
use crate::marks::Rgb;

/// Inter; its licence is beside it.
const FONT: &[u8] = include_bytes!("../../assets/fonts/Inter-Regular.otf");

/// A typeface at one size.
pub struct Text {
    font: FontRef<'static>,
    scale: PxScale,
}

impl Text {
    /// The built-in typeface at `size` pixels from the highest to the lowest stroke; `None` never for the font that is built in.
    pub fn new(size: f32) -> Option<Self> {
        let font = FontRef::try_from_slice(FONT).ok()?;
        Some(Self { font, scale: PxScale::from(size) })
    }

    /// From one line to the next, in pixels.
    pub fn line_height(&self) -> f32 {
        let font = self.font.as_scaled(self.scale);
        1.15 * font.height() + font.line_gap()
    }

    /// In pixels.
    pub fn width(&self, text: &str) -> f32 {
        self.layout(text).1
    }

    /// Draws a line of text whose box has its top-left corner at (x, y).
    pub fn draw(&self, picture: &mut Picture, text: &str, (x, y): (f32, f32), colour: Rgb) {
        let baseline = y + self.font.as_scaled(self.scale).ascent();
        for mut glyph in self.layout(text).0 {
            glyph.position += point(x, baseline);
            let Some(outlined) = self.font.outline_glyph(glyph) else { continue };
            let bounds = outlined.px_bounds();
            outlined.draw(|gx, gy, coverage| {
                let (px, py) = (bounds.min.x + gx as f32, bounds.min.y + gy as f32);
                if px >= 0.0 && py >= 0.0 {
                    let coverage = (coverage.clamp(0.0, 1.0) * 255.0).round() as u8;
                    picture.blend(px as usize, py as usize, colour, coverage);
                }
            });
        }
    }

    /// The words of `text` in lines of at most `width` pixels; a longer word has a line to itself.
    pub fn wrap(&self, text: &str, width: f32) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split(' ') {
            match lines.last_mut() {
                Some(line) if self.width(&format!("{line} {word}")) <= width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_string()),
            }
        }
        lines
    }

    /// Glyphs from (0, 0) on the baseline, kerned, and the width of the line.
    fn layout(&self, text: &str) -> (Vec<Glyph>, f32) {
        let font = self.font.as_scaled(self.scale);
        let mut x = 0.0;
        let mut previous = None;
        let mut glyphs = Vec::new();
        for c in text.chars() {
            let id = font.glyph_id(c);
            x += previous.map_or(0.0, |p| font.kern(p, id));
            glyphs.push(id.with_scale_and_position(self.scale, point(x, 0.0)));
            x += font.h_advance(id);
            previous = Some(id);
        }
        (glyphs, x)
    }
}
