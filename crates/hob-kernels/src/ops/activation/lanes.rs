//! Every vector level.

use super::Activation;
use crate::simd::{Kernel, Simd, map, math, zip_map};

pub(super) struct Activate<'a> {
    pub act: Activation,
    pub x: &'a mut [f32],
}

impl Kernel for Activate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.act {
            Activation::Silu => map(
                s,
                self.x,
                #[inline(always)]
                |x| silu(s, x),
            ),
            Activation::GeluTanh => map(
                s,
                self.x,
                #[inline(always)]
                |x| gelu_tanh(s, x),
            ),
            Activation::GeluErf => map(
                s,
                self.x,
                #[inline(always)]
                |x| gelu_erf(s, x),
            ),
        }
    }
}

pub(super) struct Gated<'a> {
    pub act: Activation,
    pub gate: &'a mut [f32],
    pub up: &'a [f32],
}

impl Kernel for Gated<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.act {
            Activation::Silu => zip_map(
                s,
                self.gate,
                self.up,
                #[inline(always)]
                |g, u| s.mul(silu(s, g), u),
            ),
            Activation::GeluTanh => zip_map(
                s,
                self.gate,
                self.up,
                #[inline(always)]
                |g, u| s.mul(gelu_tanh(s, g), u),
            ),
            Activation::GeluErf => zip_map(
                s,
                self.gate,
                self.up,
                #[inline(always)]
                |g, u| s.mul(gelu_erf(s, g), u),
            ),
        }
    }
}

#[inline(always)]
fn silu<S: Simd>(s: S, x: S::F) -> S::F {
    s.mul(x, math::sigmoid(s, x))
}

/// `(1 + tanh z) / 2` is the logistic function of `2 z`, which spares the subtraction that `tanh` needs.
#[inline(always)]
fn gelu_tanh<S: Simd>(s: S, x: S::F) -> S::F {
    const TWICE_SQRT_2_OVER_PI: f32 = 1.595_769_2;
    let cubic = s.mul_add(s.mul(x, x), s.splat(0.044_715), s.splat(1.0));
    s.mul(x, math::sigmoid(s, s.mul(s.mul(x, s.splat(TWICE_SQRT_2_OVER_PI)), cubic)))
}

#[inline(always)]
fn gelu_erf<S: Simd>(s: S, x: S::F) -> S::F {
    let half = s.mul(x, s.splat(0.5));
    s.mul_add(half, math::erf(s, s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2))), half)
}
