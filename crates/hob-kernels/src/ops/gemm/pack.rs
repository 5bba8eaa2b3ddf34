//! Copies one side into panels: `[panel][word of k][lane]`, zeros where the matrix ends.

use super::{MatrixView, Word, Words};
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
        if source.row_step == 1 {
            return side_by_side(u, self.panels, self.range, self.to);
        }
        for (panel, to) in self.range.zip(self.to.chunks_exact_mut((lanes * words).max(1))) {
            let first = panel * lanes;
            transpose(u, source, first..(first + lanes).min(source.rows), lanes, to);
        }
    }
}

/// Lanes are contiguous in memory: vectors are loaded as they stand. All panels get their part of a word before the next
/// word, since the lines of consecutive words may be far apart and share cache sets.
#[inline(always)]
fn side_by_side<U: Words>(u: U, panels: &Panels<'_>, range: Range<usize>, to: &mut [U::W]) {
    let Panels { source, lanes, words } = *panels;
    let (s, width) = (u.floats(), <U::S as Simd>::LANES);
    let line =
        |k: usize| if k < source.cols { &source.data[k * source.col_step..][..source.rows] } else { &[] };
    for word in 0..words {
        let columns = [line(word * U::W::COLUMNS), line(word * U::W::COLUMNS + U::W::COLUMNS - 1)];
        for (i, panel) in range.clone().enumerate() {
            let (first, place) = (panel * lanes, (i * words + word) * lanes);
            for lane in (0..lanes).step_by(width) {
                let [a, b] = columns.map(
                    #[inline(always)]
                    |column: &[f32]| load(s, column.get(first + lane..).unwrap_or(&[])),
                );
                put(u, u.make(a, b), &mut to[place + lane..(i + 1) * words * lanes]);
            }
        }
    }
}

/// `k` is contiguous in memory: squares of as many words as a vector has lanes are turned in registers.
#[inline(always)]
fn transpose<U: Words>(u: U, source: MatrixView<'_>, rows: Range<usize>, lanes: usize, to: &mut [U::W]) {
    debug_assert_eq!(source.col_step, 1, "one of the two steps is 1");
    let (s, width) = (u.floats(), <U::S as Simd>::LANES);
    let words = to.len() / lanes;
    for lane in (0..lanes).step_by(width) {
        let count = width.min(lanes - lane);
        for word in (0..words).step_by(width) {
            let k = word * U::W::COLUMNS;
            let mut square = [u.take(s.splat(0.0), s.splat(0.0)); SQUARE_MAX];
            for (line, row) in square[..count].iter_mut().zip(rows.start + lane..rows.end) {
                let row = &source.data[row * source.row_step..][k..source.cols];
                *line = u.take(load(s, row), load(s, row.get(width..).unwrap_or(&[])));
            }
            let columns = turned(u, square);
            let to = &mut to[word * lanes + lane..];
            // All words are there and each has a vector's room: a loop of fixed length that stays in registers.
            if word + width <= words && to.len() >= (width - 1) * lanes + width {
                for (i, column) in columns.iter().enumerate().take(width) {
                    u.store(*column, &mut to[i * lanes..]);
                }
            } else {
                for (i, column) in columns.iter().enumerate().take(width.min(words - word)) {
                    put(u, *column, &mut to[i * lanes..]);
                }
            }
        }
    }
}

/// Columns for rows. One step interleaves each row of the first half with its partner of the second; as many steps as the
/// number of lanes has bits turn the whole square.
#[inline(always)]
fn turned<U: Words>(u: U, mut rows: [U::V; SQUARE_MAX]) -> [U::V; SQUARE_MAX] {
    let lanes = <U::S as Simd>::LANES;
    for _ in 0..lanes.ilog2() {
        let mut next = rows;
        for i in 0..lanes / 2 {
            (next[2 * i], next[2 * i + 1]) = u.zip(rows[i], rows[i + lanes / 2]);
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
fn put<U: Words>(u: U, words: U::V, to: &mut [U::W]) {
    if to.len() >= <U::S as Simd>::LANES {
        u.store(words, to);
    } else {
        let mut all = [U::W::default(); SQUARE_MAX];
        u.store(words, &mut all);
        to.copy_from_slice(&all[..to.len()]);
    }
}
