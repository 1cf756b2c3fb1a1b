//! The marks over the image: detection boxes, the boundary at λ, candidates, contours, groundtruth.

use egui::{Align2, Color32, FontId, Painter, Pos2, Rect, vec2};

use super::Scene;
use super::pen::{Pen, color};
use super::simplify::{Path, touches};
use super::view::ViewState;
use crate::annotation::{Lesion, LesionKind, LesionShape};
use crate::findings::Candidate;
use crate::marks::{CANDIDATE, CONTOUR, DETECTION, LAMBDA, Mark, TRUTH, detection_opacity};
use crate::render::ViewTransform;
use crate::space::{ImagePoint, ImageRect};

/// The selected finding's lines are this much wider.
const SELECTED: f32 = 1.5;
/// Radius of a point of groundtruth, in points.
const DOT: f32 = 5.0;

/// Draws the marks that are switched on, in the order in which they may cover one another.
pub fn marks(painter: &Painter, view: &mut ViewState, transform: &ViewTransform, scene: &Scene<'_>) {
    view.marks.set_zoom(transform.zoom);
    let overlay = Overlay { pen: Pen { painter }, transform, visible: in_view(transform), scene };
    let layers = scene.layers;
    if layers.boxes {
        overlay.detections();
    }
    if layers.lambda_outline {
        overlay.boundary(view);
    }
    if layers.contours {
        overlay.contours(view);
    }
    if layers.truth {
        overlay.truth(view);
    }
    if layers.candidates {
        overlay.candidates(view);
    }
}

/// What the area shows, and a little more, so that lines just outside reach in.
fn in_view(transform: &ViewTransform) -> ImageRect {
    let v = transform.visible();
    let margin = 8.0 / transform.points_per_pixel();
    ImageRect::new(v.x0 - margin, v.y0 - margin, v.x1 + margin, v.y1 + margin)
}

struct Overlay<'a> {
    pen: Pen<'a>,
    transform: &'a ViewTransform,
    visible: ImageRect,
    scene: &'a Scene<'a>,
}

impl Overlay<'_> {
    fn detections(&self) {
        let Some(reading) = self.scene.session.reading() else { return };
        let chosen = |size| self.scene.layers.scale.is_none_or(|scale| scale == size);
        let scales = reading.scales.iter().filter(|scale| chosen(scale.size));
        for detection in scales.flat_map(|scale| &scale.detections) {
            if touches(&detection.rect, &self.visible) {
                let rect = self.transform.screen_from_rect(detection.rect);
                self.pen.rect(rect, &DETECTION, 1.0, detection_opacity(detection.confidence));
            }
        }
    }

    fn boundary(&self, view: &mut ViewState) {
        let Some(reading) = self.scene.session.reading() else { return };
        for path in view.marks.boundary(reading, self.scene.session.lambda()).iter() {
            self.path(path, &LAMBDA, 1.0);
        }
    }

    fn contours(&self, view: &mut ViewState) {
        for (index, candidate) in self.scene.session.candidates().iter().enumerate() {
            let outline = self.scene.session.outline(candidate.rect);
            let Some(outline) = outline.filter(|o| touches(&o.region.into(), &self.visible)) else { continue };
            let widened = if self.scene.selected == Some(index) { SELECTED } else { 1.0 };
            for path in view.marks.outline(candidate.rect, outline).iter() {
                self.path(path, &CONTOUR, widened);
            }
        }
    }

    fn candidates(&self, view: &ViewState) {
        for (index, candidate) in self.scene.session.candidates().iter().enumerate() {
            if touches(&candidate.rect.into(), &self.visible) {
                self.candidate(index, candidate, view.hovered == Some(index));
            }
        }
    }

    fn candidate(&self, index: usize, candidate: &Candidate, hovered: bool) {
        let rect = self.transform.screen_from_rect(candidate.rect.into());
        let selected = self.scene.selected == Some(index);
        if selected || hovered {
            self.pen.rect(rect, &Mark { width: 1.0, ..DETECTION }, 1.0, 1.0);
        }
        self.pen.rect(rect, &CANDIDATE, if selected { SELECTED } else { 1.0 }, 1.0);
        self.label(rect, &format!("{}  {:.2}", index + 1, candidate.score), selected);
    }

    /// A candidate's number and score, above its box or, where there is no room, inside it.
    fn label(&self, rect: Rect, text: &str, selected: bool) {
        let painter = self.pen.painter;
        let yellow = color(&CANDIDATE, 1.0);
        let (ink, paper) = if selected { (Color32::BLACK, yellow) } else { (yellow, Color32::from_black_alpha(150)) };
        let galley = painter.layout_no_wrap(text.to_owned(), FontId::proportional(12.0), ink);
        let size = galley.size() + vec2(8.0, 2.0);
        let area = painter.clip_rect();
        let above = rect.left_top() - vec2(1.0, size.y + 3.0);
        let at = if above.y >= area.top() { above } else { rect.left_top() + vec2(3.0, 3.0) };
        let at = at.clamp(area.min, (area.max - size).max(area.min));
        painter.rect_filled(Rect::from_min_size(at, size), 3.0, paper);
        painter.galley(at + vec2(4.0, 1.0), galley, ink);
    }

    fn truth(&self, view: &mut ViewState) {
        let Some(truth) = self.scene.session.truth() else { return };
        for (lesion, outlines) in truth.lesions.iter().zip(view.marks.truth(truth).iter()) {
            self.lesion(lesion, outlines);
        }
    }

    fn lesion(&self, lesion: &Lesion, outlines: &[Path]) {
        let widened = if lesion.kind == LesionKind::Mass { 1.0 } else { 0.6 };
        for path in outlines {
            self.path(path, &TRUTH, widened);
        }
        match &lesion.shape {
            LesionShape::Outline(_) => {}
            LesionShape::Box(rect) if touches(rect, &self.visible) => {
                self.pen.rect(self.transform.screen_from_rect(*rect), &TRUTH, widened, 1.0);
            }
            LesionShape::Box(_) => {}
            LesionShape::Points(points) => points.iter().for_each(|p| self.dot(*p)),
        }
    }

    /// A small lesion as a circle around it.
    fn dot(&self, p: ImagePoint) {
        if touches(&ImageRect::new(p.x, p.y, p.x, p.y), &self.visible) {
            let at = self.transform.screen_from_image(p);
            let around = |i: usize| at + DOT * egui::Vec2::angled(i as f32 / 20.0 * std::f32::consts::TAU);
            let mut circle: Vec<Pos2> = (0..20).map(around).collect();
            circle.push(circle[0]);
            self.pen.line(circle, &Mark { line: crate::marks::LineStyle::Solid, ..TRUTH }, 0.6);
        }
    }

    fn path(&self, path: &Path, mark: &Mark, widened: f32) {
        for run in path.runs(&self.visible) {
            let points = run.into_iter().map(|p| self.transform.screen_from_image(p)).collect();
            self.pen.line(points, mark, widened);
        }
    }
}

/// Text on a dark ground over the image; returns the place it takes.
pub fn caption(painter: &Painter, at: Pos2, anchor: Align2, text: &str, size: f32, ink: Color32) -> Rect {
    let galley = painter.layout_no_wrap(text.to_owned(), FontId::proportional(size), ink);
    let rect = anchor.anchor_size(at, galley.size() + vec2(10.0, 4.0));
    painter.rect_filled(rect, 3.0, Color32::from_black_alpha(140));
    painter.galley(rect.min + vec2(5.0, 2.0), galley, ink);
    rect
}
