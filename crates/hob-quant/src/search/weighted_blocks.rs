//! Blocks of scales and minima for elements with weights of their own: the integers and their units, chosen together.

use super::affine::{AffineBlock, Fit, Levels};
use super::inverse;
use super::weighted_affine::{Moments, sweep};
use crate::float::through_f16;

/// Trial sizes of a unit, relative to that where the largest value takes the largest integer.
const SIZES: [f32; 5] = [1.0, 0.84, 0.92, 0.96, 1.06];

/// Scale of the scales, and of the minima.
#[derive(Clone, Copy)]
struct Units {
    d: f32,
    dmin: f32,
}

/// Integer scales and minima for given units.
#[derive(Clone, Copy)]
struct Choice<const S: usize> {
    units: Units,
    scales: [u8; S],
    mins: [u8; S],
    error: f32,
    refit: Units,
}

/// The best integers of a sub-block so far.
struct Best {
    units: Units,
    moments: Moments,
    scale: u8,
    min: u8,
    error: f32,
}

impl Best {
    fn fit(&self, scale: u8, min: u8) -> Fit {
        Fit { step: self.units.d * f32::from(scale), min: self.units.dmin * f32::from(min) }
    }

    fn consider(&mut self, moments: Moments, scale: u8, min: u8) {
        let error = moments.error_at(self.fit(scale, min));
        if error < self.error {
            *self = Self { units: self.units, moments, scale, min, error };
        }
    }
}

/// As [`best_affine`](super::best_affine), for the squared error times `w`.
pub(crate) fn best_affine_weighted<const S: usize, const N: usize>(
    x: &[f32; 256],
    w: &[f32; 256],
    levels: Levels,
) -> AffineBlock<S> {
    let (runs, weights) = (x.as_chunks::<N>().0, w.as_chunks::<N>().0);
    let trials: [_; S] = std::array::from_fn(|s| best_trials(&runs[s], &weights[s], levels.code));
    let mut best = choose_units(levels.scale, &trials);
    for _ in 0..2 {
        let last = best;
        for units in [last.units, last.refit] {
            let next = assign(units, |s, sub_block| {
                for scale in neighbours(last.scales[s], levels.scale) {
                    for min in neighbours(last.mins[s], levels.scale) {
                        let fit = sub_block.fit(scale, min);
                        sub_block.consider(
                            Moments::nearest(&runs[s], &weights[s], fit, levels.code),
                            scale,
                            min,
                        );
                    }
                }
            });
            if next.error < best.error {
                best = next;
            }
        }
    }
    let Units { d, dmin } = best.units;
    AffineBlock::with_scales::<N>(x, w, levels, (d, best.scales), (dmin, best.mins))
}

fn neighbours(level: u8, max: f32) -> std::ops::RangeInclusive<u8> {
    level.saturating_sub(1)..=(level + 1).min(max as u8)
}

/// Codes worth carrying to the choice of integers.
const KEPT: usize = 8;

/// The trials of least error in a sub-block, each with its own best fit; the best first.
fn best_trials<const N: usize>(x: &[f32; N], w: &[f32; N], max_code: f32) -> [(Moments, Fit); KEPT] {
    let mut trials = sweep(x, w, max_code, 0.0).map(|trial| {
        let fit = trial.best_fit(0.0);
        (trial.error_at(fit), trial, fit)
    });
    trials.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    std::array::from_fn(|kept| (trials[kept].1, trials[kept].2))
}

/// The best of many sizes of `d`, then of `dmin`, by the moments of the trials alone.
fn choose_units<const S: usize>(max: f32, trials: &[[(Moments, Fit); KEPT]; S]) -> Choice<S> {
    let ideal = trials.map(|trials| trials[0].1);
    let d = ideal.iter().fold(0.0, |largest: f32, fit| largest.max(fit.step)) / max;
    let dmin = ideal.iter().fold(0.0, |largest: f32, fit| largest.max(fit.min)) / max;
    let at = |units: Units| {
        assign(units, |s, sub_block: &mut Best| {
            for (trial, fit) in &trials[s] {
                let nearest = (fit.step * inverse(sub_block.units.d)).round().min(max) as u8;
                for scale in neighbours(nearest, max) {
                    let min = trial.best_min(sub_block.fit(scale, 0).step) * inverse(sub_block.units.dmin);
                    sub_block.consider(*trial, scale, min.round().clamp(0.0, max) as u8);
                }
            }
        })
    };
    let mut best = at(Units { d, dmin });
    let mut consider = |units| {
        let next: Choice<S> = at(units);
        if next.error < best.error {
            best = next;
        }
        best
    };
    for size in &SIZES[1..] {
        consider(Units { d: d / size, dmin });
    }
    let d = consider(Units { d, dmin }).units.d;
    for size in &SIZES[1..] {
        consider(Units { d, dmin: dmin / size });
    }
    for _ in 0..2 {
        let refit = consider(Units { d, dmin }).refit;
        consider(refit);
    }
    best
}

/// The best integers for given units, among those that `propose` considers for each sub-block.
fn assign<const S: usize>(units: Units, propose: impl Fn(usize, &mut Best)) -> Choice<S> {
    let units = Units { d: through_f16(units.d), dmin: through_f16(units.dmin) };
    let mut choice = Choice { units, scales: [0; S], mins: [0; S], error: 0.0, refit: units };
    // The normal equations of d and dmin, the codes being given.
    let (mut dd, mut dm, mut mm, mut dx, mut mx) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for s in 0..S {
        let mut best = Best { units, moments: Moments::default(), scale: 0, min: 0, error: f32::INFINITY };
        propose(s, &mut best);
        (choice.scales[s], choice.mins[s]) = (best.scale, best.min);
        choice.error += best.error;
        let (scale, min, sums) = (f32::from(best.scale), f32::from(best.min), best.moments);
        dd += scale * scale * sums.qq;
        dm += scale * min * sums.q;
        mm += min * min * sums.one;
        dx += scale * sums.xq;
        mx += min * sums.x;
    }
    let determinant = dd * mm - dm * dm;
    let refit = Units { d: (dx * mm - mx * dm) / determinant, dmin: (dm * dx - dd * mx) / determinant };
    if determinant > 0.0 && refit.d > 0.0 && refit.dmin > 0.0 {
        choice.refit = refit;
    } else if dd > 0.0 {
        choice.refit.d = (dx + units.dmin * dm) / dd;
    }
    choice
}
