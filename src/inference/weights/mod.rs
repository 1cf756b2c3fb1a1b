//! Weights are data: safetensors ([`safetensors`]) and Darknet's `.weights` ([`darknet`]), never a pickle.
//!
//! Both give convolutions with the batch norm already folded in, as f32 `[out, in, kernel, kernel]`. Files are not trusted:
//! every tensor's shape is compared with the network's before anything is allocated for it, and what does not fit is an
//! error that names the tensor.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::findings::ModelIdentity;

pub mod darknet;
mod error;
mod fold;
pub mod safetensors;

pub use error::WeightError;
pub use fold::BatchNorm;

/// More than f32 weights of any network here need; what is larger is not read at all.
const MAX_FILE: u64 = 1 << 30;

/// Where weights come from.
#[derive(Clone, Debug)]
pub struct Source {
    pub path: PathBuf,
    /// The SHA-256 that the file must have; `None` where the reader chose the file.
    pub sha256: Option<String>,
}

/// The form of a weights file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Safetensors,
    Darknet,
}

/// The size of a convolution; its padding keeps the size, `kernel / 2` on each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    pub inputs: usize,
    pub outputs: usize,
    pub kernel: usize,
    pub stride: usize,
}

impl ConvShape {
    pub const fn new(inputs: usize, outputs: usize, kernel: usize, stride: usize) -> Self {
        Self { inputs, outputs, kernel, stride }
    }

    /// `[out, in, kernel, kernel]`, the shape of its weights.
    pub fn dims(&self) -> [usize; 4] {
        [self.outputs, self.inputs, self.kernel, self.kernel]
    }

    /// The number of its weights.
    pub fn count(&self) -> usize {
        self.dims().iter().product()
    }
}

/// A convolution ready to run: batch norm folded in, all values finite.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvWeights {
    pub shape: ConvShape,
    /// `[out, in, kernel, kernel]`
    pub weight: Vec<f32>,
    /// `[out]`
    pub bias: Vec<f32>,
}

impl ConvWeights {
    /// For an input whose channels are all equal: the same convolution of one of them.
    pub fn for_grey(&self) -> Self {
        let ConvShape { inputs, outputs, kernel, stride } = self.shape;
        let area = kernel * kernel;
        let mut weight = vec![0.0; outputs * area];
        for (row, sums) in self.weight.chunks_exact(inputs * area).zip(weight.chunks_exact_mut(area)) {
            for channel in row.chunks_exact(area) {
                sums.iter_mut().zip(channel).for_each(|(sum, w)| *sum += w);
            }
        }
        Self { shape: ConvShape::new(1, outputs, kernel, stride), weight, bias: self.bias.clone() }
    }
}

/// Reads the whole file and hands it to `load`, while another thread computes its SHA-256.
///
/// # Errors
/// A file that is no regular file, too large, a pickle, or not the one that `source` demands.
pub fn read<T: Send>(
    source: &Source,
    load: impl FnOnce(Format, &[u8]) -> Result<(T, String), WeightError>,
) -> Result<(T, ModelIdentity), WeightError> {
    let bytes = read_file(&source.path)?;
    let format = format(&source.path, &bytes)?;
    let (loaded, sha256) = std::thread::scope(|scope| {
        let hash = scope.spawn(|| format!("{:x}", Sha256::digest(&bytes)));
        (load(format, &bytes), hash.join())
    });
    let sha256 = sha256.map_err(|_| WeightError::Hash)?;
    // A changed default file is reported as that, whatever else is wrong with it.
    if source.sha256.as_ref().is_some_and(|expected| *expected != sha256) {
        return Err(WeightError::Changed);
    }
    let (value, name) = loaded?;
    Ok((value, ModelIdentity { name, sha256 }))
}

/// `build` for every item on all cores, in the order of the items; of several errors the first item's.
pub fn in_parallel<I: Send, T: Send>(
    items: Vec<I>,
    build: impl Fn(I) -> Result<T, WeightError> + Sync + Send,
) -> Result<Vec<T>, WeightError> {
    let results: Vec<_> = items.into_par_iter().map(build).collect();
    results.into_iter().collect()
}

fn read_file(path: &Path) -> Result<Vec<u8>, WeightError> {
    let about = std::fs::metadata(path).map_err(WeightError::Unreadable)?;
    if !about.is_file() {
        return Err(WeightError::NotAFile);
    }
    if about.len() > MAX_FILE {
        return Err(WeightError::TooLarge(about.len() >> 20));
    }
    std::fs::read(path).map_err(WeightError::Unreadable)
}

/// What the file is, from its ending and its first bytes.
fn format(path: &Path, bytes: &[u8]) -> Result<Format, WeightError> {
    const FOREIGN: [(&[u8], &str); 3] =
        [(b"PK\x03\x04", "PyTorch (.pt, .pth)"), (b"\x80\x02", "Python pickle"), (b"\x89HDF", "HDF5 (.h5)")];
    if let Some((_, name)) = FOREIGN.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Err(WeightError::Foreign(name));
    }
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    match ending.as_deref() {
        Some("safetensors") => Ok(Format::Safetensors),
        Some("weights") => Ok(Format::Darknet),
        Some("pt" | "pth" | "ckpt" | "bin" | "pkl" | "pickle") => Err(WeightError::Foreign("PyTorch (.pt, .pth)")),
        Some("onnx") => Err(WeightError::Foreign("ONNX (.onnx)")),
        Some("h5" | "hdf5" | "keras") => Err(WeightError::Foreign("HDF5 (.h5)")),
        _ => Err(WeightError::UnknownFormat),
    }
}
