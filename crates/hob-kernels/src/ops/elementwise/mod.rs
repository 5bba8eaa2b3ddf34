//! Sums, scales and caps over whole buffers.
//!
//! f32, in place; the operands do not alias. Error: sums and scales round once per operation written (`add_scaled` may round
//! once in all); `softcap` is within `8 * EPSILON` relative of the reference.

mod lanes;
mod scalar;
#[cfg(test)]
mod tests;

use crate::{Cpu, Isa, simd};

impl Cpu {
    /// `x += y`.
    pub fn add(&self, x: &mut [f32], y: &[f32]) {
        self.add_scaled(x, 1.0, y);
    }

    /// `x += factor * y`.
    pub fn add_scaled(&self, x: &mut [f32], factor: f32, y: &[f32]) {
        assert_eq!(x.len(), y.len(), "one shape");
        self.spread(x, 1, &|first, x| {
            let y = &y[first..first + x.len()];
            match self.isa {
                Isa::Scalar => scalar::add_scaled(x, factor, y),
                _ => simd::dispatch(self, lanes::AddScaled { x, factor, y }),
            }
        });
    }

    /// `x *= factor`.
    pub fn scale(&self, x: &mut [f32], factor: f32) {
        self.spread(x, 1, &|_, x| match self.isa {
            Isa::Scalar => scalar::scale(x, factor),
            _ => simd::dispatch(self, lanes::Scale { x, factor }),
        });
    }

    /// `x = clamp(round_half_even(x / step), -128, 127) * step`: what 8-bit activations with a fixed step keep of `x`.
    ///
    /// # Panics
    /// When the step is not above zero.
    pub fn round_to_step(&self, x: &mut [f32], step: f32) {
        assert!(step > 0.0, "a step above zero");
        self.spread(x, 1, &|_, x| scalar::round_to_step(x, step));
    }

    /// `x = cap * tanh(x / cap)`.
    pub fn softcap(&self, x: &mut [f32], cap: f32) {
        self.spread(x, 1, &|_, x| match self.isa {
            Isa::Scalar => scalar::softcap(x, cap),
            _ => simd::dispatch(self, lanes::Softcap { x, cap }),
        });
    }
}
