//! Block formats against several tokens: every group keeps its scale, and weights are unpacked once for all tokens.
//!
//! A panel of [`ROWS`] rows of one unit (256 columns) is laid out so that a dot instruction meets 16 rows at once; it stays
//! in the L1 cache while every token is multiplied with it. Between one token, where memory sets the pace and `blocks.rs`
//! walks the rows as they lie, and many, where it pays to round rows to one scale (`panel.rs`).
//!
//! A token's result is that of `blocks.rs` to the bit: the integers are the same, and floats are added in the same order.
//! Generating with a draft checks several tokens at once and must not change what is generated.

#[cfg(test)]
mod tests;
mod x86_64;

use super::activations::Activations;
use super::blocks::format::WeightUnit;
use super::finish::Finish;
use crate::isa::Avx512;
use crate::matrix::EncodedRows;
use hob_quant::TensorType;
use std::cell::RefCell;
use std::ops::Range;

/// Rows of a panel: two vectors.
const ROWS: usize = 32;

/// Tokens whose sums are kept at a time, in 32 KiB.
pub(super) const TOKENS_MAX: usize = 32;

/// Sums of a row and a token: `[group][row]`.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Sums([[f32; ROWS]; 8]);

/// One unit of a panel of rows in the layout of the kernel.
#[repr(C, align(64))]
struct Panel {
    /// `[64 codes in order of storage][quad of columns][16 rows]`, each `[row][4]`.
    codes: [[[[u8; 64]; 2]; 16]; 4],
    /// `[half][group][row]`.
    scales: [[[f32; ROWS]; 8]; 2],
    /// As `scales`.
    mins: [[[f32; ROWS]; 8]; 2],
}

/// Buffers of one thread, kept between calls.
struct Scratch {
    units: Box<[WeightUnit; ROWS]>,
    panel: Box<Panel>,
    sums: Box<[Sums; TOKENS_MAX]>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        units: Box::new([WeightUnit::ZERO; ROWS]),
        panel: Box::new(Panel {
            codes: [[[[0; 64]; 2]; 16]; 4],
            scales: [[[0.0; ROWS]; 8]; 2],
            mins: [[[0.0; ROWS]; 8]; 2],
        }),
        sums: Box::new([Sums([[0.0; ROWS]; 8]); TOKENS_MAX]),
    });
}

/// Multiplies `rows` of a matrix whose blocks have type `ty` with all tokens of `x` (in `Order::Halves`, a step per group).
pub(super) fn project(
    ty: TensorType,
    weight: EncodedRows<'_>,
    rows: Range<usize>,
    x: &Activations,
    finish: &Finish<'_>,
) {
    let proof = Avx512::detect().expect("the kernel is chosen at this level only");
    SCRATCH.with_borrow_mut(|scratch| {
        for start in rows.clone().step_by(ROWS) {
            let rows = start..(start + ROWS).min(rows.end);
            for first in (0..x.tokens).step_by(TOKENS_MAX) {
                let tokens = first..(first + TOKENS_MAX).min(x.tokens);
                x86_64::panel(proof, ty, weight, rows.clone(), x, tokens, scratch, finish);
            }
        }
    });
}
