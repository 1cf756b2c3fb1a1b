//! Training data from phantoms: raw arrays of bytes, as `models/training` reads them.

use std::io::Write;

use rayon::prelude::*;

use super::{FULL, Mass, MassShape, MassSpec, Phantom, Plan, generate};
use crate::pipeline::prepare::normalise;
use crate::pipeline::resize::resample;
use crate::random::Random;
use crate::raster::{GrayImage, Raster};
use crate::space::{ImagePoint, ImageRect, NetSize};

/// Side of a library mass's square in pixels; its radius is [`MASS_RADIUS`].
pub const MASS_SIDE: usize = 192;
const MASS_RADIUS: f64 = 40.0;
/// Side of a stored patch in pixels; it spans [`PATCH_SPAN`] times the mass's longest side.
pub const PATCH_SIDE: usize = 288;
const PATCH_SPAN: f64 = 2.4;
/// So many phantoms are drawn at once: memory stays small.
const BATCH: u64 = 16;

/// Whole phantoms as the detector sees them: `images` gets `size.height × size.width` bytes each, `boxes` a line each of JSON
/// `[[x0, y0, x1, y1], …]` in fractions of width and height.
pub fn write_images(
    seeds: std::ops::Range<u64>,
    size: NetSize,
    images: &mut impl Write,
    boxes: &mut impl Write,
) -> anyhow::Result<()> {
    in_order(
        seeds,
        |seed| image_and_boxes(seed, size),
        |(image, found)| {
            images.write_all(&image)?;
            writeln!(boxes, "{}", serde_json::to_string(&found)?)?;
            Ok(())
        },
    )
}

/// Patches around the masses of phantoms: image, then mask, [`PATCH_SIDE`]² bytes each.
pub fn write_patches(seeds: std::ops::Range<u64>, out: &mut impl Write) -> anyhow::Result<()> {
    in_order(seeds, patches, |bytes| Ok(out.write_all(&bytes)?))
}

/// Masses without a breast, to be laid over real tissue: density (200 is 1.0), then mask (0 or 1), [`MASS_SIDE`]² bytes each.
pub fn write_masses(seeds: std::ops::Range<u64>, out: &mut impl Write) -> anyhow::Result<()> {
    in_order(seeds, mass_and_mask, |bytes| Ok(out.write_all(&bytes)?))
}

/// `make` on all seeds in parallel, `write` in their order.
fn in_order<T: Send>(
    seeds: std::ops::Range<u64>,
    make: impl Fn(u64) -> T + Sync,
    mut write: impl FnMut(T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut start = seeds.start;
    while start < seeds.end {
        let end = (start + BATCH).min(seeds.end);
        let made: Vec<T> = (start..end).into_par_iter().map(&make).collect();
        made.into_iter().try_for_each(&mut write)?;
        start = end;
    }
    Ok(())
}

fn image_and_boxes(seed: u64, size: NetSize) -> (Vec<u8>, Vec<[f64; 4]>) {
    // Images of several aspects, since all are stretched to one.
    let (width, height) = ([640, 640, 768, 512][Random::new(seed ^ 77).below(4)], 832);
    let phantom = generate(&Plan::random(seed, width, height));
    let image = prepared(&phantom);
    let bytes = bytes(&resample(&image, image.bounds().into(), size));
    let (w, h) = (width as f64, height as f64);
    let boxes = phantom.masses.iter().map(Mass::bounds).map(|b| [b.x0 / w, b.y0 / h, b.x1 / w, b.y1 / h]).collect();
    (bytes, boxes)
}

fn patches(seed: u64) -> Vec<u8> {
    let phantom = generate(&Plan { masses: 4, ..Plan::random(seed, 960, 1248) });
    let image = prepared(&phantom);
    let mask = phantom.mask().map(|inside| if inside { u16::MAX } else { 0 });
    let mut out = Vec::new();
    for bounds in phantom.masses.iter().map(Mass::bounds) {
        let (c, half) = (bounds.center(), PATCH_SPAN * bounds.width().max(bounds.height()) / 2.0);
        let square = ImageRect::new(c.x - half, c.y - half, c.x + half, c.y + half);
        for part in [&image, &mask] {
            out.extend(bytes(&resample(part, square, NetSize::new(PATCH_SIDE, PATCH_SIDE))));
        }
    }
    out
}

fn mass_and_mask(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed + 999);
    let middle = MASS_SIDE as f64 / 2.0;
    let mass = Mass::new(MassSpec {
        center: ImagePoint::new(middle, middle),
        radius: MASS_RADIUS,
        shape: MassShape::ALL[random.below(MassShape::ALL.len())],
        contrast: 1.0,
        softness: MASS_RADIUS * random.range(0.08, 0.6),
        seed,
    });
    let density = Raster::from_fn(MASS_SIDE, MASS_SIDE, |x, y| {
        (mass.density(ImagePoint::new(x as f64 + 0.5, y as f64 + 0.5)).clamp(0.0, 1.2) * 200.0) as u8
    });
    let mask = mass.mask(MASS_SIDE, MASS_SIDE).map(u8::from);
    [density.into_data(), mask.into_data()].concat()
}

fn prepared(phantom: &Phantom) -> GrayImage {
    let scale = u16::MAX / FULL;
    normalise(&phantom.image.map(|v| v * scale)).image
}

fn bytes(image: &Raster<f32>) -> Vec<u8> {
    image.data().iter().map(|v| (v * 255.0).round() as u8).collect()
}
