//! The searches of `symmetric.rs` for elements with weights of their own.

use super::steps::{Ladder, Moments, choose_steps, refine_steps};
use super::symmetric::{Grid, SymmetricBlock, grid_extreme, moments, symmetric_error};
use super::{inverse, signed_extreme};
use crate::float::through_f16;

/// The scale, exactly a binary16 value, of least weighted error for `x` on the grid.
pub(crate) fn fit_scale_weighted<const N: usize>(x: &[f32; N], w: &[f32; N], grid: &impl Grid) -> f32 {
    let (mut best, mut best_error) = (0.0, f32::INFINITY);
    for trial in sweep::<N, 36>(x, w, grid) {
        let mut step = trial.best_step();
        for _ in 0..2 {
            let d = through_f16(step);
            let error = symmetric_error(x, w, grid, d);
            if error < best_error {
                (best, best_error) = (d, error);
            }
            step = moments(x, w, grid, inverse(d)).best_step();
        }
    }
    best
}

/// Moments of the codes at `T` trial steps: half of them with the extreme element at one end of the grid, half with it
/// at the other, which the grid may not reach.
fn sweep<const N: usize, const T: usize>(x: &[f32; N], w: &[f32; N], grid: &impl Grid) -> [Moments; T] {
    let [first, last] = grid_sweep(grid);
    let extreme = signed_extreme(x);
    let per_step = if extreme == 0.0 { 0.0 } else { grid_extreme(grid) / extreme };
    if !per_step.is_finite() {
        return [Moments::default(); T];
    }
    let ratio = (last / first).powf(1.0 / (T / 2 - 1) as f32);
    let mut size = first;
    let mut trials = [Moments::default(); T];
    for pair in trials.as_chunks_mut::<2>().0 {
        *pair = [size, -size].map(|size| moments(x, w, grid, per_step * size));
        size *= ratio;
    }
    trials
}

fn grid_sweep<G: Grid>(_: &G) -> [f32; 2] {
    G::SWEEP
}

/// As [`best_symmetric`](super::best_symmetric), for the squared error times `w`.
pub(crate) fn best_symmetric_weighted<const S: usize, const N: usize>(
    x: &[f32; 256],
    w: &[f32; 256],
    grid: &impl Grid,
    lowest: i32,
) -> SymmetricBlock<S> {
    /// These ladders have 64 or more levels, so that few sizes of `d` differ by much.
    const TRIES: [f32; 3] = [1.0, 1.02, 1.05];
    let (runs, weights) = (x.as_chunks::<N>().0, w.as_chunks::<N>().0);
    let trials: [[Moments; 32]; S] = std::array::from_fn(|s| sweep(&runs[s], &weights[s], grid));
    let ladder = Ladder { lowest, highest: -1 - lowest, offset: 0.0, unit: 1.0, tries: &TRIES };
    let ideal =
        trials.map(|trials| best_of(&trials, |moments| moments.error_at(moments.best_step())).best_step());
    let steps =
        choose_steps(&ladder, &ideal, &|s, step| best_of(&trials[s], |moments| moments.error_at(step)));
    let steps = refine_steps(&ladder, steps, &|s, step| moments(&runs[s], &weights[s], grid, inverse(step)));
    SymmetricBlock::with_scales::<N>(x, w, grid, steps.d, steps.levels)
}

/// The trial whose error is least.
#[inline(always)]
fn best_of(trials: &[Moments], error: impl Fn(Moments) -> f32) -> Moments {
    let (mut best, mut best_error) = (Moments::default(), 0.0);
    for &trial in trials {
        let error = error(trial);
        if error < best_error {
            (best, best_error) = (trial, error);
        }
    }
    best
}
