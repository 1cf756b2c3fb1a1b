//! Batch norm as part of the convolution before it: y = γ·(Wx − μ)/√(σ² + ε) + β is itself a convolution with a bias.

use super::safetensors::TensorFile;
use super::{ConvShape, ConvWeights, WeightError};

/// Added to the variance, as PyTorch does by default.
const EPSILON: f64 = 1e-5;

/// The parameters of a batch norm, each `[channels]`.
pub struct BatchNorm {
    pub gamma: Vec<f32>,
    pub beta: Vec<f32>,
    pub mean: Vec<f32>,
    pub variance: Vec<f32>,
}

impl BatchNorm {
    /// Reads `{name}.{weight,bias,running_mean,running_var}`, each `[channels]`.
    pub fn read(file: &TensorFile<'_>, name: &str, channels: usize) -> Result<Self, WeightError> {
        let part = |part: &str| file.values(&format!("{name}.{part}"), &[channels]);
        Self {
            gamma: part("weight")?,
            beta: part("bias")?,
            mean: part("running_mean")?,
            variance: part("running_var")?,
        }
        .checked(name)
    }

    /// Itself, unless a variance is negative. `name` is the batch norm's.
    pub fn checked(self, name: &str) -> Result<Self, WeightError> {
        if self.variance.iter().any(|v| *v < 0.0) {
            return Err(WeightError::NegativeVariance(format!("{name}.running_var")));
        }
        Ok(self)
    }

    /// The convolution `weight` (without bias) followed by this batch norm. `name` is the convolution's, for errors.
    pub fn fold(self, name: &str, shape: ConvShape, mut weight: Vec<f32>) -> Result<ConvWeights, WeightError> {
        let mut bias = self.beta;
        for (channel, row) in weight.chunks_exact_mut(shape.count() / shape.outputs).enumerate() {
            let scale = f64::from(self.gamma[channel]) / (f64::from(self.variance[channel]) + EPSILON).sqrt();
            bias[channel] = (f64::from(bias[channel]) - f64::from(self.mean[channel]) * scale) as f32;
            let scale = scale as f32;
            row.iter_mut().for_each(|w| *w *= scale);
        }
        if !bias.iter().chain(&weight).all(|v| v.is_finite()) {
            return Err(WeightError::Fold(name.to_owned()));
        }
        Ok(ConvWeights { shape, weight, bias })
    }
}
