//! Words and figures in the corners of the viewport, as on a workstation.

use egui::{Align2, Color32, Painter, Pos2, Rect, Stroke, pos2, vec2};

use super::Scene;
use super::overlay::caption;
use super::view::ViewState;
use crate::RESEARCH_USE;
use crate::render::ViewTransform;
use crate::study::{ChestWall, Spacing, Voi};

const INK: Color32 = Color32::from_rgb(214, 219, 224);
const FAINT: Color32 = Color32::from_rgb(150, 156, 163);
const WARNING: Color32 = Color32::from_rgb(255, 184, 77);
/// Distance of the corners' texts from the edges, and between them, in points.
const MARGIN: f32 = 8.0;
const GAP: f32 = 4.0;
/// A scale bar is no longer than this, in points.
const MAX_BAR: f64 = 140.0;

/// Draws the read-outs; `pointer` is where the pointer is over the image. Returns the place beside the name of the view
/// where the legend goes: its corner and which corner that is.
pub fn readouts(
    painter: &Painter,
    view: &ViewState,
    transform: &ViewTransform,
    scene: &Scene<'_>,
    pointer: Option<Pos2>,
) -> (Pos2, Align2) {
    let area = transform.area.shrink(MARGIN);
    let study = scene.image.study();
    let research = caption(painter, area.left_bottom(), Align2::LEFT_BOTTOM, RESEARCH_USE, 11.0, FAINT);
    if let Some(text) = pointer.and_then(|at| pointed(transform, scene, at)) {
        let at = pos2(area.left(), research.top() - GAP);
        caption(painter, at, Align2::LEFT_BOTTOM, &text, 13.0, INK);
    }
    if study.identity.for_processing {
        let text = "For Processing image: unprocessed detector data, not meant for reading";
        caption(painter, pos2(area.center().x, area.top()), Align2::CENTER_TOP, text, 13.0, WARNING);
    }
    let shown = caption(painter, area.right_bottom(), Align2::RIGHT_BOTTOM, &how_shown(view, scene), 13.0, INK);
    scale_bar(painter, transform, study.spacing.as_ref(), pos2(area.right(), shown.top() - GAP));
    name(painter, transform, scene, area)
}

/// Laterality and view at the top, on the side where the air is.
fn name(painter: &Painter, transform: &ViewTransform, scene: &Scene<'_>, area: Rect) -> (Pos2, Align2) {
    let identity = &scene.image.study().identity;
    let air_on_right = match identity.chest_wall {
        Some(wall) => wall == ChestWall::Left,
        None => scene.image.darker_on_right(),
    };
    let towards_air = transform.orientation.apply([if air_on_right { 1.0 } else { -1.0 }, 0.0])[0];
    let (at, anchor) =
        if towards_air > 0.0 { (area.right_top(), Align2::RIGHT_TOP) } else { (area.left_top(), Align2::LEFT_TOP) };
    let label = identity.label();
    if label.is_empty() {
        return (at, anchor);
    }
    let rect = caption(painter, at, anchor, &label, 20.0, INK);
    (pos2(at.x, rect.bottom() + GAP), anchor)
}

/// Position, value and Ms under the pointer.
fn pointed(transform: &ViewTransform, scene: &Scene<'_>, at: Pos2) -> Option<String> {
    let study = scene.image.study();
    let p = transform.image_from_screen(at);
    let (x, y) = (p.x.floor(), p.y.floor());
    if x < 0.0 || y < 0.0 || x >= study.image.width() as f64 || y >= study.image.height() as f64 {
        return None;
    }
    let (x, y) = (x as usize, y as usize);
    let code = study.image.get(x, y);
    let value = if study.grayscale.is_padding(code) {
        "padding".to_owned()
    } else {
        let value = study.grayscale.modality_value(code);
        if value.fract() == 0.0 { format!("value {value}") } else { format!("value {value:.2}") }
    };
    let ms = scene.session.reading().map(|reading| format!("   Ms {:.2}", reading.fused.value_at(x, y)));
    Some(format!("x {x}  y {y}   {value}{}", ms.unwrap_or_default()))
}

/// Window and zoom.
fn how_shown(view: &ViewState, scene: &Scene<'_>) -> String {
    let grayscale = &scene.image.study().grayscale;
    let voi = view.voi(grayscale);
    let window = match (&voi, view.chosen_voi().and_then(|index| grayscale.choices.get(index))) {
        (Voi::Lut(_), Some(choice)) => choice.name.clone(),
        _ => {
            let (center, width) = voi.window();
            format!("C {center:.0}  W {width:.0}")
        }
    };
    let inverted = if view.is_inverted() { "   inverted" } else { "" };
    let fitted = if view.is_fitted() { " (fit)" } else { "" };
    let percent = 100.0 * view.zoom();
    let digits = usize::from(percent < 10.0);
    format!("{window}{inverted}   {percent:.digits$} %{fitted}")
}

/// A bar of a round length, in millimetres where the spacing is known, with its lower right end at `end`.
fn scale_bar(painter: &Painter, transform: &ViewTransform, spacing: Option<&Spacing>, end: Pos2) {
    let mm = spacing.map(|s| if transform.orientation.swaps_axes() { s.row_mm } else { s.column_mm });
    let per_point = mm.unwrap_or(1.0) / transform.points_per_pixel();
    let length = round_length(MAX_BAR * per_point);
    let text = match spacing {
        Some(spacing) => format!("{length} mm, {}", spacing.source.label()),
        None => format!("{length} px"),
    };
    let text = caption(painter, end, Align2::RIGHT_BOTTOM, &text, 13.0, INK);
    let right = pos2(end.x, text.top() - GAP - 4.0);
    let left = right - vec2((length / per_point) as f32, 0.0);
    let tick = vec2(0.0, 4.0);
    for (width, ink) in [(3.5, Color32::from_black_alpha(170)), (1.5, INK)] {
        let stroke = Stroke::new(width, ink);
        for ends in [[left, right], [left - tick, left + tick], [right - tick, right + tick]] {
            painter.line_segment(ends, stroke);
        }
    }
}

/// The largest of 1, 2, 5 × 10ⁿ that is at most `limit`.
fn round_length(limit: f64) -> f64 {
    let decade = 10_f64.powf(limit.max(1e-9).log10().floor());
    let step = [5.0, 2.0].into_iter().find(|step| step * decade <= limit).unwrap_or(1.0);
    // Rounded, as 10⁻¹ × 5 is not quite 0.5.
    (step * decade * 1e9).round() / 1e9
}

#[cfg(test)]
mod tests {
    use super::round_length;

    #[test]
    fn lengths_are_round() {
        let lengths = [(140.0, 100.0), (99.0, 50.0), (0.7, 0.5), (2.0, 2.0), (0.05, 0.05), (1999.0, 1000.0)];
        assert!(lengths.iter().all(|(limit, length)| (round_length(*limit) - length).abs() < 1e-12));
    }
}
