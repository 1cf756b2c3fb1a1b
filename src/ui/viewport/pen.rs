//! Lines of the marks on the screen: each with its colour, style and dark halo, as wide at any zoom.

use egui::{Color32, Painter, Pos2, Rect, Shape, Stroke, StrokeKind, pos2};

use crate::marks::{DASH, DASH_GAP, DOT_GAP, HALO, HALO_OPACITY, HALO_WIDTH, LineStyle, Mark};

/// Draws marks with a painter.
pub struct Pen<'a> {
    pub painter: &'a Painter,
}

/// A mark's colour at `opacity` in [0, 1].
pub fn color(mark: &Mark, opacity: f32) -> Color32 {
    let [r, g, b] = mark.color;
    Color32::from_rgb(r, g, b).gamma_multiply(opacity)
}

impl Pen<'_> {
    /// A line through points on the screen; closed where the last is the first.
    pub fn line(&self, points: Vec<Pos2>, mark: &Mark, widened: f32) {
        let closed = points.len() > 2 && points.first() == points.last();
        match mark.line {
            LineStyle::Solid | LineStyle::Corners => self.path(points, closed, mark, widened),
            LineStyle::Dashed => self.pieces(&points, mark, widened, [DASH, DASH_GAP]),
            LineStyle::Dotted => self.pieces(&points, mark, widened, [mark.width, DOT_GAP]),
        }
    }

    /// A box; in the style of the mark.
    pub fn rect(&self, rect: Rect, mark: &Mark, widened: f32, opacity: f32) {
        match mark.line {
            LineStyle::Solid => {
                let width = mark.width * widened;
                self.stroke_rect(rect, halo(width, 0.6 * opacity));
                self.stroke_rect(rect, Stroke::new(width, color(mark, opacity)));
            }
            LineStyle::Corners => self.corners(rect, mark, widened),
            LineStyle::Dashed | LineStyle::Dotted => {
                let [a, b, c, d] = corners_of(rect);
                self.line(vec![a, b, c, d, a], mark, widened);
            }
        }
    }

    fn stroke_rect(&self, rect: Rect, stroke: Stroke) {
        self.painter.rect_stroke(rect, 0.0, stroke, StrokeKind::Middle);
    }

    /// The corners of a box; all of it where it is small.
    fn corners(&self, rect: Rect, mark: &Mark, widened: f32) {
        let arm = (rect.size().min_elem() / 4.0).clamp(4.0, 14.0);
        let [a, b, c, d] = corners_of(rect);
        if rect.size().min_elem() <= 2.0 * arm {
            return self.path(vec![a, b, c, d, a], true, mark, widened);
        }
        for (before, corner, after) in [(d, a, b), (a, b, c), (b, c, d), (c, d, a)] {
            let towards = |end: Pos2| corner + (end - corner).normalized() * arm;
            self.path(vec![towards(before), corner, towards(after)], false, mark, widened);
        }
    }

    fn path(&self, mut points: Vec<Pos2>, closed: bool, mark: &Mark, widened: f32) {
        let width = mark.width * widened;
        if closed {
            points.pop();
        }
        let stroked = |points, stroke: Stroke| match closed {
            true => Shape::closed_line(points, stroke),
            false => Shape::line(points, stroke),
        };
        self.painter.add(stroked(points.clone(), halo(width, 1.0)));
        self.painter.add(stroked(points, Stroke::new(width, color(mark, 1.0))));
    }

    /// Dashes or dots along a line.
    fn pieces(&self, points: &[Pos2], mark: &Mark, widened: f32, pattern: [f32; 2]) {
        let width = mark.width * widened;
        let pieces = pieces(points, pattern, self.painter.clip_rect().expand(2.0 * DASH));
        let stroked = |stroke: Stroke| pieces.iter().map(move |piece| Shape::line(piece.clone(), stroke));
        self.painter.extend(stroked(halo(width, 1.0)).collect::<Vec<_>>());
        self.painter.extend(stroked(Stroke::new(width, color(mark, 1.0))).collect::<Vec<_>>());
    }
}

fn halo(width: f32, opacity: f32) -> Stroke {
    let [r, g, b] = HALO;
    Stroke::new(width + 2.0 * HALO_WIDTH, Color32::from_rgb(r, g, b).gamma_multiply(HALO_OPACITY * opacity))
}

fn corners_of(rect: Rect) -> [Pos2; 4] {
    [rect.left_top(), rect.right_top(), rect.right_bottom(), rect.left_bottom()]
}

/// The drawn pieces of a line through `points`: `pattern` is the length of a piece and of the gap after it. Pieces outside `clip`
/// are left out, but counted, so that dashes stay where they are when the view moves.
fn pieces(points: &[Pos2], [on, off]: [f32; 2], clip: Rect) -> Vec<Vec<Pos2>> {
    let mut pieces = Vec::new();
    let mut piece: Vec<Pos2> = Vec::new();
    // Along the pattern, where the segment starts.
    let mut phase = 0.0;
    for ends in points.windows(2) {
        let (a, b) = (ends[0], ends[1]);
        let length = a.distance(b);
        let Some((enter, leave)) = overlap(a, b, clip).filter(|_| length > 0.0) else {
            phase = (phase + length) % (on + off);
            pieces.extend((!piece.is_empty()).then(|| std::mem::take(&mut piece)));
            continue;
        };
        let at = |distance: f32| a + (b - a) * (distance / length);
        // The pattern's first start at or before what is in view.
        let mut start = ((enter * length + phase) / (on + off)).floor() * (on + off) - phase;
        while start < leave * length {
            let (from, to) = (start.max(0.0), (start + on).min(length));
            if to > from {
                if start >= 0.0 || piece.is_empty() {
                    pieces.extend((piece.len() > 1).then(|| std::mem::take(&mut piece)));
                    piece = vec![at(from)];
                }
                piece.push(at(to));
                if start + on <= length {
                    pieces.push(std::mem::take(&mut piece));
                }
            }
            start += on + off;
        }
        phase = (phase + length) % (on + off);
    }
    pieces.extend((piece.len() > 1).then_some(piece));
    pieces
}

/// The part of the segment from `a` to `b` inside `clip`, as fractions of it (Liang and Barsky 1984).
fn overlap(a: Pos2, b: Pos2, clip: Rect) -> Option<(f32, f32)> {
    let (mut enter, mut leave) = (0.0_f32, 1.0_f32);
    let d = b - a;
    let sides = [(-d.x, a.x - clip.min.x), (d.x, clip.max.x - a.x), (-d.y, a.y - clip.min.y), (d.y, clip.max.y - a.y)];
    for (direction, distance) in sides {
        if direction == 0.0 {
            if distance < 0.0 {
                return None;
            }
        } else if direction < 0.0 {
            enter = enter.max(distance / direction);
        } else {
            leave = leave.min(distance / direction);
        }
    }
    (enter <= leave).then_some((enter, leave))
}

/// A short line in the mark's style, for a legend.
pub fn sample(painter: &Painter, rect: Rect, mark: &Mark) {
    let pen = Pen { painter };
    match mark.line {
        LineStyle::Corners => {
            pen.rect(rect.shrink2(egui::vec2(rect.width() / 2.0 - rect.height() / 2.0, 0.0)), mark, 1.0, 1.0)
        }
        _ => {
            let y = rect.center().y;
            pen.line(vec![pos2(rect.left(), y), pos2(rect.right(), y)], mark, 1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_follow_the_line_and_stay_in_place() {
        let line = [pos2(0.0, 0.0), pos2(25.0, 0.0), pos2(25.0, 100.0)];
        let everywhere = Rect::EVERYTHING;
        let all = pieces(&line, [10.0, 10.0], everywhere);
        assert_eq!(all.len(), 7);
        assert_eq!(all[1], vec![pos2(20.0, 0.0), pos2(25.0, 0.0), pos2(25.0, 5.0)], "around the corner");
        let length: f32 = all.iter().flat_map(|piece| piece.windows(2)).map(|ends| ends[0].distance(ends[1])).sum();
        assert!((length - 65.0).abs() < 1e-3);
        let some = pieces(&line, [10.0, 10.0], Rect::from_min_max(pos2(20.0, 50.0), pos2(30.0, 80.0)));
        assert!(!some.is_empty() && some.len() < 5 && some.iter().all(|piece| all.contains(piece)));
        assert!(pieces(&line, [10.0, 10.0], Rect::from_min_max(pos2(50.0, 0.0), pos2(90.0, 90.0))).is_empty());
    }
}
