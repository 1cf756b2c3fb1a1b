//! The networks give what an independent implementation in PyTorch gives on the same random weights.

use std::sync::OnceLock;

use mammoscope::inference::unetpp::{self, UnetPlusPlus};
use mammoscope::inference::weights::Source;
use mammoscope::inference::yolov3::{self, Yolov3};
use mammoscope::inference::{self, Backend, DeviceChoice, ModelOptions};
use mammoscope::pipeline::{Cancel, Cancelled, Detector, SCALES};
use mammoscope::raster::Raster;
use serde_json::Value;

use crate::random_weights::{expected, image, unetpp_file, yolov3_file};

/// The largest difference allowed, relative to the root mean square of the output.
const TOLERANCE: f64 = 1e-4;

fn detector() -> &'static Yolov3 {
    static NETWORK: OnceLock<Yolov3> = OnceLock::new();
    NETWORK.get_or_init(|| Yolov3::load(&Source { path: yolov3_file().into(), sha256: None }, &Backend::cpu()).unwrap())
}

fn segmenter() -> &'static UnetPlusPlus {
    static NETWORK: OnceLock<UnetPlusPlus> = OnceLock::new();
    NETWORK.get_or_init(|| {
        UnetPlusPlus::load(&Source { path: unetpp_file().into(), sha256: None }, &Backend::cpu()).unwrap()
    })
}

fn check(what: &str, values: &[f32], expected: &Value) {
    let count: u64 = expected["shape"].as_array().unwrap().iter().map(|side| side.as_u64().unwrap()).product();
    assert_eq!(values.len() as u64, count, "{what}");
    let rms = expected["rms"].as_f64().unwrap();
    let found = (values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
    assert!((found - rms).abs() <= TOLERANCE * rms, "{what}: root mean square {found}, not {rms}");
    for (k, value) in expected["values"].as_array().unwrap().iter().enumerate() {
        let found = f64::from(values[k * 104_729 % values.len()]);
        let difference = (found - value.as_f64().unwrap()).abs();
        assert!(difference <= TOLERANCE * rms, "{what}, sample {k}: {found}, not {value}");
    }
}

#[test]
fn yolov3_equals_pytorch_at_all_five_sizes() {
    let expected = &expected()["yolov3"];
    for size in SCALES {
        let heads = detector().heads(&image(size.width, size.height), &Cancel::default()).unwrap();
        for (head, expected) in
            heads.iter().zip(expected[format!("{}x{}", size.width, size.height)].as_array().unwrap())
        {
            check(&format!("{size}, stride {}", head.stride), &head.values, expected);
        }
    }
}

#[test]
fn all_scales_at_once_are_each_alone() {
    let source = Source { path: yolov3_file().into(), sha256: None };
    let inputs = [image(160, 320), image(64, 96), image(256, 512)];
    for backend in [Some(Backend::cpu()), Backend::bf16()].into_iter().flatten() {
        let mut detector = Yolov3::load(&source, &backend).unwrap();
        assert!(detector.takes_all());
        let (go, mut told) = (Cancel::default(), Vec::new());
        let all = detector.detect_all(&inputs, 0.1, &go, &mut |done| told.push(done)).unwrap();
        assert!(all.iter().any(|boxes| !boxes.is_empty()));
        for (all, input) in all.iter().zip(&inputs) {
            let alone = detector.detect(input, 0.1, &go).unwrap();
            assert_eq!(*all, alone, "{}×{} on {backend:?}", input.width(), input.height());
        }
        assert!(told.is_sorted() && told.len() > 75 && told[0] > 0.0 && told[told.len() - 1] > 0.999, "{told:?}");
        assert!(told.windows(2).all(|step| step[1] - step[0] < 0.1), "{told:?}");
        go.set();
        assert!(detector.detect_all(&inputs, 0.1, &go, &mut |_| ()).unwrap_err().is::<Cancelled>());
    }
}

#[test]
fn unetpp_equals_pytorch_with_any_number_of_heads() {
    let expected = &expected()["unetpp"];
    let patch = image(256, 256);
    let whole = segmenter().logits(&patch, 4, &Cancel::default()).unwrap();
    for (k, logits) in whole.iter().enumerate() {
        check(&format!("head {k}"), logits, &expected["logits"][k]);
    }
    for heads in 1..=3 {
        let pruned = segmenter().logits(&patch, heads, &Cancel::default()).unwrap();
        assert_eq!(pruned.len(), heads);
        assert!(pruned == whole[..heads], "the first {heads} heads do not depend on the others");
    }
}

#[test]
fn boxes_and_probabilities_through_the_loaded_models() {
    let options = ModelOptions {
        device: DeviceChoice::Cpu,
        detector: Some(yolov3_file().into()),
        segmenter: Some(unetpp_file().into()),
        ..ModelOptions::default()
    };
    let mut models = inference::load(&options).unwrap();
    assert!(models.device.starts_with("CPU, "), "{}", models.device);
    assert_eq!(models.notice, None);
    assert_eq!(models.detector.identity().name, "random");
    assert_eq!(models.segmenter.identity().sha256.len(), 64);

    let expected = expected();
    let decoded = &expected["decoded"];
    let threshold = decoded["threshold"].as_f64().unwrap() as f32;
    let found = models.detector.detect(&image(160, 320), threshold, &Cancel::default()).unwrap();
    let wanted: Vec<[f64; 5]> = serde_json::from_value(decoded["boxes"].clone()).unwrap();
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(wanted) {
        let rect = found.rect;
        let values = [rect.x0, rect.y0, rect.x1, rect.y1, found.confidence];
        let size = (wanted[2] - wanted[0]).max(wanted[3] - wanted[1]).max(1.0);
        for (value, wanted) in values.iter().zip(wanted) {
            assert!((f64::from(*value) - wanted).abs() < 1e-3 * size, "{found:?}, not {wanted:?}");
        }
    }

    let maps = models.segmenter.segment(&[image(256, 256), image(256, 256)], 4, &Cancel::default()).unwrap();
    assert_eq!(maps[0], maps[1], "a patch does not depend on the others");
    check("probability", maps[0].data(), &expected["unetpp"]["probability"][3]);
}

#[test]
fn operations_are_those_of_the_method() {
    let detector: f64 = SCALES.iter().map(|size| yolov3::operations(*size)).sum();
    assert!((detector / 1e9 - 455.0).abs() < 5.0, "{detector}");
    let segmenter = unetpp::operations(256, 4);
    assert!((segmenter / 1e9 - 290.0).abs() < 5.0, "{segmenter}");
    assert!(unetpp::operations(256, 1) < 0.2 * segmenter);
}

#[test]
fn stops_soon_after_cancel() {
    let cancel = Cancel::default();
    cancel.set();
    let stopped = detector().heads(&image(160, 320), &cancel).unwrap_err();
    assert!(stopped.is::<Cancelled>());
    let stopped = segmenter().logits(&image(64, 64), 4, &cancel).unwrap_err();
    assert!(stopped.is::<Cancelled>());
}

#[test]
fn unsuitable_inputs_are_errors() {
    let go = Cancel::default();
    let mut broken = image(32, 32);
    broken.set(5, 5, f32::NAN);
    let detector_inputs = [image(33, 32), Raster::new(0, 0, vec![]), Raster::filled(4096, 4096, 0.0), broken.clone()];
    for input in detector_inputs {
        assert!(detector().heads(&input, &go).is_err(), "{}×{}", input.width(), input.height());
    }
    for input in [image(32, 24), Raster::new(0, 0, vec![]), Raster::filled(2048, 1024, 0.0), broken] {
        assert!(segmenter().logits(&input, 4, &go).is_err(), "{}×{}", input.width(), input.height());
    }
    for heads in [0, 5, usize::MAX] {
        assert!(segmenter().logits(&image(32, 32), heads, &go).is_err(), "{heads} heads");
    }
}
