//! Scales with a minimum: `x = d * s * q - dmin * m`, where `q` runs from zero to `max_code` and `m` is not negative.

use super::{inverse, round_small, sum};
use crate::float::through_f16;

/// `x = step * q - min`; neither is negative.
#[derive(Clone, Copy, Default)]
pub(super) struct Fit {
    pub step: f32,
    pub min: f32,
}

/// A block of `S` sub-blocks as `x = d * scales[s] * code - dmin * mins[s]`.
pub(crate) struct AffineBlock<const S: usize> {
    /// Scale of the scales, exactly a binary16 value (or infinite).
    pub d: f32,
    /// Scale of the minima, exactly a binary16 value (or infinite).
    pub dmin: f32,
    /// Scale of each sub-block.
    pub scales: [u8; S],
    /// Minimum of each sub-block.
    pub mins: [u8; S],
    /// Codes of the elements.
    pub codes: [u8; 256],
    error: f32,
}

impl<const S: usize> AffineBlock<S> {
    /// The nearest codes for given scales and minima with their units; the error is weighed by `w`.
    pub(super) fn with_scales<const N: usize>(
        x: &[f32; 256],
        w: &[f32; 256],
        levels: Levels,
        (d, scales): (f32, [u8; S]),
        (dmin, mins): (f32, [u8; S]),
    ) -> Self {
        let mut packed = Self { d, dmin, scales, mins, codes: [0; 256], error: 0.0 };
        let runs = x.as_chunks::<N>().0.iter().zip(w.as_chunks::<N>().0);
        for (s, ((x, w), codes)) in runs.zip(packed.codes.as_chunks_mut::<N>().0).enumerate() {
            let (step, min) = (d * f32::from(scales[s]), dmin * f32::from(mins[s]));
            let per_step = inverse(step);
            for ((&x, &w), code) in x.iter().zip(w).zip(codes) {
                let nearest = round_small(((x + min) * per_step).clamp(0.0, levels.code));
                *code = nearest as i32 as u8;
                packed.error += w * (x - (step * nearest - min)) * (x - (step * nearest - min));
            }
        }
        packed
    }
}

/// The ranges of codes, and of the integer scales and minima, that a format has.
#[derive(Clone, Copy)]
pub(crate) struct Levels {
    /// Largest code of an element.
    pub code: f32,
    /// Largest scale or minimum of a sub-block.
    pub scale: f32,
}

/// Scales, minima and codes for a block of `S` sub-blocks of `N`.
pub(crate) fn best_affine<const S: usize, const N: usize>(x: &[f32; 256], levels: Levels) -> AffineBlock<S> {
    let runs = x.as_chunks::<N>().0;
    let fits: [[Fit; 2]; S] = std::array::from_fn(|s| fit_affine(&runs[s], levels.code));
    let plain = pack::<S, N>(x, levels, fits.map(|fit| fit[0]));
    let searched = pack::<S, N>(x, levels, fits.map(|fit| fit[1]));
    if searched.error < plain.error { searched } else { plain }
}

/// Two fits: the one that just spans the values and zero, then the best found by search.
fn fit_affine<const N: usize>(x: &[f32; N], max_code: f32) -> [Fit; 2] {
    /// Trials spread evenly from 1.5 codes fewer to 1.5 codes more than the range has.
    const TRIALS: i32 = 10;
    const SPREAD: f32 = 1.5;
    let low = x.iter().copied().fold(0.0, f32::min);
    let range = x.iter().copied().fold(f32::NEG_INFINITY, f32::max) - low;
    let spanning = Fit { step: range / max_code, min: -low };
    if range == 0.0 || !range.is_finite() {
        return [spanning; 2];
    }
    // Relative to the range, the sums below neither over- nor underflow, whatever the weights' magnitude.
    let unit = x.map(|x| (x - low) / range);
    let offset = low / range;
    let mut best = Fit { step: 1.0 / max_code, min: 0.0 };
    let mut best_error = error_of(&unit, best, max_code);
    for trial in -TRIALS..=TRIALS {
        let codes_per_range = max_code + SPREAD * trial as f32 / TRIALS as f32;
        let codes = unit.map(|u| round_small(u * codes_per_range).min(max_code));
        let Some(fit) = least_squares(&unit, &codes, offset) else { continue };
        let error = error_of(&unit, fit, max_code);
        if error < best_error {
            (best, best_error) = (fit, error);
        }
    }
    [spanning, Fit { step: best.step * range, min: best.min * range - low }]
}

/// The step and minimum that fit `u = step * code - min` best, with `min - offset` not negative.
fn least_squares<const N: usize>(unit: &[f32; N], codes: &[f32; N], offset: f32) -> Option<Fit> {
    let n = N as f32;
    let (q, qq) = (sum::<N>(|i| codes[i]), sum::<N>(|i| codes[i] * codes[i]));
    let (u, uq) = (sum::<N>(|i| unit[i]), sum::<N>(|i| unit[i] * codes[i]));
    let determinant = n * qq - q * q;
    let step = (n * uq - q * u) / determinant;
    if !(determinant > 0.0 && step > 0.0) {
        return None;
    }
    let min = (step * q - u) / n;
    if min >= offset {
        return Some(Fit { step, min });
    }
    // The minimum is held at its bound; only the step is free.
    let step = (uq + offset * q) / qq;
    (step > 0.0).then_some(Fit { step, min: offset })
}

/// Squared error of `fit` when every value takes its nearest code.
fn error_of<const N: usize>(x: &[f32; N], fit: Fit, max_code: f32) -> f32 {
    let per_step = inverse(fit.step);
    sum::<N>(|i| {
        let x = x[i] + fit.min;
        let error = x - fit.step * round_small((x * per_step).clamp(0.0, max_code));
        error * error
    })
}

fn pack<const S: usize, const N: usize>(x: &[f32; 256], levels: Levels, fits: [Fit; S]) -> AffineBlock<S> {
    let largest = |part: fn(&Fit) -> f32| fits.iter().map(part).fold(0.0, f32::max);
    let d = through_f16(largest(|fit| fit.step) / levels.scale);
    let dmin = through_f16(largest(|fit| fit.min) / levels.scale);
    let level = |value: f32, unit: f32| (value * inverse(unit)).round().min(levels.scale) as u8;
    let scales = fits.map(|fit| level(fit.step, d));
    let mins = fits.map(|fit| level(fit.min, dmin));
    AffineBlock::with_scales::<N>(x, &[1.0; 256], levels, (d, scales), (dmin, mins))
}
