//! Losses over rows of logits, with the gradient in place of the logits.
//!
//! - Cross entropy: `loss[t] = -ln softmax(z[t])[target[t]]`, `dz = weight[t] * (softmax(z) - onehot)`.
//! - Divergence from a teacher: `loss[t] = sum over v of p ln(p / q)` with `p = softmax(teacher[t])` and `q = softmax(z[t])`,
//!   `dz = weight[t] * (q - p)`.
//!
//! Shapes: `z`, `teacher`: `[T, V]`, the rest `[T]`. f32 in and out. A row of weight 0 gets loss 0 and gradient 0. Error:
//! `16 * EPSILON * sqrt(V)` absolute for losses below 16, and for gradients relative to the weight.

use super::real::Real;
use crate::simd::{self, Kernel, Simd, load_partial, math, store_partial};
use crate::{Cpu, DisjointMut, Isa};

/// What a row of logits should have been.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// One token per row.
    Tokens(&'a [u32]),
    /// The distribution of these logits, `[T, V]`.
    Logits(&'a [f32]),
}

impl Cpu {
    /// Turns `logits` into their gradient and sets `losses`.
    ///
    /// # Panics
    /// When the shapes do not fit, or a target of weight above 0 is not below `vocab`.
    #[allow(unsafe_code)]
    pub fn loss_grad(
        &self,
        logits: &mut [f32],
        vocab: usize,
        target: Target<'_>,
        weights: &[f32],
        losses: &mut [f32],
    ) {
        let rows = weights.len();
        assert!(
            logits.len() == rows * vocab && losses.len() == rows,
            "one row of logits per weight and loss"
        );
        match target {
            Target::Tokens(tokens) => assert_eq!(tokens.len(), rows, "one target per row"),
            Target::Logits(teacher) => assert_eq!(teacher.len(), logits.len(), "one shape"),
        }
        let [logits, losses] = [logits, losses].map(DisjointMut::new);
        self.pool.run(rows, &|row| {
            // SAFETY: rows do not overlap, and `run` calls each once.
            let [z, loss] =
                unsafe { [logits.slice(row * vocab..(row + 1) * vocab), losses.slice(row..row + 1)] };
            if weights[row] == 0.0 {
                z.fill(0.0);
                loss[0] = 0.0;
                return;
            }
            loss[0] = match target {
                Target::Tokens(tokens) => self.cross_entropy(z, tokens[row] as usize, weights[row]),
                Target::Logits(teacher) => {
                    let teacher = &teacher[row * vocab..][..vocab];
                    match self.isa {
                        Isa::Scalar => divergence(z, teacher, weights[row]),
                        _ => simd::dispatch(self, Divergence { z, teacher, weight: weights[row] }),
                    }
                }
            };
        });
    }

    fn cross_entropy(&self, z: &mut [f32], target: usize, weight: f32) -> f32 {
        assert!(target < z.len(), "target {target} in a vocabulary of {}", z.len());
        match self.isa {
            Isa::Scalar => cross_entropy(z, target, weight),
            _ => simd::dispatch(self, CrossEntropy { z, target, weight }),
        }
    }
}

fn largest<R: Real>(z: &[R]) -> R {
    z.iter().fold(z[0], |m, &z| if z > m { z } else { m })
}

/// The reference.
pub(super) fn cross_entropy<R: Real>(z: &mut [R], target: usize, weight: R) -> R {
    let (max, wanted) = (largest(z), z[target]);
    let sum: R = z.iter().map(|&z| (z - max).exp()).sum();
    for z in z.iter_mut() {
        *z = weight * (*z - max).exp() / sum;
    }
    z[target] = z[target] - weight;
    max + sum.ln() - wanted
}

/// The reference.
pub(super) fn divergence<R: Real>(z: &mut [R], teacher: &[R], weight: R) -> R {
    let (max, teacher_max) = (largest(z), largest(teacher));
    let sum: R = z.iter().map(|&z| (z - max).exp()).sum();
    let teacher_sum: R = teacher.iter().map(|&z| (z - teacher_max).exp()).sum();
    let (log, teacher_log) = (max + sum.ln(), teacher_max + teacher_sum.ln());
    let mut loss = R::of(0.0);
    for (z, &t) in z.iter_mut().zip(teacher) {
        let p = (t - teacher_log).exp();
        loss += p * ((t - teacher_log) - (*z - log));
        *z = weight * ((*z - log).exp() - p);
    }
    loss
}

/// The largest element; NaN counts as the smallest.
#[inline(always)]
fn max_of<S: Simd>(s: S, z: &[f32]) -> f32 {
    let mut best = s.splat(f32::NEG_INFINITY);
    let mut chunks = z.chunks_exact(S::LANES);
    for chunk in chunks.by_ref() {
        best = s.max(s.load(chunk), best);
    }
    chunks.remainder().iter().fold(s.largest(best), |m, &x| if x > m { x } else { m })
}

/// `sum of e^(z - max)`.
#[inline(always)]
fn exp_sum<S: Simd>(s: S, z: &[f32], max: f32) -> f32 {
    let shift = s.splat(-max);
    let mut sums = [s.splat(0.0); 2];
    let mut chunks = z.chunks_exact(S::LANES);
    for (i, chunk) in chunks.by_ref().enumerate() {
        sums[i % 2] = s.add(sums[i % 2], math::exp(s, s.add(s.load(chunk), shift)));
    }
    let rest: f32 = chunks.remainder().iter().map(|x| (x - max).exp()).sum();
    s.sum(s.add(sums[0], sums[1])) + rest
}

struct CrossEntropy<'a> {
    z: &'a mut [f32],
    target: usize,
    weight: f32,
}

impl Kernel for CrossEntropy<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let Self { z, target, weight } = self;
        let (max, wanted) = (max_of(s, z), z[target]);
        let log = max + exp_sum(s, z, max).ln();
        let (shift, factor) = (s.splat(-log), s.splat(weight));
        simd::map(
            s,
            z,
            #[inline(always)]
            |z| s.mul(factor, math::exp(s, s.add(z, shift))),
        );
        z[target] -= weight;
        log - wanted
    }
}

struct Divergence<'a> {
    z: &'a mut [f32],
    teacher: &'a [f32],
    weight: f32,
}

impl Kernel for Divergence<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let Self { z, teacher, weight } = self;
        let (max, teacher_max) = (max_of(s, z), max_of(s, teacher));
        let shift = s.splat(-(max + exp_sum(s, z, max).ln()));
        let teacher_shift = s.splat(-(teacher_max + exp_sum(s, teacher, teacher_max).ln()));
        let factor = s.splat(weight);
        let mut loss = s.splat(0.0);
        for (z, t) in z.chunks_mut(S::LANES).zip(teacher.chunks(S::LANES)) {
            let whole = z.len() == S::LANES;
            let (old, t) =
                if whole { (s.load(z), s.load(t)) } else { (load_partial(s, z), load_partial(s, t)) };
            let (log_q, log_p) = (s.add(old, shift), s.add(t, teacher_shift));
            let p = math::exp(s, log_p);
            let grad = s.mul(factor, s.sub(math::exp(s, log_q), p));
            let term = s.mul(p, s.sub(log_p, log_q));
            if whole {
                loss = s.add(loss, term);
                s.store(grad, z);
            } else {
                // Lanes beyond the end hold no logits.
                let mut lanes = [0f32; 16];
                s.store(term, &mut lanes);
                lanes[z.len()..].fill(0.0);
                loss = s.add(loss, s.load(&lanes));
                store_partial(s, grad, z);
            }
        }
        s.sum(loss)
    }
}
