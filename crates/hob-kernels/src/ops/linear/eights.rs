//! The most usual block formats against two to eight tokens with AVX2: eight rows at once, from stored bytes to products
//! without a stop in memory.
//!
//! Stored bytes are transposed, so that a register has the same four columns of eight rows; its codes meet all tokens, and
//! what is left of them is a sum for each row. Many tokens, which would need more registers than there are, have panels
//! (`groups.rs`), and one token, where memory sets the pace, walks the rows as they lie (`blocks.rs`).
//!
//! A token's result is that of `blocks.rs` to the bit, as in `groups.rs`.

mod pack;
mod x86_64;

pub(super) use pack::Packed;
pub(super) use x86_64::{
    Rows, Runs, halves, k_steps, mixed_quads, quads, runs_of_q2_k, runs_of_q3_k, runs_of_q6_k, unit_bytes,
};

use super::blocks::format::{Form, Lanes};
use super::finish::Finish;
use super::groups::{Chunk, Tile};
use crate::isa::Avx2;
use crate::matrix::EncodedRows;
use hob_quant::TensorType;

/// Rows whose columns lie side by side: a vector of 32-bit elements.
pub(super) const ROWS: usize = 8;

/// The most tokens of a call: each has a register.
pub(super) const TOKENS_MAX: usize = 8;

/// One unit of all tokens.
type Unit<const T: usize> = Tile<i8, T>;

/// Whether there is a kernel for that format, and for activations of that form.
pub(super) fn is_supported(ty: TensorType, form: Form) -> bool {
    match ty {
        TensorType::Q2_K | TensorType::Q3_K | TensorType::Q4_0 | TensorType::Q4_K => {
            form.lanes == Lanes::Pairs
        }
        TensorType::Q5_K => form.lanes == Lanes::HalfPairs,
        _ => false,
    }
}

/// Multiplies the rows of a chunk of a matrix whose blocks have type `ty` with all tokens of `x`.
pub(super) fn project(
    ty: TensorType,
    weight: EncodedRows<'_>,
    chunk: Chunk,
    x: &Packed,
    finish: &Finish<'_>,
) {
    let level = Avx2::detect().expect("the kernel is chosen from this level on");
    for panel in chunk.panels(ROWS) {
        x86_64::multiply(level, ty, weight, panel, x, finish);
    }
}
