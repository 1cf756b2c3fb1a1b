//! Makes lesions of raw coordinates: finite, inside the image, bounded in number, with a warning for whatever was changed.

use super::{GroundTruth, Lesion, LesionKind, LesionShape, Source, TruthError};
use crate::findings::Contour;
use crate::space::{ImagePoint, ImageRect};

/// More points than any hand draws on one image.
pub const MAX_POINTS: usize = 500_000;
/// More lesions than any breast holds (INbreast lists single calcifications, some hundreds on an image).
pub const MAX_LESIONS: usize = 10_000;
/// An outline may leave the image by so many pixels before it is worth a warning.
const TOLERANCE: f64 = 1.0;

/// Collects the lesions of one image.
pub struct Collector {
    width: f64,
    height: f64,
    truth: GroundTruth,
    points: usize,
    unreadable: usize,
    clipped: usize,
    outside: usize,
}

impl Collector {
    pub fn new(source: &Source) -> Self {
        Self {
            width: source.width as f64,
            height: source.height as f64,
            truth: GroundTruth::default(),
            points: 0,
            unreadable: 0,
            clipped: 0,
            outside: 0,
        }
    }

    pub fn warn(&mut self, sentence: impl Into<String>) {
        self.truth.warnings.push(sentence.into());
    }

    /// Counts a point that could not be read.
    pub fn unreadable(&mut self) {
        self.unreadable += 1;
    }

    /// Adds a lesion of closed polygons (even-odd). One of one or two points, or without area, is kept as points.
    pub fn polygons(&mut self, name: &str, kind: LesionKind, polygons: Vec<Vec<ImagePoint>>) -> Result<(), TruthError> {
        self.count(polygons.iter().map(Vec::len).sum())?;
        let polygons: Vec<_> = polygons.into_iter().map(|polygon| self.tidy(polygon)).collect();
        let points: Vec<_> = polygons.iter().flatten().copied().collect();
        if points.is_empty() {
            return Ok(());
        }
        let shape = if polygons.iter().all(|polygon| area(polygon) == 0.0) {
            LesionShape::Points(points.iter().copied().filter(|p| self.is_inside(*p, 0.0)).collect())
        } else {
            let clipped = polygons.iter().map(|polygon| clip(polygon, self.width, self.height));
            LesionShape::Outline(clipped.filter(|p| area(p) != 0.0).map(|points| Contour { points }).collect())
        };
        let leaves = points.iter().any(|p| !self.is_inside(*p, TOLERANCE));
        let empty = match &shape {
            LesionShape::Points(points) => points.is_empty(),
            LesionShape::Outline(contours) => contours.is_empty(),
            LesionShape::Box(_) => false,
        };
        self.add(name, kind, shape, empty, leaves);
        Ok(())
    }

    /// Adds a lesion known by its box alone.
    pub fn rect(&mut self, name: &str, kind: LesionKind, rect: ImageRect) -> Result<(), TruthError> {
        self.count(2)?;
        if ![rect.x0, rect.y0, rect.x1, rect.y1].iter().all(|v| v.is_finite()) || rect.area() == 0.0 {
            self.unreadable += 1;
            return Ok(());
        }
        let inside = rect.intersection(&ImageRect::new(0.0, 0.0, self.width, self.height));
        let corners = [ImagePoint::new(rect.x0, rect.y0), ImagePoint::new(rect.x1, rect.y1)];
        let leaves = corners.iter().any(|p| !self.is_inside(*p, TOLERANCE));
        self.add(name, kind, LesionShape::Box(inside), inside.area() == 0.0, leaves);
        Ok(())
    }

    /// The lesions, with a sentence for each thing that was changed.
    pub fn finish(mut self) -> GroundTruth {
        if self.unreadable > 0 {
            let n = self.unreadable;
            self.warn(format!("{n} groundtruth points or boxes are not finite, ordered numbers and were left out."));
        }
        if self.outside > 0 && self.truth.lesions.is_empty() {
            self.warn("All groundtruth lies outside the image: it seems to belong to another image.");
        } else if self.outside > 0 {
            let n = self.outside;
            self.warn(format!("{n} groundtruth lesions lie outside the image and were left out: is it of this image?"));
        }
        if self.clipped > 0 {
            let n = self.clipped;
            self.warn(format!("{n} groundtruth outlines leave the image and were cut at its edge."));
        }
        self.truth
    }

    fn add(&mut self, name: &str, kind: LesionKind, shape: LesionShape, empty: bool, leaves: bool) {
        if empty {
            self.outside += 1;
            return;
        }
        self.clipped += usize::from(leaves);
        // A name is shown in a list: a megabyte of it helps nobody.
        let name = name.trim().chars().filter(|c| !c.is_control()).take(80).collect();
        self.truth.lesions.push(Lesion { name, kind, shape });
    }

    fn count(&mut self, points: usize) -> Result<(), TruthError> {
        self.points += points;
        if self.points > MAX_POINTS {
            return Err(TruthError(format!(
                "The groundtruth holds more than {MAX_POINTS} points, the most that is read."
            )));
        }
        if self.truth.lesions.len() >= MAX_LESIONS {
            return Err(TruthError(format!(
                "The groundtruth holds more than {MAX_LESIONS} lesions, the most that is read."
            )));
        }
        Ok(())
    }

    fn is_inside(&self, p: ImagePoint, tolerance: f64) -> bool {
        let range = |v: f64, side: f64| (-tolerance..=side + tolerance).contains(&v);
        range(p.x, self.width) && range(p.y, self.height)
    }

    /// Without points that are not finite, and without repeated ones.
    fn tidy(&mut self, polygon: Vec<ImagePoint>) -> Vec<ImagePoint> {
        let given = polygon.len();
        let mut points: Vec<_> = polygon.into_iter().filter(|p| p.x.is_finite() && p.y.is_finite()).collect();
        self.unreadable += given - points.len();
        points.dedup();
        while points.len() > 1 && points.first() == points.last() {
            points.pop();
        }
        points
    }
}

/// Twice-signed area by the shoelace formula, halved; 0 for fewer than three points.
fn area(polygon: &[ImagePoint]) -> f64 {
    let Some(last) = polygon.last() else { return 0.0 };
    let mut previous = *last;
    let mut sum = 0.0;
    for &p in polygon {
        sum += previous.x * p.y - p.x * previous.y;
        previous = p;
    }
    sum / 2.0
}

/// The part of a polygon inside the image (Sutherland and Hodgman, one side after the other). A concave polygon may come
/// back with edges that run along the border twice; they enclose nothing.
fn clip(polygon: &[ImagePoint], width: f64, height: f64) -> Vec<ImagePoint> {
    let limit = f64::max(width, height) * 1e6;
    // Coordinates beyond any image would lose the crossing points to rounding.
    let polygon = polygon.iter().map(|p| ImagePoint::new(p.x.clamp(-limit, limit), p.y.clamp(-limit, limit))).collect();
    let polygon = clip_side(polygon, |p| p.x);
    let polygon = clip_side(polygon, |p| width - p.x);
    let polygon = clip_side(polygon, |p| p.y);
    let polygon = clip_side(polygon, |p| height - p.y);
    let within = |p: ImagePoint| ImagePoint::new(p.x.clamp(0.0, width), p.y.clamp(0.0, height));
    polygon.into_iter().map(within).collect()
}

/// Keeps what lies where `inside` ≥ 0, the signed distance from one side.
fn clip_side(polygon: Vec<ImagePoint>, inside: impl Fn(ImagePoint) -> f64) -> Vec<ImagePoint> {
    let Some(last) = polygon.last() else { return polygon };
    let mut previous = *last;
    let mut kept = Vec::with_capacity(polygon.len());
    for &p in &polygon {
        let (a, b) = (inside(previous), inside(p));
        if (a >= 0.0) != (b >= 0.0) {
            let t = a / (a - b);
            kept.push(ImagePoint::new(previous.x + t * (p.x - previous.x), previous.y + t * (p.y - previous.y)));
        }
        if b >= 0.0 {
            kept.push(p);
        }
        previous = p;
    }
    kept
}
