//! Integer codes with one scale for a row: sums stay integers to the end.

use super::{Operands, PANELS, ROWS, Registers, SIDE, Scratch, Totals, x86_64};
use crate::ops::linear::finish::Finish;
use crate::ops::linear::panel::{Lines, Packed, Source, TileAmx};
use std::cell::RefCell;
use std::ops::Range;

thread_local! {
    static SCRATCH: RefCell<Scratch<Lines>> = const { RefCell::new(Scratch::EMPTY) };
}

/// Multiplies `rows` of `source`, which are integer codes, with all tokens.
pub(in crate::ops::linear) fn project(
    source: &Source<'_>,
    rows: Range<usize>,
    x: &Packed,
    finish: &Finish<'_>,
) {
    SCRATCH.with_borrow_mut(|scratch| super::project(&Bytes { source, x }, rows, scratch, finish));
}

struct Bytes<'a> {
    source: &'a Source<'a>,
    x: &'a Packed,
}

impl Operands for Bytes<'_> {
    type Panel = Lines;
    type Tile = TileAmx;
    const PARTS: usize = 4;

    fn new_panel() -> Lines {
        Lines::ZERO
    }

    fn unpack(&self, rows: Range<usize>, unit: usize, panel: &mut Lines) {
        x86_64::fill(self.source, rows, unit, panel);
    }

    fn tokens(&self) -> usize {
        self.x.tokens()
    }

    fn units(&self) -> usize {
        self.x.units()
    }

    fn tile(&self, tile: usize) -> &[TileAmx] {
        self.x.amx(tile)
    }

    #[inline(always)]
    fn load_rows<const R: usize>(registers: &Registers, panel: &Lines, half: usize, part: usize) {
        registers.load_part::<R, _>(&panel.codes.as_chunks().0[half], part);
    }

    #[inline(always)]
    fn load_tokens<const R: usize>(registers: &Registers, tile: &TileAmx, part: usize) {
        registers.load::<_, R, SIDE>(&tile.codes.as_chunks().0[part]);
    }

    #[inline(always)]
    fn multiply<const C: usize, const A: usize, const B: usize>(registers: &Registers) {
        registers.dot_bytes::<C, A, B>();
    }

    /// With the zero points' share.
    fn begin<const R: usize>(&self, registers: &Registers, tile: usize) {
        let mut starts = [0; SIDE];
        for unit in self.x.amx(tile) {
            starts.iter_mut().zip(unit.starts).for_each(|(sum, start)| *sum += start);
        }
        registers.load_repeated::<R>(&starts);
    }

    #[inline(always)]
    fn finish(&self, token: usize, sums: &mut Totals, panels: [&Lines; PANELS]) {
        let step = self.x.step(token);
        for (sums, panel) in sums.as_chunks_mut::<ROWS>().0.iter_mut().zip(panels) {
            for (sum, scale) in sums.iter_mut().zip(&panel.scales) {
                *sum = (*sum as f32 * (step * scale)).to_bits() as i32;
            }
        }
    }
}
