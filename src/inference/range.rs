//! Keeps U-Net++'s encoder within the range of f16.
//!
//! The encoder has no batch norm, and each layer may be several times larger than the one before: with the weights that come
//! with the program its last maps reach a million, f16 ends at 65504. A convolution with ReLU whose weights and bias are
//! multiplied by s gives s times its result, so every layer is scaled by a power of two that brings it near 1, and the first
//! convolutions after the encoder undo it. How large a layer is, a flat grey image tells: on it the whole encoder is a matrix
//! product per layer.

use super::weights::{ConvShape, ConvWeights};

/// The grey level of the flat image.
const GREY: f32 = 0.5;

/// The factors of the encoder's layers, powers of two.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    factors: Vec<f32>,
}

impl Range {
    /// Of the encoder's convolutions in their order.
    pub fn new(encoder: &[ConvWeights]) -> Self {
        let inputs = encoder.first().map_or(0, |conv| conv.shape.inputs);
        let mut flat = vec![GREY; inputs];
        let mut factors = Vec::with_capacity(encoder.len());
        for conv in encoder {
            flat = of_flat(conv, &flat);
            let largest = flat.iter().copied().fold(1.0, f32::max);
            // A model that overflows even f32 fails later, in words.
            factors.push(if largest.is_finite() { (-largest.log2().round()).exp2() } else { 1.0 });
        }
        Self { factors }
    }

    /// The factor of the result of the encoder's convolution `number`.
    pub fn factor(&self, number: usize) -> f32 {
        self.factors[number]
    }

    /// The encoder's convolution `number`, between its scaled neighbours.
    pub fn scale_encoder(&self, number: usize, conv: &mut ConvWeights) {
        let before = if number == 0 { 1.0 } else { self.factors[number - 1] };
        let factor = self.factors[number];
        conv.weight.iter_mut().for_each(|weight| *weight *= factor / before);
        conv.bias.iter_mut().for_each(|bias| *bias *= factor);
    }
}

/// Undoes `factor` of the input channels `channels`.
pub fn undo(conv: &mut ConvWeights, channels: std::ops::Range<usize>, factor: f32) {
    let ConvShape { inputs, kernel, .. } = conv.shape;
    let area = kernel * kernel;
    for row in conv.weight.chunks_exact_mut(inputs * area) {
        row[channels.start * area..channels.end * area].iter_mut().for_each(|weight| *weight /= factor);
    }
}

/// The result of a convolution with ReLU where every channel is flat.
fn of_flat(conv: &ConvWeights, input: &[f32]) -> Vec<f32> {
    let area = conv.shape.kernel * conv.shape.kernel;
    let rows = conv.weight.chunks_exact(conv.shape.inputs * area).zip(&conv.bias);
    rows.map(|(row, bias)| {
        let products = row.chunks_exact(area).zip(input).map(|(taps, value)| taps.iter().sum::<f32>() * value);
        (products.sum::<f32>() + bias).max(0.0)
    })
    .collect()
}
