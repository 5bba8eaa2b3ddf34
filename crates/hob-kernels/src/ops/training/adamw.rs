//! One step of AdamW: `m += (1 - b1) (g - m)`, `v += (1 - b2) (g^2 - v)`,
//! `x -= rate * (m / c1 / (sqrt(v / c2) + eps) + decay * x)` with `c = 1 - b^step`.
//!
//! All `[N]`, f32, in place, element by element. Error: `8 * EPSILON` relative to the size of the update.
//! Source: Loshchilov and Hutter, arXiv:1711.05101, algorithm 2, with the rate as factor of the decay.

use super::real::Real;
use crate::simd::{self, Kernel, Simd, load_partial, store_partial};
use crate::{Cpu, DisjointMut, Isa};

/// Elements one thread takes at a time.
const PART: usize = 1 << 12;

/// The constants of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Learning rate.
    pub rate: f32,
    /// Decay of the mean of gradients (`b1`) and of their squares (`b2`).
    pub betas: [f32; 2],
    /// Added to the root of the mean square.
    pub eps: f32,
    /// Weight decay.
    pub decay: f32,
    /// Factor on gradients, of clipping for instance.
    pub scale: f32,
    /// Steps including this one; from 1.
    pub step: u64,
}

impl AdamW {
    /// `1 - b^step` for both.
    fn corrections(&self) -> [f32; 2] {
        self.betas.map(|b| (1.0 - f64::from(b).powf(self.step as f64)) as f32)
    }
}

impl Cpu {
    /// Updates `x` and the two means from `grad`.
    ///
    /// # Panics
    /// When the shapes differ.
    #[allow(unsafe_code)]
    pub fn adamw(&self, how: &AdamW, x: &mut [f32], grad: &[f32], mean: &mut [f32], square: &mut [f32]) {
        let len = x.len();
        assert!(len == grad.len() && len == mean.len() && len == square.len(), "one shape");
        let [x, mean, square] = [x, mean, square].map(DisjointMut::new);
        self.pool.run(len.div_ceil(PART), &|part| {
            let range = part * PART..((part + 1) * PART).min(len);
            // SAFETY: parts are consecutive ranges, and `run` calls each once.
            let [x, mean, square] = [&x, &mean, &square].map(|all| unsafe { all.slice(range.clone()) });
            let work = Step { how, x, grad: &grad[range], mean, square };
            match self.isa {
                Isa::Scalar => work.scalar(),
                _ => simd::dispatch(self, work),
            }
        });
    }
}

struct Step<'a> {
    how: &'a AdamW,
    x: &'a mut [f32],
    grad: &'a [f32],
    mean: &'a mut [f32],
    square: &'a mut [f32],
}

/// The reference: one element.
pub(super) fn update<R: Real>(
    how: &AdamW,
    corrections: [R; 2],
    x: &mut R,
    grad: R,
    mean: &mut R,
    square: &mut R,
) {
    let of = |x: f32| R::of(f64::from(x));
    let grad = grad * of(how.scale);
    *mean += of(1.0 - how.betas[0]) * (grad - *mean);
    *square += of(1.0 - how.betas[1]) * (grad * grad - *square);
    let root = (*square / corrections[1]).sqrt() + of(how.eps);
    *x = *x - of(how.rate) * (*mean / corrections[0] / root + of(how.decay) * *x);
}

impl Step<'_> {
    fn scalar(self) {
        let corrections = self.how.corrections();
        let states = self.mean.iter_mut().zip(self.square);
        for ((x, grad), (mean, square)) in self.x.iter_mut().zip(self.grad).zip(states) {
            update(self.how, corrections, x, *grad, mean, square);
        }
    }
}

impl Kernel for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let how = self.how;
        let [c1, c2] = how.corrections();
        let (scale, rates) = (s.splat(how.scale), how.betas.map(|b| s.splat(1.0 - b)));
        let (by_c1, by_c2, eps) = (s.splat(1.0 / c1), s.splat(1.0 / c2), s.splat(how.eps));
        let (rate, decay) = (s.splat(-how.rate), s.splat(how.decay));
        let parts = self.x.chunks_mut(S::LANES).zip(self.grad.chunks(S::LANES));
        let states = self.mean.chunks_mut(S::LANES).zip(self.square.chunks_mut(S::LANES));
        for ((x, grad), (mean, square)) in parts.zip(states) {
            let whole = x.len() == S::LANES;
            let [old, g, m, v] = [&*x, grad, &*mean, &*square].map(
                #[inline(always)]
                |from: &[f32]| if whole { s.load(from) } else { load_partial(s, from) },
            );
            let g = s.mul(g, scale);
            let m = s.mul_add(rates[0], s.sub(g, m), m);
            let v = s.mul_add(rates[1], s.sub(s.mul(g, g), v), v);
            let root = s.add(s.sqrt(s.mul(v, by_c2)), eps);
            let change = s.mul_add(decay, old, s.div(s.mul(m, by_c1), root));
            for (value, to) in [(s.mul_add(rate, change, old), x), (m, mean), (v, square)] {
                if whole { s.store(value, to) } else { store_partial(s, value, to) }
            }
        }
    }
}
