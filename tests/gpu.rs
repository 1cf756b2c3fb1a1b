//! The f16 layers: rounded as CUDA rounds on every machine, and on the first CUDA device where there is one. `cuda/run.sh` stands
//! in for a device.

use std::sync::Arc;
use std::time::Instant;

use mammoscope::cli::read::{Request, read_study};
use mammoscope::inference::unetpp::UnetPlusPlus;
use mammoscope::inference::weights::Source;
use mammoscope::inference::yolov3::Yolov3;
use mammoscope::inference::{self, Backend, DeviceChoice, ModelOptions, Models};
use mammoscope::pipeline::{Cancel, DEFAULT_LAMBDA, Parameters, SCALES};
use mammoscope::resources::demonstration_case;
use mammoscope::session::Session;
use mammoscope::space::{ImageRect, NetSize, PixelRect};
use mammoscope::study::{self, Study};

use crate::random_weights::{image, unetpp_file, yolov3_file};

/// The difference from the CPU's f32 allowed, relative to the root mean square of the output: on average half of this, in the worst
/// place twice this.
const HALF: f32 = 1e-2;
const SINGLE: f32 = 1e-3;

/// The first CUDA device and its tolerance, or `None` with a line that says why.
fn device() -> Option<(Backend, f32)> {
    match Backend::of(DeviceChoice::Cuda) {
        Ok(backend @ Backend::Half(_)) => Some((backend, HALF)),
        Ok(backend) => Some((backend, SINGLE)),
        Err(reason) => {
            println!("skipped: {reason}");
            None
        }
    }
}

fn detector(backend: &Backend) -> Yolov3 {
    Yolov3::load(&Source { path: yolov3_file().into(), sha256: None }, backend).unwrap()
}

fn segmenter(backend: &Backend) -> UnetPlusPlus {
    UnetPlusPlus::load(&Source { path: unetpp_file().into(), sha256: None }, backend).unwrap()
}

pub fn check_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let rms = |values: &mut dyn Iterator<Item = f32>| (values.map(|v| v * v).sum::<f32>() / found.len() as f32).sqrt();
    let size = rms(&mut expected.iter().copied());
    let differences = || found.iter().zip(expected).map(|(a, b)| (a - b).abs() / size);
    let (average, largest) = (rms(&mut differences()), differences().fold(0.0, f32::max));
    println!("{what}: differs by {average:.1e} on average, {largest:.1e} at most");
    assert!(average <= tolerance / 2.0 && largest <= 2.0 * tolerance, "{what}: differs by {average}, {largest}");
}

pub fn check_networks(backend: &Backend, tolerance: f32, sizes: &[NetSize], side: usize) {
    let cpu = Backend::cpu();
    let (detectors, segmenters) = ([backend, &cpu].map(detector), [backend, &cpu].map(segmenter));
    let go = Cancel::default();
    for size in sizes {
        let input = image(size.width, size.height);
        let [found, expected] = detectors.each_ref().map(|detector| detector.heads(&input, &go).unwrap());
        for (found, expected) in found.iter().zip(&expected) {
            let what = format!("{size}, stride {}", found.stride);
            assert_eq!((found.width, found.height), (expected.width, expected.height), "{what}");
            check_close(&what, &found.values, &expected.values, tolerance);
        }
    }
    let [found, expected] =
        segmenters.each_ref().map(|segmenter| segmenter.logits(&image(side, side), 4, &go).unwrap());
    for (head, (found, expected)) in found.iter().zip(&expected).enumerate() {
        check_close(&format!("patch {side}×{side}, head {head}"), found, expected, tolerance);
    }
}

#[test]
fn rounding_every_layer_to_f16_changes_little() {
    check_networks(&Backend::half_cpu(), HALF, &[NetSize::new(64, 96)], 32);
}

#[test]
fn patches_of_a_batch_do_not_depend_on_each_other() {
    let backends = [Some(Backend::half_cpu()), device().map(|(backend, _)| backend)];
    for backend in backends.iter().flatten() {
        let mut segmenter: Box<dyn mammoscope::pipeline::Segmenter> = Box::new(segmenter(backend));
        assert!(segmenter.preferred_batch() > 1);
        let flat = mammoscope::raster::Raster::filled(32, 32, 0.5);
        // More than go through the network at once.
        let mut patches = vec![image(32, 32); 10];
        patches[1] = flat.clone();
        let maps = segmenter.segment(&patches, 4, &Cancel::default()).unwrap();
        let alone = [image(32, 32), flat].map(|p| segmenter.segment(&[p], 4, &Cancel::default()).unwrap().remove(0));
        for (at, map) in maps.iter().enumerate() {
            assert_eq!(map, &alone[usize::from(at == 1)], "patch {at}");
        }
    }
}

#[test]
fn a_device_that_is_not_there_is_said_in_words() {
    if device().is_some() {
        return;
    }
    let weights = (Some(yolov3_file().into()), Some(unetpp_file().into()));
    let mut options = ModelOptions { detector: weights.0, segmenter: weights.1, ..ModelOptions::default() };
    let models = inference::load(&options).unwrap();
    assert!(models.device.starts_with("CPU, "), "{}", models.device);
    let notice = models.notice.unwrap();
    assert!(notice.contains("CUDA") && notice.ends_with(": running on the CPU."), "{notice}");
    options.device = DeviceChoice::Cuda;
    let refusal = inference::load(&options).err().unwrap().to_string();
    assert!(refusal.contains("CUDA") && refusal.ends_with(": choose the CPU with --device cpu."), "{refusal}");
}

#[test]
fn cuda_equals_the_cpu_at_all_five_sizes_and_on_patches() {
    let Some((backend, tolerance)) = device() else { return };
    check_networks(&backend, tolerance, &SCALES, 256);
}

#[test]
fn cuda_finds_what_the_cpu_finds_in_the_demonstration_case() {
    if device().is_none() {
        return;
    }
    let study = demonstration();
    let [found, expected] = [DeviceChoice::Cuda, DeviceChoice::Cpu].map(|device| {
        let session = read(&study, &mut models(device));
        session.report().findings
    });
    assert!(!expected.is_empty());
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        println!(
            "{:?} of {:?} pixels, on the CPU {:?} of {:?}",
            found.r#box, found.area_px, expected.r#box, expected.area_px
        );
        let rect = |[x0, y0, x1, y1]: [usize; 4]| ImageRect::from(PixelRect::new(x0, y0, x1, y1));
        assert!(rect(found.r#box).iou(&rect(expected.r#box)) > 0.95);
        assert!((found.score - expected.score).abs() < 0.01);
        let area = found.area_px.unwrap() / expected.area_px.unwrap();
        assert!((area - 1.0).abs() < 0.03, "{area}");
    }
}

#[test]
fn the_time_of_a_whole_read_on_cuda() {
    const RUNS: usize = 20;
    if device().is_none() {
        return;
    }
    let start = Instant::now();
    let mut models = models(DeviceChoice::Cuda);
    println!("{}: models ready after {:.0?}", models.device, start.elapsed());
    let study = demonstration();
    let mut times = Vec::new();
    for run in 0..RUNS {
        let start = Instant::now();
        let session = read(&study, &mut models);
        times.push(start.elapsed());
        if run == 0 || run + 1 == RUNS {
            let report = session.report();
            println!(
                "read {}: {:.1?}, {} findings, {:?}",
                run + 1,
                times[run],
                report.findings.len(),
                report.timings_ms
            );
        }
    }
    times.sort();
    println!("image in memory to findings: median {:.1?}, best {:.1?} of {RUNS}", times[RUNS / 2], times[0]);
}

fn models(device: DeviceChoice) -> Models {
    inference::load(&ModelOptions { device, ..ModelOptions::default() }).unwrap()
}

fn demonstration() -> Arc<Study> {
    Arc::new(study::open(&demonstration_case().expect("installed with the program")).unwrap())
}

fn read(study: &Arc<Study>, models: &mut Models) -> Session {
    let request = Request { lambda: DEFAULT_LAMBDA, parameters: Parameters::default() };
    read_study(study.clone(), None, models, &request, &mut |_| {}).unwrap()
}
