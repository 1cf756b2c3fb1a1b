//! The CPU's matrix units: convolutions of bf16 equal the definition, and the networks in bf16 are near those in f32. Skipped in
//! words where the processor has none.

use std::sync::Arc;

use half::bf16;
use mammoscope::inference::Backend;
use mammoscope::inference::kernels::bf16::{Conv, Map, is_supported};
use mammoscope::inference::kernels::{Image, Pool};
use mammoscope::space::NetSize;

use crate::gpu::check_networks;
use crate::kernels::{Case, case, defined, resampled};
use crate::random_weights::tensor;

fn has_units() -> bool {
    if !is_supported() {
        println!("skipped: this processor has no matrix units for bf16");
    }
    is_supported()
}

const CASES: [Case; 13] = [
    case(&[1], 32, 3, 1, (9, 13)),
    case(&[1], 64, 3, 1, (32, 16)),
    case(&[32], 32, 3, 1, (1, 1)),
    case(&[32], 64, 3, 1, (5, 10)),
    case(&[64], 18, 1, 1, (5, 7)),
    case(&[64], 1, 1, 1, (20, 20)),
    case(&[32], 64, 3, 2, (8, 10)),
    case(&[64], 96, 3, 2, (7, 70)),
    case(&[96], 32, 1, 1, (3, 33)),
    case(&[64, 32], 64, 3, 1, (20, 33)),
    case(&[32, 96, 32], 32, 1, 1, (6, 15)),
    Case { slope: 0.0, residual: true, ..case(&[64], 64, 3, 1, (13, 14)) },
    Case { slope: 1.0, residual: true, ..case(&[32], 352, 1, 1, (4, 27)) },
];

fn rounded(values: Vec<f32>) -> Vec<f32> {
    values.into_iter().map(|value| bf16::from_f32(value).to_f32()).collect()
}

/// Each output's weights as whole multiples of one step, which need not be a bf16.
pub fn in_8_bits(mut values: Vec<f32>, outputs: usize) -> Vec<f32> {
    let of_output = values.len() / outputs;
    for row in values.chunks_exact_mut(of_output) {
        let step = row.iter().fold(0.0_f32, |most, value| most.max(value.abs())) / 127.0;
        row.iter_mut().for_each(|value| *value = (*value / step).round() * step);
    }
    values
}

#[test]
fn convolutions_equal_the_definition() {
    if !has_units() {
        return;
    }
    let (pool, plain) = (Arc::<Pool>::default(), Arc::<Pool>::default());
    for (number, case) in CASES.iter().enumerate() {
        let (height, width) = case.size;
        let inputs: usize = case.inputs.iter().sum();
        // A grey image is not rounded.
        let image = |values: Vec<f32>| if inputs == 1 { values } else { rounded(values) };
        let parts: Vec<Vec<f32>> = (0..case.inputs.len())
            .map(|i| image(tensor(&format!("x{number}.{i}.weight"), &[1, case.inputs[i], height, width])))
            .collect();
        let shape = [case.outputs, inputs, case.kernel, case.kernel];
        let weight = tensor(&format!("w{number}.weight"), &shape);
        // Every second case has weights of 8 bits.
        let weight = if number % 2 == 1 { rounded(weight) } else { in_8_bits(weight, case.outputs) };
        let bias = tensor(&format!("b{number}"), &[case.outputs]);
        let wanted = defined(&parts.concat(), [inputs, height, width], &weight, case, &bias);
        let rms = (wanted.iter().map(|v| v * v).sum::<f32>() / wanted.len() as f32).sqrt();

        let conv = Conv::new([case.outputs, inputs, case.kernel], case.stride, &weight, &bias, case.slope).unwrap();
        let maps = parts.iter().zip(case.inputs).map(|(part, c)| Map::from_rows(part, [*c, height, width], &pool));
        let maps: Vec<Map> = maps.collect();
        let image = |residual| Image { inputs: maps.iter().collect(), residual };
        let found = conv.forward_f32(&[image(None)], &plain).unwrap()[0].to_rows();
        assert_eq!(found.len(), wanted.len());
        for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            assert!((found - wanted).abs() <= 2e-5 * rms, "case {number}, value {at}: {found}, not {wanted}");
        }
        if case.outputs % 32 != 0 {
            assert!(conv.forward(&[image(None)], &pool).is_err(), "case {number}: channels that fill no block");
            continue;
        }
        let size = [case.outputs, height.div_ceil(case.stride), width.div_ceil(case.stride)];
        let residual = case.residual.then(|| rounded(tensor("residual", &[1, wanted.len()])));
        let map = residual.as_ref().map(|values| Map::from_rows(values, size, &pool));
        // Twice: the second time in memory that the first gave back.
        for _ in 0..2 {
            let found = conv.forward(&[image(map.as_ref())], &pool).unwrap()[0].to_rows();
            for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                let wanted = wanted + residual.as_ref().map_or(0.0, |residual| residual[at]);
                // Half of the last of eight bits, and what the sum is off.
                let allowed = wanted.abs() / 256.0 + 2e-5 * rms;
                assert!((found - wanted).abs() <= allowed, "case {number}, value {at}: {found}, not {wanted}");
            }
        }
    }
}

/// Of one image.
fn forward(conv: &Conv, inputs: &[&Map], residual: Option<&Map>) -> anyhow::Result<Map> {
    let maps = conv.forward(&[Image { inputs: inputs.to_vec(), residual }], &Arc::default())?;
    Ok(maps.into_iter().next().unwrap())
}

#[test]
fn images_of_a_batch_do_not_depend_on_each_other() {
    if !has_units() {
        return;
    }
    let pool = Arc::<Pool>::default();
    // More weights than pixels, and the other way round.
    for (channels, outputs) in [(320, 320), (32, 32)] {
        let weight = tensor("batch.weight", &[outputs, channels, 3, 3]);
        let conv = Conv::new([outputs, channels, 3], 1, &weight, &vec![0.5; outputs], 0.1).unwrap();
        let map = |size: [usize; 3]| Map::from_rows(&tensor("batch.x", &size), size, &pool);
        let maps = [map([channels, 5, 10]), map([channels, 90, 70]), map([channels, 1, 3])];
        let images: Vec<Image<'_, Map>> = maps.iter().map(|map| Image { inputs: vec![map], residual: None }).collect();
        let all = conv.forward(&images, &pool).unwrap();
        for (all, map) in all.iter().zip(&maps) {
            assert!(all.to_rows() == forward(&conv, &[map], None).unwrap().to_rows(), "{:?}", map.size());
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    if !has_units() {
        return;
    }
    let (pool, channels) = (Arc::<Pool>::default(), 320);
    let weight = tensor("threads.weight", &[channels, channels, 3, 3]);
    let conv = Conv::new([channels, channels, 3], 1, &weight, &vec![0.5; channels], 0.1).unwrap();
    let map = Map::from_rows(&tensor("threads.x", &[channels, 24, 24]), [channels, 24, 24], &pool);
    let with = |threads: usize| {
        let threads = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        threads.install(|| forward(&conv, &[&map], None).unwrap().to_rows())
    };
    let one = with(1);
    for threads in [2, 3, 7] {
        assert!(with(threads) == one, "{threads} threads");
    }
}

#[test]
fn resampling_equals_the_definition() {
    let pool = Arc::<Pool>::default();
    let size = [64, 6, 10];
    let values = rounded(tensor("resampled", &size));
    let map = Map::from_rows(&values, size, &pool);
    assert_eq!(map.to_rows(), values);
    let [up, pooled] = resampled(&values, size);
    assert!(values.iter().any(|value| *value < 0.0));
    assert_eq!(map.upsampled().to_rows(), up);
    assert_eq!(map.max_pooled().to_rows(), pooled);
}

#[test]
fn operands_that_do_not_fit_are_errors() {
    let new = |size: [usize; 3], stride, weights: usize| {
        Conv::new(size, stride, &vec![0.0; weights], &vec![0.0; size[0]], 1.0)
    };
    if !has_units() {
        assert!(new([32, 32, 3], 1, 9216).is_err(), "no units");
        return;
    }
    assert!(new([32, 32, 5], 1, 25_600).is_err(), "a kernel of 5×5");
    assert!(new([32, 32, 3], 3, 9216).is_err(), "a stride of 3");
    assert!(new([32, 32, 3], 1, 9215).is_err(), "a weight too few");
    assert!(new([32, 40, 3], 1, 11_520).is_err(), "channels that fill no block");
    let pool = Arc::<Pool>::default();
    let conv = new([32, 64, 3], 1, 18_432).unwrap();
    let map = |channels: usize, side: usize| {
        Map::from_rows(&vec![0.0; channels * side * side], [channels, side, side], &pool)
    };
    assert!(forward(&conv, &[&map(64, 8)], Some(&map(32, 8))).is_ok());
    assert!(forward(&conv, &[&map(32, 8)], None).is_err(), "too few channels");
    assert!(forward(&conv, &[&map(32, 8), &map(32, 4)], None).is_err(), "maps of two sizes");
    assert!(forward(&conv, &[&map(63, 8), &map(1, 8)], None).is_err(), "blocks that end early");
    assert!(forward(&conv, &[], None).is_err(), "no maps");
    assert!(forward(&conv, &[&map(64, 8)], Some(&map(32, 4))).is_err(), "a residual of another size");
}

/// Eight bits and 75 layers of random weights; a trained network's errors are smaller beside its outputs.
const TOLERANCE: f32 = 4e-2;

#[test]
fn networks_are_near_those_in_f32() {
    let Some(backend) = Backend::bf16() else { return println!("skipped: no matrix units for bf16") };
    check_networks(&backend, TOLERANCE, &[NetSize::new(160, 320), NetSize::new(256, 512)], 256);
}
