//! What the pointer does: wheel and pinch zoom, left or middle drag pans, right drag sets the window, click selects.

use egui::{PointerButton, Response, Ui, Vec2};

use super::view::ViewState;
use super::{Scene, ViewportEvent};
use crate::findings::Candidate;
use crate::render::ViewTransform;
use crate::space::{ImagePoint, ImageRect};
use crate::study::{Grayscale, Voi};

/// ln(zoom) per point that the wheel scrolls: a notch of 40 points magnifies by a fifth.
const ZOOM_PER_POINT: f32 = 0.0045;
/// ln(width) per point of a right drag.
const WIDTH_PER_POINT: f64 = 0.005;
/// Level change per point of a right drag, as a part of the width.
const LEVEL_PER_POINT: f64 = 0.003;
/// Clicks this many points beside a candidate's box still mean it.
const REACH: f64 = 4.0;

/// Changes `view` by this frame's pointer input.
pub fn interact(
    ui: &Ui,
    response: &Response,
    view: &mut ViewState,
    transform: &ViewTransform,
    scene: &Scene<'_>,
    out: &mut Vec<ViewportEvent>,
) {
    let image = &scene.image.study().image;
    zoom(ui, response, view, transform, image.width(), image.height());
    let moved = drag(response);
    if response.dragged_by(PointerButton::Primary) || response.dragged_by(PointerButton::Middle) {
        let [dx, dy] = transform.image_from_screen_delta(moved);
        view.pan_by(-dx, -dy);
    } else if response.dragged_by(PointerButton::Secondary) {
        let grayscale = &scene.image.study().grayscale;
        let moved = if scene.reverse_window_level { -moved } else { moved };
        view.set_voi(windowed(&view.voi(grayscale), moved, grayscale, view.is_inverted()));
    }
    point(response, view, transform, scene, out);
}

fn zoom(ui: &Ui, response: &Response, view: &mut ViewState, transform: &ViewTransform, width: usize, height: usize) {
    if response.double_clicked() {
        match (view.is_fitted(), response.interact_pointer_pos()) {
            (true, Some(at)) => view.zoom_at(transform, at, 1.0 / transform.zoom, width, height),
            _ => view.fit(),
        }
    } else if response.contains_pointer() {
        let (factor, anchor) = ui.input(|input| {
            let wheel = (input.smooth_scroll_delta().y * ZOOM_PER_POINT).exp();
            let pinch = input.multi_touch().map(|touch| touch.center_pos);
            (f64::from(wheel * input.zoom_delta()), pinch.or(input.pointer.hover_pos()))
        });
        if let Some(anchor) = anchor
            && factor != 1.0
        {
            view.zoom_at(transform, anchor, factor, width, height);
        }
    }
}

/// This frame's movement; in a drag's first frame also what it took to be told from a click.
fn drag(response: &Response) -> Vec2 {
    match response.total_drag_delta() {
        Some(total) if response.drag_started() => total,
        _ => response.drag_delta(),
    }
}

fn point(
    response: &Response,
    view: &mut ViewState,
    transform: &ViewTransform,
    scene: &Scene<'_>,
    out: &mut Vec<ViewportEvent>,
) {
    let marked = scene.layers.candidates || scene.layers.contours;
    let candidates = if marked { scene.session.candidates() } else { &[] };
    let hit = |at| candidate_at(candidates, transform.image_from_screen(at), REACH / transform.points_per_pixel());
    view.hovered = response.hover_pos().and_then(hit);
    if response.clicked()
        && let Some(at) = response.interact_pointer_pos()
    {
        out.push(ViewportEvent::Select(hit(at)));
    }
}

/// The smallest candidate whose box, widened by `reach` image pixels, contains `point`.
fn candidate_at(candidates: &[Candidate], point: ImagePoint, reach: f64) -> Option<usize> {
    let widened = |c: &Candidate| {
        let r: ImageRect = c.rect.into();
        ImageRect::new(r.x0 - reach, r.y0 - reach, r.x1 + reach, r.y1 + reach)
    };
    let hits = candidates.iter().enumerate().filter(|(_, c)| widened(c).contains(point));
    hits.min_by_key(|(_, c)| c.rect.width() * c.rect.height()).map(|(index, _)| index)
}

/// `voi` after a right drag of `moved` points: to the right widens, up brightens, whichever way codes run.
fn windowed(voi: &Voi, moved: Vec2, grayscale: &Grayscale, invert: bool) -> Voi {
    let (low, high) = grayscale.range;
    let span = (high - low).max(1.0);
    let (center, width) = voi.window();
    let width = (width * (f64::from(moved.x) * WIDTH_PER_POINT).exp()).clamp(span * 1e-3, span * 8.0);
    let up = -f64::from(moved.y) * LEVEL_PER_POINT * width;
    let center = if grayscale.inverted == invert { center - up } else { center + up };
    voi.with_window(center.clamp(low - span, high + span), width)
}

#[cfg(test)]
mod tests {
    use egui::vec2;

    use super::*;
    use crate::space::PixelRect;

    #[test]
    fn right_is_wider_and_up_is_brighter() {
        let mut grayscale = Grayscale::identity(12);
        let voi = Voi::LinearExact { center: 2000.0, width: 1000.0 };
        for (inverted, invert) in [(false, false), (true, false), (false, true), (true, true)] {
            grayscale.inverted = inverted;
            let shown = |voi: &Voi| grayscale.display_lut(voi, invert)[2000];
            let up = windowed(&voi, vec2(0.0, -50.0), &grayscale, invert);
            assert!(shown(&up) > shown(&voi), "inverted {inverted}, by the reader {invert}");
            assert_eq!(up.window().1, 1000.0);
            let right = windowed(&voi, vec2(100.0, 0.0), &grayscale, invert);
            assert!(right.window().1 > 1500.0 && right.window().0 == 2000.0);
        }
    }

    #[test]
    fn the_smallest_candidate_under_the_pointer_is_meant() {
        let candidate = |x0, y0, x1, y1| Candidate { rect: PixelRect::new(x0, y0, x1, y1), score: 1.0 };
        let candidates = [candidate(0, 0, 100, 100), candidate(20, 20, 40, 40)];
        assert_eq!(candidate_at(&candidates, ImagePoint::new(30.0, 30.0), 0.0), Some(1));
        assert_eq!(candidate_at(&candidates, ImagePoint::new(50.0, 50.0), 0.0), Some(0));
        assert_eq!(candidate_at(&candidates, ImagePoint::new(102.0, 50.0), 0.0), None);
        assert_eq!(candidate_at(&candidates, ImagePoint::new(102.0, 50.0), 3.0), Some(0));
    }
}
