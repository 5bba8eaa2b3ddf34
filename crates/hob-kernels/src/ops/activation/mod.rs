//! Element-wise non-linearities, alone and gated: `y = act(gate) * up`.
//!
//! f32 in and out. Error of the variants against the reference: at most `16 * EPSILON * max(1, |x|)` absolute.

mod scalar;

use crate::Cpu;

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
        x.iter_mut().for_each(|x| *x = scalar::activate(act, *x));
    }

    /// `gate = act(gate) * up`, element by element.
    pub fn gated(&self, act: Activation, gate: &mut [f32], up: &[f32]) {
        assert_eq!(gate.len(), up.len(), "gate and up have one shape");
        gate.iter_mut().zip(up).for_each(|(g, u)| *g = scalar::activate(act, *g) * u);
    }
}
