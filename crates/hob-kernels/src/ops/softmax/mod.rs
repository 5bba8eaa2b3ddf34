//! Reductions over a row of logits: the largest, and the logarithm of the sum of exponentials.
//!
//! `log_sum_exp(x) = m + ln(sum over i of exp(x[i] - m))` with `m` the largest; `log_softmax(x)[i] = x[i] - log_sum_exp(x)`.
//! Shapes: `x`: `[V]`. f32 in; exponentials in f32, summed in f64 after short runs, so that a vocabulary of 262,144 loses no
//! digits to its length. Error of `log_sum_exp`: at most `4 * EPSILON` absolute over the rounding of `m` itself (which is exact).
//! A row with a NaN, or with no finite logit, gives NaN. One row is one thread's work; rows are spread by the caller.

mod lanes;
mod scalar;
#[cfg(test)]
mod tests;

use crate::{Cpu, Isa, simd};

impl Cpu {
    /// The lowest index among those of the largest element, or `None` when there is no element that is a number.
    ///
    /// NaN never wins.
    pub fn argmax(&self, x: &[f32]) -> Option<usize> {
        match self.isa {
            Isa::Scalar => scalar::argmax(x),
            _ => simd::dispatch(self, lanes::ArgMax { x }),
        }
    }

    /// The logarithm of the sum of exponentials of `x`.
    pub fn log_sum_exp(&self, x: &[f32]) -> f64 {
        match self.isa {
            Isa::Scalar => scalar::log_sum_exp(x),
            _ => simd::dispatch(self, lanes::LogSumExp { x }),
        }
    }

    /// Turns each row of `width` logits into log-probabilities, in place.
    pub fn log_softmax(&self, x: &mut [f32], width: usize) {
        assert!(width > 0 && x.len().is_multiple_of(width), "x is whole rows of {width}");
        self.spread(x, width, &|_, rows| {
            for row in rows.chunks_exact_mut(width) {
                let total = self.log_sum_exp(row);
                row.iter_mut().for_each(|x| *x = (f64::from(*x) - total) as f32);
            }
        });
    }
}
