//! Activations in the order in which the kernel's broadcasts walk them.

use super::x86_64::{TOKENS, Tile, pack};
use super::{UNIT, Word};
use crate::scratch::Buffer;
use crate::{Cpu, Isa};
use std::ops::Range;

/// Tiles that a thread packs at a time: some microseconds of work.
const PART: usize = 8;

/// A batch of tokens in tiles.
pub(in crate::ops::linear) struct Packed {
    tokens: usize,
    units: usize,
    word: Word,
    isa: Isa,
    /// `[unit][tile]`.
    tiles: Buffer<Tile>,
}

impl Packed {
    /// Packs `x` (`[tokens, cols]`); columns and tokens that a tile lacks become zeros.
    pub(in crate::ops::linear) fn new(cpu: &Cpu, x: &[f32], tokens: usize, word: Word) -> Self {
        let cols = x.len() / tokens;
        let (units, count) = (cols.div_ceil(word.unit_cols()), tokens.div_ceil(TOKENS));
        let mut tiles = cpu.shelf.take(units * count);
        cpu.pool.for_each_part(&mut tiles, PART, &|part, tiles| {
            for (place, tile) in (part * PART..).zip(tiles) {
                let (unit, first) = (place / count, place % count * TOKENS);
                let start = unit * word.unit_cols();
                let columns = start..(start + word.unit_cols()).min(cols);
                let mut rows = [&x[..0]; TOKENS];
                for (row, x) in rows.iter_mut().zip(x[first * cols..].chunks_exact(cols)) {
                    *row = &x[columns.clone()];
                }
                pack(cpu.isa, &rows, word, tile);
            }
        });
        Self { tokens, units, word, isa: cpu.isa, tiles }
    }

    pub(super) fn tokens(&self) -> usize {
        self.tokens
    }

    pub(super) fn units(&self) -> usize {
        self.units
    }

    pub(super) fn word(&self) -> Word {
        self.word
    }

    /// The level whose kernel they are for.
    pub(super) fn isa(&self) -> Isa {
        self.isa
    }

    /// The tiles that hold `tokens`, whose start is the first of a tile.
    pub(super) fn tiles(&self, tokens: Range<usize>) -> Range<usize> {
        tokens.start / TOKENS..tokens.end.div_ceil(TOKENS)
    }

    /// Tile `tile` of unit `unit`: `[word][token]`.
    pub(super) fn tile(&self, unit: usize, tile: usize) -> &[[i32; TOKENS]; UNIT] {
        &self.tiles[unit * self.tokens.div_ceil(TOKENS) + tile].0
    }
}
