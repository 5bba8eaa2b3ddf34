//! Block formats against a few tokens, four at a time, as the weights lie: in rows.
//!
//! A dot instruction leaves sixteen lanes of four products each. Alone, a token's lanes cost more instructions to add up by
//! group than the dots did. Here a lane belongs to a group and a token: weights are shuffled once, so that each quad of
//! columns meets four tokens, and nothing is left to add up. Unlike in `groups.rs` weights are not laid out anew, which only
//! many tokens pay for.
//!
//! A token's result is that of `blocks.rs` to the bit, as in `groups.rs`.

mod pack;
mod x86_64;

pub(super) use pack::Fours;
pub(super) use x86_64::{Four, add_row};

use super::blocks::add_unit_to_fours;
use super::finish::Finish;
use crate::isa::Avx512;
use crate::matrix::EncodedRows;
use hob_quant::TensorType;
use std::ops::Range;

/// Tokens side by side.
const TOKENS: usize = 4;

/// Rows that meet a unit of the tokens while it is in the L1 cache.
const ROWS: usize = 8;

/// Fours of tokens at most: `groups.rs` is faster for more.
const FOURS_MAX: usize = 3;

/// The most tokens of a call.
pub(super) const TOKENS_MAX: usize = TOKENS * FOURS_MAX;

/// Sums of a row and four tokens: `[chunk of four groups][group][token]`.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Sums([[f32; 16]; 2]);

/// Those of a row and all fours.
pub(super) type RowSums = [Sums; FOURS_MAX];

impl Sums {
    const ZERO: Sums = Sums([[0.0; 16]; 2]);
}

/// Multiplies `rows` of a matrix whose blocks have type `ty` with all tokens of `x`, at most [`TOKENS_MAX`].
pub(super) fn project(
    ty: TensorType,
    weight: EncodedRows<'_>,
    rows: Range<usize>,
    x: &Fours,
    finish: &Finish<'_>,
) {
    let proof = Avx512::detect().expect("the kernel is chosen at this level only");
    let mut sums = [[Sums::ZERO; FOURS_MAX]; ROWS];
    let mut totals = [[0.0; ROWS]; TOKENS_MAX];
    let fours = x.tokens().div_ceil(TOKENS);
    for start in rows.clone().step_by(ROWS) {
        let rows = start..(start + ROWS).min(rows.end);
        sums.iter_mut().for_each(|sums| sums[..fours].fill(Sums::ZERO));
        for index in 0..x.width() {
            add_unit_to_fours(proof, ty, weight, rows.clone(), index, x.unit(index), &mut sums);
        }
        for (row, sums) in sums.iter().enumerate() {
            for (sums, totals) in sums[..fours].iter().zip(totals.as_chunks_mut::<TOKENS>().0) {
                let of_row = totals.iter_mut().map(|totals| &mut totals[row]);
                of_row.zip(x86_64::total(proof, sums)).for_each(|(to, total)| *to = total);
            }
        }
        for (token, totals) in totals.iter().enumerate().take(x.tokens()) {
            finish.put_panel(token, &rows, totals);
        }
    }
}
