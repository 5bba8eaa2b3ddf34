//! Gradient of `y = act(gate) * up`: `dgate = dy * up * act'(gate)`, `dup = dy * act(gate)`, and `y` once more.
//!
//! One pass in place: what training keeps of a gated layer is `gate` and `up` before the activation; `y`, which the next
//! matrix's gradient wants, is cheaper to compute again than to keep. f32. Error: at most
//! `32 * EPSILON * max(1, |gate|)` times the other factors.

use super::real::Real;
use crate::simd::{self, Kernel, Simd, load_partial, math, store_partial};
use crate::{Activation, Cpu, DisjointMut, Isa};

/// Elements one thread takes at a time.
const PART: usize = 1 << 12;

impl Cpu {
    /// Turns `gate` into `dgate`, `up` into `dup` and `dy` into `y`.
    ///
    /// # Panics
    /// When the shapes differ.
    #[allow(unsafe_code)]
    pub fn gated_grad(&self, act: Activation, gate: &mut [f32], up: &mut [f32], dy: &mut [f32]) {
        assert!(gate.len() == up.len() && up.len() == dy.len(), "one shape");
        let len = gate.len();
        let [gate, up, dy] = [gate, up, dy].map(DisjointMut::new);
        self.pool.run(len.div_ceil(PART), &|part| {
            let range = part * PART..((part + 1) * PART).min(len);
            // SAFETY: parts are consecutive ranges, and `run` calls each once.
            let [gate, up, dy] = [&gate, &up, &dy].map(|all| unsafe { all.slice(range.clone()) });
            match self.isa {
                Isa::Scalar => gated_grad(act, gate, up, dy),
                _ => simd::dispatch(self, GatedGrad { act, gate, up, dy }),
            }
        });
    }
}

/// The reference: value and slope of the activation at `x`.
pub(super) fn activation<R: Real>(act: Activation, x: R) -> (R, R) {
    let (one, half) = (R::of(1.0), R::of(0.5));
    match act {
        Activation::Silu => {
            let sigmoid = one / (one + (-x).exp());
            (x * sigmoid, sigmoid * (one + x * (one - sigmoid)))
        }
        Activation::GeluTanh => {
            let (root, cubic) = (R::of((2.0 / std::f64::consts::PI).sqrt()), R::of(0.044_715));
            let tanh = (root * (x + cubic * x * x * x)).tanh();
            let slope = root * (one + R::of(3.0) * cubic * x * x);
            (half * x * (one + tanh), half * (one + tanh) + half * x * (one - tanh * tanh) * slope)
        }
        Activation::GeluErf => {
            let normal = half * (one + (x * R::of(std::f64::consts::FRAC_1_SQRT_2)).erf());
            let density = (-(half * x * x)).exp() * R::of(1.0 / (2.0 * std::f64::consts::PI).sqrt());
            (x * normal, normal + x * density)
        }
    }
}

pub(super) fn gated_grad<R: Real>(act: Activation, gate: &mut [R], up: &mut [R], dy: &mut [R]) {
    for ((gate, up), dy) in gate.iter_mut().zip(up).zip(dy) {
        let (value, slope) = activation(act, *gate);
        (*gate, *up, *dy) = (*dy * *up * slope, *dy * value, value * *up);
    }
}

struct GatedGrad<'a> {
    act: Activation,
    gate: &'a mut [f32],
    up: &'a mut [f32],
    dy: &'a mut [f32],
}

impl Kernel for GatedGrad<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.act {
            Activation::Silu => self.all(
                s,
                #[inline(always)]
                |x| silu(s, x),
            ),
            Activation::GeluTanh => self.all(
                s,
                #[inline(always)]
                |x| gelu_tanh(s, x),
            ),
            Activation::GeluErf => self.all(
                s,
                #[inline(always)]
                |x| gelu_erf(s, x),
            ),
        }
    }
}

impl GatedGrad<'_> {
    #[inline(always)]
    fn all<S: Simd>(self, s: S, activation: impl Fn(S::F) -> (S::F, S::F)) {
        let parts = self
            .gate
            .chunks_mut(S::LANES)
            .zip(self.up.chunks_mut(S::LANES))
            .zip(self.dy.chunks_mut(S::LANES));
        for ((gate, up), dy) in parts {
            if gate.len() == S::LANES {
                let (u, d) = (s.load(up), s.load(dy));
                let (value, slope) = activation(s.load(gate));
                s.store(s.mul(s.mul(d, u), slope), gate);
                s.store(s.mul(d, value), up);
                s.store(s.mul(value, u), dy);
            } else {
                let (u, d) = (load_partial(s, up), load_partial(s, dy));
                let (value, slope) = activation(load_partial(s, gate));
                store_partial(s, s.mul(s.mul(d, u), slope), gate);
                store_partial(s, s.mul(d, value), up);
                store_partial(s, s.mul(value, u), dy);
            }
        }
    }
}

#[inline(always)]
fn silu<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
    let one = s.splat(1.0);
    let sigmoid = math::sigmoid(s, x);
    (s.mul(x, sigmoid), s.mul(sigmoid, s.mul_add(x, s.sub(one, sigmoid), one)))
}

/// With `f = (1 + tanh z) / 2`, the logistic function of `2 z`, the slope of `x f` is `f + 2 x f (1 - f) z'`.
#[inline(always)]
fn gelu_tanh<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
    const TWICE_SQRT_2_OVER_PI: f32 = 1.595_769_2;
    let (one, square) = (s.splat(1.0), s.mul(x, x));
    let inner =
        s.mul(x, s.mul_add(square, s.splat(TWICE_SQRT_2_OVER_PI * 0.044_715), s.splat(TWICE_SQRT_2_OVER_PI)));
    let slope =
        s.mul_add(square, s.splat(TWICE_SQRT_2_OVER_PI * 3.0 * 0.044_715), s.splat(TWICE_SQRT_2_OVER_PI));
    let f = math::sigmoid(s, inner);
    let bend = s.mul(s.mul(x, f), s.mul(s.sub(one, f), slope));
    (s.mul(x, f), s.add(f, bend))
}

#[inline(always)]
fn gelu_erf<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
    const SQRT_1_OVER_TWO_PI: f32 = 0.398_942_3;
    let half = s.splat(0.5);
    let normal = s.mul_add(half, math::erf(s, s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2))), half);
    let density = s.mul(math::exp(s, s.mul(s.mul(x, x), s.splat(-0.5))), s.splat(SQRT_1_OVER_TWO_PI));
    (s.mul(x, normal), s.mul_add(x, density, normal))
}
