//! Choosing scales: the searches the encoders share.
//!
//! A sub-block's scale is searched by trying a range of trial scales around the one that just spans its values,
//! rounding to codes, and solving for the scale (and minimum) that fits those codes with least squares. The scales
//! are then rounded to the block's own scale. Both the searched scales and the plain spanning ones are carried
//! through that rounding and the better result is kept, so that the search never does worse than no search.
//!
//! Where elements have weights, the `weighted_*` searches keep the sums that each trial's codes leave behind: the error
//! of those codes with any other scale follows from them. So many block scales can be tried without rounding again.

mod affine;
pub(crate) mod books;
pub(crate) mod codebook;
pub(crate) mod entries;
mod halves;
pub(crate) mod steps;
mod symmetric;
mod weighted_affine;
mod weighted_blocks;
mod weighted_symmetric;

pub(crate) use affine::{AffineBlock, Levels, best_affine};
pub(crate) use symmetric::{Grid, Integers, SymmetricBlock, best_symmetric, fit_scale, symmetric_error};
pub(crate) use weighted_affine::fit_affine_weighted;
pub(crate) use weighted_blocks::best_affine_weighted;
pub(crate) use weighted_symmetric::{best_symmetric_weighted, fit_scale_weighted};

/// The element of largest magnitude, with its sign; the first of equals.
pub(crate) fn signed_extreme(x: &[f32]) -> f32 {
    let mut extreme = 0.0_f32;
    for &x in x {
        if x.abs() > extreme.abs() {
            extreme = x;
        }
    }
    extreme
}

/// `1 / d`, and zero for zero.
pub(crate) fn inverse(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { 1.0 / d }
}

/// Whether a scale that moves by this factor is still the same scale: what codes mean does not turn.
pub(crate) fn is_small_step(factor: f32) -> bool {
    (0.5..2.0).contains(&factor)
}

/// Rounds to nearest, halves away from zero.
pub(crate) fn round_away(x: f32) -> i32 {
    let whole = x as i32;
    let rest = x - whole as f32;
    whole + i32::from(rest >= 0.5) - i32::from(rest <= -0.5)
}

/// Rounds a value of magnitude below 2^22 to nearest, halves to even, in two additions that vectorise.
#[inline(always)]
pub(crate) fn round_small(x: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0;
    (x + SHIFT) - SHIFT
}

/// The sum of `term(0..N)` in eight running sums, which vectorises where one running sum may not be reordered.
#[inline(always)]
pub(crate) fn sum<const N: usize>(term: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0; 8];
    for start in (0..N).step_by(8) {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += term(start + lane);
        }
    }
    lanes.iter().sum()
}
