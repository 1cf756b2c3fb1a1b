//! Step 7: area and longest diameter.

use crate::findings::{Contour, Measures};
use crate::space::{ImagePoint, Millimetres};
use crate::study::Spacing;

/// Measures a region of `area` whole pixels bounded by `contours`.
///
/// The area is that of the pixels with probability ≥ 0.5, not of the polygon. The longest diameter is the distance between
/// the two points of the outline that lie farthest apart; with pixels that are not square, these may be other points in
/// millimetres than in pixels.
pub fn measure(contours: &[Contour], area: usize, spacing: Option<&Spacing>) -> Measures {
    let points: Vec<ImagePoint> = contours.iter().flat_map(|c| c.points.iter().copied()).collect();
    Measures {
        area_px: area as f64,
        area_mm2: spacing.map(|s| area as f64 * s.row_mm * s.column_mm),
        longest_diameter_px: longest_diameter(&points),
        longest_diameter_mm: spacing.map(|s| {
            let scaled: Vec<ImagePoint> =
                points.iter().map(|p| ImagePoint::new(p.x * s.column_mm, p.y * s.row_mm)).collect();
            Millimetres(longest_diameter(&scaled))
        }),
    }
}

/// The largest distance between two of `points`; 0 for fewer than two. By rotating calipers on the convex hull.
pub fn longest_diameter(points: &[ImagePoint]) -> f64 {
    let hull = convex_hull(points);
    match hull.len() {
        0 | 1 => return 0.0,
        2 => return hull[0].distance(hull[1]),
        _ => {}
    }
    let n = hull.len();
    let mut far = 1;
    let mut longest: f64 = 0.0;
    for i in 0..n {
        let next = (i + 1) % n;
        // The farthest vertex from the edge i → next only moves forward as the edge turns.
        while cross(hull[i], hull[next], hull[(far + 1) % n]) > cross(hull[i], hull[next], hull[far]) {
            far = (far + 1) % n;
        }
        longest = longest.max(hull[i].distance(hull[far])).max(hull[next].distance(hull[far]));
    }
    longest
}

/// The corners of the convex hull in order of turning, without points on its edges (Andrew's monotone chain). Points that
/// are not finite are left out.
pub fn convex_hull(points: &[ImagePoint]) -> Vec<ImagePoint> {
    let mut sorted: Vec<ImagePoint> = points.iter().copied().filter(|p| p.x.is_finite() && p.y.is_finite()).collect();
    sorted.sort_by(|a, b| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y)));
    sorted.dedup();
    if sorted.len() < 3 {
        return sorted;
    }
    let mut hull = half_hull(sorted.iter().copied());
    let upper = half_hull(sorted.iter().rev().copied());
    hull.pop();
    hull.extend(&upper[..upper.len() - 1]);
    hull
}

fn half_hull(points: impl Iterator<Item = ImagePoint>) -> Vec<ImagePoint> {
    let mut chain: Vec<ImagePoint> = Vec::new();
    for p in points {
        while chain.len() >= 2 && cross(chain[chain.len() - 2], chain[chain.len() - 1], p) <= 0.0 {
            chain.pop();
        }
        chain.push(p);
    }
    chain
}

/// Twice the signed area of the triangle a, b, c.
fn cross(a: ImagePoint, b: ImagePoint, c: ImagePoint) -> f64 {
    (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x)
}
