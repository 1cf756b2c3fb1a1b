//! Weights files: every form is read, and every broken one is refused in words that name the tensor.

use std::path::{Path, PathBuf};

use mammoscope::inference::unetpp::UnetPlusPlus;
use mammoscope::inference::weights::darknet::Layer;
use mammoscope::inference::weights::safetensors::TensorFile;
use mammoscope::inference::weights::{ConvShape, Source, darknet};
use mammoscope::inference::yolov3::Yolov3;
use mammoscope::inference::{self, Backend, DeviceChoice, ModelOptions};
use serde_json::{Value, json};

/// A safetensors file with this header and `data` bytes of zeros.
fn file(header: &Value, data: usize) -> Vec<u8> {
    raw(header.to_string().as_bytes(), &vec![0; data])
}

fn raw(header: &[u8], data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header, data].concat()
}

/// A header that begins a YOLOv3: anchors, and `conv.0.weight` as given.
fn yolov3(entry: &Value) -> Value {
    json!({"__metadata__": metadata(), "conv.0.weight": entry})
}

fn metadata() -> Value {
    let anchors = json!(vec![[0.1, 0.1]; 9]).to_string();
    json!({"format": "mammoscope-yolov3", "anchors": anchors, "classes": "1"})
}

fn with(key: &str, text: &str) -> Value {
    let mut metadata = metadata();
    metadata[key] = json!(text);
    json!({"__metadata__": metadata})
}

fn entry(dtype: &str, shape: &[u64], end: u64) -> Value {
    json!({"dtype": dtype, "shape": shape, "data_offsets": [0, end]})
}

/// What is said of `bytes` as the detector's weights in a file of that name.
fn refusal(name: &str, bytes: &[u8], description: Option<&str>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    if let Some(text) = description {
        std::fs::write(path.with_extension("json"), text).unwrap();
    }
    Yolov3::load(&source(&path), &Backend::cpu()).err().map_or_else(|| "accepted".to_owned(), |e| e.to_string())
}

fn source(path: &Path) -> Source {
    Source { path: path.to_path_buf(), sha256: None }
}

/// The bytes of a batch-normalised 3×3 convolution 0 whose values are all `value`.
fn conv0(value: f32) -> Vec<u8> {
    let bytes = 4 * 32 * 27;
    let header = yolov3(&entry("F32", &[32, 3, 3, 3], bytes)).to_string();
    raw(header.as_bytes(), &value.to_le_bytes().repeat(32 * 27))
}

#[test]
fn hostile_safetensors_are_refused_in_words() {
    let shape = [32, 3, 3, 3];
    let full = 4 * 32 * 27;
    let huge = 1_u64 << 62;
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", vec![], "too short"),
        ("seven bytes", vec![1; 7], "too short"),
        ("header of 2^63 bytes", (1_u64 << 63).to_le_bytes().to_vec(), "claims 9223372036854775808 bytes"),
        ("header of 2^64-1 bytes", vec![0xff; 64], "claims 18446744073709551615 bytes"),
        ("header beyond the file", [&100_u64.to_le_bytes()[..], b"{}"].concat(), "ends within its header"),
        ("header of garbage", raw(&[0xfe; 40], &[]), "not JSON"),
        ("header of numbers", raw(b"[1, 2, 3]", &[]), "not JSON"),
        ("header nested deeply", raw("[".repeat(100_000).as_bytes(), &[]), "not JSON"),
        ("metadata of numbers", file(&json!({"__metadata__": {"classes": 1}}), 0), "metadata are not texts"),
        ("no anchors", file(&json!({}), 0), ".json file of the same name"),
        ("eight anchors", file(&with("anchors", "[[0.1,0.1]]"), 0), "nine anchors"),
        ("anchors of words", file(&with("anchors", "wide"), 0), "description of the anchors"),
        (
            "anchors below zero",
            file(&with("anchors", &json!(vec![[-1.0, 0.5]; 9]).to_string()), 0),
            "no sensible fraction",
        ),
        (
            "anchors without end",
            file(&with("anchors", &json!(vec![[1e30, 0.5]; 9]).to_string()), 0),
            "no sensible fraction",
        ),
        ("anchors in pixels", file(&with("anchor_units", "pixels"), 0), "need the size"),
        ("no classes", file(&with("classes", "0"), 0), "0 classes"),
        ("classes without end", file(&with("classes", "4611686018427387904"), 0), "4611686018427387904 classes"),
        ("the other network", file(&with("format", "mammoscope-unetpp"), 0), "\"mammoscope-unetpp\""),
        ("no tensors", file(&json!({"__metadata__": metadata()}), 0), "conv.0.weight is missing"),
        ("wrong shape", file(&yolov3(&entry("F32", &[32, 1, 3, 3], full)), full as usize), "[32, 1, 3, 3]"),
        ("flat shape", file(&yolov3(&entry("F32", &[864], full)), full as usize), "[32, 3, 3, 3] is needed"),
        ("absurd shape", file(&yolov3(&entry("F32", &[huge, huge], full)), 0), "conv.0.weight has the shape"),
        (
            "shape of words",
            file(&yolov3(&json!({"dtype": "F32", "shape": "big"})), 0),
            "conv.0.weight in the file's header",
        ),
        (
            "negative shape",
            file(&yolov3(&json!({"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]})), 0),
            "malformed",
        ),
        ("wrong type", file(&yolov3(&entry("I64", &shape, 2 * full)), 0), "type I64"),
        ("unknown type", file(&yolov3(&entry("Q3_K", &shape, full)), 0), "type Q3_K"),
        ("too few bytes declared", file(&yolov3(&entry("F32", &shape, 8)), 8), "declared with 8 bytes"),
        (
            "offsets swapped",
            file(&yolov3(&json!({"dtype": "F32", "shape": shape, "data_offsets": [9, 4]})), 9),
            "malformed",
        ),
        (
            "offsets beyond",
            file(&yolov3(&json!({"dtype": "F32", "shape": shape, "data_offsets": [huge, huge + full]})), 9),
            "conv.0.weight is cut short",
        ),
        ("truncated", file(&yolov3(&entry("F32", &shape, full)), full as usize - 1), "conv.0.weight is cut short"),
        ("NaN", conv0(f32::NAN), "conv.0.weight holds a value that is infinite or not a number"),
        ("infinite", conv0(f32::NEG_INFINITY), "conv.0.weight holds a value"),
        ("infinite in 16 bits", file16(0x7c00), "conv.0.weight holds a value"),
        (
            "8 bits without scale",
            file(&yolov3(&entry("I8", &shape, full / 4)), full as usize / 4),
            "conv.0.weight.scale is missing",
        ),
        ("neither bias nor batch norm", conv0(1.0), "conv.0.bias is missing"),
        ("a zip file", b"PK\x03\x04 and so on".to_vec(), "PyTorch"),
        ("a pickle", b"\x80\x02}q\x00.".to_vec(), "pickle"),
    ];
    assert!(cases.len() >= 20);
    for (what, bytes, words) in cases {
        let refusal = refusal("model.safetensors", &bytes, None);
        assert!(refusal.contains(words), "{what}: {refusal}");
        assert!(refusal.len() < 300, "{what}: {refusal}");
    }
}

fn file16(bits: u16) -> Vec<u8> {
    let header = yolov3(&entry("F16", &[32, 3, 3, 3], 2 * 32 * 27)).to_string();
    raw(header.as_bytes(), &bits.to_le_bytes().repeat(32 * 27))
}

#[test]
fn negative_variance_and_overflow_are_refused() {
    let parts = ["bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"];
    let model = |variance: f32, gamma: f32| {
        let mut header = yolov3(&entry("F32", &[32, 3, 3, 3], 3456));
        let mut data = 1e30_f32.to_le_bytes().repeat(864);
        for (part, value) in parts.into_iter().zip([gamma, 0.0, 0.0, variance]) {
            let begin = data.len();
            data.extend(value.to_le_bytes().repeat(32));
            header[format!("conv.0.{part}")] =
                json!({"dtype": "F32", "shape": [32], "data_offsets": [begin, data.len()]});
        }
        refusal("model.safetensors", &raw(header.to_string().as_bytes(), &data), None)
    };
    assert!(model(-1.0, 1.0).contains("conv.0.bn.running_var holds a negative variance"), "{}", model(-1.0, 1.0));
    assert!(model(0.0, 1e30).contains("conv.0 become infinite"), "{}", model(0.0, 1e30));
    assert!(model(1.0, 1.0).contains("conv.1.weight is missing"), "{}", model(1.0, 1.0));
}

#[test]
fn hostile_darknet_weights_are_refused_in_words() {
    let anchors = json!({"anchors": vec![[0.1, 0.1]; 9]}).to_string();
    let header = |major: i32, minor: i32| [major.to_le_bytes(), minor.to_le_bytes(), [0; 4]].concat();
    let ones = |count: usize| 1_f32.to_le_bytes().repeat(count);
    let cases: Vec<(&str, Vec<u8>, Option<&str>, &str)> = vec![
        ("no description", vec![0; 64], None, ".json file of the same name"),
        ("description of garbage", vec![0; 64], Some("{"), "description of the anchors"),
        ("units unknown", vec![0; 64], Some(r#"{"anchors": [], "anchor_units": "miles"}"#), "miles"),
        ("empty", vec![], Some(&anchors), "too short"),
        ("version of garbage", header(-7, 2), Some(&anchors), "no sensible version"),
        ("no count", header(0, 2), Some(&anchors), "too short"),
        ("header alone", [header(0, 2), vec![0; 8]].concat(), Some(&anchors), "conv.0.bias is cut short"),
        ("short header alone", [header(0, 1), vec![0; 4]].concat(), Some(&anchors), "conv.0.bias is cut short"),
        (
            "cut in the weights",
            [header(0, 2), vec![0; 8], ones(200)].concat(),
            Some(&anchors),
            "conv.0.weight is cut short",
        ),
        ("NaN", [header(0, 2), vec![0; 8], vec![0xff; 128]].concat(), Some(&anchors), "conv.0.bias holds a value"),
    ];
    for (what, bytes, description, words) in cases {
        let refusal = refusal("model.weights", &bytes, description);
        assert!(refusal.contains(words), "{what}: {refusal}");
    }
}

#[test]
fn other_files_are_refused_by_name() {
    for (name, words) in [
        ("model.pt", "PyTorch"),
        ("model.pth", "PyTorch"),
        ("model.onnx", "ONNX"),
        ("model.h5", "HDF5"),
        ("model", ".safetensors"),
        ("model.png", ".safetensors"),
    ] {
        let refusal = refusal(name, b"anything", None);
        assert!(refusal.contains(words), "{name}: {refusal}");
    }
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_path_buf(), folder.path().join("absent.safetensors")] {
        assert!(Yolov3::load(&source(&path), &Backend::cpu()).is_err());
    }
    let huge = folder.path().join("huge.safetensors");
    std::fs::File::create(&huge).unwrap().set_len(1 << 40).unwrap();
    let refusal = Yolov3::load(&source(&huge), &Backend::cpu()).err().unwrap().to_string();
    assert!(refusal.contains("1048576 MB"), "{refusal}");
    let darknet = folder.path().join("model.weights");
    std::fs::write(&darknet, [0; 64]).unwrap();
    let refusal = UnetPlusPlus::load(&source(&darknet), &Backend::cpu()).err().unwrap().to_string();
    assert!(refusal.contains("must be a .safetensors file"), "{refusal}");
}

#[test]
fn a_changed_default_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("yolov3.safetensors");
    std::fs::write(&path, file(&json!({}), 0)).unwrap();
    let source = Source { path, sha256: Some("0".repeat(64)) };
    let refusal = Yolov3::load(&source, &Backend::cpu()).err().unwrap().to_string();
    assert!(refusal.contains("differs from the one that this program was made with"), "{refusal}");
}

#[test]
fn load_says_which_model_is_at_fault_in_one_sentence() {
    let absent = Some(PathBuf::from("absent.safetensors"));
    let cpu = ModelOptions { device: DeviceChoice::Cpu, ..ModelOptions::default() };
    let options = ModelOptions { detector: absent.clone(), segmenter: absent, ..cpu };
    let text = inference::load(&options).err().unwrap().to_string();
    assert!(text.starts_with("The detector's weights cannot be used: the file cannot be read"), "{text}");
    assert!(text.ends_with('.') && !text.contains('\n'), "{text}");
}

#[test]
fn all_number_types_give_the_same_weights() {
    let values = [1.0_f32, -0.5, 0.25, 2.0, -1.5, 0.75];
    let header = json!({
        "f32.weight": {"dtype": "F32", "shape": [2, 3, 1, 1], "data_offsets": [0, 24]},
        "f16.weight": {"dtype": "F16", "shape": [2, 3, 1, 1], "data_offsets": [24, 36]},
        "bf16.weight": {"dtype": "BF16", "shape": [2, 3, 1, 1], "data_offsets": [36, 48]},
        "i8.weight": {"dtype": "I8", "shape": [2, 3, 1, 1], "data_offsets": [48, 54]},
        "i8.weight.scale": {"dtype": "F32", "shape": [2], "data_offsets": [54, 62]},
    });
    let mut data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    for half in [0x3c00_u16, 0xb800, 0x3400, 0x4000, 0xbe00, 0x3a00] {
        data.extend(half.to_le_bytes());
    }
    data.extend(values.iter().flat_map(|v| ((v.to_bits() >> 16) as u16).to_le_bytes()));
    data.extend([4_i8, -2, 1, 8, -6, 3].map(i8::cast_unsigned));
    data.extend([0.25_f32, 0.25].iter().flat_map(|v| v.to_le_bytes()));
    let bytes = raw(header.to_string().as_bytes(), &data);
    let file = TensorFile::parse(&bytes).unwrap();
    for kind in ["f32", "f16", "bf16", "i8"] {
        assert_eq!(file.values(&format!("{kind}.weight"), &[2, 3, 1, 1]).unwrap(), values, "{kind}");
    }
}

#[test]
fn darknet_batch_norm_is_folded() {
    let layer = |name: &str, shape, batch_norm| Layer { name: name.to_owned(), shape, batch_norm };
    let layers =
        [layer("conv.0", ConvShape::new(1, 2, 1, 1), true), layer("conv.1", ConvShape::new(2, 1, 1, 1), false)];
    // Bias, scale, mean, variance, weights; then bias, weights.
    let numbers = [0.5_f32, -0.5, 2.0, 3.0, 1.0, 2.0, 3.99999, 8.99999, 10.0, 20.0, 7.0, 0.25, 0.75];
    for (minor, count) in [(1, 4), (2, 8)] {
        let mut bytes = [0_i32.to_le_bytes(), i32::to_le_bytes(minor), [0; 4]].concat();
        bytes.extend(vec![9; count]);
        bytes.extend(numbers.iter().flat_map(|v| v.to_le_bytes()));
        let read = darknet::read(&bytes, &layers).unwrap();
        let close = |found: &[f32], wanted: &[f32]| {
            assert!(
                found.len() == wanted.len() && found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-5),
                "{found:?}"
            );
        };
        close(&read[0].weight, &[10.0, 20.0]);
        close(&read[0].bias, &[-0.5, -2.5]);
        close(&read[1].weight, &[0.25, 0.75]);
        close(&read[1].bias, &[7.0]);
        bytes.extend([0; 4]);
        let error = darknet::read(&bytes, &layers).err().unwrap().to_string();
        assert!(error.starts_with("4 bytes follow the last tensor"), "{error}");
    }
}
