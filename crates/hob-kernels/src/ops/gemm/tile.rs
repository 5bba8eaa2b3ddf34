//! Tiles of `C` in registers: rows of `A` one word at a time, broadcast and multiplied with two vectors of columns of `B`.

use super::{DEPTH, Lane, MatrixMut, Sum, Word, Words};
use crate::pool::DisjointMut;
use crate::simd::Simd;

/// Vectors of a row of a tile.
pub(super) const VECTORS: usize = 2;

/// Rows of a tile: with two vectors each, 24 sums where there are 32 registers, 12 where there are 16.
pub(super) fn rows<S: Simd>() -> usize {
    if S::LANES == 8 { 6 } else { 12 }
}

/// Where products go.
pub(super) struct Target<'a> {
    data: DisjointMut<'a, f32>,
    rows: usize,
    cols: usize,
    row_step: usize,
    sum: Sum,
}

impl<'a> Target<'a> {
    pub fn new(c: MatrixMut<'a>, sum: Sum) -> Self {
        let MatrixMut { data, rows, cols, row_step } = c;
        Self { data: DisjointMut::new(data), rows, cols, row_step, sum }
    }
}

/// Some tiles of `A` against one panel of `B`.
pub(super) struct Multiply<'a, W> {
    pub a: &'a [W],
    pub b: &'a [W],
    pub words: usize,
    /// First row and column of `C`.
    pub row: usize,
    pub col: usize,
    pub target: &'a Target<'a>,
}

impl<W: Word> Multiply<'_, W> {
    #[inline(always)]
    pub fn all<U: Words<W = W>>(self, u: U) {
        match <U::S as Simd>::LANES {
            8 => self.tiles::<U, 6>(u),
            _ => self.tiles::<U, 12>(u),
        }
    }

    #[inline(always)]
    fn tiles<U: Words<W = W>, const ROWS: usize>(&self, u: U) {
        let width = VECTORS * <U::S as Simd>::LANES;
        if self.words == 0 {
            return self.tiles_of_nothing::<U, ROWS>(u);
        }
        for start in (0..self.words).step_by(DEPTH) {
            let depth = DEPTH.min(self.words - start);
            let b = &self.b[start * width..][..depth * width];
            let replace = start == 0 && self.target.sum == Sum::Replace;
            for (i, a) in self.a.chunks_exact(ROWS * self.words).enumerate() {
                let sums = products::<U, ROWS>(u, &a[start * ROWS..][..depth * ROWS], b);
                self.put(u, self.row + i * ROWS, replace, sums);
            }
        }
    }

    /// A sum of no terms is zero.
    #[inline(always)]
    fn tiles_of_nothing<U: Words<W = W>, const ROWS: usize>(&self, u: U) {
        let zeros = [[u.floats().splat(0.0); VECTORS]; ROWS];
        for row in (self.row..self.target.rows).step_by(ROWS) {
            self.put(u, row, self.target.sum == Sum::Replace, zeros);
        }
    }

    #[inline(always)]
    fn put<U: Words<W = W>, const ROWS: usize>(
        &self,
        u: U,
        row: usize,
        replace: bool,
        sums: [[Lane<U>; VECTORS]; ROWS],
    ) {
        let s = u.floats();
        let lanes = <U::S as Simd>::LANES;
        let target = self.target;
        let cols = (VECTORS * lanes).min(target.cols - self.col);
        for (row, sums) in (row..target.rows).zip(sums) {
            let start = row * target.row_step + self.col;
            // SAFETY: a chunk writes the rows of its own tiles in the columns of its own panel, row after row.
            let place = unsafe { target.data.slice(start..start + cols) };
            if cols == VECTORS * lanes {
                for (place, sum) in place.chunks_exact_mut(lanes).zip(sums) {
                    s.store(if replace { sum } else { s.add(s.load(place), sum) }, place);
                }
            } else {
                let mut values = [0f32; 32];
                for (values, sum) in values.chunks_exact_mut(lanes).zip(sums) {
                    s.store(sum, values);
                }
                for (place, value) in place.iter_mut().zip(values) {
                    *place = if replace { value } else { *place + value };
                }
            }
        }
    }
}

#[inline(always)]
fn products<U: Words, const ROWS: usize>(u: U, a: &[U::W], b: &[U::W]) -> [[Lane<U>; VECTORS]; ROWS] {
    let lanes = <U::S as Simd>::LANES;
    let mut sums = [[u.floats().splat(0.0); VECTORS]; ROWS];
    for (a, b) in a.as_chunks::<ROWS>().0.iter().zip(b.chunks_exact(VECTORS * lanes)) {
        let (low, high) = (u.load(b), u.load(&b[lanes..]));
        for (sums, a) in sums.iter_mut().zip(a) {
            let value = u.splat(*a);
            sums[0] = u.multiply(sums[0], value, low);
            sums[1] = u.multiply(sums[1], value, high);
        }
    }
    sums
}
