//! `y[t, d] = (x[t, d] - mean) / sqrt(variance + eps) * w[d] + b[d]`, mean and (biased) variance over `d`.
//!
//! Shapes: `x`, `y`: `[T, D]`, `w`: `[D]`, `b`: `[D]` or absent. f32 in and out; sums in f64 in the reference, in f32 lanes
//! elsewhere. In place. Error: at most `4 * EPSILON * (sqrt(D) + max|x| / sqrt(variance + eps))` relative to the largest
//! `|w|` and `|y|` of the row: a mean far from zero costs the digits that it takes.
//! Source: Ba, Kiros and Hinton, arXiv:1607.06450, section 3.

mod lanes;
mod scalar;
#[cfg(test)]
mod tests;

use crate::{Cpu, Isa, simd};

impl Cpu {
    /// Layer-normalises each row of `weight.len()` elements of `x` in place.
    pub fn layer_norm(&self, x: &mut [f32], weight: &[f32], bias: Option<&[f32]>, eps: f32) {
        let width = weight.len();
        assert!(width > 0 && x.len().is_multiple_of(width), "x is whole rows of {width}");
        assert!(bias.is_none_or(|b| b.len() == width), "one bias per element of a row");
        self.spread(x, width, &|_, rows| match self.isa {
            Isa::Scalar => {
                rows.chunks_exact_mut(width).for_each(|row| scalar::layer_norm(row, weight, bias, eps));
            }
            _ => simd::dispatch(self, lanes::LayerNorm { rows, weight, bias, eps }),
        });
    }
}
