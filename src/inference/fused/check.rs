//! Whether a device computes what it should: every kernel, on random values, against the CPU.

use candle_core::Device;

use super::{HalfConv, HalfMap};
use crate::inference::weights::{ConvShape, ConvWeights};
use crate::random::Random;
use crate::raster::Raster;

/// The largest difference allowed, relative to the root mean square: several roundings to f16.
const TOLERANCE: f32 = 4e-3;

/// Compares the kernels on `device` with the CPU.
///
/// # Errors
/// What the device reported, or that its results are wrong.
pub fn check(device: &Device) -> anyhow::Result<()> {
    let expected = results(&Device::Cpu)?;
    let found = results(device)?;
    anyhow::ensure!(found.len() == expected.len(), "results are missing");
    for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let rms = (expected.iter().map(|v| v * v).sum::<f32>() / expected.len() as f32).sqrt();
        let close = |(found, expected): (&f32, &f32)| (found - expected).abs() <= TOLERANCE * rms;
        let same = found.len() == expected.len() && found.iter().zip(expected).all(close);
        anyhow::ensure!(same, "operation {number} gives wrong results");
    }
    Ok(())
}

/// Each kind of layer that the networks have, for few and for many pixels.
fn results(device: &Device) -> anyhow::Result<Vec<Vec<f32>>> {
    let mut random = Random::new(1);
    let mut conv = |shape: ConvShape, slope: f32| {
        let scale = 2.0 / (shape.inputs as f32 * (shape.kernel * shape.kernel) as f32).sqrt();
        let weight = (0..shape.count()).map(|_| scale * centred(&mut random)).collect();
        let bias = (0..shape.outputs).map(|_| centred(&mut random)).collect();
        HalfConv::new(&ConvWeights { shape, weight, bias }, slope, device)
    };
    let first = conv(ConvShape::new(1, 64, 3, 1), 0.0)?;
    let narrow = conv(ConvShape::new(64, 32, 1, 1), 0.1)?;
    let down = conv(ConvShape::new(32, 96, 3, 2), 0.1)?;
    let joined = conv(ConvShape::new(160, 64, 3, 1), 0.1)?;
    let head = conv(ConvShape::new(64, 18, 1, 1), 1.0)?;

    let mut random = Random::new(2);
    let images: Vec<Raster<f32>> = (0..2).map(|_| Raster::from_fn(128, 96, |_, _| centred(&mut random))).collect();
    let image = HalfMap::from_images(&images.iter().collect::<Vec<_>>(), device)?;
    let wide = first.forward(&[&image], None)?;
    let few = narrow.forward(&[&wide.max_pooled()?.max_pooled()?.max_pooled()?], None)?;
    let many = narrow.forward(&[&wide], None)?;
    let half = down.forward(&[&many], None)?;
    let sum = joined.forward(&[&wide, &half.upsampled()], Some(&wide))?;
    let outputs = [head.forward(&[&sum], None)?, head.forward(&[&sum.max_pooled()?.max_pooled()?], None)?];
    [wide, few, many, half, sum].iter().chain(&outputs).map(|map| Ok(map.values()?)).collect()
}

/// In −1…1.
fn centred(random: &mut Random) -> f32 {
    random.range(-1.0, 1.0) as f32
}
