//! Block formats and BF16 as pairs of bf16 numbers.

use super::{Operands, PANELS, ROWS, Registers, SIDE, Scratch, Totals, x86_64};
use crate::matrix::{EncodedRows, Storage};
use crate::ops::linear::blocks;
use crate::ops::linear::blocks::format::UNIT;
use crate::ops::linear::finish::Finish;
use crate::scratch::Buffer;
use crate::{Cpu, Linear};
use hob_quant::TensorType;
use std::cell::RefCell;
use std::ops::Range;

/// Columns of a register.
const PART_COLS: usize = 32;

const PARTS: usize = UNIT / PART_COLS;

/// Tiles that a thread packs at a time: some microseconds of work.
const TILES: usize = 8;

/// One unit of the rows of a panel: `[part][row][column]`.
#[repr(C, align(64))]
pub(super) struct Panel(pub [[[u16; PART_COLS]; ROWS]; PARTS]);

/// One unit of sixteen tokens: `[part][pair of columns][token]`, the first column in the low half.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Tile(pub [[[u32; SIDE]; SIDE]; PARTS]);

thread_local! {
    static SCRATCH: RefCell<Scratch<Panel>> = const { RefCell::new(Scratch::EMPTY) };
}

/// Weights that can be made into panels.
#[derive(Clone, Copy)]
pub(in crate::ops::linear) struct Source<'a> {
    /// A block format, or BF16.
    ty: TensorType,
    rows: EncodedRows<'a>,
}

impl<'a> Source<'a> {
    /// The weights of `linear`, if it has no trained input range, from which activations would be rounded off, and their type is one of
    /// these.
    pub(in crate::ops::linear) fn new(linear: &'a Linear) -> Option<Self> {
        let Storage::Blocks { ty, .. } = linear.weight.storage() else { return None };
        let is_one = *ty == TensorType::BF16 || blocks::is_supported(*ty);
        let fits = is_one && linear.input_scale.is_none() && linear.weight.cols() > 0;
        fits.then(|| Self { ty: *ty, rows: linear.weight.encoded_rows() })
    }
}

/// A batch of tokens.
pub(in crate::ops::linear) struct Packed {
    tokens: usize,
    units: usize,
    /// `[tile][unit]`.
    tiles: Buffer<Tile>,
}

impl Packed {
    /// Rounds `x` (`[tokens, cols]`); columns and tokens that a tile lacks become zeros.
    pub(in crate::ops::linear) fn new(cpu: &Cpu, x: &[f32], tokens: usize) -> Self {
        let cols = x.len() / tokens;
        let units = cols.div_ceil(UNIT);
        let mut tiles = cpu.shelf.take(units * tokens.div_ceil(SIDE));
        cpu.pool.for_each_part(&mut tiles, TILES, &|part, tiles| {
            for (place, tile) in (part * TILES..).zip(tiles) {
                let (first, unit) = (place / units * SIDE, place % units);
                let columns = unit * UNIT..((unit + 1) * UNIT).min(cols);
                let mut rows = [&x[..0]; SIDE];
                for (row, x) in rows.iter_mut().zip(x[first * cols..].chunks_exact(cols)) {
                    *row = &x[columns.clone()];
                }
                x86_64::pack(&rows, tile);
            }
        });
        Self { tokens, units, tiles }
    }
}

/// Multiplies `rows` of `source` with all tokens.
pub(in crate::ops::linear) fn project(
    source: Source<'_>,
    rows: Range<usize>,
    x: &Packed,
    finish: &Finish<'_>,
) {
    SCRATCH.with_borrow_mut(|scratch| super::project(&Pairs { source, x }, rows, scratch, finish));
}

struct Pairs<'a> {
    source: Source<'a>,
    x: &'a Packed,
}

impl Operands for Pairs<'_> {
    type Panel = Panel;
    type Tile = Tile;
    const PARTS: usize = PARTS;

    fn new_panel() -> Panel {
        Panel([[[0; PART_COLS]; ROWS]; PARTS])
    }

    fn unpack(&self, rows: Range<usize>, unit: usize, panel: &mut Panel) {
        let Source { ty, rows: stored } = self.source;
        if ty == TensorType::BF16 {
            rows.enumerate().for_each(|(place, row)| x86_64::copy(stored.get(row), unit, place, panel));
        } else {
            blocks::widen_avx512(ty, stored, rows, unit, &mut panel.0);
        }
    }

    fn tokens(&self) -> usize {
        self.x.tokens
    }

    fn units(&self) -> usize {
        self.x.units
    }

    fn tile(&self, tile: usize) -> &[Tile] {
        &self.x.tiles[tile * self.x.units..][..self.x.units]
    }

    #[inline(always)]
    fn load_rows<const R: usize>(registers: &Registers, panel: &Panel, half: usize, part: usize) {
        registers.load::<_, R, PART_COLS>(&panel.0[part].as_chunks().0[half]);
    }

    #[inline(always)]
    fn load_tokens<const R: usize>(registers: &Registers, tile: &Tile, part: usize) {
        registers.load::<_, R, SIDE>(&tile.0[part]);
    }

    #[inline(always)]
    fn multiply<const C: usize, const A: usize, const B: usize>(registers: &Registers) {
        registers.dot_pairs::<C, A, B>();
    }

    #[inline(always)]
    fn begin<const R: usize>(&self, registers: &Registers, _tile: usize) {
        registers.clear::<R>();
    }

    /// They are.
    #[inline(always)]
    fn finish(&self, _token: usize, _sums: &mut Totals, _panels: [&Panel; PANELS]) {}
}
