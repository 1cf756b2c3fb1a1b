//! `mammoscope read`, with scripted networks for what it writes and as a program for what it says.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::{GrayImage, Luma};
use mammoscope::cli::ModelArgs;
use mammoscope::cli::read::{Args, lambda, read_inputs};
use mammoscope::inference::{Backend, DeviceChoice};
use mammoscope::pipeline::Parameters;
use mammoscope::session::{Report, Timings};
use tempfile::TempDir;

use crate::support::real_data;
use crate::support::session::{scripted_models, session_read_with};

/// A folder with files made of a few images.
struct Case {
    folder: TempDir,
}

impl Case {
    fn new() -> Self {
        Self { folder: TempDir::new().expect("a folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The ramp that the scripted session reads, as 16-bit grey.
    fn mammogram(&self, name: &str) -> PathBuf {
        let value = |x: u32, y: u32| Luma([(10_000 + 40 * x + 20 * y).min(65_535) as u16]);
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("in a folder")).expect("made");
        image::ImageBuffer::from_fn(400, 600, value).save(&path).expect("written");
        path
    }

    /// A mask that the scripted detector's first box hits.
    fn mask(&self, name: &str) -> PathBuf {
        let value = |x: u32, y: u32| Luma([u8::from((110..190).contains(&x) && (160..260).contains(&y)) * 255]);
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("in a folder")).expect("made");
        GrayImage::from_fn(400, 600, value).save(&path).expect("written");
        path
    }

    fn read(&self, inputs: &[PathBuf], truth: Option<PathBuf>) -> bool {
        let args =
            Args { inputs: inputs.to_vec(), out: self.path("out"), lambda: 0.6, truth, models: ModelArgs::default() };
        read_inputs(&args, &mut || Ok(scripted_models())).expect("models and a folder")
    }

    fn report(&self, name: &str) -> Report {
        let text = std::fs::read_to_string(self.path(&format!("out/{name}.json"))).expect(name);
        serde_json::from_str(&text).expect("a report")
    }

    fn outputs(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("out")).expect("listed").flatten();
        let mut names: Vec<_> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

#[test]
fn reads_what_the_window_would() {
    let case = Case::new();
    let input = case.mammogram("case.png");
    assert!(case.read(&[input], None));
    assert_eq!(case.outputs(), ["case.json", "case.png"]);
    let (mut read, mut session) = (case.report("case"), session_read_with(Parameters::default(), 0.6, None).report());
    // Another source of the same image, and other times.
    for report in [&mut read, &mut session] {
        report.timings_ms = Timings::default();
        report.image.mm_per_pixel = None;
        report.image.mm_source = None;
        report.image.format = String::new();
        report.warnings.clear();
        for finding in &mut report.findings {
            finding.area_mm2 = None;
            finding.longest_diameter_mm = None;
        }
    }
    assert_eq!(read, session);
    let picture = image::open(case.path("out/case.png")).expect("an image");
    assert!(picture.width() == 400 && picture.height() > 600);
}

#[test]
fn folders_are_read_with_the_groundtruth_beside_their_images() {
    let case = Case::new();
    case.mammogram("in/a.png");
    case.mask("in/a_mask.png");
    case.mammogram("in/b.png");
    assert!(case.read(&[case.path("in")], None));
    assert_eq!(case.outputs(), ["a.json", "a.png", "b.json", "b.png"]);
    let truth = case.report("a").truth.expect("groundtruth");
    assert_eq!((truth.hits, truth.misses, truth.false_positives), (1, 0, 0));
    assert!(truth.image_dice.expect("a Dice") > 0.8);
    assert!(case.report("b").truth.is_none());
}

#[test]
fn groundtruth_can_be_given_as_file_and_as_folder() {
    let case = Case::new();
    let inputs = [case.mammogram("a.png"), case.mammogram("b.png")];
    case.mask("truth/a.png");
    assert!(case.read(&inputs, Some(case.path("truth"))));
    assert!(case.report("a").truth.is_some() && case.report("b").truth.is_none());
    assert!(case.read(&inputs[..1], Some(case.path("truth/a.png"))));
    assert!(case.report("a").truth.is_some());
    // Bad groundtruth is a failure, but the image is read.
    std::fs::write(case.path("bad.xml"), "<plist><dict/></plist>").expect("written");
    assert!(!case.read(&inputs[..1], Some(case.path("bad.xml"))));
    let report = case.report("a");
    assert!(report.truth.is_none() && report.findings.len() == 1);
    assert!(report.warnings.iter().any(|w| w.starts_with("Read without groundtruth")), "{:?}", report.warnings);
}

#[test]
fn one_bad_input_does_not_stop_the_others() {
    let case = Case::new();
    std::fs::write(case.path("bad.dcm"), b"not an image").expect("written");
    let inputs = [case.path("bad.dcm"), case.mammogram("good.png"), case.path("missing.dcm")];
    assert!(!case.read(&inputs, None));
    assert_eq!(case.outputs(), ["good.json", "good.png"]);
    // Without a readable input no models are needed.
    let args = Args {
        inputs: vec![case.path("bad.dcm")],
        out: case.path("none"),
        lambda: 0.6,
        truth: None,
        models: ModelArgs::default(),
    };
    assert!(!read_inputs(&args, &mut || panic!("loaded")).expect("a folder"));
    std::fs::create_dir(case.path("empty")).expect("made");
    assert!(!case.read(&[case.path("empty")], None), "an empty folder is not a success");
}

#[test]
fn results_neither_collide_nor_replace_inputs() {
    let case = Case::new();
    let inputs = [case.mammogram("one/case.png"), case.mammogram("two/case.png"), case.mammogram("three/CASE.png")];
    assert!(case.read(&inputs, None));
    let expected = ["CASE-3.json", "CASE-3.png", "case-2.json", "case-2.png", "case.json", "case.png"];
    assert_eq!(case.outputs(), expected);

    let case = Case::new();
    let input = case.mammogram("out/case.png");
    let mask = case.mask("out/case_mask.png");
    let before = [&input, &mask].map(|path| std::fs::read(path).expect("there"));
    assert!(case.read(&[case.path("out")], None));
    assert_eq!(case.outputs(), ["case-2.json", "case-2.png", "case.png", "case_mask.png"]);
    assert_eq!([&input, &mask].map(|path| std::fs::read(path).expect("there")), before);
    // Reading again replaces results; the folder's old results are inputs no more than before.
    assert!(case.read(&[input], None));
    assert_eq!(case.outputs(), ["case-2.json", "case-2.png", "case.png", "case_mask.png"]);
}

#[test]
fn lambda_is_checked() {
    assert_eq!(lambda("0.6"), Ok(0.6));
    assert_eq!(lambda("0"), Ok(0.0));
    for bad in ["-0.1", "nan", "inf", "", "much", "0,6"] {
        assert!(lambda(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_demonstration_case_is_at_hand_with_its_groundtruth() {
    let demonstration = mammoscope::resources::demonstration_case().expect("installed with the program");
    let case = Case::new();
    assert!(case.read(&[demonstration], None));
    let report = case.report("demo");
    let truth = report.truth.expect("groundtruth beside it");
    assert!(truth.lesions.iter().filter(|lesion| lesion.mass && lesion.shape == "outline").count() >= 2);
    assert_eq!(truth.format, "INbreast XML");
    assert!(report.image.mm_per_pixel.is_some() && report.image.laterality.is_some() && report.image.view.is_some());
    assert_eq!(report.warnings, Vec::<String>::new());
}

fn mammoscope(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mammoscope"));
    for name in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"] {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(folder).output().expect("it runs")
}

/// Runs the program; checks its exit status and that standard error holds the words.
fn check_says(arguments: &[&str], folder: &Path, status: i32, words: &[&str]) {
    let output = mammoscope(arguments, folder);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
    assert!(words.iter().all(|word| said.contains(word)), "{arguments:?}: {said}");
    assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    assert!(status == 0 || output.stdout.is_empty(), "messages go to standard error");
}

#[test]
fn the_program_says_what_is_wrong() {
    let case = Case::new();
    let folder = case.folder.path();
    std::fs::write(case.path("bad.dcm"), b"not an image").expect("written");
    check_says(&["--version"], folder, 0, &[]);
    check_says(&["read", "--help"], folder, 0, &[]);
    check_says(&["read"], folder, 2, &["--out"]);
    check_says(&["read", "a.dcm"], folder, 2, &["--out"]);
    check_says(&["read", "bad.dcm", "--out", "o", "--lambda", "-1"], folder, 2, &["not negative"]);
    check_says(&["read", "bad.dcm", "--out", "o", "--lambda", "nan"], folder, 2, &["finite"]);
    check_says(&["read", "bad.dcm", "--out", "o", "--device", "tpu"], folder, 2, &["cpu"]);
    check_says(&["read", "bad.dcm", "--out", "o", "--threads", "0"], folder, 2, &["threads"]);
    check_says(&["read", "bad.dcm", "--out", "o"], folder, 1, &["[1/1] bad.dcm: ", "Choose the image of a mammogram."]);
    check_says(&["read", "none.dcm", "--out", "o"], folder, 1, &["There is no such file"]);
    check_says(&["read", "bad.dcm", "--out", "bad.dcm"], folder, 1, &["cannot be made"]);
    // Without a display a named file is not silently read into some folder.
    check_says(&["bad.dcm"], folder, 1, &["No display was found", "mammoscope read"]);
    check_says(&["./read"], folder, 1, &["No display was found"]);
    // Missing weights are named before anything is read.
    case.mammogram("good.png");
    check_says(&["read", "good.png", "--out", "o", "--detector", "no.weights"], folder, 1, &["detector"]);
    if Backend::of(DeviceChoice::Cuda).is_err() {
        let arguments = ["read", "good.png", "--out", "o", "--device", "cuda"];
        check_says(&arguments, folder, 1, &["CUDA", "choose the CPU with --device cpu."]);
    }
}

#[test]
fn real_mammograms_are_read() {
    let Some(data) = real_data() else { return };
    let case = Case::new();
    let dicom = data.join("dicom");
    assert!(!case.read(std::slice::from_ref(&dicom), None), "the 12-bit JPEG Extended file is refused");
    let mut inputs: Vec<_> = std::fs::read_dir(&dicom).expect("listed").flatten().map(|e| e.path()).collect();
    inputs.retain(|path| path.extension().is_some_and(|e| e == "dcm"));
    inputs.sort();
    for input in inputs {
        let name = input.file_stem().expect("a name").to_string_lossy().into_owned();
        let written = case.path(&format!("out/{name}.json")).exists();
        assert_eq!(written, name != "nema_mg1_jply", "{name}");
        if written {
            check_picture(&case, &name);
        }
    }
    let films = ["00694_RIGHT_CC", "00694_RIGHT_MLO", "00695_RIGHT_CC"];
    for name in films {
        let film = data.join(format!("cbis-ddsm-fullres/{name}.jpg"));
        let mask = data.join(format!("cbis-ddsm-fullres/{name}_mask.png"));
        assert!(case.read(&[film], Some(mask)));
        check_picture(&case, name);
        let truth = case.report(name).truth.expect("groundtruth");
        assert!(truth.hits + truth.misses >= 1, "{name}");
    }
}

fn check_picture(case: &Case, name: &str) {
    let report = case.report(name);
    let (width, height) = image::image_dimensions(case.path(&format!("out/{name}.png"))).expect("a picture");
    assert_eq!(width as usize, report.image.width, "{name}");
    assert!(height as usize > report.image.height, "{name}");
    assert_eq!(report.findings.len(), 1, "{name}");
}
