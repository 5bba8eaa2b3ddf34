//! `y[t, d] = x[t, d] * w[d] / sqrt(mean over d of x[t, d]^2 + eps)`
//!
//! Shapes: `x`, `y`: `[T, D]`, `w`: `[D]` or absent (all ones). f32 in and out; the sum is in f64 in the reference, in f32 lanes elsewhere.
//! In place. Error: at most `4 * EPSILON * sqrt(D)` relative to the largest `|y|` in the row.
//! Source: Zhang and Sennrich, arXiv:1910.07467, equation for RMSNorm.

mod lanes;
mod scalar;
#[cfg(test)]
mod tests;

use crate::{Cpu, Isa, simd};

impl Cpu {
    /// RMS-normalises each row of `width` elements of `x` in place.
    pub fn rms_norm(&self, x: &mut [f32], width: usize, weight: Option<&[f32]>, eps: f32) {
        assert!(width > 0 && x.len().is_multiple_of(width), "x is whole rows of {width}");
        assert!(weight.is_none_or(|w| w.len() == width), "one weight per element of a row");
        self.spread(x, width, &|_, rows| match self.isa {
            Isa::Scalar => rows.chunks_exact_mut(width).for_each(|row| scalar::rms_norm(row, weight, eps)),
            _ => simd::dispatch(self, lanes::RmsNorm { rows, width, weight, eps }),
        });
    }
}
