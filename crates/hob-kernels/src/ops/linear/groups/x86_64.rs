//! A panel of rows against tiles of tokens, whatever the instructions that multiply them.

pub(super) mod avx2;
mod avx512;

pub(super) use avx2::{Bytes, Quads, Words};

use super::pack::Stored;
use super::{Panel, PanelRows, ROWS, SLAB, Scratch, Tile, Tiles};
use crate::Isa;
use crate::matrix::EncodedRows;
use crate::ops::linear::blocks::format::{Form, Format, WeightUnit, format};
use crate::ops::linear::blocks::unpack_rows;
use crate::ops::linear::finish::Finish;
use crate::ops::linear::x86_64::Ahead;
use crate::scratch::Plain;
use hob_quant::TensorType;
use std::ops::Range;

/// Instructions that multiply a panel with a tile.
pub(super) trait Kernel: Copy + Sync {
    /// How often it asks for what is ahead while it multiplies a unit with a tile.
    const STEPS: usize;
    /// A code of a weight.
    type Weight: Copy + Default;
    /// A code of a token.
    type Value: Plain;
    /// What is kept of a tile from one slab to the next.
    type Sums;

    /// Makes one unit of a tile of so many tokens; rows that are short end in zeros.
    fn quantise(self, rows: &[&[f32]], form: Form, tile: &mut Tile<Self::Value>);

    /// The buffers that are the kernel's: for so many units of a panel, and the sums of so many tiles.
    fn buffers(scratch: &mut Scratch, slab: usize, tiles: usize) -> Buffers<'_, Self>;

    /// Unpacks one unit of some rows in the order of the panel. What rows it lacks are is of no interest.
    fn unpack(self, from: EncodedUnit<'_>, units: &mut [WeightUnit; ROWS], panel: &mut Panel<Self::Weight>);

    /// Adds the products of all units of a slab and the first tokens of a tile, and asks for some of what is needed later.
    fn multiply(self, format: Format, work: Work<'_, Self>, ahead: &mut Ahead<'_>, sums: &mut Self::Sums);

    /// Stores what the sums of `rows` come to, added in the order of `blocks.rs`.
    fn put(self, sums: &Self::Sums, tokens: Range<usize>, rows: Range<usize>, finish: &Finish<'_>);
}

/// What is unpacked: a unit of rows of that type.
pub(super) struct EncodedUnit<'a> {
    ty: TensorType,
    format: Format,
    weight: EncodedRows<'a>,
    rows: Range<usize>,
    unit: usize,
}

impl EncodedUnit<'_> {
    /// Row by row.
    fn unpack(&self, isa: Isa, units: &mut [WeightUnit; ROWS]) {
        unpack_rows(isa, self.ty, self.weight, self.rows.clone(), self.unit, units);
    }
}

/// Buffers of one thread.
pub(super) struct Buffers<'a, K: Kernel> {
    units: &'a mut [WeightUnit; ROWS],
    slab: &'a mut [Panel<K::Weight>],
    sums: &'a mut [K::Sums],
}

/// The first `len` elements of a buffer that grows.
fn first<T>(buffer: &mut Vec<T>, len: usize, new: impl Fn() -> T) -> &mut [T] {
    buffer.resize_with(len.max(buffer.len()), new);
    &mut buffer[..len]
}

/// What is multiplied.
pub(super) struct Work<'a, K: Kernel> {
    slab: &'a [Panel<K::Weight>],
    /// As many units of the tile.
    x: &'a [Tile<K::Value>],
    /// Tokens that are there.
    tokens: usize,
    /// Groups of the last unit that have columns.
    last_groups: usize,
    /// Sums begin here; what they held is of no interest.
    begin: bool,
}

/// A chunk of rows against all tokens.
#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
    pub ty: TensorType,
    pub weight: EncodedRows<'a>,
    pub x: &'a Tiles,
    pub finish: &'a Finish<'a>,
}

impl Product<'_> {
    /// One panel of rows against at most `TILES_MAX` tiles.
    pub(super) fn panel(self, panel: PanelRows, tiles: Range<usize>, scratch: &mut Scratch) {
        match self.x.stored() {
            Stored::Avx512(kernel, of) => self.multiply(*kernel, of, panel, tiles, scratch),
            Stored::Bytes(kernel, of) => self.multiply(*kernel, of, panel, tiles, scratch),
            Stored::Words(kernel, of) => self.multiply(*kernel, of, panel, tiles, scratch),
            Stored::Quads(kernel, of) => self.multiply(*kernel, of, panel, tiles, scratch),
        }
    }

    fn multiply<K: Kernel>(
        self,
        kernel: K,
        units_of_tiles: &[Tile<K::Value>],
        PanelRows { rows, next }: PanelRows,
        tiles: Range<usize>,
        scratch: &mut Scratch,
    ) {
        let Product { ty, weight, x, finish } = self;
        let format = format(ty).expect("checked when the kernel was chosen");
        let Buffers { units, slab, sums } = K::buffers(scratch, SLAB.min(x.width()), tiles.len());
        let mut ahead = Ahead::new(weight.of(next), K::STEPS * x.width() * tiles.len());
        for first in (0..x.width()).step_by(SLAB) {
            let slab = &mut slab[..SLAB.min(x.width() - first)];
            for (unit, panel) in (first..).zip(&mut *slab) {
                kernel.unpack(EncodedUnit { ty, format, weight, rows: rows.clone(), unit }, units, panel);
            }
            let is_last = first + SLAB >= x.width();
            let last_groups = x.groups(first + slab.len() - 1);
            for (index, tile) in tiles.clone().enumerate() {
                // Sums that nothing is added to later need no place of their own.
                let sums = &mut sums[if first == 0 && is_last { 0 } else { index }];
                let tokens = x.tokens(tile);
                let x = &units_of_tiles[x.place(tile, first, slab.len())..][..slab.len()];
                let work = Work { slab, x, tokens: tokens.len(), last_groups, begin: first == 0 };
                kernel.multiply(format, work, &mut ahead, sums);
                // The last slab's sums go to their place while they are in the L1 cache.
                if is_last {
                    kernel.put(sums, tokens, rows.clone(), finish);
                }
            }
        }
    }
}
