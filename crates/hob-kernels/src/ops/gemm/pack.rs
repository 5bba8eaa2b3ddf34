//! Copies one side into panels: `[panel][word of k][lane]`, zeros where the matrix ends.

use super::{Lane, MatrixView, Word, Words};
use crate::simd::{Simd, load_partial};
use std::ops::Range;

/// Lanes of the widest vector.
const SQUARE_MAX: usize = 16;

/// One side of a product: its rows become the lanes of panels.
pub(super) struct Panels<'a> {
    pub source: MatrixView<'a>,
    pub lanes: usize,
    pub words: usize,
}

impl Panels<'_> {
    pub fn count(&self) -> usize {
        self.source.rows.div_ceil(self.lanes)
    }

    /// Words of all panels.
    pub fn len(&self) -> usize {
        self.range(0..self.count()).end
    }

    /// Where these panels stand.
    pub fn range(&self, panels: Range<usize>) -> Range<usize> {
        let size = self.lanes * self.words;
        panels.start * size..panels.end * size
    }
}

/// Some of the panels of one side, to be filled.
pub(super) struct Pack<'a, W> {
    pub panels: &'a Panels<'a>,
    pub range: Range<usize>,
    pub to: &'a mut [W],
}

impl<W: Word> Pack<'_, W> {
    #[inline(always)]
    pub fn fill<U: Words<W = W>>(self, u: U) {
        let Panels { source, lanes, words } = *self.panels;
        for (panel, to) in self.range.zip(self.to.chunks_exact_mut((lanes * words).max(1))) {
            let first = panel * lanes;
            let count = lanes.min(source.rows - first);
            if source.row_step == 1 {
                side_by_side(u, source, first..first + count, lanes, to);
            } else {
                transpose(u, source, first..first + count, lanes, to);
            }
        }
    }
}

/// Lanes are contiguous in memory: vectors are loaded as they stand.
#[inline(always)]
fn side_by_side<U: Words>(u: U, source: MatrixView<'_>, rows: Range<usize>, lanes: usize, to: &mut [U::W]) {
    let s = u.floats();
    let width = <U::S as Simd>::LANES;
    let line =
        |k: usize| if k < source.cols { &source.data[k * source.col_step..][rows.clone()] } else { &[] };
    for word in 0..to.len() / lanes {
        let columns = [line(word * U::W::COLUMNS), line(word * U::W::COLUMNS + U::W::COLUMNS - 1)];
        for lane in (0..lanes).step_by(width) {
            let [first, second] = columns.map(
                #[inline(always)]
                |column: &[f32]| load(s, column.get(lane..).unwrap_or(&[])),
            );
            put(u, first, second, &mut to[word * lanes + lane..]);
        }
    }
}

/// `k` is contiguous in memory: squares of as many rows as a vector has lanes are turned in registers.
#[inline(always)]
fn transpose<U: Words>(u: U, source: MatrixView<'_>, rows: Range<usize>, lanes: usize, to: &mut [U::W]) {
    debug_assert_eq!(source.col_step, 1, "one of the two steps is 1");
    let s = u.floats();
    let width = <U::S as Simd>::LANES;
    for lane in (0..lanes).step_by(width) {
        for k in (0..source.cols).step_by(width) {
            let mut square = [s.splat(0.0); SQUARE_MAX];
            for (line, row) in square[..width.min(lanes - lane)].iter_mut().zip(rows.start + lane..rows.end) {
                *line = load(s, &source.data[row * source.row_step..][k..source.cols]);
            }
            let columns = turned(s, square);
            let step = U::W::COLUMNS;
            for i in (0..width.min(source.cols - k)).step_by(step) {
                put(u, columns[i], columns[i + step - 1], &mut to[(k + i) / step * lanes + lane..]);
            }
        }
    }
}

/// Columns for rows. One step interleaves each row of the first half with its partner of the second; as many steps as the
/// number of lanes has bits turn the whole square.
#[inline(always)]
fn turned<S: Simd>(s: S, mut rows: [S::F; SQUARE_MAX]) -> [S::F; SQUARE_MAX] {
    for _ in 0..S::LANES.ilog2() {
        let mut next = rows;
        for i in 0..S::LANES / 2 {
            (next[2 * i], next[2 * i + 1]) = s.zip(rows[i], rows[i + S::LANES / 2]);
        }
        rows = next;
    }
    rows
}

/// The first lanes from `from`; those that are not there are 0.
#[inline(always)]
fn load<S: Simd>(s: S, from: &[f32]) -> S::F {
    if from.len() >= S::LANES { s.load(from) } else { load_partial(s, from) }
}

/// Stores one vector of words at the start of `to`. What it writes beyond a panel's lanes is the next word's place, which
/// is filled later.
#[inline(always)]
fn put<U: Words>(u: U, first: Lane<U>, second: Lane<U>, to: &mut [U::W]) {
    if to.len() >= <U::S as Simd>::LANES {
        u.make(first, second, to);
    } else {
        let mut words = [U::W::default(); SQUARE_MAX];
        u.make(first, second, &mut words);
        to.copy_from_slice(&words[..to.len()]);
    }
}
