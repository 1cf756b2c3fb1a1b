//! The breast as a function of place: outline, skin, fat, glandular tissue, ducts, vessels, pectoral muscle.
//!
//! Lengths are in image heights; the chest wall lies at x = 0 and the breast points to +x (a left breast as hung).

use super::noise::Fractal;
use super::strokes::Strokes;
use super::{View, smoothstep};
use crate::random::Random;

/// A breast that can be asked for its grey at any place.
pub struct Breast {
    outline: Outline,
    look: Look,
    gland: Gland,
    pectoral: Option<Pectoral>,
    strokes: Strokes,
    /// Tissue everywhere, exponent 3.
    tissue: Fractal,
    /// Where gland is: coarser.
    lobes: Fractal,
    /// Radial fibres, evaluated in polar places around the nipple.
    fibres: Fractal,
    /// Bends the fibres.
    warp: Fractal,
}

/// Grey levels of the tissues, as shares of the full range.
struct Look {
    fat: f64,
    gland: f64,
    /// How far inside the skin the brightness is still rising.
    rim: f64,
    skin: f64,
    texture: f64,
    fibres: f64,
}

struct Gland {
    x: f64,
    y: f64,
    rx: f64,
    ry: f64,
    /// −0.3 nearly all fat … 0.5 extremely dense.
    density: f64,
    /// Depth of the fat under the skin.
    cover: f64,
}

/// The muscle's edge runs from (`top`, 0) to (0, `bottom`), bulging by `bulge`.
struct Pectoral {
    top: f64,
    bottom: f64,
    bulge: f64,
    level: f64,
}

impl Breast {
    /// `aspect`: image width ÷ height; `finest`: the highest frequency worth drawing, in cycles per height.
    pub fn new(random: &mut Random, view: View, aspect: f64, finest: f64) -> Self {
        let outline = Outline::new(random, view, aspect);
        let (depth, nipple) = (outline.nipple.0, outline.nipple.1);
        let look = Look {
            fat: random.range(0.20, 0.42),
            gland: random.range(0.58, 0.84),
            rim: random.range(0.03, 0.10),
            skin: random.range(0.02, 0.10),
            texture: random.range(0.020, 0.045),
            fibres: random.range(0.05, 0.13),
        };
        let gland = Gland {
            x: depth * random.range(0.48, 0.66),
            y: nipple + random.range(-0.03, 0.02),
            rx: depth * random.range(0.40, 0.56),
            ry: outline.half_height * random.range(0.50, 0.80),
            density: random.range(-0.25, 0.35),
            cover: random.range(0.02, 0.05),
        };
        let pectoral = (view == View::Mlo).then(|| Pectoral {
            top: depth * random.range(0.40, 0.62),
            bottom: nipple + random.range(-0.12, 0.12),
            bulge: random.range(-0.015, 0.03),
            level: random.range(0.50, 0.72),
        });
        let strokes = Strokes::new(random, outline.nipple, depth, outline.half_height);
        Self {
            look,
            gland,
            pectoral,
            strokes,
            tissue: Fractal::new(random, 3.0, 2.0, finest),
            lobes: Fractal::new(random, 3.4, 4.0, finest.min(300.0)),
            fibres: Fractal::new(random, 3.0, 7.0, finest.min(120.0)),
            warp: Fractal::new(random, 3.0, 3.0, 24.0),
            outline,
        }
    }

    /// Distance inside the skin; negative outside.
    pub fn depth(&self, x: f64, y: f64) -> f64 {
        self.outline.depth(x, y)
    }

    /// The share of muscle, 0 … 1.
    pub fn muscle(&self, x: f64, y: f64) -> f64 {
        self.pectoral.as_ref().map_or(0.0, |p| p.share(x, y))
    }

    /// Grey in [0, 1]; exactly 0 outside the skin.
    pub fn grey(&self, x: f64, y: f64) -> f64 {
        let depth = self.depth(x, y);
        if depth <= 0.0 {
            return 0.0;
        }
        let look = &self.look;
        let tissue = self.tissue.at(x, y);
        let gland = self.gland_share(x, y, depth);
        let fibre = self.fibre(x, y);
        let region = 0.45 + 0.55 * self.gland.region(x, y);
        let stroke = self.strokes.at(x, y);
        let mut grey = look.fat + look.texture * tissue;
        grey += (look.gland - look.fat) * gland * (0.80 + 0.10 * tissue.clamp(-2.0, 2.0) + 0.35 * (fibre - 0.3));
        grey += look.fibres * region * (fibre - 0.25);
        grey += stroke;
        if let Some(p) = &self.pectoral {
            let share = p.share(x, y);
            let streak = self.fibres.ridges(2.5 * x - 0.6 * y, 0.25 * (x + 1.5 * y));
            let muscle = p.level + 0.5 * look.texture * tissue + 0.07 * (streak - 0.3) - 0.22 * (x + 0.6 * y);
            grey += share * (muscle.max(look.fat + 0.05) - grey);
        }
        let rise = (depth / look.rim).min(1.0);
        let thickness = (1.0 - (1.0 - rise).powi(2)).sqrt().powf(0.8);
        let skin = look.skin * (-((depth - 0.006) / 0.0035).powi(2)).exp();
        (grey.clamp(0.03, 0.95) * thickness + skin).clamp(0.004, 1.0)
    }

    /// The share of gland, 0 … 1: lobes cut from noise by a soft threshold, fewer towards the region's edge.
    fn gland_share(&self, x: f64, y: f64, depth: f64) -> f64 {
        let g = &self.gland;
        let bent = 0.02 * self.warp.at(x + 7.0, y);
        let noise = 0.26 * self.lobes.at(x, y) + 0.65 * (self.fibre(x, y) - 0.3);
        let field = 0.60 * g.region(x + bent, y) + g.density + noise;
        smoothstep(0.05, 1.05, field) * smoothstep(0.3 * g.cover, 1.6 * g.cover, depth + 0.3 * bent)
    }

    /// Fibres that converge on the nipple.
    fn fibre(&self, x: f64, y: f64) -> f64 {
        let bend = 0.018 * self.warp.at(x, y);
        let (dx, dy) = (self.outline.nipple.0 + 0.06 - x + bend, y - self.outline.nipple.1 + bend);
        let (radius, angle) = (dx.hypot(dy), dy.atan2(dx));
        // Stretched along the radius; the arc is taken at a typical radius so that fibres fan out.
        self.fibres.ridges(radius * 0.8, angle * (0.15 + 0.45 * radius.min(0.6)))
    }
}

impl Gland {
    /// 1 at the centre of the gland, 0 at its edge and beyond.
    fn region(&self, x: f64, y: f64) -> f64 {
        let r = ((x - self.x) / self.rx).hypot((y - self.y) / self.ry);
        1.0 - smoothstep(0.45, 1.25, r)
    }
}

impl Pectoral {
    fn share(&self, x: f64, y: f64) -> f64 {
        let s = 1.0 - x / self.top - y / self.bottom;
        let along = (y / self.bottom).clamp(0.0, 1.0);
        let scale = self.top * self.bottom / self.top.hypot(self.bottom);
        smoothstep(-0.012, 0.016, s * scale + self.bulge * (along * std::f64::consts::PI).sin())
    }
}

/// The skin as a table of signed distances.
struct Outline {
    nipple: (f64, f64),
    half_height: f64,
    /// Cells per image height.
    resolution: f64,
    columns: usize,
    distances: Vec<f32>,
}

impl Outline {
    const CELLS: usize = 192;

    fn new(random: &mut Random, view: View, aspect: f64) -> Self {
        let depth = aspect * random.range(0.48, 0.88);
        let (points, nipple, half_height) = match view {
            View::Cc => cc_outline(random, depth),
            View::Mlo => mlo_outline(random, depth),
        };
        let knob = random.range(0.008, 0.016);
        let resolution = Self::CELLS as f64;
        let columns = (aspect * resolution).ceil() as usize + 2;
        let distances = (0..(Self::CELLS + 2) * columns)
            .map(|i| {
                let (x, y) = ((i % columns) as f64 / resolution, (i / columns) as f64 / resolution);
                let bump = knob - (x - nipple.0 + 0.3 * knob).hypot(y - nipple.1);
                signed_distance(&points, x, y).max(bump) as f32
            })
            .collect();
        Self { nipple, half_height, resolution, columns, distances }
    }

    fn depth(&self, x: f64, y: f64) -> f64 {
        let (u, v) = ((x * self.resolution).max(0.0), (y * self.resolution).max(0.0));
        let (i, j) = ((u as usize).min(self.columns - 2), (v as usize).min(Self::CELLS));
        let (s, t) = ((u - i as f64).min(1.0), (v - j as f64).min(1.0));
        let at = |i: usize, j: usize| f64::from(self.distances[j * self.columns + i]);
        let top = at(i, j) + s * (at(i + 1, j) - at(i, j));
        let bottom = at(i, j + 1) + s * (at(i + 1, j + 1) - at(i, j + 1));
        top + t * (bottom - top)
    }
}

type Points = Vec<(f64, f64)>;

/// A dome on the chest wall. Returns the skin from top to bottom, the nipple and half the height.
fn cc_outline(random: &mut Random, depth: f64) -> (Points, (f64, f64), f64) {
    let half = random.range(0.32, 0.47);
    let middle = random.range(0.46, 0.54);
    let (p, q) = (random.range(1.8, 2.4), random.range(1.5, 2.1));
    let lean = random.range(-0.08, 0.08);
    let points = (0..=240)
        .map(|i| {
            // Denser towards the ends, where the dome is steep.
            let t = (i as f64 / 240.0 * std::f64::consts::PI).cos();
            let x = depth * (1.0 - t.abs().powf(p)).max(0.0).powf(1.0 / q) * (1.0 + lean * t);
            (x, middle - half * t)
        })
        .collect();
    (points, (depth, middle), half)
}

/// Axilla at the top, the nipple below the middle, the inframammary fold near the bottom.
fn mlo_outline(random: &mut Random, depth: f64) -> (Points, (f64, f64), f64) {
    let nipple = random.range(0.56, 0.66);
    let fold = random.range(0.88, 0.97);
    let top = random.range(0.45, 0.62);
    let (p, q) = (random.range(1.7, 2.2), random.range(1.4, 1.9));
    let belly = if random.chance(0.5) { random.range(0.02, 0.12) } else { 0.0 };
    let mut points: Points = (0..=160)
        .map(|i| {
            let u = 1.0 - i as f64 / 160.0;
            let dome = (1.0 - u.powf(p)).max(0.0).powf(1.0 / q);
            (depth * (top * (1.0 - 0.15 * u) + (1.0 - top) * dome), nipple * (1.0 - u) - 0.02)
        })
        .collect();
    points.extend((1..=100).map(|i| {
        let u = (i as f64 / 100.0 * std::f64::consts::FRAC_PI_2).sin();
        let dome = (1.0 - u.powf(p)).max(0.0).powf(1.0 / q);
        ((depth * dome).max(belly * depth), nipple - 0.02 + (fold - nipple + 0.02) * u)
    }));
    points.push((belly * depth * 2.5, 1.05));
    (points, (depth, nipple - 0.02), 0.30)
}

/// Distance to the skin line, positive on the chest's side. The chest wall itself is no border.
fn signed_distance(skin: &[(f64, f64)], x: f64, y: f64) -> f64 {
    let (mut best, mut inside) = (f64::INFINITY, false);
    let segments = skin.windows(2).map(|w| (w[0], w[1]));
    for ((ax, ay), (bx, by)) in segments {
        let (dx, dy) = (bx - ax, by - ay);
        let t = (((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy).max(1e-12)).clamp(0.0, 1.0);
        best = best.min((x - ax - t * dx).hypot(y - ay - t * dy));
        // A ray to the right crosses the skin once from inside.
        if (ay > y) != (by > y) && ax + (y - ay) / (by - ay) * dx > x {
            inside = !inside;
        }
    }
    if inside { best } else { -best }
}
