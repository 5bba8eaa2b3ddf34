//! Activations in the order in which the kernel's broadcasts walk them.

use super::TOKENS;
use super::x86_64::{Tile, quantise};
use crate::Cpu;
use crate::isa::Avx512;
use crate::ops::linear::activations::{GROUP, UNIT};
use crate::ops::linear::blocks::format::Form;
use crate::scratch::Buffer;
use std::ops::Range;

/// Tiles that a thread quantises at a time: ten microseconds of work.
const PART: usize = 8;

/// A batch of quantised tokens.
pub(in crate::ops::linear) struct Tiles {
    /// `[tile][unit]`.
    tiles: Buffer<Tile>,
    width: usize,
    cols: usize,
    tokens: usize,
}

impl Tiles {
    /// Quantises `x` (`[tokens, cols]`).
    pub(in crate::ops::linear) fn new(cpu: &Cpu, x: &[f32], tokens: usize, form: Form) -> Self {
        let cols = x.len() / tokens;
        let width = cols.div_ceil(UNIT);
        let mut tiles = cpu.shelf.take(tokens.div_ceil(TOKENS) * width);
        let proof = Avx512::detect().expect("the kernel is chosen at this level only");
        cpu.pool.for_each_part(&mut tiles, PART, &|part, tiles| {
            for (place, tile) in (part * PART..).zip(tiles) {
                let (first, unit) = (place / width * TOKENS, place % width);
                let columns = unit * UNIT..((unit + 1) * UNIT).min(cols);
                let mut rows = [&x[..0]; TOKENS];
                let present = first..(first + TOKENS).min(tokens);
                for (row, token) in rows.iter_mut().zip(present) {
                    *row = &x[token * cols..][columns.clone()];
                }
                quantise(proof, &rows, form, tile);
            }
        });
        Self { tiles, width, cols, tokens }
    }

    /// The tokens of a tile.
    pub(super) fn tokens(&self, tile: usize) -> Range<usize> {
        tile * TOKENS..((tile + 1) * TOKENS).min(self.tokens)
    }

    pub(super) fn tiles(&self) -> usize {
        self.tokens.div_ceil(TOKENS)
    }

    /// Units of a token.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Groups of `unit` that have columns: all of them but in the last unit of some widths.
    pub(super) fn groups(&self, unit: usize) -> usize {
        (self.cols - unit * UNIT).div_ceil(GROUP).min(UNIT / GROUP)
    }

    /// All units of a tile.
    pub(super) fn tile(&self, tile: usize) -> &[Tile] {
        &self.tiles[tile * self.width..][..self.width]
    }
}
