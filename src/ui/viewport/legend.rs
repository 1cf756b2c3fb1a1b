//! What the lines mean: the marks that are shown, with their colours and line styles.

use egui::{Align2, Color32, FontId, Mesh, Painter, Pos2, Rect, Shape, pos2, vec2};

use super::Scene;
use super::pen::sample;
use crate::marks::{CANDIDATE, CONTOUR, DETECTION, LAMBDA, Mark, TRUTH, heat_color};

const INK: Color32 = Color32::from_rgb(214, 219, 224);
const ROW: f32 = 18.0;
const SAMPLE: f32 = 28.0;
const PADDING: f32 = 8.0;

enum Entry {
    Line(Mark, String),
    /// The heatmap's colours from Ms = 0 to 1.
    Heat,
}

/// Draws the legend into the corner `at` of the area; nothing where no mark is shown.
pub fn legend(painter: &Painter, scene: &Scene<'_>, at: Pos2, anchor: Align2) {
    let entries = entries(scene);
    if !scene.layers.legend || entries.is_empty() {
        return;
    }
    let font = FontId::proportional(12.5);
    let words = |entry: &Entry| match entry {
        Entry::Line(_, words) => words.clone(),
        Entry::Heat => "Ms from 0 to 1".to_owned(),
    };
    let galleys: Vec<_> = entries.iter().map(|e| painter.layout_no_wrap(words(e), font.clone(), INK)).collect();
    let widest = galleys.iter().map(|galley| galley.size().x).fold(0.0, f32::max);
    let size = vec2(SAMPLE + widest + 3.0 * PADDING, ROW * entries.len() as f32 + PADDING);
    let rect = anchor.anchor_size(at, size);
    painter.rect_filled(rect, 4.0, Color32::from_black_alpha(140));
    for (row, (entry, galley)) in entries.iter().zip(galleys).enumerate() {
        let top = rect.top() + PADDING / 2.0 + ROW * row as f32;
        let place = Rect::from_min_size(pos2(rect.left() + PADDING, top), vec2(SAMPLE, ROW)).shrink2(vec2(0.0, 4.0));
        match entry {
            Entry::Line(mark, _) => sample(painter, place, mark),
            Entry::Heat => heat_bar(painter, place),
        }
        let text = pos2(place.right() + PADDING, place.center().y - galley.size().y / 2.0);
        painter.galley(text, galley, INK);
    }
}

fn entries(scene: &Scene<'_>) -> Vec<Entry> {
    let layers = scene.layers;
    let read = scene.session.reading().is_some();
    let detections = match layers.scale {
        Some(scale) => format!("{} at {scale}", DETECTION.name),
        None => DETECTION.name.to_owned(),
    };
    let named = |mark: Mark| (mark, mark.name.to_owned());
    let lines = [
        (read && layers.boxes, (DETECTION, detections)),
        (read && layers.candidates, named(CANDIDATE)),
        (read && layers.contours, named(CONTOUR)),
        (scene.session.truth().is_some() && layers.truth, named(TRUTH)),
        (read && layers.lambda_outline, (LAMBDA, format!("{} ({:.2})", LAMBDA.name, scene.session.lambda()))),
    ];
    let mut entries: Vec<_> =
        lines.into_iter().filter(|(shown, _)| *shown).map(|(_, (mark, words))| Entry::Line(mark, words)).collect();
    entries.extend((read && layers.heatmap).then_some(Entry::Heat));
    entries
}

fn heat_bar(painter: &Painter, rect: Rect) {
    let mut mesh = Mesh::default();
    const STEPS: u32 = 16;
    for i in 0..=STEPS {
        let ms = i as f32 / STEPS as f32;
        let [r, g, b, a] = heat_color(ms);
        let x = rect.left() + rect.width() * ms;
        for y in [rect.top(), rect.bottom()] {
            mesh.colored_vertex(pos2(x, y), Color32::from_rgba_unmultiplied(r, g, b, a));
        }
        if i > 0 {
            mesh.add_triangle(2 * i - 2, 2 * i - 1, 2 * i);
            mesh.add_triangle(2 * i - 1, 2 * i, 2 * i + 1);
        }
    }
    painter.add(Shape::mesh(mesh));
}
