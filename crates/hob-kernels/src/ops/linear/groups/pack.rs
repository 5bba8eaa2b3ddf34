//! Activations in the order in which the kernel's broadcasts walk them.

use super::x86_64::{Bytes, Kernel, Quads, Words};
use super::{SLAB, TOKENS, Tile};
use crate::isa::{Avx2, Avx512};
use crate::ops::linear::activations::{GROUP, UNIT};
use crate::ops::linear::blocks::format::{Form, Lanes};
use crate::scratch::Buffer;
use crate::{Cpu, Isa};
use std::ops::Range;

/// Tiles that a thread quantises at a time: ten microseconds of work.
const PART: usize = 8;

/// A batch of quantised tokens.
pub(in crate::ops::linear) struct Tiles {
    tiles: Stored,
    width: usize,
    cols: usize,
    tokens: usize,
}

/// `[slab][tile][unit of the slab]`, as they are walked, and the kernel that they are made for.
pub(super) enum Stored {
    Avx512(Avx512, Buffer<Tile<i8>>),
    Bytes(Bytes, Buffer<Tile<i8>>),
    Words(Words, Buffer<Tile<i16>>),
    Quads(Quads, Buffer<Tile<i8>>),
}

impl Tiles {
    /// Quantises `x` (`[tokens, cols]`).
    pub(in crate::ops::linear) fn new(cpu: &Cpu, x: &[f32], tokens: usize, form: Form) -> Self {
        let input = Input { cpu, x, cols: x.len() / tokens, tokens, form };
        let tiles = if cpu.isa == Isa::Avx512 {
            let kernel = Avx512::detect().expect("the level was checked when the Cpu was made");
            Stored::Avx512(kernel, input.tiles(kernel))
        } else {
            let level = Avx2::detect().expect("the kernel is chosen from this level on");
            match form.lanes {
                Lanes::Words => Stored::Words(Words(level), input.tiles(Words(level))),
                Lanes::Quads(dot) => {
                    let kernel =
                        Quads::new(dot).expect("a Cpu with these dots was made where they were detected");
                    Stored::Quads(kernel, input.tiles(kernel))
                }
                lanes => Stored::Bytes(Bytes(level, lanes), input.tiles(Bytes(level, lanes))),
            }
        };
        Self { tiles, width: input.width(), cols: input.cols, tokens }
    }

    /// All tiles.
    pub(super) fn stored(&self) -> &Stored {
        &self.tiles
    }

    /// Where the units of a tile begin in a slab of so many, which begins with unit `first`.
    pub(super) fn place(&self, tile: usize, first: usize, units: usize) -> usize {
        first * self.tiles() + tile * units
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
}

/// What is to be quantised.
struct Input<'a> {
    cpu: &'a Cpu,
    /// `[tokens, cols]`.
    x: &'a [f32],
    cols: usize,
    tokens: usize,
    form: Form,
}

impl Input<'_> {
    fn width(&self) -> usize {
        self.cols.div_ceil(UNIT)
    }

    fn tiles<K: Kernel>(&self, kernel: K) -> Buffer<Tile<K::Value>> {
        let Self { cpu, x, cols, tokens, form } = *self;
        let (count, width) = (tokens.div_ceil(TOKENS), self.width());
        let mut tiles = cpu.shelf.take(count * width);
        cpu.pool.for_each_part(&mut tiles, PART, &|part, tiles| {
            for (place, tile) in (part * PART..).zip(tiles) {
                let slab = place / (count * SLAB);
                let (place, units) = (place % (count * SLAB), SLAB.min(width - slab * SLAB));
                let (first, unit) = (place / units * TOKENS, slab * SLAB + place % units);
                let columns = unit * UNIT..((unit + 1) * UNIT).min(cols);
                let mut rows = [&x[..0]; TOKENS];
                let present = first..(first + TOKENS).min(tokens);
                for (row, token) in rows.iter_mut().zip(present.clone()) {
                    *row = &x[token * cols..][columns.clone()];
                }
                kernel.quantise(&rows[..present.len()], form, tile);
            }
        });
        tiles
    }
}
