//! What the panel's kernels have in common, and which of them runs.
#![allow(unsafe_code)]

mod avx2;
mod avx512;

use super::{Packed, Panel, RowSums, Source, UNIT, Word};
use crate::Isa;
use crate::scratch::Plain;
use std::ops::Range;

/// Tokens of a tile.
pub(super) const TOKENS: usize = 12;

/// One unit of the tokens of a tile: `[word][token]`.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Tile(pub [[i32; TOKENS]; UNIT]);

// SAFETY: arrays of numbers; the alignment is a cache line's.
unsafe impl Plain for Tile {}

/// How stored weights become words, as constant parameters.
const AS_STORED: u8 = 0;
const WIDEN_F16: u8 = 1;
const WIDEN_BF16: u8 = 2;

/// Stored bytes of a word.
const fn word_bytes(encoding: u8) -> usize {
    if encoding == AS_STORED { 4 } else { 2 }
}

/// Lays unit `unit` of `rows` out; rows and columns that a panel lacks become zeros.
pub(super) fn lay_out(source: &Source<'_>, rows: Range<usize>, unit: usize, panel: &mut Panel) {
    match source.isa {
        Isa::Avx512 => avx512::lay_out(source, rows, unit, panel),
        _ => avx2::lay_out(source, rows, unit, panel),
    }
}

/// Makes one tile of its tokens' columns.
pub(super) fn pack(isa: Isa, rows: &[&[f32]; TOKENS], word: Word, tile: &mut Tile) {
    match isa {
        Isa::Avx512 => avx512::pack(rows, word, tile),
        _ => avx2::pack(rows, tile),
    }
}

/// Sums of tile `tile` over unit `unit`, which replace `sums` at the first unit and are added to them at others.
pub(super) fn multiply(
    panel: &Panel,
    x: &Packed,
    unit: usize,
    tile: usize,
    first_unit: bool,
    sums: &mut [RowSums; TOKENS],
) {
    match x.isa() {
        Isa::Avx512 => avx512::multiply(panel, x, unit, tile, first_unit, sums),
        _ => avx2::multiply(panel, x, unit, tile, first_unit, sums),
    }
}
