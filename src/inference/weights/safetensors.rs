//! Reads safetensors: eight bytes of header length, a JSON header, then the tensors' bytes.
//!
//! Values may be F32, F16 or BF16. Weights may also be I8 with a companion `<name>.scale` of one factor per output channel:
//! the value is the product. The header is read here and not by a crate so that every error can name the tensor, and so that
//! nothing is allocated on the word of the file.

use std::collections::HashMap;

use bytemuck::pod_collect_to_vec;
use candle_core::{DType, Device, Tensor};
use serde::Deserialize;
use serde_json::Value;

use super::WeightError;

/// The models here need some 40 kB; a larger header is an attack or another program's file.
const MAX_HEADER: u64 = 1 << 20;
const LENGTH: usize = 8;

/// A safetensors file in memory; tensors are converted on demand.
pub struct TensorFile<'a> {
    entries: HashMap<String, Value>,
    metadata: HashMap<String, String>,
    data: &'a [u8],
}

/// A tensor's line in the header; offsets count from the header's end.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

impl<'a> TensorFile<'a> {
    /// Reads the header.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WeightError> {
        let (length, rest) = bytes.split_first_chunk::<LENGTH>().ok_or_else(|| invalid("it is too short"))?;
        let length = u64::from_le_bytes(*length);
        if length > MAX_HEADER {
            return Err(invalid(&format!("its header claims {length} bytes")));
        }
        let (header, data) =
            rest.split_at_checked(length as usize).ok_or_else(|| invalid("it ends within its header"))?;
        let mut entries: HashMap<String, Value> =
            serde_json::from_slice(header).map_err(|_| invalid("its header is not JSON"))?;
        let metadata = match entries.remove("__metadata__") {
            None => HashMap::new(),
            Some(value) => serde_json::from_value(value).map_err(|_| invalid("its metadata are not texts"))?,
        };
        Ok(Self { entries, metadata, data })
    }

    /// A text of the header's `__metadata__`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    pub fn has(&self, tensor: &str) -> bool {
        self.entries.contains_key(tensor)
    }

    /// An error where the file says that it holds another model than `needed`; silence is consent.
    pub fn expect_format(&self, needed: &'static str) -> Result<(), WeightError> {
        match self.metadata("format") {
            Some(found) if found != needed && found.starts_with("mammoscope") => {
                Err(WeightError::OtherModel { found: printable(found), needed })
            }
            _ => Ok(()),
        }
    }

    /// The model's name by the file's own account.
    pub fn name(&self) -> Option<String> {
        self.metadata("name").map(printable)
    }

    /// The values of `tensor`, which must have the shape `shape`.
    pub fn values(&self, tensor: &str, shape: &[usize]) -> Result<Vec<f32>, WeightError> {
        let (dtype, bytes) = self.bytes(tensor, shape)?;
        let values = match dtype.as_str() {
            "F32" => pod_collect_to_vec(bytes),
            "F16" => widen(bytes, DType::F16, shape)?,
            "BF16" => widen(bytes, DType::BF16, shape)?,
            _ => self.dequantise(tensor, shape, bytes)?,
        };
        if values.iter().all(|v: &f32| v.is_finite()) {
            Ok(values)
        } else {
            Err(WeightError::NotFinite(tensor.to_owned()))
        }
    }

    /// The type and the bytes of a tensor whose entry is as it should be.
    fn bytes(&self, tensor: &str, shape: &[usize]) -> Result<(String, &'a [u8]), WeightError> {
        let entry = self.entries.get(tensor).ok_or_else(|| WeightError::Missing(tensor.to_owned()))?;
        let Entry { dtype, shape: found, data_offsets: [begin, end] } =
            Entry::deserialize(entry).map_err(|_| WeightError::Entry(tensor.to_owned()))?;
        if found != shape {
            let found = found.into_iter().take(8).collect();
            return Err(WeightError::Shape { tensor: tensor.to_owned(), found, needed: shape.to_vec() });
        }
        let size = match dtype.as_str() {
            "F32" => 4,
            "F16" | "BF16" => 2,
            "I8" if shape.len() > 1 => 1,
            _ => {
                let found = printable(&dtype);
                return Err(WeightError::Type { tensor: tensor.to_owned(), found, needed: "F32, F16, BF16 or I8" });
            }
        };
        let needed = shape.iter().product::<usize>() * size;
        let length = end.checked_sub(begin).ok_or_else(|| WeightError::Entry(tensor.to_owned()))?;
        if length != needed {
            return Err(WeightError::Length { tensor: tensor.to_owned(), found: length, needed });
        }
        let bytes = self.data.get(begin..end).ok_or_else(|| WeightError::Truncated(tensor.to_owned()))?;
        Ok((dtype, bytes))
    }

    /// 8-bit weights times the factor of their output channel, the first axis.
    fn dequantise(&self, tensor: &str, shape: &[usize], bytes: &[u8]) -> Result<Vec<f32>, WeightError> {
        let scales = self.values(&format!("{tensor}.scale"), &shape[..1])?;
        let mut values = Vec::with_capacity(bytes.len());
        for (row, scale) in bytes.chunks_exact(bytes.len() / shape[0]).zip(scales) {
            values.extend(row.iter().map(|byte| f32::from(byte.cast_signed()) * scale));
        }
        Ok(values)
    }
}

/// 16-bit floating point as 32-bit.
fn widen(bytes: &[u8], dtype: DType, shape: &[usize]) -> Result<Vec<f32>, WeightError> {
    Tensor::from_raw_buffer(bytes, dtype, shape, &Device::Cpu)
        .and_then(|tensor| tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1())
        .map_err(|error| WeightError::Build(error.to_string()))
}

fn invalid(problem: &str) -> WeightError {
    WeightError::Invalid { format: "safetensors", problem: problem.to_owned() }
}

/// A text from the file, short and without control characters.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}
