//! Synthetic mammograms of known masses: for the demonstration case, for tests, and to train with.
//!
//! Everything follows from a seed and is the same on every machine. A phantom is drawn from a function of place, so that a
//! small and a large image of one seed show the same breast. It imitates what a network must cope with (outline, skin, a
//! power-law background, fibres that converge on the nipple, ducts, vessels, muscle, noise), not any patient.

mod anatomy;
pub mod arrays;
pub mod dicom;
mod mass;
mod noise;
mod strokes;
pub mod truth;

use std::ops::Range;

use rayon::prelude::*;

pub use mass::{Mass, MassShape, MassSpec, bounds};
pub use noise::Fractal;

use crate::findings::Contour;
use crate::random::Random;
use crate::raster::{GrayImage, Mask};
use crate::space::ImagePoint;
use anatomy::Breast;

/// The standard views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Cc,
    Mlo,
}

/// Where the breast points: a left breast is hung with the chest wall on the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

/// What to draw. The same plan gives the same phantom, bit for bit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Pixels.
    pub width: usize,
    pub height: usize,
    pub view: View,
    pub side: Side,
    pub masses: usize,
    pub seed: u64,
}

impl Plan {
    /// View, side and number of masses (none to three) from the seed as well.
    pub fn random(seed: u64, width: usize, height: usize) -> Self {
        let mut random = Random::new(seed ^ 0x5EED);
        let view = if random.chance(0.5) { View::Cc } else { View::Mlo };
        let side = if random.chance(0.5) { Side::Left } else { Side::Right };
        let masses = [0, 1, 1, 1, 2, 2, 3][random.below(7)];
        Self { width, height, view, side, masses, seed }
    }
}

/// The demonstration case, `assets/demo`.
pub const DEMONSTRATION: Plan =
    Plan { width: 2560, height: 3328, view: View::Mlo, side: Side::Left, masses: 2, seed: 2_026_118 };

/// The full range of a phantom's values: 12 bits.
pub const FULL: u16 = 4095;

/// A synthetic mammogram and what is true of it.
pub struct Phantom {
    /// 0 is air, [`FULL`] white.
    pub image: GrayImage,
    pub masses: Vec<Mass>,
}

impl Phantom {
    /// The masses' exact outlines, in image pixels.
    pub fn contours(&self) -> Vec<Contour> {
        self.masses.iter().map(Mass::contour).collect()
    }

    /// The union of the masses.
    pub fn mask(&self) -> Mask {
        let mut mask = Mask::filled(self.image.width(), self.image.height(), false);
        for mass in &self.masses {
            let one = mass.mask(mask.width(), mask.height());
            mask.data_mut().iter_mut().zip(one.data()).for_each(|(m, &o)| *m |= o);
        }
        mask
    }
}

/// Draws a phantom.
pub fn generate(plan: &Plan) -> Phantom {
    generate_rows(plan, 0..plan.height)
}

/// Draws some rows of a phantom; the other rows of the image stay 0.
pub fn generate_rows(plan: &Plan, rows: Range<usize>) -> Phantom {
    let mut random = Random::new(plan.seed);
    let height = plan.height as f64;
    let breast = Breast::new(&mut random, plan.view, plan.width as f64 / height, height / 2.0);
    let masses = place_masses(&mut random, plan, &breast);
    let noise = Noise { seed: random.bits(), share: random.range(0.004, 0.009) };
    let mut image = GrayImage::filled(plan.width, plan.height, 0);
    image.data_mut().par_chunks_mut(plan.width.max(1)).enumerate().filter(|(y, _)| rows.contains(y)).for_each(
        |(y, row)| {
            for (x, value) in row.iter_mut().enumerate() {
                let pixel = ImagePoint::new(x as f64 + 0.5, y as f64 + 0.5);
                let (u, v) = plan.unit_from_pixel(pixel);
                let tissue = breast.grey(u, v);
                let grey = masses.iter().fold(tissue, |grey, mass| mass.added_to(grey, pixel));
                *value = noise.quantise(grey, x, y);
            }
        },
    );
    Phantom { image, masses }
}

impl Plan {
    /// Image heights, chest wall at 0, from pixels.
    fn unit_from_pixel(&self, p: ImagePoint) -> (f64, f64) {
        let x = if self.side == Side::Left { p.x } else { self.width as f64 - p.x };
        (x / self.height as f64, p.y / self.height as f64)
    }

    fn pixel_from_unit(&self, u: f64, v: f64) -> ImagePoint {
        let x = u * self.height as f64;
        let x = if self.side == Side::Left { x } else { self.width as f64 - x };
        ImagePoint::new(x, v * self.height as f64)
    }
}

/// Masses apart from each other, the skin and the muscle. Their number is at most the plan's.
fn place_masses(random: &mut Random, plan: &Plan, breast: &Breast) -> Vec<Mass> {
    let scale = plan.height as f64;
    let mut placed: Vec<(f64, f64, f64)> = Vec::new();
    let mut masses = Vec::new();
    for _ in 0..plan.masses {
        let radius = 0.014 * (0.055f64 / 0.014).powf(random.unit());
        let shape = MassShape::ALL[random.below(MassShape::ALL.len())];
        let (contrast, softness, seed) = (random.range(0.14, 0.40), random.range(0.12, 0.6), random.bits());
        for _ in 0..200 {
            let (u, v) = (random.range(0.0, plan.width as f64 / scale), random.range(0.05, 0.95));
            let far = placed.iter().all(|p| (p.0 - u).hypot(p.1 - v) > 1.8 * (p.2 + radius) + 0.02);
            if far && breast.depth(u, v) > 1.4 * radius + 0.015 && u > 1.3 * radius && breast.muscle(u, v) < 0.1 {
                placed.push((u, v, radius));
                let center = plan.pixel_from_unit(u, v);
                let radius = radius * scale;
                let spec = MassSpec { center, radius, shape, contrast, softness: softness * radius, seed };
                masses.push(Mass::new(spec));
                break;
            }
        }
    }
    masses
}

/// Quantum noise: brighter places of a presentation image got fewer quanta and are noisier.
struct Noise {
    seed: u64,
    /// Standard deviation at middle grey, as a share of the full range.
    share: f64,
}

impl Noise {
    /// The value of pixel (x, y) for its grey in [0, 1]; air stays exactly 0, tissue is at least 1.
    fn quantise(&self, grey: f64, x: usize, y: usize) -> u16 {
        if grey <= 0.0 {
            return 0;
        }
        let noise = noise::grain(self.seed, x, y) * self.share * (0.4 + grey).sqrt();
        ((grey + noise) * f64::from(FULL)).round().clamp(1.0, f64::from(FULL)) as u16
    }
}

/// 0 below `low`, 1 above `high`, smooth between.
fn smoothstep(low: f64, high: f64, x: f64) -> f64 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
