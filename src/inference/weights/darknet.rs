//! Reads Darknet's `.weights`: a header of three i32 (major, minor, revision) and the number of images seen (u64 from version
//! 0.2 on, else u32), then for each convolution in the order of the network's cfg file, all little-endian f32: bias, and where
//! it has a batch norm scale, mean and variance, then the weights `[out, in, kernel, kernel]`.

use super::{BatchNorm, ConvShape, ConvWeights, WeightError};

/// A convolution of the network.
#[derive(Clone, Debug)]
pub struct Layer {
    /// For errors.
    pub name: String,
    pub shape: ConvShape,
    pub batch_norm: bool,
}

/// The convolutions, batch norm folded in.
///
/// # Errors
/// A file that is too short (naming the tensor that is cut) or too long, and values that are not finite.
pub fn read(bytes: &[u8], layers: &[Layer]) -> Result<Vec<ConvWeights>, WeightError> {
    let mut cursor = Cursor { rest: after_header(bytes)? };
    let convolutions = layers.iter().map(|layer| cursor.convolution(layer)).collect::<Result<Vec<_>, _>>()?;
    match cursor.rest.len() {
        0 => Ok(convolutions),
        extra => Err(WeightError::Trailing(extra)),
    }
}

fn after_header(bytes: &[u8]) -> Result<&[u8], WeightError> {
    let invalid = |problem: &str| WeightError::Invalid { format: "Darknet .weights", problem: problem.to_owned() };
    let (version, rest) = bytes.split_at_checked(12).ok_or_else(|| invalid("it is too short"))?;
    let number = |at: usize| i32::from_le_bytes([version[at], version[at + 1], version[at + 2], version[at + 3]]);
    let (major, minor) = (number(0), number(4));
    if !(0..1000).contains(&major) || !(0..1000).contains(&minor) {
        return Err(invalid("its header has no sensible version"));
    }
    let seen = if major * 10 + minor >= 2 { 8 } else { 4 };
    rest.get(seen..).ok_or_else(|| invalid("it is too short"))
}

/// What is left of the file.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn convolution(&mut self, layer: &Layer) -> Result<ConvWeights, WeightError> {
        let Layer { name, shape, batch_norm } = layer;
        let bias = self.values(format!("{name}.bias"), shape.outputs)?;
        let norm = if *batch_norm {
            let gamma = self.values(format!("{name}.bn.weight"), shape.outputs)?;
            let mean = self.values(format!("{name}.bn.running_mean"), shape.outputs)?;
            let variance = self.values(format!("{name}.bn.running_var"), shape.outputs)?;
            Some((gamma, mean, variance))
        } else {
            None
        };
        let weight = self.values(format!("{name}.weight"), shape.count())?;
        let Some((gamma, mean, variance)) = norm else {
            return Ok(ConvWeights { shape: *shape, weight, bias });
        };
        let norm = BatchNorm { gamma, beta: bias, mean, variance }.checked(&format!("{name}.bn"))?;
        norm.fold(name, *shape, weight)
    }

    fn values(&mut self, tensor: String, count: usize) -> Result<Vec<f32>, WeightError> {
        let Some((bytes, rest)) = self.rest.split_at_checked(count * size_of::<f32>()) else {
            return Err(WeightError::Truncated(tensor));
        };
        self.rest = rest;
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(bytes);
        if values.iter().all(|v| v.is_finite()) { Ok(values) } else { Err(WeightError::NotFinite(tensor)) }
    }
}
