//! Weights computed from the tensors' names, the same as in `parity/make_expected.py`, as files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use mammoscope::inference::{unetpp, yolov3};
use mammoscope::raster::Raster;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

/// `count` numbers in [-1, 1): splitmix64 started at the FNV-1a hash of the name, the upper 24 bits of each word.
fn values(name: &str, count: usize, scale: f32, offset: f32) -> Vec<f32> {
    let hash = |seed: u64, byte: u8| (seed ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
    let mut state = name.bytes().fold(0xCBF2_9CE4_8422_2325, hash);
    let mut values = vec![0.0; count];
    for value in &mut values {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        *value = ((z >> 40) as f32 * (1.0 / 8_388_608.0) - 1.0) * scale + offset;
    }
    values
}

/// The tensor of that name: weights scaled as He et al. do, variances and scales positive, the rest small.
pub fn tensor(name: &str, shape: &[usize]) -> Vec<f32> {
    let count = shape.iter().product();
    let fan_in = || shape[1..].iter().product::<usize>() as f64;
    let (scale, offset) = match name {
        _ if name.ends_with("running_var") => (0.5, 1.0),
        _ if name.contains(".bn") && name.ends_with("weight") => (0.2, 0.7),
        _ if name.ends_with("weight") => ((6.0 / fan_in()).sqrt() as f32, 0.0),
        _ if name.starts_with("input") => (0.5, 0.5),
        _ => (0.1, 0.0),
    };
    values(name, count, scale, offset)
}

/// A grey image of noise in [0, 1].
pub fn image(width: usize, height: usize) -> Raster<f32> {
    Raster::new(width, height, tensor(&format!("input.{width}x{height}"), &[height, width]))
}

/// A whole YOLOv3 with one class, written once for all tests.
pub fn yolov3_file() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let mut shapes = Vec::new();
        for layer in yolov3::layers(1) {
            let channels = vec![layer.shape.outputs];
            shapes.push((format!("{}.weight", layer.name), layer.shape.dims().to_vec()));
            let parts: &[&str] = if layer.batch_norm {
                &["bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"]
            } else {
                &["bias"]
            };
            shapes.extend(parts.iter().map(|part| (format!("{}.{part}", layer.name), channels.clone())));
        }
        let anchors = expected()["anchors"].to_string();
        write(
            "random-yolov3.safetensors",
            &shapes,
            &[("format", yolov3::FORMAT), ("anchors", &anchors), ("name", "random")],
        )
    })
}

/// A whole U-Net++, written once for all tests.
pub fn unetpp_file() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let widths = [64, 128, 256, 512, 512];
        let mut shapes = Vec::new();
        let mut conv = |name: String, outputs: usize, inputs: usize, kernel: usize, bias: bool| {
            shapes.push((format!("{name}.weight"), vec![outputs, inputs, kernel, kernel]));
            if bias {
                shapes.push((format!("{name}.bias"), vec![outputs]));
            } else {
                let norm = name.replace("conv", "bn");
                for part in ["weight", "bias", "running_mean", "running_var"] {
                    shapes.push((format!("{norm}.{part}"), vec![outputs]));
                }
            }
        };
        let mut inputs = 3;
        for (block, count) in [2, 2, 4, 4, 4].into_iter().enumerate() {
            for index in 0..count {
                conv(format!("encoder.{block}.{index}"), widths[block], inputs, 3, true);
                inputs = widths[block];
            }
        }
        for j in 1..=4 {
            for i in 0..=4 - j {
                conv(format!("nodes.{i}_{j}.conv1"), widths[i], j * widths[i] + widths[i + 1], 3, false);
                conv(format!("nodes.{i}_{j}.conv2"), widths[i], widths[i], 3, false);
            }
        }
        (0..4).for_each(|head| conv(format!("heads.{head}"), 1, 64, 1, true));
        write("random-unetpp.safetensors", &shapes, &[("format", unetpp::FORMAT), ("name", "random")])
    })
}

/// The outputs that PyTorch gave.
pub fn expected() -> Value {
    serde_json::from_str(include_str!("parity/expected.json")).unwrap()
}

fn write(file: &str, shapes: &[(String, Vec<usize>)], metadata: &[(&str, &str)]) -> PathBuf {
    let data: Vec<Vec<f32>> = shapes.iter().map(|(name, shape)| tensor(name, shape)).collect();
    let views = shapes.iter().zip(&data).map(|((name, shape), values)| {
        (name.clone(), TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(values)).unwrap())
    });
    let metadata: HashMap<String, String> = metadata.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    // A test binary may have been carried to another machine.
    let built_in = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = if built_in.is_dir() { built_in } else { std::env::temp_dir() }.join(file);
    std::fs::write(&path, safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
    path
}
