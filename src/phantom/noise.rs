//! Random fields that are the same on every machine for a seed.

use crate::random::{Random, mix};

/// A zero-mean random number of variance 1 for a place, near Gaussian: the sum of four uniform ones.
pub fn grain(seed: u64, x: usize, y: usize) -> f64 {
    let z = mix(seed ^ mix(x as u64 ^ ((y as u64) << 32)));
    let sum: u64 = (0..4).map(|i| (z >> (16 * i)) & 0xFFFF).sum();
    (sum as f64 / 65535.0 - 2.0) * 3f64.sqrt()
}

/// Fractal gradient noise: octaves of doubling frequency whose variance falls so that the power spectrum is 1 / f^exponent.
///
/// Mammograms have an exponent near 3 (Burgess, Jacobson, Judy 2001).
#[derive(Clone, Debug)]
pub struct Fractal {
    octaves: Vec<Octave>,
}

#[derive(Clone, Debug)]
struct Octave {
    seed: u64,
    amplitude: f64,
    /// Rotation and scale in one, so that the lattices of the octaves do not line up.
    cos: f64,
    sin: f64,
}

impl Fractal {
    /// Octaves from `lowest` to at most `highest` cycles per unit length; the sum has a variance near 1.
    pub fn new(random: &mut Random, exponent: f64, lowest: f64, highest: f64) -> Self {
        // In two dimensions an octave's variance is its share of ∫ f^(1 − exponent) df, which falls by 2^(2 − exponent).
        let gain = 2f64.powf((2.0 - exponent) / 2.0);
        // A stream of its own: how many octaves an image is worth must not change what else is drawn.
        let mut random = Random::new(random.bits());
        let count = ((highest / lowest).log2().floor().max(0.0) as i32) + 1;
        let mut octaves: Vec<Octave> = (0..count)
            .map(|i| {
                let (angle, frequency) = (random.range(0.0, std::f64::consts::TAU), lowest * 2f64.powi(i));
                let amplitude = gain.powi(i);
                Octave { seed: random.bits(), amplitude, cos: frequency * angle.cos(), sin: frequency * angle.sin() }
            })
            .collect();
        // Gradient noise has a standard deviation near 0.27.
        let norm = 0.27 * octaves.iter().map(|o| o.amplitude.powi(2)).sum::<f64>().sqrt();
        octaves.iter_mut().for_each(|o| o.amplitude /= norm);
        Self { octaves }
    }

    pub fn at(&self, x: f64, y: f64) -> f64 {
        self.octaves
            .iter()
            .map(|o| o.amplitude * gradient_noise(o.seed, o.cos * x - o.sin * y + 0.37, o.sin * x + o.cos * y + 0.71))
            .sum()
    }

    /// Thin bright lines where the octaves cross zero, in [0, 1], mean near 0.3.
    pub fn ridges(&self, x: f64, y: f64) -> f64 {
        let (mut sum, mut total) = (0.0, 0.0);
        for o in &self.octaves {
            let value = gradient_noise(o.seed, o.cos * x - o.sin * y + 0.37, o.sin * x + o.cos * y + 0.71);
            sum += o.amplitude * (1.0 - (value.abs() * 3.0).min(1.0)).powi(3);
            total += o.amplitude;
        }
        sum / total
    }
}

/// Perlin's gradient noise with the quintic fade, in about [−1, 1].
fn gradient_noise(seed: u64, x: f64, y: f64) -> f64 {
    let (x0, y0) = (x.floor(), y.floor());
    let (fx, fy) = (x - x0, y - y0);
    let (ix, iy) = (x0 as i64, y0 as i64);
    let corner = |dx: i64, dy: i64| {
        let key = ((ix + dx) as u64 & 0xFFFF_FFFF) | (((iy + dy) as u64) << 32);
        let (gx, gy) = DIRECTIONS[(mix(seed ^ key.wrapping_mul(0x9E37_79B9_7F4A_7C15)) >> 60) as usize];
        gx * (fx - dx as f64) + gy * (fy - dy as f64)
    };
    let fade = |t: f64| t * t * t * (t * (t * 6.0 - 15.0) + 10.0);
    let (u, v) = (fade(fx), fade(fy));
    let top = corner(0, 0) + u * (corner(1, 0) - corner(0, 0));
    let bottom = corner(0, 1) + u * (corner(1, 1) - corner(0, 1));
    top + v * (bottom - top)
}

/// Sixteen unit vectors.
const DIRECTIONS: [(f64, f64); 16] = {
    const A: f64 = 0.923_879_532_511_286_7;
    const B: f64 = 0.382_683_432_365_089_8;
    const C: f64 = std::f64::consts::FRAC_1_SQRT_2;
    [
        (1.0, 0.0),
        (A, B),
        (C, C),
        (B, A),
        (0.0, 1.0),
        (-B, A),
        (-C, C),
        (-A, B),
        (-1.0, 0.0),
        (-A, -B),
        (-C, -C),
        (-B, -A),
        (0.0, -1.0),
        (B, -A),
        (C, -C),
        (A, -B),
    ]
};
