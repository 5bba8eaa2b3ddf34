//! f32 activations against exact weights: the exact mode, and the fast one for weights that are floats in the file, up to the
//! number of tokens from which `words.rs` has a panel.
//!
//! Floats are read from the file's bytes; other rows are decoded to f32 a panel at a time, then multiplied with every
//! token while the panel is in the L2 cache. Each sum runs over fixed lanes (column `i` in lane `i % lanes`) and a fixed
//! tree at the end, so it depends neither on the panel, nor on the number of tokens, nor on the threads.

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod portable;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod tile;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use super::finish::Finish;
use crate::matrix::Storage;
use crate::{Isa, Matrix};
use hob_quant::TensorType;
use std::cell::RefCell;
use std::ops::Range;

/// Decoded weights of one panel: a quarter of an L2 cache of today's smaller cores.
const PANEL_BYTES: usize = 256 << 10;

/// Rows that a tile of the kernels reads at once; panels are whole tiles but for the last.
const TILE_ROWS: usize = 4;

/// Tokens below which a panel is one tile of rows: there is no reuse for which a larger one would be kept.
const FEW_TOKENS: usize = 8;

thread_local! {
    /// The panel (little-endian f32), kept between calls: a decode step makes hundreds of them.
    static PANEL: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Rows of floats as they lie in memory.
#[derive(Clone, Copy)]
enum Rows<'a> {
    F32(&'a [f32]),
    /// Little-endian, at any address.
    F32Bytes(&'a [u8]),
    F16(&'a [u8]),
    BF16(&'a [u8]),
}

/// Multiplies `rows` of `weight` with every row of `x` (`[T, in]`) and passes each result on to `finish`.
pub(super) fn project(isa: Isa, weight: &Matrix, rows: Range<usize>, x: &[f32], finish: &Finish<'_>) {
    let cols = weight.cols();
    if cols == 0 || rows.is_empty() {
        return finish.fill_empty(rows);
    }
    let mut put = |row: usize, token: usize, sum: f32| finish.put(token, rows.start + row, sum);
    if let Some(stored) = stored_floats(isa, weight, &rows) {
        return multiply(isa, stored, x, cols, &mut put);
    }
    let few = x.len() < FEW_TOKENS * cols;
    let panel_rows = if few { TILE_ROWS } else { (PANEL_BYTES / (4 * cols)).clamp(1, 64) };
    let panel_rows = panel_rows.next_multiple_of(TILE_ROWS);
    PANEL.with_borrow_mut(|panel| {
        panel.resize((panel_rows * cols).max(panel.len()), 0.0);
        for start in rows.clone().step_by(panel_rows) {
            let panel_rows = start..(start + panel_rows).min(rows.end);
            for (row, values) in panel_rows.clone().zip(panel.chunks_exact_mut(cols)) {
                weight.dequantize_row(row, values);
            }
            let decoded = Rows::F32(&panel[..panel_rows.len() * cols]);
            multiply(isa, decoded, x, cols, &mut |row, token, sum| put(start - rows.start + row, token, sum));
        }
    });
}

/// The bytes of `rows` if they are floats that the kernels of `isa` read themselves.
fn stored_floats<'a>(isa: Isa, weight: &'a Matrix, rows: &Range<usize>) -> Option<Rows<'a>> {
    let Storage::Blocks { ty, bytes } = weight.storage() else {
        return None;
    };
    if isa == Isa::Scalar {
        return None;
    }
    let row_bytes = ty.row_bytes(weight.cols())?;
    let bytes = &bytes[rows.start * row_bytes..rows.end * row_bytes];
    match ty {
        TensorType::F32 => Some(Rows::F32Bytes(bytes)),
        TensorType::F16 => Some(Rows::F16(bytes)),
        TensorType::BF16 => Some(Rows::BF16(bytes)),
        _ => None,
    }
}

/// `put(row, token, sum)` for every row of `w` (`[rows, cols]`) and token of `x` (`[T, cols]`).
fn multiply(isa: Isa, w: Rows<'_>, x: &[f32], cols: usize, put: &mut dyn FnMut(usize, usize, f32)) {
    match (isa, w) {
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx512, w) => x86_64::multiply_avx512(w, x, cols, put),
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx2, w) => x86_64::multiply_avx2(w, x, cols, put),
        #[cfg(target_arch = "aarch64")]
        (Isa::Neon | Isa::NeonDot | Isa::NeonI8mm, w) => aarch64::multiply(w, x, cols, put),
        (_, Rows::F32(w)) => portable::multiply(w, x, cols, put),
        _ => unreachable!("stored floats are given only to kernels that read them"),
    }
}
