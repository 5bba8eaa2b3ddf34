//! A linear layer: a weight matrix with what belongs to it.

use crate::Matrix;

/// `y = q_out(W q_in(x) + b)`, where `q` clamps and rounds to a trained 8-bit range if the model has one.
#[derive(Clone, Debug)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Matrix,
    /// `[out]`.
    pub bias: Option<Vec<f32>>,
    /// Step of the input's trained 8-bit range: `q(x) = clamp(round_half_even(x / s), -128, 127) * s`.
    pub input_scale: Option<f32>,
    /// Step of the output's trained 8-bit range.
    pub output_scale: Option<f32>,
}

impl Linear {
    /// A layer that is just its matrix.
    pub fn new(weight: Matrix) -> Self {
        Self { weight, bias: None, input_scale: None, output_scale: None }
    }

    /// The output rows `range` as a layer of its own, or `None` when they are not all inside. Copies no weight.
    pub fn row_slice(&self, range: std::ops::Range<usize>) -> Option<Self> {
        Some(Self {
            weight: self.weight.row_slice(range.clone())?,
            bias: self.bias.as_ref().map(|b| b[range].to_vec()),
            ..*self
        })
    }
}

/// One of several linear layers applied to the same input: what to multiply with, and where the result goes (`[T, out]`).
pub struct Projection<'a> {
    /// The layer.
    pub linear: &'a Linear,
    /// `[T, out]`.
    pub out: &'a mut [f32],
}
