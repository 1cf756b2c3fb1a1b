//! Fewer points for a line that looks the same on the screen, and the part of it in view.

use crate::findings::Contour;
use crate::space::{ImagePoint, ImageRect};

/// A closed polygon, simplified, with its bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    pub points: Vec<ImagePoint>,
    pub bounds: ImageRect,
}

impl Path {
    /// `contour` with points left out that lie within `tolerance` image pixels of the line through the others
    /// (Douglas and Peucker 1973).
    pub fn new(contour: &Contour, tolerance: f64) -> Self {
        let points = simplified(&contour.points, tolerance);
        let inverted = ImageRect::new(f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY);
        let grow =
            |r: ImageRect, p: &ImagePoint| ImageRect::new(r.x0.min(p.x), r.y0.min(p.y), r.x1.max(p.x), r.y1.max(p.y));
        Self { bounds: points.iter().fold(inverted, grow), points }
    }

    /// The parts of the closed line that may be seen in `visible`; one that starts and ends at the same point is all of it.
    pub fn runs(&self, visible: &ImageRect) -> Vec<Vec<ImagePoint>> {
        let n = self.points.len();
        if n == 0 || !touches(&self.bounds, visible) {
            return Vec::new();
        }
        let closed = |i: usize| self.points[i % n];
        if contains(visible, &self.bounds) {
            return vec![(0..=n).map(closed).collect()];
        }
        let mut runs: Vec<Vec<ImagePoint>> = Vec::new();
        let mut open = false;
        for (a, b) in (0..n).map(|i| (closed(i), closed(i + 1))) {
            let segment = ImageRect::new(a.x.min(b.x), a.y.min(b.y), a.x.max(b.x), a.y.max(b.y));
            let seen = touches(&segment, visible);
            match runs.last_mut().filter(|_| open) {
                Some(run) if seen => run.push(b),
                _ if seen => runs.push(vec![a, b]),
                _ => {}
            }
            open = seen;
        }
        runs
    }
}

/// Whether two rectangles, edges included, have a point in common; also for rectangles of no area.
pub fn touches(a: &ImageRect, b: &ImageRect) -> bool {
    a.x0 <= b.x1 && a.x1 >= b.x0 && a.y0 <= b.y1 && a.y1 >= b.y0
}

fn contains(outer: &ImageRect, inner: &ImageRect) -> bool {
    inner.x0 >= outer.x0 && inner.x1 <= outer.x1 && inner.y0 >= outer.y0 && inner.y1 <= outer.y1
}

fn simplified(points: &[ImagePoint], tolerance: f64) -> Vec<ImagePoint> {
    let Some(first) = points.first() else { return Vec::new() };
    // A closed line is two open ones between its first point and the one farthest from that.
    let far = (0..points.len()).max_by(|a, b| first.distance(points[*a]).total_cmp(&first.distance(points[*b])));
    let far = far.unwrap_or(0);
    let closed: Vec<_> = points.iter().chain([first]).copied().collect();
    let mut kept = vec![false; closed.len()];
    kept[0] = true;
    kept[far] = true;
    let mut parts = vec![(0, far), (far, closed.len() - 1)];
    while let Some((from, to)) = parts.pop() {
        let (at, distance2) = farthest(&closed[from..=to]);
        if distance2 > tolerance * tolerance {
            kept[from + at] = true;
            parts.extend([(from, from + at), (from + at, to)]);
        }
    }
    points.iter().zip(kept).filter_map(|(point, kept)| kept.then_some(*point)).collect()
}

/// Of the points between the first and the last, the one farthest from the line between those, and its squared distance.
fn farthest(points: &[ImagePoint]) -> (usize, f64) {
    let [a, inner @ .., b] = points else { return (0, 0.0) };
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let length2 = dx * dx + dy * dy;
    let per_length2 = if length2 > 0.0 { 1.0 / length2 } else { 0.0 };
    let distance2 = |p: &ImagePoint| {
        let (px, py) = (p.x - a.x, p.y - a.y);
        let along = ((px * dx + py * dy) * per_length2).clamp(0.0, 1.0);
        (px - along * dx).powi(2) + (py - along * dy).powi(2)
    };
    let longer = |best: (usize, f64), (at, d): (usize, f64)| if d > best.1 { (at, d) } else { best };
    (1..).zip(inner.iter().map(distance2)).fold((0, 0.0), longer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circle(n: usize) -> Contour {
        let angle = |i: usize| i as f64 / n as f64 * std::f64::consts::TAU;
        let points = (0..n).map(|i| ImagePoint::new(100.0 + 50.0 * angle(i).cos(), 100.0 + 50.0 * angle(i).sin()));
        Contour { points: points.collect() }
    }

    #[test]
    fn a_circle_keeps_its_shape_with_few_points() {
        let contour = circle(2000);
        let path = Path::new(&contour, 0.5);
        assert!((12..60).contains(&path.points.len()), "{} points", path.points.len());
        let n = path.points.len();
        let off = |p: &ImagePoint| {
            (0..n)
                .map(|i| farthest(&[path.points[i], *p, path.points[(i + 1) % n]]).1.sqrt())
                .fold(f64::INFINITY, f64::min)
        };
        assert!(contour.points.iter().all(|p| off(p) <= 0.5));
    }

    #[test]
    fn only_the_part_in_view_is_kept() {
        let path = Path::new(&circle(400), 0.0);
        let whole = path.runs(&ImageRect::new(0.0, 0.0, 200.0, 200.0));
        assert_eq!(whole.len(), 1);
        assert_eq!(whole[0].first(), whole[0].last());
        let right = path.runs(&ImageRect::new(140.0, 50.0, 200.0, 150.0));
        assert!(right.iter().all(|run| run.len() >= 2 && run.iter().all(|p| p.x > 138.0)));
        assert!(path.runs(&ImageRect::new(0.0, 0.0, 20.0, 20.0)).is_empty());
        assert!(path.runs(&ImageRect::new(95.0, 95.0, 105.0, 105.0)).is_empty(), "inside, but no line there");
    }

    #[test]
    fn degenerate_outlines_are_harmless() {
        let point = ImagePoint::new(3.0, 4.0);
        for n in 0..4 {
            let path = Path::new(&Contour { points: vec![point; n] }, 0.5);
            assert!(path.points.len() <= n);
            path.runs(&ImageRect::new(0.0, 0.0, 10.0, 10.0));
        }
    }
}
