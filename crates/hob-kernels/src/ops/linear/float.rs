//! f32 activations against decoded weights: the exact mode, and the fast one for weights that are floats in the file.
//!
//! Rows are decoded to f32 a panel at a time, then multiplied with every token while the panel is in the L2 cache. Each sum
//! runs over fixed lanes (column `i` in lane `i % lanes`) and a fixed tree at the end, so it depends neither on the panel,
//! nor on the number of tokens, nor on the threads.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use super::finish::Finish;
use crate::{Isa, Matrix};
use std::cell::RefCell;
use std::ops::Range;

/// Decoded weights of one panel: half an L2 cache of today's smaller cores.
const PANEL_BYTES: usize = 256 << 10;

/// Rows that a tile of the kernels reads at once; panels are whole tiles but for the last.
const TILE_ROWS: usize = 4;

thread_local! {
    /// The panel, kept between calls: a decode step makes hundreds of them.
    static PANEL: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Multiplies `rows` of `weight` with every row of `x` (`[T, in]`) and passes each result on to `finish`.
pub(super) fn project(isa: Isa, weight: &Matrix, rows: Range<usize>, x: &[f32], finish: &Finish<'_>) {
    let cols = weight.cols();
    if cols == 0 || x.is_empty() {
        // An empty sum for every token: `x` cannot tell how many there are when it has no columns.
        return finish.fill_empty(rows);
    }
    let panel_rows = (PANEL_BYTES / (4 * cols)).clamp(1, 64).next_multiple_of(TILE_ROWS);
    PANEL.with_borrow_mut(|panel| {
        panel.resize((panel_rows * cols).max(panel.len()), 0.0);
        let mut start = rows.start;
        while start < rows.end {
            let end = (start + panel_rows).min(rows.end);
            for (row, values) in (start..end).zip(panel.chunks_exact_mut(cols)) {
                decode_row(isa, weight, row, values);
            }
            multiply(isa, &panel[..(end - start) * cols], x, cols, &mut |row, token, sum| {
                finish.put(token, start + row, sum);
            });
            start = end;
        }
    });
}

fn decode_row(isa: Isa, weight: &Matrix, row: usize, values: &mut [f32]) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 | Isa::Avx512 => x86_64::decode_row(weight, row, values),
        _ => weight.dequantize_row(row, values),
    }
}

/// `put(row, token, sum)` for every row of `w` (`[rows, cols]`) and token of `x` (`[T, cols]`).
fn multiply(isa: Isa, w: &[f32], x: &[f32], cols: usize, put: &mut dyn FnMut(usize, usize, f32)) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => x86_64::multiply_avx512(w, x, cols, put),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => x86_64::multiply_avx2(w, x, cols, put),
        _ => portable::multiply(w, x, cols, put),
    }
}

/// Walks `[rows] x [tokens]` in tiles of at most `R x T`, the rest in single rows and tokens.
#[inline(always)]
fn each_tile(rows: usize, tokens: usize, tile_rows: usize, tile_tokens: usize, mut tile: impl FnMut(Tile)) {
    let mut token = 0;
    while token < tokens {
        let wide = if token + tile_tokens <= tokens { tile_tokens } else { 1 };
        let mut row = 0;
        while row < rows {
            let tall = if row + tile_rows <= rows { tile_rows } else { 1 };
            tile(Tile { row, token, tall: tall > 1, wide: wide > 1 });
            row += tall;
        }
        token += wide;
    }
}

/// Where a tile lies, and whether it has several rows and several tokens.
struct Tile {
    row: usize,
    token: usize,
    tall: bool,
    wide: bool,
}
