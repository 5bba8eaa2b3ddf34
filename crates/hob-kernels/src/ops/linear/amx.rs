//! Many tokens with AMX: registers of 16 x 64 bytes, multiplied by one another.
//!
//! Four registers hold what 32 rows and 32 tokens add up to, two hold rows and two hold tokens. Rows are unpacked to [`PANELS`]
//! panels of [`SLAB`] units (256 columns) at a time, which the L2 cache holds, so that tokens come from further away once for 256 rows
//! and sums go back and forth once for 2,048 columns. Nothing happens to a sum on its way: scales that belong to some
//! columns only would have it leave its register every few products, and that takes longer than they do. So there are two kinds:
//!
//! - `bytes.rs`: integer codes with one scale for a row, the same integers as in `codes.rs` and `panel.rs`.
//! - `pairs.rs`: block formats and BF16, as bf16 on both sides. That is half as fast as bytes, and nearer to exact arithmetic than
//!   activations of 8 bits: weights and activations are rounded to 8 bits of mantissa each.

mod bytes;
mod pairs;
mod registers;
#[cfg(test)]
mod tests;
mod x86_64;

pub(super) use bytes::project as project_bytes;
pub(super) use pairs::{Packed, Source, project as project_pairs};
pub(crate) use registers::Registers;

use super::finish::Finish;
use super::x86_64::Ahead;
use crate::Cpu;
use crate::isa::Amx;
use registers::SIDE;
use std::ops::Range;

/// Rows of a panel: two registers.
const ROWS: usize = 2 * SIDE;

/// Panels that are unpacked at a time.
const PANELS: usize = 8;

/// Units of them.
const SLAB: usize = 8;

/// Tokens that are multiplied before other rows are unpacked: sums of 512 KiB.
const BATCH: usize = 512;

/// Sums of two tiles of tokens and a panel's rows, integers or the bits of floats: `[2 * tile + half of the rows][row][token]`.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Square([[[i32; SIDE]; SIDE]; 4]);

/// All panels' rows of one token, as `Square` has them, at last the bits of floats.
type Totals = [i32; PANELS * ROWS];

/// What is multiplied.
trait Operands {
    /// One unit of the rows of a panel.
    type Panel;
    /// One unit of sixteen tokens.
    type Tile;
    /// Registers' worth of columns in a unit.
    const PARTS: usize;

    fn new_panel() -> Self::Panel;
    /// Unpacks a unit of some rows; those that a panel lacks are of no interest.
    fn unpack(&self, rows: Range<usize>, unit: usize, panel: &mut Self::Panel);
    fn tokens(&self) -> usize;
    fn units(&self) -> usize;
    /// All units of a tile of tokens.
    fn tile(&self, tile: usize) -> &[Self::Tile];

    /// Loads `R` with a part of a half of a panel.
    fn load_rows<const R: usize>(registers: &Registers, panel: &Self::Panel, half: usize, part: usize);
    /// Loads `R` with a part of a tile.
    fn load_tokens<const R: usize>(registers: &Registers, tile: &Self::Tile, part: usize);
    /// Adds the products of rows in `A` and tokens in `B` to `C`.
    fn multiply<const C: usize, const A: usize, const B: usize>(registers: &Registers);
    /// Loads `R` with what sums of a tile begin with.
    fn begin<const R: usize>(&self, registers: &Registers, tile: usize);
    /// Makes floats of the sums of one token; `panels` are the last units of their rows.
    fn finish(&self, token: usize, sums: &mut Totals, panels: [&Self::Panel; PANELS]);
}

/// Buffers of one thread, kept between calls.
struct Scratch<P> {
    /// `[panel][unit of the slab]`.
    panels: Vec<P>,
    /// `[pair of tiles][panel]`, of one pair where nothing is added to them later.
    sums: Vec<Square>,
}

impl<P> Scratch<P> {
    const EMPTY: Self = Self { panels: Vec::new(), sums: Vec::new() };
}

/// Rows of a chunk of work: as many panels as are unpacked at a time, unless threads would go without.
pub(super) fn chunk_rows(cpu: &Cpu, rows: usize) -> usize {
    (rows / (4 * cpu.threads()) / ROWS).clamp(1, PANELS) * ROWS
}

/// Multiplies `rows` with all tokens.
fn project<O: Operands>(
    operands: &O,
    rows: Range<usize>,
    scratch: &mut Scratch<O::Panel>,
    finish: &Finish<'_>,
) {
    let registers = Registers::new(Amx::detect().expect("the level was checked when the Cpu was made"));
    for start in rows.clone().step_by(PANELS * ROWS) {
        let rows = start..(start + PANELS * ROWS).min(rows.end);
        for first in (0..operands.tokens()).step_by(BATCH) {
            let tokens = first..(first + BATCH).min(operands.tokens());
            let work = Work { registers: &registers, operands, rows: rows.clone(), tokens, finish };
            work.multiply(scratch);
        }
    }
}

/// Some panels of rows against one batch of tokens.
struct Work<'a, O> {
    registers: &'a Registers,
    operands: &'a O,
    rows: Range<usize>,
    tokens: Range<usize>,
    finish: &'a Finish<'a>,
}

impl<O: Operands> Work<'_, O> {
    fn panels(&self) -> impl Iterator<Item = Range<usize>> + use<O> {
        let end = self.rows.end;
        self.rows.clone().step_by(ROWS).map(move |start| start..(start + ROWS).min(end))
    }

    fn multiply(self, Scratch { panels, sums }: &mut Scratch<O::Panel>) {
        let tiles = self.tokens.start / SIDE..self.tokens.end.div_ceil(SIDE);
        panels.resize_with(PANELS * SLAB, O::new_panel);
        let squares = tiles.len().div_ceil(2) * PANELS;
        sums.resize(squares.max(sums.len()), Square([[[0; SIDE]; SIDE]; 4]));
        let all = self.operands.units();
        for first in (0..all).step_by(SLAB) {
            let units = first..(first + SLAB).min(all);
            for (rows, panels) in self.panels().zip(panels.as_chunks_mut::<SLAB>().0) {
                units.clone().zip(panels).for_each(|(unit, panel)| {
                    self.operands.unpack(rows.clone(), unit, panel);
                });
            }
            let panels = panels.as_chunks::<SLAB>().0;
            let is_only = units.len() == all;
            for (pair, first_tile) in tiles.clone().step_by(2).enumerate() {
                let sums = &mut sums[if is_only { 0 } else { pair * PANELS }..][..self.panels().count()];
                let tiles = first_tile..(first_tile + 2).min(tiles.end);
                let mut ahead = self.ahead(tiles.end, units.clone());
                for (panels, sums) in panels.iter().zip(&mut *sums) {
                    let panel = &panels[..units.len()];
                    match tiles.len() {
                        1 => self.square::<1>(panel, units.start, tiles.start, &mut ahead, sums),
                        _ => self.square::<2>(panel, units.start, tiles.start, &mut ahead, sums),
                    }
                }
                if units.end == all {
                    let last = std::array::from_fn(|panel| &panels[panel][units.len() - 1]);
                    tiles.enumerate().for_each(|(place, tile)| self.put(tile, place, sums, last));
                }
            }
        }
    }

    /// The next two tiles of tokens from `tile` on, if there are, to be asked for while all panels are multiplied with others.
    fn ahead(&self, tile: usize, units: Range<usize>) -> [Ahead<'_>; 2] {
        let steps = self.panels().count() * units.len() * O::PARTS;
        [tile, tile + 1].map(|tile| {
            let is_there = tile * SIDE < self.tokens.end;
            Ahead::new(if is_there { &self.operands.tile(tile)[units.clone()] } else { &[] }, steps)
        })
    }

    /// Some units of a panel, from `first` on, against `N` tiles of tokens from `tile` on.
    #[inline(always)]
    fn square<const N: usize>(
        &self,
        panel: &[O::Panel],
        first: usize,
        tile: usize,
        ahead: &mut [Ahead<'_>; 2],
        Square(sums): &mut Square,
    ) {
        let (registers, operands) = (self.registers, self.operands);
        let tile_of = |place: usize| &operands.tile(tile + place)[first..][..panel.len()];
        let (x, y) = (tile_of(0), tile_of(N - 1));
        let [a, b, c, d] = sums;
        if first == 0 {
            operands.begin::<0>(registers, tile);
            operands.begin::<1>(registers, tile);
            operands.begin::<2>(registers, tile + N - 1);
            operands.begin::<3>(registers, tile + N - 1);
        } else {
            registers.load::<_, 0, SIDE>(a);
            registers.load::<_, 1, SIDE>(b);
            registers.load::<_, 2, SIDE>(c);
            registers.load::<_, 3, SIDE>(d);
        }
        for ((panel, x), y) in panel.iter().zip(x).zip(y) {
            for part in 0..O::PARTS {
                O::load_rows::<4>(registers, panel, 0, part);
                O::load_tokens::<6>(registers, x, part);
                O::multiply::<0, 4, 6>(registers);
                O::load_rows::<5>(registers, panel, 1, part);
                O::multiply::<1, 5, 6>(registers);
                ahead.iter_mut().for_each(Ahead::ask);
                if N == 2 {
                    O::load_tokens::<7>(registers, y, part);
                    O::multiply::<2, 4, 7>(registers);
                    O::multiply::<3, 5, 7>(registers);
                }
            }
        }
        registers.store::<_, 0>(a);
        registers.store::<_, 1>(b);
        registers.store::<_, 2>(c);
        registers.store::<_, 3>(d);
    }

    /// Stores what the sums of a tile come to, the one at that place in `sums`: all panels' rows of a token at once, since tokens'
    /// outputs are far apart.
    fn put(&self, tile: usize, place: usize, sums: &[Square], last: [&O::Panel; PANELS]) {
        let mut totals = [[0; PANELS * ROWS]; SIDE];
        for (panel, Square(sums)) in sums.iter().enumerate() {
            for half in 0..2 {
                x86_64::transpose(&sums[2 * place + half], &mut totals, panel * ROWS + half * SIDE);
            }
        }
        for (token, totals) in (tile * SIDE..self.tokens.end).zip(&mut totals) {
            self.operands.finish(token, totals, last);
            self.finish.put_run(token, self.rows.start, &x86_64::floats(totals)[..self.rows.len()]);
        }
    }
}
