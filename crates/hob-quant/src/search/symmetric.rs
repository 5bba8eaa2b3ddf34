//! Scales without a minimum: `x = d * s * v`, where `v` is one of a fixed set of values.

use super::steps::Moments;
use super::{inverse, round_small, signed_extreme, sum};
use crate::float::through_f16;

/// A set of values that codes stand for.
pub(crate) trait Grid {
    /// The value of largest magnitude: a sub-block's extreme element is mapped there.
    const EXTREME: f32;

    /// Least and greatest of the weighted search's trial sizes, relative to that where the extreme element spans the
    /// grid. Above one the extreme is clipped, which pays where it matters little or the grid is coarse.
    const SWEEP: [f32; 2] = [0.85, 1.6];

    /// Code and value of the grid point nearest to `y`, which may lie outside the grid.
    fn nearest(&self, y: f32) -> (u8, f32);
}

/// The integers `-HALF..HALF`, with codes from zero.
pub(crate) struct Integers<const HALF: i8>;

impl<const HALF: i8> Grid for Integers<HALF> {
    const EXTREME: f32 = -(HALF as f32);

    #[inline(always)]
    fn nearest(&self, y: f32) -> (u8, f32) {
        let half = f32::from(HALF);
        let value = round_small(y.clamp(-half, half - 1.0));
        ((value + half) as i32 as u8, value)
    }
}

/// Two scales for `x` on the grid: the spanning one, then the best found by search.
pub(crate) fn fit_scale<const N: usize>(x: &[f32; N], grid: &impl Grid) -> [f32; 2] {
    /// Trials spread evenly over 0.8 to 1.2 times the spanning scale.
    const TRIALS: i32 = 10;
    const SPREAD: f32 = 0.2;
    let extreme = signed_extreme(x);
    if extreme == 0.0 {
        return [0.0; 2];
    }
    let spanning = extreme / grid_extreme(grid);
    // Only the shape matters here, so the values are taken relative to the extreme: nothing over- or underflows.
    let unit = x.map(|x| x / extreme * grid_extreme(grid));
    let (mut best, mut best_gain) = (spanning, 0.0);
    for trial in -TRIALS..=TRIALS {
        let factor = 1.0 + SPREAD * trial as f32 / TRIALS as f32;
        let Moments { xv, vv } = moments(&unit, &[1.0; N], grid, factor);
        // Least squares gives the scale xv / vv, which lowers the squared error by xv^2 / vv.
        if vv > 0.0 && xv > 0.0 && xv * xv > best_gain * vv {
            (best, best_gain) = (spanning * (xv / vv), xv * xv / vv);
        }
    }
    [spanning, best]
}

/// The moments of the codes nearest to `x * per_step`, under the weights `w`.
#[inline(always)]
pub(super) fn moments<const N: usize>(
    x: &[f32; N],
    w: &[f32; N],
    grid: &impl Grid,
    per_step: f32,
) -> Moments {
    let mut values = [0.0; N];
    for (value, x) in values.iter_mut().zip(x) {
        *value = grid.nearest(x * per_step).1;
    }
    Moments { xv: sum::<N>(|i| w[i] * x[i] * values[i]), vv: sum::<N>(|i| w[i] * values[i] * values[i]) }
}

pub(super) fn grid_extreme<G: Grid>(_: &G) -> f32 {
    G::EXTREME
}

/// Sum of squared differences, times the weights `w`, when `x` is stored on the grid with scale `d`.
pub(crate) fn symmetric_error<const N: usize>(x: &[f32; N], w: &[f32; N], grid: &impl Grid, d: f32) -> f32 {
    let inverse = inverse(d);
    let mut errors = [0.0; N];
    for (error, x) in errors.iter_mut().zip(x) {
        *error = x - d * grid.nearest(x * inverse).1;
    }
    sum::<N>(|i| w[i] * errors[i] * errors[i])
}

/// A block of `S` sub-blocks as `x = d * scales[s] * value(code)`.
pub(crate) struct SymmetricBlock<const S: usize> {
    /// Scale of the scales, exactly a binary16 value (or infinite).
    pub d: f32,
    /// Scale of each sub-block.
    pub scales: [i32; S],
    /// Grid codes of the elements.
    pub codes: [u8; 256],
    error: f32,
}

impl<const S: usize> SymmetricBlock<S> {
    /// The nearest codes for the given scales; the error is weighed by `w`.
    pub(super) fn with_scales<const N: usize>(
        x: &[f32; 256],
        w: &[f32; 256],
        grid: &impl Grid,
        d: f32,
        scales: [i32; S],
    ) -> Self {
        let mut packed = Self { d, scales, codes: [0; 256], error: 0.0 };
        let runs = x.as_chunks::<N>().0.iter().zip(w.as_chunks::<N>().0);
        for (s, ((x, w), codes)) in runs.zip(packed.codes.as_chunks_mut::<N>().0).enumerate() {
            let step = d * scales[s] as f32;
            let per_step = inverse(step);
            for ((&x, &w), code) in x.iter().zip(w).zip(codes) {
                let (nearest, value) = grid.nearest(x * per_step);
                *code = nearest;
                packed.error += w * (x - step * value) * (x - step * value);
            }
        }
        packed
    }
}

/// Scales and codes for a block of `S` sub-blocks of `N`, with integer scales in `lowest..-lowest`.
pub(crate) fn best_symmetric<const S: usize, const N: usize>(
    x: &[f32; 256],
    grid: &impl Grid,
    lowest: i32,
) -> SymmetricBlock<S> {
    let runs = x.as_chunks::<N>().0;
    let fits: [[f32; 2]; S] = std::array::from_fn(|s| fit_scale(&runs[s], grid));
    let plain = pack::<S, N>(x, grid, lowest, fits.map(|fit| fit[0]));
    let searched = pack::<S, N>(x, grid, lowest, fits.map(|fit| fit[1]));
    if searched.error < plain.error { searched } else { plain }
}

fn pack<const S: usize, const N: usize>(
    x: &[f32; 256],
    grid: &impl Grid,
    lowest: i32,
    fits: [f32; S],
) -> SymmetricBlock<S> {
    let d = through_f16(signed_extreme(&fits) / lowest as f32);
    let per_d = inverse(d);
    let scales = fits.map(|fit| ((fit * per_d).round() as i32).clamp(lowest, -1 - lowest));
    SymmetricBlock::with_scales::<N>(x, &[1.0; 256], grid, d, scales)
}
