//! Block formats against several tokens: every group keeps its scale, and weights are unpacked once for all tokens.
//!
//! A panel of [`ROWS`] rows is laid out, some units (256 columns) at a time, so that a dot instruction meets 8 or 16 rows at
//! once; it stays in the L2 cache while every tile of [`TOKENS`] tokens is multiplied with it. One token, where memory sets
//! the pace, walks the rows as they lie (`blocks.rs`), and a few tokens of some formats meet weights in registers (`eights.rs`).
//!
//! A token's result is that of `blocks.rs` to the bit: the integers are the same, and floats are added in the same order, with
//! AVX2 the groups' after every [`SLAB`] units, so that no more than their total is kept of a token meanwhile.
//! Generating with a draft checks several tokens at once and must not change what is generated.

mod pack;
#[cfg(test)]
mod tests;
mod tile;
mod x86_64;

pub(super) use pack::Tiles;

pub(super) use tile::Tile;
pub(super) use x86_64::avx2::quantise_bytes;

use super::blocks::format::WeightUnit;
use super::finish::Finish;
use crate::matrix::EncodedRows;
use hob_quant::TensorType;
use std::cell::RefCell;
use std::ops::Range;

/// Rows of a panel: two vectors of 16 with AVX-512, four of 8 with AVX2.
const ROWS: usize = 32;

/// Tokens of a tile: with two vectors of rows, twelve chains of dots hide each other's latency.
const TOKENS: usize = 6;

/// Tiles that are multiplied before the next panel is unpacked, by their sums of at most 516 KiB.
const TILES_MAX: usize = 86;

/// Units of a panel that are unpacked at a time: 96 KiB, which the L2 cache holds beside the sums of many tokens.
pub(super) const SLAB: usize = 8;

/// Sums of a panel's rows and a tile's tokens: `[group][token][row]`.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Sums([[[f32; ROWS]; TOKENS]; 8]);

impl Sums {
    const ZERO: Sums = Sums([[[0.0; ROWS]; TOKENS]; 8]);
}

/// One unit of a panel of rows in the layout of the kernel. `C` is a code: eight bits, or 16 where pairs of 8-bit products
/// would not fit.
#[repr(C, align(64))]
struct Panel<C> {
    /// `[group][quad of columns]`, then bytes `[row][4]` or words `[pair of columns][row][2]`.
    codes: [[[[C; 64]; 2]; 8]; 8],
    /// `[half][group][row]`.
    scales: [[[f32; ROWS]; 8]; 2],
    /// As `scales`.
    mins: [[[f32; ROWS]; 8]; 2],
    /// The same of formats whose scales are whole multiples, `[group][row][half]`, for AVX2 only.
    whole_scales: [[[i16; 2]; ROWS]; 8],
    /// As `whole_scales`.
    whole_mins: [[[i16; 2]; ROWS]; 8],
    /// Of what whole scales and minima are multiples.
    bases: [[f32; ROWS]; 2],
}

impl<C: Copy + Default> Panel<C> {
    fn zero() -> Self {
        let of_rows = [[[0.0; ROWS]; 8]; 2];
        let whole = [[[0; 2]; ROWS]; 8];
        Self {
            codes: [[[[C::default(); 64]; 2]; 8]; 8],
            scales: of_rows,
            mins: of_rows,
            whole_scales: whole,
            whole_mins: whole,
            bases: [[0.0; ROWS]; 2],
        }
    }
}

/// What the sums of all groups come to.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Totals([[f32; ROWS]; TOKENS]);

/// Buffers of one thread, kept between calls. Kernels use some of them.
struct Scratch {
    units: Box<[WeightUnit; ROWS]>,
    bytes: Vec<Panel<u8>>,
    words: Vec<Panel<i16>>,
    sums: Vec<Sums>,
    totals: Vec<Totals>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        units: Box::new([WeightUnit::ZERO; ROWS]),
        bytes: Vec::new(),
        words: Vec::new(),
        sums: Vec::new(),
        totals: Vec::new(),
    });
}

/// A chunk of rows for one thread.
pub(super) struct Chunk {
    pub rows: Range<usize>,
    /// The row at which this thread likely goes on, if others work as fast.
    pub next: usize,
}

/// Rows of a panel, and those that are likely needed after them.
#[derive(Clone)]
pub(super) struct PanelRows {
    pub rows: Range<usize>,
    pub next: Range<usize>,
}

impl Chunk {
    /// Cuts the chunk into panels of `size` rows; the last may have fewer.
    pub(super) fn panels(self, size: usize) -> impl Iterator<Item = PanelRows> {
        let Chunk { rows, next } = self;
        rows.clone().step_by(size).map(move |start| {
            let end = (start + size).min(rows.end);
            let next = if end < rows.end { end } else { next };
            PanelRows { rows: start..end, next: next..next + size }
        })
    }
}

/// Multiplies the rows of a chunk of a matrix whose blocks have type `ty` with all tokens of `x`.
pub(super) fn project(ty: TensorType, weight: EncodedRows<'_>, chunk: Chunk, x: &Tiles, finish: &Finish<'_>) {
    let product = x86_64::Product { ty, weight, x, finish };
    SCRATCH.with_borrow_mut(|scratch| {
        for panel in chunk.panels(ROWS) {
            for first in (0..x.tiles()).step_by(TILES_MAX) {
                let tiles = first..(first + TILES_MAX).min(x.tiles());
                product.panel(panel.clone(), tiles, scratch);
            }
        }
    });
}
