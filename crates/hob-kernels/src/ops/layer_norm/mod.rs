//! `y[t, d] = (x[t, d] - mean) / sqrt(variance + eps) * w[d] + b[d]`, mean and (biased) variance over `d`.
//!
//! Shapes: `x`, `y`: `[T, D]`, `w`: `[D]`, `b`: `[D]` or absent. f32 in and out; sums in f64. In place.
//! Source: Ba, Kiros and Hinton, arXiv:1607.06450, section 3.

mod scalar;

use crate::Cpu;

impl Cpu {
    /// Layer-normalises each row of `weight.len()` elements of `x` in place.
    pub fn layer_norm(&self, x: &mut [f32], weight: &[f32], bias: Option<&[f32]>, eps: f32) {
        let width = weight.len();
        assert!(width > 0 && x.len().is_multiple_of(width), "x is whole rows of {width}");
        assert!(bias.is_none_or(|b| b.len() == width), "one bias per element of a row");
        for row in x.chunks_exact_mut(width) {
            scalar::layer_norm(row, weight, bias, eps);
        }
    }
}
