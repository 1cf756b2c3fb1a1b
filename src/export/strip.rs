//! The strip below an annotated image: legend, findings, provenance.

use super::ExportView;
use super::draw::{Lines, Picture, Stroke};
use super::text::Text;
use crate::findings::{Candidate, ModelIdentity};
use crate::marks::{CANDIDATE, CONTOUR, DETECTION, LineStyle, Mark, Rgb, TRUTH};
use crate::session::Session;
use crate::space::{ImagePoint, ImageRect, Millimetres};

const INK: Rgb = [220, 220, 220];
/// Not black, so that the strip is told from the film.
const PAPER: Rgb = [24, 26, 29];
/// Joins the words of an item, which are not parted at a line's end.
const JOIN: &str = "\u{a0}";
/// More findings than this are counted instead of listed.
const MAX_LISTED: usize = 12;

/// What stands in the strip.
pub struct Strip {
    text: Option<Text>,
    legend: Vec<&'static Mark>,
    point: f64,
    lines: Vec<String>,
    width: f32,
    margin: f32,
}

impl Strip {
    /// For an image of `width` pixels on which a screen point is `point` pixels.
    pub fn new(session: &Session, view: &ExportView, width: usize, point: f64) -> Self {
        let text = Text::new(font_size(point));
        let margin = font_size(point) * 0.75;
        let room = width as f32 - 2.0 * margin;
        let paragraphs = [findings_line(session), provenance_line(session, view)];
        let lines = text.iter().flat_map(|t| paragraphs.iter().flat_map(|p| t.wrap(p, room))).collect();
        Self { text, legend: legend(session, view), point, lines, width: width as f32, margin }
    }

    /// In pixels.
    pub fn height(&self) -> usize {
        let Some(text) = &self.text else { return 0 };
        let lines = self.lines.len() + self.legend_rows(text).len();
        (lines as f32 * text.line_height() + 2.0 * self.margin).ceil() as usize
    }

    /// Draws the strip from row `top` down.
    pub fn draw(&self, picture: &mut Picture, top: usize) {
        let Some(text) = &self.text else { return };
        picture.fill_below(top, PAPER);
        let sample = text.line_height() * 1.5;
        let mut y = top as f32 + self.margin;
        for row in self.legend_rows(text) {
            let mut x = self.margin;
            for mark in row {
                let mut line = Lines::new(picture.width(), picture.height());
                draw_sample(&mut line, mark, (x, y, x + sample, y + text.line_height()), self.point);
                picture.paint(&line, mark.color, 1.0);
                text.draw(picture, mark.name, (x + sample + self.margin, y), INK);
                x += self.item_width(text, mark.name);
            }
            y += text.line_height();
        }
        for line in &self.lines {
            text.draw(picture, line, (self.margin, y), INK);
            y += text.line_height();
        }
    }

    fn item_width(&self, text: &Text, label: &str) -> f32 {
        text.line_height() * 1.5 + text.width(label) + 4.0 * self.margin
    }

    /// The legend's items, as many in a row as fit.
    fn legend_rows(&self, text: &Text) -> Vec<&[&'static Mark]> {
        let mut rows = Vec::new();
        let (mut start, mut x) = (0, self.margin);
        for (i, mark) in self.legend.iter().enumerate() {
            let width = self.item_width(text, mark.name);
            if i > start && x + width > self.width {
                rows.push(&self.legend[start..i]);
                (start, x) = (i, self.margin);
            }
            x += width;
        }
        if start < self.legend.len() {
            rows.push(&self.legend[start..]);
        }
        rows
    }
}

/// The candidates' numbers, as in the strip's list, above their boxes (below at the image's top).
pub fn number_candidates(picture: &mut Picture, session: &Session, point: f64) {
    let image_height = session.study().image.height();
    let Some(text) = Text::new(font_size(point)) else { return };
    for (i, candidate) in session.candidates().iter().enumerate() {
        let above = candidate.rect.y0 as f32 - text.line_height() - 2.0 * point as f32;
        let below = candidate.rect.y1 as f32 + 2.0 * point as f32;
        let y = if above >= 0.0 { above } else { below };
        if y + text.line_height() <= image_height as f32 {
            text.draw(picture, &(i + 1).to_string(), (candidate.rect.x0 as f32, y), CANDIDATE.color);
        }
    }
}

fn font_size(point: f64) -> f32 {
    (point * 16.0) as f32
}

/// A mark's sample in the box (x0, y0, x1, y1): a line through its middle, or corners.
fn draw_sample(lines: &mut Lines, mark: &Mark, (x0, y0, x1, y1): (f32, f32, f32, f32), point: f64) {
    let stroke = Stroke::of(mark, point);
    let [x0, y0, x1, y1] = [x0, y0, x1, y1].map(|v| f64::from(v).round());
    let inset = ((y1 - y0) / 5.0).round();
    match mark.line {
        LineStyle::Corners => lines.corners(&ImageRect::new(x0, y0 + inset, x1, y1 - inset), stroke),
        _ => {
            let middle = ((y0 + y1) / 2.0).round();
            lines.polyline([ImagePoint::new(x0, middle), ImagePoint::new(x1, middle)], stroke);
        }
    }
}

fn legend(session: &Session, view: &ExportView) -> Vec<&'static Mark> {
    let layers = &view.layers;
    let has_truth = session.truth().is_some_and(|t| !t.lesions.is_empty());
    [
        (layers.detections, &DETECTION),
        (layers.candidates, &CANDIDATE),
        (layers.contours, &CONTOUR),
        (layers.truth && has_truth, &TRUTH),
    ]
    .into_iter()
    .filter_map(|(shown, mark)| shown.then_some(mark))
    .collect()
}

fn findings_line(session: &Session) -> String {
    let candidates = session.candidates();
    let mut line = match (session.reading(), candidates.len()) {
        (None, _) => return "Not analysed.".into(),
        (Some(_), 0) => format!("No findings at λ = {}.", session.lambda()),
        (Some(_), 1) => format!("1 finding at λ = {}:", session.lambda()),
        (Some(_), n) => format!("{n} findings at λ = {}:", session.lambda()),
    };
    let listed: Vec<_> = candidates.iter().take(MAX_LISTED).enumerate().map(|(i, c)| describe(session, i, c)).collect();
    if !listed.is_empty() {
        line = format!("{line} {}.", listed.join("; "));
    }
    if let Some(c) = session.comparison() {
        let dice = c.image_dice.map_or_else(String::new, |d| format!(", Dice of the image {d:.2}"));
        line = format!(
            "{line} Against groundtruth: {} hit, {} missed, {} false{dice}.",
            c.hits, c.misses, c.false_positives
        );
    }
    line
}

fn describe(session: &Session, index: usize, candidate: &Candidate) -> String {
    let size = session.outline(candidate.rect).map(|o| match o.measures.longest_diameter_mm {
        Some(Millimetres(mm)) => format!(", {mm:.1}{JOIN}mm"),
        None => format!(", {:.0}{JOIN}px", o.measures.longest_diameter_px),
    });
    let number = if session.candidates().len() > 1 { format!("({}) ", index + 1) } else { String::new() };
    format!("{number}score{JOIN}{:.2}{}", candidate.score, size.unwrap_or_default())
}

fn provenance_line(session: &Session, view: &ExportView) -> String {
    let model = |m: &ModelIdentity| format!("{} ({})", m.name, m.sha256.chars().take(12).collect::<String>());
    let models = session.reading().map_or_else(String::new, |r| {
        format!(
            "detector {} · segmenter {} · λ = {} · {} · ",
            model(&r.detector),
            model(&r.segmenter),
            session.lambda(),
            r.device
        )
    });
    let notice = crate::RESEARCH_USE.replace(' ', JOIN);
    let inverted = if view.invert { "shown inverted · " } else { "" };
    let raw = if session.study().identity.for_processing { "For Processing image · " } else { "" };
    let heat = match (session.reading(), view.layers.heat) {
        (Some(_), Some(opacity)) => format!("heatmap of Ms at {:.0}{JOIN}%, paler is higher · ", 100.0 * opacity),
        _ => String::new(),
    };
    format!("Mammoscope{JOIN}{} · {models}{raw}{inverted}{heat}{notice}", crate::VERSION)
}
