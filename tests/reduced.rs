//! Reduced precision on the CPU: convolutions in whole numbers are as near the definition as their steps allow, and what runs is
//! said. Skipped in words where the processor has no such instructions. Matrix units have their own tests (`bf16.rs`).

use std::path::Path;
use std::sync::Arc;

use mammoscope::inference::kernels::bf16;
use mammoscope::inference::kernels::{Conv, Image, Isa, Map, Pool, bf16_peak_gflops};
use mammoscope::inference::unetpp::UnetPlusPlus;
use mammoscope::inference::weights::Source;
use mammoscope::inference::yolov3::Yolov3;
use mammoscope::inference::{self, Backend, DeviceChoice, ModelOptions, Precision};
use mammoscope::pipeline::Cancel;

use crate::bf16::in_8_bits;
use crate::gpu::check_close;
use crate::kernels::{self, Case, case, defined};
use crate::random_weights::{image, tensor, unetpp_file, yolov3_file};

fn coarse() -> Option<Isa> {
    let isa = Isa::coarse();
    if isa.is_none() {
        println!("skipped: this processor has no AVX-512 VNNI");
    }
    isa
}

const CASES: [Case; 9] = [
    case(&[32], 32, 3, 1, (5, 7)),
    Case { slope: 0.0, residual: true, ..case(&[64, 16], 70, 3, 1, (20, 29)) },
    Case { slope: 1.0, ..case(&[320], 40, 3, 1, (1, 3)) },
    case(&[32], 32, 1, 1, (5, 7)),
    case(&[64], 70, 1, 1, (20, 29)),
    case(&[16, 32], 40, 1, 2, (6, 15)),
    case(&[16], 33, 3, 2, (11, 17)),
    Case { slope: 1.0, residual: true, ..case(&[128], 96, 3, 2, (40, 61)) },
    Case { slope: 0.0, residual: true, ..case(&[320], 320, 1, 1, (1, 1)) },
];

/// Of one image.
fn forward(conv: &Conv, inputs: &[&Map], residual: Option<&Map>, pool: &Arc<Pool>) -> Vec<f32> {
    kernels::forward(conv, inputs, residual, pool).unwrap().to_rows()
}

#[test]
fn whole_numbers_equal_the_definition_but_for_their_steps() {
    let Some(isa) = coarse() else { return };
    let pool = Arc::<Pool>::default();
    for (number, case) in CASES.iter().enumerate() {
        let (height, width) = case.size;
        let inputs: usize = case.inputs.iter().sum();
        let part = |i: usize| tensor(&format!("x{number}.{i}.weight"), &[1, case.inputs[i], height, width]);
        let parts: Vec<Vec<f32>> = (0..case.inputs.len()).map(part).collect();
        let shape = [case.outputs, inputs, case.kernel, case.kernel];
        let weight = in_8_bits(tensor(&format!("w{number}.weight"), &shape), case.outputs);
        let bias = tensor(&format!("b{number}"), &[case.outputs]);
        let size = [case.outputs, height.div_ceil(case.stride), width.div_ceil(case.stride)];
        let mut wanted = defined(&parts.concat(), [inputs, height, width], &weight, case, &bias);
        let residual = case.residual.then(|| tensor("residual", &[1, wanted.len()]));
        for (value, added) in wanted.iter_mut().zip(residual.iter().flatten()) {
            *value += added;
        }
        let rms = (wanted.iter().map(|v| v * v).sum::<f32>() / wanted.len() as f32).sqrt();
        let conv =
            Conv::new([case.outputs, inputs, case.kernel], case.stride, &weight, &bias, case.slope, isa).unwrap();
        let maps = parts.iter().zip(case.inputs).map(|(part, c)| Map::from_rows(part, [*c, height, width], &pool));
        let maps: Vec<Map> = maps.collect();
        let residual = residual.as_ref().map(|values| Map::from_rows(values, size, &pool));
        let found = forward(&conv, &maps.iter().collect::<Vec<_>>(), residual.as_ref(), &pool);
        assert_eq!(found.len(), wanted.len());
        // Half a step, of 2¹⁵ − 1 to the largest input, for every weight that the sum has; by Winograd's method, with 2¹³ − 2 steps,
        // at most eight halves. And it is no f32 sum.
        let steps = if case.kernel == 3 && case.stride == 1 { 0.51 * 8.0 / 8190.0 } else { 0.51 / 32767.0 };
        let largest = parts.iter().flatten().fold(0.0, |most: f32, value| most.max(value.abs()));
        let of_output = inputs * case.kernel * case.kernel;
        let mut differs = false;
        for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            let row = &weight[at / (size[1] * size[2]) * of_output..][..of_output];
            let allowed = steps * largest * row.iter().map(|w| w.abs()).sum::<f32>() + 1e-6 * rms;
            assert!((found - wanted).abs() <= allowed, "case {number}, value {at}: {found}, not {wanted}");
            differs |= (found - wanted).abs() > 3e-6 * rms;
        }
        assert!(differs, "case {number} was not summed in whole numbers");
    }
}

#[test]
fn no_sum_overflows_and_what_is_not_finite_stays_so() {
    let Some(isa) = coarse() else { return };
    let pool = Arc::<Pool>::default();
    // Of stride 2 the top left result, with four of the nine taps in the image; of stride 1 the middle, with all nine. So many
    // channels leave stride 1 few more steps than it needs.
    for (channels, stride, at, taps) in [(1024, 2, 0, 4), (448, 1, 4, 9)] {
        let outputs = 32;
        let weight = vec![0.5; outputs * channels * 9];
        let conv = Conv::new([outputs, channels, 3], stride, &weight, &[1.0; 32], 0.1, isa).unwrap();
        let sum = |values: &[f32]| {
            let map = Map::from_rows(values, [channels, 3, 3], &pool);
            forward(&conv, &[&map], None, &pool)
        };
        // All count the most that they can.
        for value in [3.0, -3.0, 1e30, 1e-30] {
            let found = sum(&vec![value; channels * 9])[at];
            let wanted = 0.5 * value * (taps * channels) as f32 + 1.0;
            let wanted = if wanted < 0.0 { 0.1 * wanted } else { wanted };
            assert!((found - wanted).abs() <= 1e-5 * wanted.abs(), "stride {stride}: {found}, not {wanted}");
        }
        let nothing = sum(&vec![0.0; channels * 9]);
        assert!(nothing.iter().all(|value| *value == 1.0), "stride {stride}");
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut values = vec![0.25; channels * 9];
            values[5] = value;
            assert!(sum(&values)[at].is_nan(), "stride {stride}, {value}");
        }
    }
}

#[test]
fn so_many_channels_that_their_steps_would_be_coarse_are_summed_in_f32() {
    let Some(isa) = coarse() else { return };
    let pool = Arc::<Pool>::default();
    let size = [480, 3, 3];
    let map = Map::from_rows(&tensor("x", &size), size, &pool);
    let with = |isa| {
        let weight = vec![0.5; 32 * size[0] * 9];
        forward(&Conv::new([32, size[0], 3], 1, &weight, &[0.5; 32], 0.1, isa).unwrap(), &[&map], None, &pool)
    };
    assert!(with(isa) == with(Isa::best()));
}

#[test]
fn upsampled_maps_are_read_as_if_they_were_written_out() {
    let Some(isa) = coarse() else { return };
    let pool = Arc::<Pool>::default();
    let weight = in_8_bits(tensor("up.weight", &[48, 48, 3, 3]), 48);
    let conv = Conv::new([48, 48, 3], 1, &weight, &[0.5; 48], 0.0, isa).unwrap();
    let (small, large) = ([16, 9, 13], [32, 18, 26]);
    let up = Map::from_rows(&tensor("up.small", &small), small, &pool).upsampled();
    let beside = Map::from_rows(&tensor("up.large", &large), large, &pool);
    let found = forward(&conv, &[&up, &beside], None, &pool);
    assert!(found == forward(&conv, &[&up.written_out(), &beside], None, &pool));
}

#[test]
fn weights_of_more_bits_are_summed_in_f32() {
    let Some(isa) = coarse() else { return };
    let pool = Arc::<Pool>::default();
    let map = Map::from_rows(&tensor("x", &[64, 9, 9]), [64, 9, 9], &pool);
    for kernel in [1, 3] {
        let weight = tensor("w.weight", &[64, 64, kernel, kernel]);
        let conv = |isa| Conv::new([64, 64, kernel], 1, &weight, &[0.5; 64], 0.1, isa).unwrap();
        let with = |isa| forward(&conv(isa), &[&map], None, &pool);
        assert!(with(isa) == with(Isa::best()), "kernel {kernel}");
    }
}

#[test]
fn results_do_not_depend_on_threads_or_on_other_images() {
    let Some(isa) = coarse() else { return };
    let pool = Arc::<Pool>::default();
    for (channels, outputs, kernel, stride) in [(320, 330, 1, 1), (32, 48, 3, 2), (64, 80, 3, 1)] {
        let weight = in_8_bits(tensor("batch.weight", &[outputs, channels, kernel, kernel]), outputs);
        let conv = Conv::new([outputs, channels, kernel], stride, &weight, &vec![0.5; outputs], 0.1, isa).unwrap();
        let map = |size: [usize; 3]| Map::from_rows(&tensor("batch.x", &size), size, &pool);
        let maps = [map([channels, 5, 10]), map([channels, 90, 70]), map([channels, 1, 3])];
        let images: Vec<Image<'_, Map>> = maps.iter().map(|map| Image { inputs: vec![map], residual: None }).collect();
        let alone: Vec<Vec<f32>> = maps.iter().map(|map| forward(&conv, &[map], None, &pool)).collect();
        for threads in [1, 2, 7] {
            let threads = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let all = threads.install(|| conv.forward(&images, &pool).unwrap());
            assert!(all.iter().zip(&alone).all(|(all, alone)| all.to_rows() == *alone), "kernel {kernel}");
        }
    }
}

/// The weights that come with the program have 8 bits. Beside these errors, through up to 75 layers, bf16's are ten times as
/// large.
const TOLERANCE: f32 = 2e-3;

fn shipped(file: &str) -> Source {
    Source { path: Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(file), sha256: None }
}

#[test]
fn the_detector_in_whole_numbers_is_near_that_in_f32() {
    let Some(isa) = coarse() else { return };
    let [found, wanted] = [isa, Isa::best()].map(|isa| {
        let detector = Yolov3::load(&shipped("yolov3.safetensors"), &Backend::on_isa(isa)).unwrap();
        detector.heads(&image(320, 160), &Cancel::default()).unwrap()
    });
    for (found, wanted) in found.iter().zip(&wanted) {
        assert!(found.values != wanted.values, "nothing was summed in whole numbers");
        check_close(&format!("stride {}", found.stride), &found.values, &wanted.values, TOLERANCE);
    }
}

#[test]
fn the_segmenter_in_whole_numbers_is_near_that_in_f32() {
    let Some(isa) = coarse() else { return };
    let [found, wanted] = [isa, Isa::best()].map(|isa| {
        let segmenter = UnetPlusPlus::load(&shipped("unetpp.safetensors"), &Backend::on_isa(isa)).unwrap();
        segmenter.logits(&image(64, 64), 4, &Cancel::default()).unwrap()
    });
    for (head, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        assert!(found != wanted, "nothing was summed in whole numbers");
        check_close(&format!("head {head}"), found, wanted, TOLERANCE);
    }
}

#[test]
fn what_runs_is_said() {
    let models = inference::load(&ModelOptions {
        device: DeviceChoice::Cpu,
        precision: Some(Precision::Reduced),
        detector: Some(yolov3_file().into()),
        segmenter: Some(unetpp_file().into()),
    });
    let models = models.unwrap();
    if bf16::is_supported() {
        assert!(models.device.ends_with("AMX in bf16") && models.notice.is_none(), "{}", models.device);
    } else if Isa::coarse().is_some() {
        assert!(models.device.ends_with("in part in whole numbers") && models.notice.is_none(), "{}", models.device);
    } else {
        assert!(models.notice.is_some_and(|notice| notice.contains("in f32")), "{}", models.device);
    }
    assert_eq!(bf16_peak_gflops() > 0.0, bf16::is_supported());
}
