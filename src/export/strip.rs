//! The strip below an annotated image: legend, findings, provenance.

use super::annotated::{candidate_stroke, contour_stroke, detection_stroke, truth_stroke};
use super::draw::{Lines, Picture, Rgb, Stroke};
use super::text::Text;
use super::{CONTOUR, DETECTION, ExportView, TRUTH};
use crate::findings::{Candidate, ModelIdentity};
use crate::session::Session;
use crate::space::{ImagePoint, Millimetres};

const INK: Rgb = [220, 220, 220];
/// More findings than this are counted instead of listed.
const MAX_LISTED: usize = 12;

/// What stands in the strip.
pub struct Strip {
    text: Option<Text>,
    legend: Vec<(Stroke, Rgb, &'static str)>,
    lines: Vec<String>,
    width: f32,
    margin: f32,
}

impl Strip {
    /// For an image of `width` pixels whose lines are `unit` pixels wide.
    pub fn new(session: &Session, view: &ExportView, width: usize, unit: f64) -> Self {
        let text = Text::new(font_size(unit));
        let margin = font_size(unit) / 2.0;
        let room = width as f32 - 2.0 * margin;
        let paragraphs = [findings_line(session), provenance_line(session, view)];
        let lines = text.iter().flat_map(|t| paragraphs.iter().flat_map(|p| t.wrap(p, room))).collect();
        Self { text, legend: legend(session, view, unit), lines, width: width as f32, margin }
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
        let sample = text.line_height() * 1.5;
        let mut y = top as f32 + self.margin;
        for row in self.legend_rows(text) {
            let mut x = self.margin;
            for &(stroke, colour, label) in row {
                let middle = f64::from(y + text.line_height() / 2.0);
                let mut line = Lines::new(picture.width(), picture.height());
                let ends = [f64::from(x), f64::from(x + sample)].map(|x| ImagePoint::new(x, middle.round()));
                line.polyline(ends, stroke);
                picture.paint(&line, colour);
                text.draw(picture, label, (x + sample + self.margin, y), INK);
                x += self.item_width(text, label);
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
    fn legend_rows(&self, text: &Text) -> Vec<&[(Stroke, Rgb, &'static str)]> {
        let mut rows = Vec::new();
        let (mut start, mut x) = (0, self.margin);
        for (i, (_, _, label)) in self.legend.iter().enumerate() {
            let width = self.item_width(text, label);
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
pub fn number_candidates(picture: &mut Picture, session: &Session, image_height: usize, unit: f64) {
    let Some(text) = Text::new(font_size(unit)) else { return };
    for (i, candidate) in session.candidates().iter().enumerate() {
        let above = candidate.rect.y0 as f32 - text.line_height() - unit as f32;
        let below = candidate.rect.y1 as f32 + unit as f32;
        let y = if above >= 0.0 { above } else { below };
        if y + text.line_height() <= image_height as f32 {
            text.draw(picture, &(i + 1).to_string(), (candidate.rect.x0 as f32, y), DETECTION);
        }
    }
}

fn font_size(unit: f64) -> f32 {
    (unit * 11.0).max(14.0) as f32
}

fn legend(session: &Session, view: &ExportView, unit: f64) -> Vec<(Stroke, Rgb, &'static str)> {
    let layers = &view.layers;
    let has_truth = session.truth().is_some_and(|t| !t.lesions.is_empty());
    [
        (layers.candidates, candidate_stroke(unit), DETECTION, "finding (Ms ≥ λ)"),
        (layers.detections, detection_stroke(unit), DETECTION, "detections of single scales"),
        (layers.contours, contour_stroke(unit), CONTOUR, "predicted contour"),
        (layers.truth && has_truth, truth_stroke(unit), TRUTH, "groundtruth"),
    ]
    .into_iter()
    .filter_map(|(shown, stroke, colour, label)| shown.then_some((stroke, colour, label)))
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
        Some(Millimetres(mm)) => format!(", {mm:.1} mm"),
        None => format!(", {:.0} px", o.measures.longest_diameter_px),
    });
    let number = if session.candidates().len() > 1 { format!("({}) ", index + 1) } else { String::new() };
    format!("{number}score {:.2}{}", candidate.score, size.unwrap_or_default())
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
    let inverted = if view.invert { "shown inverted · " } else { "" };
    let raw = if session.study().identity.for_processing { "For Processing image · " } else { "" };
    format!("Mammoscope {} · {models}{raw}{inverted}{}", crate::VERSION, crate::RESEARCH_USE)
}
