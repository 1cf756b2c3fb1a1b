//! `mammoscope bench`: every stage is timed, and the networks' outputs on given inputs are those of the networks.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use mammoscope::cli::bench::{Report, Source, measure};
use mammoscope::inference::yolov3::operations;
use mammoscope::inference::{self, ModelOptions};
use mammoscope::pipeline::Cancel;
use mammoscope::space::NetSize;
use serde_json::Value;
use tempfile::TempDir;

use crate::random_weights::image;
use crate::support::session::{ramp, scripted_models};

#[test]
fn every_stage_of_a_reading_is_timed_in_every_repetition() {
    let source = Source::Memory(Arc::new(ramp(400, 600)));
    let case = measure("ramp", &source, &mut scripted_models(), 3).expect("a reading");
    assert_eq!((case.name.as_str(), case.about.as_str()), ("ramp", "400×600, candidates: 1"));
    let names: Vec<&str> = case.stages.iter().map(|stage| stage.name.as_str()).collect();
    for wanted in
        ["prepare", "detect 480×960", "detect, all scales", "fuse", "a patch: contours", "export PNG", "whole reading"]
    {
        assert!(names.contains(&wanted), "{wanted} is not among {names:?}");
    }
    for stage in &case.stages {
        assert_eq!(stage.runs_ms.len(), 3, "{}", stage.name);
        assert!(stage.median_ms >= 0.0 && stage.runs_ms.contains(&stage.median_ms), "{}", stage.name);
        let is_network = stage.name.starts_with("detect") || stage.name == "a patch: U-Net++";
        assert_eq!(stage.gflops.is_some(), is_network, "{}", stage.name);
    }

    let mut report = Report {
        version: "1",
        processor: None,
        device: "a script".into(),
        threads: 1,
        peak_gflops: 50.0,
        peak_of: "f32",
        load_ms: 1.0,
        cases: vec![case],
    };
    report.cases[0].stages.iter_mut().for_each(|stage| stage.compare_with(50.0));
    let table = report.to_string();
    let lengths: Vec<usize> =
        table.lines().filter(|line| line.contains("detect ")).map(|line| line.chars().count()).collect();
    assert!(lengths.len() == 5 && lengths.iter().all(|length| *length == lengths[0]), "{table}");
}

#[test]
fn given_inputs_are_run_through_the_networks() {
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("in")).expect("made");
    let input = image(64, 96);
    let bytes: Vec<u8> = input.data().iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(path("in/yolov3-64x96.f32"), bytes).expect("written");
    std::fs::write(path("in/notes.txt"), "no input").expect("written");

    assert_eq!(
        bench(folder.path(), &["--inputs", "in", "--outputs", "out", "--repetitions", "2", "--json", "times.json"]),
        0
    );
    let report: Value = serde_json::from_slice(&std::fs::read(path("times.json")).expect("times")).expect("JSON");
    let stage = &report["cases"][0]["stages"][0];
    assert_eq!(stage["name"], "yolov3, all inputs at once");
    assert_eq!(stage["runs_ms"].as_array().map(Vec::len), Some(2));
    assert_eq!(stage["operations"].as_f64(), Some(operations(NetSize::new(64, 96))));
    assert!(stage["share_of_peak"].as_f64().is_some_and(|share| share > 0.0));

    let found: Vec<f32> = std::fs::read(path("out/yolov3-64x96.f32"))
        .expect("outputs")
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes")))
        .collect();
    let networks = inference::load_networks(&ModelOptions::default()).expect("the weights of the program");
    let heads = networks.detector.heads(&input, &Cancel::default()).expect("heads");
    assert!(found == heads.into_iter().flat_map(|head| head.values).collect::<Vec<f32>>());

    std::fs::write(path("in/unetpp-32x32.f32"), [0; 12]).expect("written");
    assert_eq!(
        bench(folder.path(), &["--inputs", "in", "--outputs", "out"]),
        1,
        "an input of another size than its name says"
    );
    assert_eq!(bench(folder.path(), &["--inputs", "in"]), 2, "nowhere to write to");
}

/// The exit status of the program.
fn bench(folder: &Path, arguments: &[&str]) -> i32 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mammoscope"));
    let output = command.arg("bench").args(arguments).current_dir(folder).output().expect("it runs");
    output.status.code().expect("no signal")
}
