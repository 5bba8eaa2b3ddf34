//! Element-wise non-linearities, alone and gated: `y = act(gate) * up`.
//!
//! f32 in and out, in place; `gate` and `up` do not alias. Error of the variants against the reference, which is in f64
//! inside: at most `16 * EPSILON * max(1, |x|)` absolute, times `|up|` where gated.

mod lanes;
mod scalar;
#[cfg(test)]
mod tests;

pub(crate) use scalar::erf;

use crate::{Cpu, Isa, simd};

/// A non-linearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x / (1 + exp(-x))`.
    Silu,
    /// `x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`.
    GeluTanh,
    /// `x/2 (1 + erf(x / sqrt 2))`.
    GeluErf,
}

impl Cpu {
    /// `x = act(x)`.
    pub fn activate(&self, act: Activation, x: &mut [f32]) {
        self.spread(x, 1, &|_, x| match self.isa {
            Isa::Scalar => x.iter_mut().for_each(|x| *x = scalar::activate(act, *x)),
            _ => simd::dispatch(self, lanes::Activate { act, x }),
        });
    }

    /// `gate = act(gate) * up`, element by element.
    pub fn gated(&self, act: Activation, gate: &mut [f32], up: &[f32]) {
        assert_eq!(gate.len(), up.len(), "gate and up have one shape");
        self.spread(gate, 1, &|first, gate| {
            let up = &up[first..first + gate.len()];
            match self.isa {
                Isa::Scalar => gate.iter_mut().zip(up).for_each(|(g, u)| *g = scalar::activate(act, *g) * u),
                _ => simd::dispatch(self, lanes::Gated { act, gate, up }),
            }
        });
    }
}
