//! The panel product of float weights: many tokens against rows that are laid out once per panel.
//!
//! Both sides are cut into 32-bit *words*: a pair of bf16 numbers or one f32. A panel is [`ROWS`] rows of one unit
//! ([`UNIT`] words of each row), transposed so that one vector is one word of 8 or 16 rows; it stays in the L1 cache while every
//! token of the batch is multiplied with it, one word of a token broadcast at a time.
//!
//! - BF16 weights where the CPU multiplies pairs of bf16: activations are rounded to bf16 (nearest, ties to even), an
//!   error of at most `2^-8 * sum |x w|`; numbers below 2^-126 count as 0, magnitudes above the largest bf16 as infinite.
//! - F16, F32, BF16 on other CPUs, and layers with a trained input range (which rounded activations would leave): f32
//!   words, nothing is rounded but sums.
//!
//! Sums of a unit are f32, in the order of the columns, then units are added in order; with normal values the error is
//! within `EPSILON * sqrt(in) * sum |x w|`. A sum depends neither on the other tokens, nor on the rows, nor on the threads.
//! NaN and infinity stay what they are.

mod pack;
#[cfg(test)]
mod tests;
mod x86_64;

pub(super) use pack::Packed;

use super::finish::Finish;
use crate::matrix::{EncodedRows, Storage};
use crate::{Cpu, Isa, Linear};
use hob_quant::TensorType;
use std::cell::RefCell;
use std::ops::Range;

/// Tokens from which the panel is used: fewer must give the bits of single tokens, whose sums have another order.
pub(super) const WORDS_TOKENS: usize = super::task::PANEL_TOKENS_MAX;

/// Words of each row of a panel.
const UNIT: usize = 128;

/// Rows of a panel: two vectors of 16 with AVX-512, four of 8 with AVX2.
const ROWS: usize = 32;

/// Tokens that are multiplied before the next panel is laid out: whole tiles, and sums of 126 KiB.
const BATCH: usize = 1008;

/// What a 32-bit word holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Word {
    /// Two columns.
    Bf16Pair,
    /// One column.
    F32,
}

impl Word {
    /// Columns of a unit.
    fn unit_cols(self) -> usize {
        match self {
            Word::Bf16Pair => 2 * UNIT,
            Word::F32 => UNIT,
        }
    }
}

/// Weights that can be made into panels.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    /// F32, F16 or BF16.
    ty: TensorType,
    rows: EncodedRows<'a>,
    word: Word,
    isa: Isa,
}

impl<'a> Source<'a> {
    /// The weights of `linear`, if they are floats in the file and `cpu` has this kernel.
    pub(super) fn new(cpu: &Cpu, linear: &'a Linear) -> Option<Self> {
        let Storage::Blocks { ty, .. } = linear.weight.storage() else {
            return None;
        };
        let is_float = matches!(ty, TensorType::F32 | TensorType::F16 | TensorType::BF16);
        if !matches!(cpu.isa, Isa::Avx512 | Isa::Avx2) || !is_float || linear.weight.cols() == 0 {
            return None;
        }
        let pairs = *ty == TensorType::BF16 && cpu.bf16 && linear.input_scale.is_none();
        let word = if pairs { Word::Bf16Pair } else { Word::F32 };
        Some(Self { ty: *ty, rows: linear.weight.encoded_rows(), word, isa: cpu.isa })
    }

    /// What activations have to be packed in.
    pub(super) fn word(&self) -> Word {
        self.word
    }
}

/// `[word][half of the rows][row]`.
#[repr(C, align(64))]
struct Panel([[[i32; 16]; 2]; UNIT]);

/// What all rows of a panel and one token add up to.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct RowSums([[f32; 16]; 2]);

/// Buffers of one thread, kept between calls.
struct Scratch {
    panel: Box<Panel>,
    sums: Vec<RowSums>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        panel: Box::new(Panel([[[0; 16]; 2]; UNIT])),
        sums: Vec::new(),
    });
}

/// Multiplies `rows` of `source` with all tokens.
pub(super) fn project(source: &Source<'_>, rows: Range<usize>, x: &Packed, finish: &Finish<'_>) {
    SCRATCH.with_borrow_mut(|scratch| {
        for start in rows.clone().step_by(ROWS) {
            let rows = start..(start + ROWS).min(rows.end);
            for first in (0..x.tokens()).step_by(BATCH) {
                let tokens = first..(first + BATCH).min(x.tokens());
                multiply(source, rows.clone(), x, tokens, scratch, finish);
            }
        }
    });
}

/// One panel of rows against one batch of tokens, unit by unit.
fn multiply(
    source: &Source<'_>,
    rows: Range<usize>,
    x: &Packed,
    tokens: Range<usize>,
    scratch: &mut Scratch,
    finish: &Finish<'_>,
) {
    let tiles = x.tiles(tokens.clone());
    let Scratch { panel, sums } = scratch;
    // Old sums are not read: the first unit replaces them.
    sums.resize(sums.len().max(tiles.len() * x86_64::TOKENS), RowSums([[0.0; 16]; 2]));
    for unit in 0..x.units() {
        x86_64::lay_out(source, rows.clone(), unit, panel);
        let last = unit + 1 == x.units();
        for (tile, sums) in tiles.clone().zip(sums.as_chunks_mut::<{ x86_64::TOKENS }>().0) {
            x86_64::multiply(panel, x, unit, tile, unit == 0, sums);
            if last {
                // The last unit's sums go to their place while they are in the L1 cache.
                for (token, RowSums(sums)) in (tile * x86_64::TOKENS..tokens.end).zip(sums) {
                    finish.put_run(token, rows.start, &sums.as_flattened()[..rows.len()]);
                }
            }
        }
    }
}
