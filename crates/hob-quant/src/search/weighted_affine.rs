//! The searches of `affine.rs` for elements with weights of their own.

use super::affine::Fit;
use super::{inverse, round_small, sum};
use crate::float::through_f16;

/// All that the error of a choice of codes depends on when step and minimum are still free: weighted sums.
#[derive(Clone, Copy, Default)]
pub(super) struct Moments {
    pub one: f32,
    pub q: f32,
    pub qq: f32,
    pub x: f32,
    pub xq: f32,
}

impl Moments {
    fn new<const N: usize>(x: &[f32; N], w: &[f32; N], codes: &[f32; N]) -> Self {
        Self {
            one: sum::<N>(|i| w[i]),
            q: sum::<N>(|i| w[i] * codes[i]),
            qq: sum::<N>(|i| w[i] * codes[i] * codes[i]),
            x: sum::<N>(|i| w[i] * x[i]),
            xq: sum::<N>(|i| w[i] * x[i] * codes[i]),
        }
    }

    /// Those of the codes nearest to `x` with the fit.
    #[inline(always)]
    pub(super) fn nearest<const N: usize>(x: &[f32; N], w: &[f32; N], fit: Fit, max_code: f32) -> Self {
        Self::new(x, w, &codes_of(x, fit, max_code))
    }

    /// Weighted squared error with this fit, less that of storing zeros.
    #[inline(always)]
    pub(super) fn error_at(&self, Fit { step, min }: Fit) -> f32 {
        step * (step * self.qq - 2.0 * (self.xq + min * self.q)) + min * (min * self.one + 2.0 * self.x)
    }

    /// The minimum of least error for a step.
    #[inline(always)]
    pub(super) fn best_min(&self, step: f32) -> f32 {
        (step * self.q - self.x) * inverse(self.one)
    }

    /// The fit of least error whose minimum is not below `bound`.
    pub(super) fn best_fit(&self, bound: f32) -> Fit {
        let step = (self.one * self.xq - self.q * self.x) * inverse(self.one * self.qq - self.q * self.q);
        let step = if step.is_finite() { step.max(0.0) } else { 0.0 };
        let min = self.best_min(step);
        if min >= bound {
            return Fit { step, min };
        }
        Fit { step: ((self.xq + bound * self.q) * inverse(self.qq)).max(0.0), min: bound }
    }
}

fn codes_of<const N: usize>(x: &[f32; N], fit: Fit, max_code: f32) -> [f32; N] {
    let per_step = inverse(fit.step);
    x.map(|x| round_small(((x + fit.min) * per_step).clamp(0.0, max_code)))
}

fn error_of<const N: usize>(x: &[f32; N], w: &[f32; N], fit: Fit, max_code: f32) -> f32 {
    let codes = codes_of(x, fit, max_code);
    sum::<N>(|i| {
        let error = x[i] + fit.min - fit.step * codes[i];
        w[i] * error * error
    })
}

const SIZES: usize = 10;
pub(super) const TRIALS: usize = 3 * SIZES;

/// Moments of the codes at trial fits, each fitted once more to the codes it gave.
///
/// A trial's range of codes covers the values but for a part cut off below, above, or on both sides alike.
pub(super) fn sweep<const N: usize>(
    x: &[f32; N],
    w: &[f32; N],
    max_code: f32,
    bound: f32,
) -> [Moments; TRIALS] {
    const FIRST: f32 = 0.94;
    // The fewer codes, the more it pays to spend none on the tails.
    let last = 1.2 + 0.9 / max_code;
    let low = x.iter().copied().fold(-bound, f32::min);
    let range = x.iter().copied().fold(f32::NEG_INFINITY, f32::max) - low;
    std::array::from_fn(|trial| {
        let (size, side) = (trial / 3, (trial % 3) as f32 / 2.0);
        let spread = FIRST + (last - FIRST) * size as f32 / (SIZES - 1) as f32;
        let covered = range / spread;
        let fit = Fit { step: covered / max_code, min: -low - side * (range - covered) };
        let first = Moments::nearest(x, w, fit, max_code);
        Moments::nearest(x, w, first.best_fit(bound), max_code)
    })
}

/// Step and lowest value, exactly binary16 numbers, of least weighted error for `x = step * code + lowest`.
pub(crate) fn fit_affine_weighted<const N: usize>(x: &[f32; N], w: &[f32; N], max_code: f32) -> (f32, f32) {
    let (mut best, mut best_error) = (Fit::default(), f32::INFINITY);
    for trial in sweep(x, w, max_code, f32::NEG_INFINITY) {
        let mut fit = trial.best_fit(f32::NEG_INFINITY);
        for _ in 0..2 {
            fit = Fit { step: through_f16(fit.step), min: through_f16(fit.min) };
            let error = error_of(x, w, fit, max_code);
            if error < best_error {
                (best, best_error) = (fit, error);
            }
            fit = Moments::nearest(x, w, fit, max_code).best_fit(f32::NEG_INFINITY);
        }
    }
    (best.step, -best.min)
}
