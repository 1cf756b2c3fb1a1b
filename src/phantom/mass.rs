//! Masses of known outline.

use std::f64::consts::TAU;

use super::noise::Fractal;
use crate::findings::Contour;
use crate::random::Random;
use crate::raster::{GrayImage, Mask};
use crate::space::{ImagePoint, ImageRect};

/// The shapes of the BI-RADS vocabulary that matter for an outline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MassShape {
    Round,
    Oval,
    Lobulated,
    Irregular,
    Spiculated,
}

impl MassShape {
    pub const ALL: [Self; 5] = [Self::Round, Self::Oval, Self::Lobulated, Self::Irregular, Self::Spiculated];
}

/// What a mass looks like; lengths in image pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MassSpec {
    pub center: ImagePoint,
    /// Of the circle of the same area, about.
    pub radius: f64,
    pub shape: MassShape,
    /// Grey added at the centre, as a share of the full range.
    pub contrast: f64,
    /// Width of the transition at the margin.
    pub softness: f64,
    pub seed: u64,
}

/// A mass as a density, 0 outside to about 1 at the centre. It thins towards the margin as a ball's shadow does; the margin's
/// own transition is centred on the contour.
pub struct Mass {
    spec: MassSpec,
    angle: f64,
    /// Longer by this factor along `angle`, shorter across.
    stretch: f64,
    /// Radius over the angle, [`STEPS`] values for a full turn.
    radii: Vec<f64>,
    spicules: Vec<Spicule>,
    texture: Fractal,
}

struct Spicule {
    angle: f64,
    /// In radii from the centre.
    length: f64,
    width: f64,
    strength: f64,
    /// How far its base pulls the contour out, in radii.
    base: f64,
}

/// Points of the contour.
const STEPS: usize = 360;
/// Beyond this many radii there is nothing, spicules included.
const REACH: f64 = 4.0;

impl Mass {
    pub fn new(spec: MassSpec) -> Self {
        let mut random = Random::new(spec.seed);
        let stretch = match spec.shape {
            MassShape::Round => random.range(1.0, 1.08),
            MassShape::Oval => random.range(1.15, 1.45),
            _ => random.range(1.0, 1.3),
        };
        let spicules = match spec.shape {
            MassShape::Spiculated => spicules(&mut random, spec.radius),
            _ => Vec::new(),
        };
        let radii = radii(&mut random, spec.shape, spec.radius, &spicules);
        let angle = random.range(0.0, TAU);
        let texture = Fractal::new(&mut random, 3.0, 0.7 / spec.radius.max(1.0), 0.25);
        Self { spec, angle, stretch, radii, spicules, texture }
    }

    pub fn spec(&self) -> &MassSpec {
        &self.spec
    }

    /// The outline: where the margin's transition is halfway.
    pub fn contour(&self) -> Contour {
        let points = (0..STEPS).map(|i| {
            let angle = i as f64 / STEPS as f64 * TAU;
            self.place(self.radii[i] * angle.cos(), self.radii[i] * angle.sin())
        });
        Contour { points: points.collect() }
    }

    /// The contour's bounding box.
    pub fn bounds(&self) -> ImageRect {
        bounds(&self.contour())
    }

    /// The density at a point in image pixels.
    pub fn density(&self, p: ImagePoint) -> f64 {
        let (dx, dy) = (p.x - self.spec.center.x, p.y - self.spec.center.y);
        let (sin, cos) = self.angle.sin_cos();
        let (u, v) = ((dx * cos + dy * sin) / self.stretch, (dy * cos - dx * sin) * self.stretch);
        let distance = u.hypot(v);
        if distance > REACH * self.spec.radius {
            return 0.0;
        }
        let angle = v.atan2(u).rem_euclid(TAU);
        let radius = self.radius_at(angle);
        let margin =
            1.0 / (1.0 + ((distance - radius) / (0.25 * self.spec.softness.max(0.2))).clamp(-40.0, 40.0).exp());
        let dome = 0.55 + 0.45 * (1.0 - (distance / radius).min(1.0).powi(2)).sqrt();
        let body = margin * dome * (1.0 + 0.13 * self.texture.at(dx, dy)).max(0.3);
        let rays = self.spicules.iter().map(|s| s.density(angle, distance, self.spec.radius)).fold(0.0, f64::max);
        body.max(rays)
    }

    /// The pixels whose centres lie inside the contour.
    pub fn mask(&self, width: usize, height: usize) -> Mask {
        let mut mask = Mask::filled(width, height, false);
        let contour = self.contour();
        let Some((mut last, rest)) = contour.points.split_last().map(|(l, _)| (*l, &contour.points)) else {
            return mask;
        };
        // Even-odd by scan line: each edge flips the pixels to the right of where it crosses a row of centres.
        for &point in rest {
            let (top, bottom) = if last.y < point.y { (last, point) } else { (point, last) };
            let first = (top.y - 0.5).ceil().max(0.0) as usize;
            let end = ((bottom.y - 0.5).ceil().max(0.0) as usize).min(height);
            for y in first..end {
                let t = (y as f64 + 0.5 - top.y) / (bottom.y - top.y);
                let x = top.x + t * (bottom.x - top.x);
                for i in (x - 0.5).ceil().max(0.0) as usize..width {
                    mask.set(i, y, !mask.get(i, y));
                }
            }
            last = point;
        }
        mask
    }

    /// Adds the mass to `image`, whose full range is `full`; air (0) stays air.
    pub fn add_to(&self, image: &mut GrayImage, full: u16) {
        let reach = REACH * self.spec.radius * self.stretch;
        let c = self.spec.center;
        let clamp = |v: f64, end: usize| v.clamp(0.0, end as f64) as usize;
        for y in clamp(c.y - reach, image.height())..clamp(c.y + reach + 1.0, image.height()) {
            for x in clamp(c.x - reach, image.width())..clamp(c.x + reach + 1.0, image.width()) {
                let grey = f64::from(image.get(x, y)) / f64::from(full);
                let sum = self.added_to(grey, ImagePoint::new(x as f64 + 0.5, y as f64 + 0.5));
                image.set(x, y, (sum * f64::from(full)).round() as u16);
            }
        }
    }

    /// `grey` in [0, 1] with the mass in front of it, bent so that bright tissue does not saturate; air (0) stays air.
    pub fn added_to(&self, grey: f64, p: ImagePoint) -> f64 {
        if grey <= 0.0 {
            return 0.0;
        }
        let added = self.spec.contrast * self.density(p);
        (grey + added * (1.15 - grey).clamp(0.1, 1.0)).clamp(0.0, 1.0)
    }

    fn radius_at(&self, angle: f64) -> f64 {
        let position = angle / TAU * STEPS as f64;
        let (i, t) = (position as usize % STEPS, position.fract());
        self.radii[i] + t * (self.radii[(i + 1) % STEPS] - self.radii[i])
    }

    /// From the mass's own axes to the image.
    fn place(&self, u: f64, v: f64) -> ImagePoint {
        let (u, v) = (u * self.stretch, v / self.stretch);
        let (sin, cos) = self.angle.sin_cos();
        ImagePoint::new(self.spec.center.x + u * cos - v * sin, self.spec.center.y + u * sin + v * cos)
    }
}

/// A contour's bounding box.
pub fn bounds(contour: &Contour) -> ImageRect {
    let fold = |f: fn(f64, f64) -> f64, start: f64, axis: fn(&ImagePoint) -> f64| {
        contour.points.iter().map(axis).fold(start, f)
    };
    ImageRect::new(
        fold(f64::min, f64::INFINITY, |p| p.x),
        fold(f64::min, f64::INFINITY, |p| p.y),
        fold(f64::max, f64::NEG_INFINITY, |p| p.x),
        fold(f64::max, f64::NEG_INFINITY, |p| p.y),
    )
}

/// The radius over the angle: harmonics whose number and size depend on the shape, with a base for each spicule.
fn radii(random: &mut Random, shape: MassShape, radius: f64, spicules: &[Spicule]) -> Vec<f64> {
    let (first, last, size) = match shape {
        MassShape::Round | MassShape::Oval => (2, 5, 0.025),
        MassShape::Lobulated => (3, 6, 0.09),
        MassShape::Irregular => (2, 11, 0.075),
        MassShape::Spiculated => (2, 9, 0.055),
    };
    let waves: Vec<(f64, f64, f64)> = (first..=last)
        .map(|k| (f64::from(k), size * random.range(0.4, 1.2) * (3.0 / f64::from(k)).min(1.0), random.range(0.0, TAU)))
        .collect();
    (0..STEPS)
        .map(|i| {
            let angle = i as f64 / STEPS as f64 * TAU;
            let wave: f64 = waves.iter().map(|(k, a, phase)| a * (k * angle + phase).cos()).sum();
            let bases: f64 = spicules.iter().map(|s| s.base * (-(turn(angle, s.angle) / 0.15).powi(2)).exp()).sum();
            radius * (1.0 + wave + bases).max(0.3)
        })
        .collect()
}

fn spicules(random: &mut Random, radius: f64) -> Vec<Spicule> {
    let count = 7 + random.below(9);
    (0..count)
        .map(|i| Spicule {
            angle: (i as f64 + random.range(-0.6, 0.6)) / count as f64 * TAU,
            length: random.range(1.5, 2.8),
            width: random.range(0.035, 0.07) * radius,
            strength: random.range(0.15, 0.5),
            base: random.range(0.0, 0.14),
        })
        .collect()
}

/// The angle between two directions, in [0, π].
fn turn(a: f64, b: f64) -> f64 {
    let d = (a - b).rem_euclid(TAU);
    d.min(TAU - d)
}

impl Spicule {
    /// A ray that thins and fades towards its end.
    fn density(&self, angle: f64, distance: f64, radius: f64) -> f64 {
        let off = turn(angle, self.angle);
        let along = distance / (radius * self.length);
        if off > 0.6 || along >= 1.0 {
            return 0.0;
        }
        let width = self.width * (1.3 - along);
        self.strength * (1.0 - along).sqrt() * (-(distance * off.sin() / width).powi(2)).exp()
    }
}
