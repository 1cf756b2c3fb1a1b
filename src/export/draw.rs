//! Antialiased lines on an RGB picture.
//!
//! A layer's lines are gathered as coverage first and blended once, so that where they cross or join nothing is painted
//! twice. Coverage of a pixel is taken from the distance of its centre to the line, which is exact to within a few per cent
//! for lines of at least two pixels.

use crate::marks::{DASH, DASH_GAP, DOT_GAP, LineStyle, Mark, Rgb};
use crate::raster::Raster;
use crate::space::{ImagePoint, ImageRect};

/// A picture `[height, width]` of RGB bytes.
pub struct Picture {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

impl Picture {
    /// Wraps `width * height * 3` bytes.
    pub fn new(width: usize, height: usize, data: Vec<u8>) -> Self {
        assert_eq!(data.len(), width * height * 3, "a picture needs three bytes a pixel");
        Self { width, height, data }
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn height(&self) -> usize {
        self.height
    }

    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Paints `colour` at (x, y) with `coverage` of 255; nothing outside the picture.
    pub fn blend(&mut self, x: usize, y: usize, colour: Rgb, coverage: u8) {
        if x < self.width && y < self.height {
            let at = (y * self.width + x) * 3;
            for (under, over) in self.data[at..at + 3].iter_mut().zip(colour) {
                let alpha = u32::from(coverage);
                *under = ((u32::from(*under) * (255 - alpha) + u32::from(over) * alpha + 127) / 255) as u8;
            }
        }
    }

    /// Paints everything from row `top` down.
    pub fn fill_below(&mut self, top: usize, colour: Rgb) {
        let start = (top * self.width * 3).min(self.data.len());
        self.data[start..].chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&colour));
    }

    /// Paints a layer of lines whose (0, 0) is the picture's, with `opacity` in [0, 1].
    pub fn paint(&mut self, lines: &Lines, colour: Rgb, opacity: f32) {
        let opacity = (opacity.clamp(0.0, 1.0) * 255.0).round() as u32;
        for y in lines.touched.clone() {
            for (x, &coverage) in lines.coverage.row(y).iter().enumerate() {
                if coverage > 0 {
                    self.blend(x, y, colour, (u32::from(coverage) * opacity / 255) as u8);
                }
            }
        }
    }
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stroke {
    /// In pixels.
    pub width: f64,
    /// Lengths on and off in pixels, between the round ends; `None` is solid.
    pub dash: Option<(f64, f64)>,
    /// In [0, 1].
    pub opacity: f32,
}

impl Stroke {
    /// A mark's line where a screen point is `point` pixels.
    pub fn of(mark: &Mark, point: f64) -> Self {
        let width = f64::from(mark.width) * point;
        // The round ends lengthen a dash by the line's width.
        let dash = |on: f32, off: f32| Some(((f64::from(on) * point - width).max(0.0), f64::from(off) * point + width));
        let dash = match mark.line {
            LineStyle::Solid | LineStyle::Corners => None,
            LineStyle::Dashed => dash(DASH, DASH_GAP),
            LineStyle::Dotted => dash(mark.width, DOT_GAP),
        };
        Self { width, dash, opacity: 1.0 }
    }

    /// The same line, wider by `by` pixels on each side.
    pub fn widened(self, by: f64) -> Self {
        Self { width: self.width + 2.0 * by, ..self }
    }
}

/// The coverage of a layer of lines, one byte a pixel.
pub struct Lines {
    coverage: Raster<u8>,
    touched: std::ops::Range<usize>,
}

impl Lines {
    /// No lines yet on `width` × `height` pixels; lines do not leave them.
    pub fn new(width: usize, height: usize) -> Self {
        Self { coverage: Raster::filled(width, height, 0), touched: 0..0 }
    }

    /// A closed polygon's outline, centred on its edges.
    pub fn polygon(&mut self, points: &[ImagePoint], stroke: Stroke) {
        let Some(&first) = points.first() else { return };
        let closed = points.iter().copied().chain([first]);
        self.polyline(closed, stroke);
    }

    /// The outline of a rectangle, centred on its edges.
    pub fn rect(&mut self, r: &ImageRect, stroke: Stroke) {
        let corners = [(r.x0, r.y0), (r.x1, r.y0), (r.x1, r.y1), (r.x0, r.y1)];
        self.polygon(&corners.map(|(x, y)| ImagePoint::new(x, y)), stroke);
    }

    /// The corners of a rectangle: a quarter of each side from both of its ends.
    pub fn corners(&mut self, r: &ImageRect, stroke: Stroke) {
        let (w, h) = (r.width() / 4.0, r.height() / 4.0);
        for (x, inwards) in [(r.x0, w), (r.x1, -w)] {
            for (y, downwards) in [(r.y0, h), (r.y1, -h)] {
                let bend = [(x + inwards, y), (x, y), (x, y + downwards)];
                self.polyline(bend.map(|(x, y)| ImagePoint::new(x, y)), stroke);
            }
        }
    }

    /// Connected line segments; dashes run on around corners.
    pub fn polyline(&mut self, points: impl IntoIterator<Item = ImagePoint>, stroke: Stroke) {
        let mut points = points.into_iter();
        let Some(mut from) = points.next() else { return };
        let mut travelled = 0.0;
        for to in points {
            match stroke.dash {
                Some(dash) => self.dashed(from, to, travelled, dash, stroke),
                None => self.segment(from, to, stroke),
            }
            travelled += from.distance(to);
            from = to;
        }
    }

    /// The parts of a segment that are on, when `travelled` pixels of dashes came before it.
    fn dashed(&mut self, from: ImagePoint, to: ImagePoint, travelled: f64, (on, off): (f64, f64), stroke: Stroke) {
        let length = from.distance(to);
        let at = |distance: f64| {
            let t = if length > 0.0 { distance / length } else { 0.0 };
            ImagePoint::new(from.x + t * (to.x - from.x), from.y + t * (to.y - from.y))
        };
        let period = on + off;
        let mut start = -(travelled % period);
        while start < length {
            let (a, b) = (start.max(0.0), (start + on).min(length));
            if a <= b && b >= 0.0 {
                self.segment(at(a), at(b), stroke);
            }
            start += period;
        }
    }

    /// A segment in short pieces, so that a long diagonal one costs by its length and not by the square around it.
    fn segment(&mut self, from: ImagePoint, to: ImagePoint, stroke: Stroke) {
        let pieces = (from.distance(to) / 16.0).ceil().clamp(1.0, 1e6) as usize;
        let at = |i: usize| {
            let t = i as f64 / pieces as f64;
            ImagePoint::new(from.x + t * (to.x - from.x), from.y + t * (to.y - from.y))
        };
        for i in 0..pieces {
            self.piece(at(i), at(i + 1), stroke);
        }
    }

    fn piece(&mut self, a: ImagePoint, b: ImagePoint, stroke: Stroke) {
        let half = stroke.width / 2.0;
        let full = 255.0 * f64::from(stroke.opacity.clamp(0.0, 1.0));
        let reach = half + 1.0;
        let range = |low: f64, high: f64, side: usize| {
            let end = (high + reach).ceil().clamp(0.0, side as f64) as usize;
            ((low - reach).floor().clamp(0.0, side as f64) as usize)..end
        };
        let columns = range(a.x.min(b.x), a.x.max(b.x), self.coverage.width());
        let rows = range(a.y.min(b.y), a.y.max(b.y), self.coverage.height());
        if columns.is_empty() || rows.is_empty() {
            return;
        }
        let (touched, width) = (self.touched.clone(), self.coverage.width());
        self.touched =
            if touched.is_empty() { rows.clone() } else { touched.start.min(rows.start)..touched.end.max(rows.end) };
        let (dx, dy) = (b.x - a.x, b.y - a.y);
        let squared = dx * dx + dy * dy;
        for y in rows {
            let row = &mut self.coverage.data_mut()[y * width..(y + 1) * width];
            for x in columns.clone() {
                let (px, py) = (x as f64 + 0.5 - a.x, y as f64 + 0.5 - a.y);
                let t = if squared > 0.0 { ((px * dx + py * dy) / squared).clamp(0.0, 1.0) } else { 0.0 };
                let distance = (px - t * dx).hypot(py - t * dy);
                let covered = ((half + 0.5 - distance).clamp(0.0, 1.0) * full).round() as u8;
                row[x] = row[x].max(covered);
            }
        }
    }
}
