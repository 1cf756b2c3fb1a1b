//! The CPU's convolutions equal the definition, for every instruction set of this machine, on random and odd sizes.

use std::sync::Arc;

use mammoscope::inference::kernels::{Conv, Image, Isa, Map, Pool};

use crate::random_weights::tensor;

/// A convolution of `[channels, height, width]` by its definition, in double precision.
pub fn defined(x: &[f32], [inputs, height, width]: [usize; 3], weight: &[f32], case: &Case, bias: &[f32]) -> Vec<f32> {
    let Case { outputs, kernel, stride, .. } = *case;
    let mut result = Vec::new();
    for output in 0..outputs {
        for y in (0..height).step_by(stride) {
            for x0 in (0..width).step_by(stride) {
                let mut sum = f64::from(bias[output]);
                for input in 0..inputs {
                    for (dy, dx) in (0..kernel).flat_map(|dy| (0..kernel).map(move |dx| (dy, dx))) {
                        // Outside the image the subtraction wraps round to something large.
                        let (row, column) = ((y + dy).wrapping_sub(kernel / 2), (x0 + dx).wrapping_sub(kernel / 2));
                        if row < height && column < width {
                            let w = weight[((output * inputs + input) * kernel + dy) * kernel + dx];
                            sum += f64::from(w) * f64::from(x[(input * height + row) * width + column]);
                        }
                    }
                }
                result.push(if sum < 0.0 { sum * f64::from(case.slope) } else { sum } as f32);
            }
        }
    }
    result
}

pub struct Case {
    pub inputs: &'static [usize],
    pub outputs: usize,
    pub kernel: usize,
    pub stride: usize,
    pub size: (usize, usize),
    pub slope: f32,
    pub residual: bool,
}

pub const fn case(
    inputs: &'static [usize],
    outputs: usize,
    kernel: usize,
    stride: usize,
    size: (usize, usize),
) -> Case {
    Case { inputs, outputs, kernel, stride, size, slope: 0.1, residual: false }
}

const CASES: [Case; 16] = [
    case(&[1], 32, 3, 1, (9, 13)),
    case(&[1], 5, 1, 2, (7, 30)),
    case(&[33], 18, 1, 1, (5, 7)),
    case(&[64], 1, 1, 1, (20, 20)),
    case(&[16], 16, 1, 2, (3, 40)),
    case(&[16], 32, 3, 2, (11, 17)),
    case(&[40], 33, 3, 2, (8, 8)),
    case(&[48], 40, 3, 1, (10, 5)),
    case(&[32], 64, 3, 1, (19, 22)),
    case(&[5], 16, 3, 1, (1, 1)),
    case(&[16], 7, 3, 1, (2, 61)),
    case(&[16, 32, 8], 20, 3, 1, (12, 18)),
    case(&[32, 16], 24, 1, 1, (6, 15)),
    Case { slope: 0.0, residual: true, ..case(&[24], 24, 3, 1, (13, 14)) },
    Case { slope: 1.0, residual: true, ..case(&[20], 48, 1, 1, (4, 27)) },
    // More pairs of channels than those whose transformed weights are kept.
    case(&[320], 320, 3, 1, (8, 7)),
];

/// Of one image.
pub fn forward(conv: &Conv, inputs: &[&Map], residual: Option<&Map>, pool: &Arc<Pool>) -> anyhow::Result<Map> {
    let maps = conv.forward(&[Image { inputs: inputs.to_vec(), residual }], pool)?;
    Ok(maps.into_iter().next().unwrap())
}

#[test]
fn convolutions_equal_the_definition_on_every_instruction_set() {
    let pool = Arc::new(Pool::default());
    for (number, case) in CASES.iter().enumerate() {
        let (height, width) = case.size;
        let inputs: usize = case.inputs.iter().sum();
        let parts: Vec<Vec<f32>> = (0..case.inputs.len())
            .map(|i| tensor(&format!("x{number}.{i}.weight"), &[1, case.inputs[i], height, width]))
            .collect();
        let weight = tensor(&format!("w{number}.weight"), &[case.outputs, inputs, case.kernel, case.kernel]);
        let bias = tensor(&format!("b{number}"), &[case.outputs]);
        let mut wanted = defined(&parts.concat(), [inputs, height, width], &weight, case, &bias);
        let size = [case.outputs, height.div_ceil(case.stride), width.div_ceil(case.stride)];
        let residual = case.residual.then(|| tensor("residual", &[1, wanted.len()]));
        for (value, added) in wanted.iter_mut().zip(residual.iter().flatten()) {
            *value += added;
        }
        let rms = (wanted.iter().map(|v| v * v).sum::<f32>() / wanted.len() as f32).sqrt();
        for isa in Isa::detected() {
            let conv =
                Conv::new([case.outputs, inputs, case.kernel], case.stride, &weight, &bias, case.slope, isa).unwrap();
            let maps: Vec<Map> = parts
                .iter()
                .zip(case.inputs)
                .map(|(part, channels)| Map::from_rows(part, [*channels, height, width], &pool))
                .collect();
            let residual = residual.as_ref().map(|values| Map::from_rows(values, size, &pool));
            let found = forward(&conv, &maps.iter().collect::<Vec<_>>(), residual.as_ref(), &pool).unwrap().to_rows();
            assert_eq!(found.len(), wanted.len());
            for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                assert!(
                    (found - wanted).abs() <= 1e-4 * rms,
                    "case {number}, {isa}, value {at}: {found}, not {wanted}"
                );
            }
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let weight = tensor("threads.weight", &[320, 320, 3, 3]);
    let pool = Arc::new(Pool::default());
    let conv = Conv::new([320, 320, 3], 1, &weight, &[0.5; 320], 0.1, Isa::best()).unwrap();
    let map = Map::from_rows(&tensor("threads.x", &[320, 24, 24]), [320, 24, 24], &pool);
    let with = |threads: usize| {
        let threads = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        threads.install(|| forward(&conv, &[&map], None, &pool).unwrap().to_rows())
    };
    let one = with(1);
    for threads in [2, 3, 7] {
        assert!(with(threads) == one, "{threads} threads");
    }
}

#[test]
fn images_of_a_batch_do_not_depend_on_each_other() {
    let pool = Arc::<Pool>::default();
    // Winograd's method for many and for few channels; direct, with more weights than pixels and the other way round.
    for (channels, outputs, kernel, stride) in [(320, 320, 3, 1), (32, 48, 3, 1), (320, 330, 1, 1), (16, 20, 3, 2)] {
        let weight = tensor("batch.weight", &[outputs, channels, kernel, kernel]);
        let map = |size: [usize; 3]| Map::from_rows(&tensor("batch.x", &size), size, &pool);
        let maps = [map([channels, 5, 10]), map([channels, 90, 70]), map([channels, 1, 3]), map([channels, 16, 12])];
        let residuals = maps.each_ref().map(|map| {
            let [_, height, width] = map.size();
            let size = [outputs, height.div_ceil(stride), width.div_ceil(stride)];
            Map::from_rows(&tensor("batch.residual", &size), size, &pool)
        });
        let image = |(map, residual)| Image { inputs: vec![map], residual: Some(residual) };
        let images: Vec<Image<'_, Map>> = maps.iter().zip(&residuals).map(image).collect();
        for isa in Isa::detected() {
            let conv = Conv::new([outputs, channels, kernel], stride, &weight, &vec![0.5; outputs], 0.1, isa).unwrap();
            let all = conv.forward(&images, &pool).unwrap();
            for ((all, map), residual) in all.iter().zip(&maps).zip(&residuals) {
                let alone = forward(&conv, &[map], Some(residual), &pool).unwrap();
                assert!(all.to_rows() == alone.to_rows(), "{:?}, kernel {kernel}, {isa}", map.size());
            }
        }
    }
}

/// Values `[channels, height, width]` with each pixel twice in each direction, and the largest of each 2×2.
pub fn resampled(values: &[f32], [channels, height, width]: [usize; 3]) -> [Vec<f32>; 2] {
    let at = |c: usize, y: usize, x: usize| values[(c * height + y) * width + x];
    let mut up = Vec::new();
    let mut pooled = Vec::new();
    for c in 0..channels {
        for (y, x) in (0..2 * height).flat_map(|y| (0..2 * width).map(move |x| (y, x))) {
            up.push(at(c, y / 2, x / 2));
        }
        for (y, x) in (0..height / 2).flat_map(|y| (0..width / 2).map(move |x| (2 * y, 2 * x))) {
            pooled.push(at(c, y, x).max(at(c, y, x + 1)).max(at(c, y + 1, x)).max(at(c, y + 1, x + 1)));
        }
    }
    [up, pooled]
}

#[test]
fn resampling_equals_the_definition() {
    let pool = Arc::new(Pool::default());
    let size = [20, 6, 10];
    let values = tensor("resampled", &size);
    let map = Map::from_rows(&values, size, &pool);
    assert_eq!(map.to_rows(), values);
    let [up, pooled] = resampled(&values, size);
    assert_eq!(map.upsampled().to_rows(), up);
    assert_eq!(map.upsampled().max_pooled().to_rows(), values, "a doubled map is pooled back to itself");
    assert_eq!(map.max_pooled().to_rows(), pooled);
}

#[test]
fn doubled_maps_are_read_as_if_written_out() {
    let pool = Arc::new(Pool::default());
    let (height, width) = (7, 9);
    let small = Map::from_rows(&tensor("doubled.x", &[32, height, width]), [32, height, width], &pool);
    let written = Map::from_rows(&small.upsampled().to_rows(), [32, 2 * height, 2 * width], &pool);
    // Winograd's method for few and for many channels, and the direct one.
    for (outputs, kernel) in [(16, 3), (3200, 3), (24, 1)] {
        let weight = tensor("doubled.weight", &[outputs, 32, kernel, kernel]);
        for isa in Isa::detected() {
            let conv = Conv::new([outputs, 32, kernel], 1, &weight, &vec![0.5; outputs], 0.1, isa).unwrap();
            let doubled = forward(&conv, &[&small.upsampled()], None, &pool).unwrap();
            let plain = forward(&conv, &[&written], None, &pool).unwrap();
            assert!(doubled.to_rows() == plain.to_rows(), "{outputs} outputs, kernel {kernel}, {isa}");
        }
    }
}

#[test]
fn operands_that_do_not_fit_are_errors() {
    let pool = Arc::new(Pool::default());
    let new = |size: [usize; 3], stride, weights: usize| {
        Conv::new(size, stride, &vec![0.0; weights], &vec![0.0; size[0]], 1.0, Isa::best())
    };
    assert!(new([8, 8, 5], 1, 1600).is_err(), "a kernel of 5×5");
    assert!(new([8, 8, 3], 3, 576).is_err(), "a stride of 3");
    assert!(new([8, 8, 3], 1, 575).is_err(), "a weight too few");
    let conv = new([16, 32, 3], 1, 16 * 32 * 9).unwrap();
    let map = |channels: usize, side: usize| {
        Map::from_rows(&vec![0.0; channels * side * side], [channels, side, side], &pool)
    };
    assert!(forward(&conv, &[&map(32, 8)], Some(&map(16, 8)), &pool).is_ok());
    assert!(forward(&conv, &[&map(16, 8)], None, &pool).is_err(), "too few channels");
    assert!(forward(&conv, &[&map(16, 8), &map(16, 4)], None, &pool).is_err(), "maps of two sizes");
    assert!(forward(&conv, &[&map(20, 8), &map(12, 8)], None, &pool).is_err(), "a block that ends early");
    assert!(forward(&conv, &[], None, &pool).is_err(), "no maps");
    assert!(forward(&conv, &[&map(32, 8)], Some(&map(16, 4)), &pool).is_err(), "a residual of another size");
}
