//! `out[r, c] += sum over i of a[r, i] * b[i, c]` on pairs: the inner loop.
//!
//! Few rows meet the right side as it is stored, each vector of it converted once in registers. More rows would convert it
//! anew for every block of rows, so for them it is packed first. Both give the same bits.

use super::LANES;
use crate::ops::attention::operand::{Line, Operand};
use crate::simd::{PairKernel, Pairs, Simd};
use std::ops::Range;

/// Sums that stay in registers, beside operands.
const SUMS: usize = 24;

/// Rows of the widest tile, up to which nothing is packed.
const NARROW: usize = SUMS / 2;

/// Bytes that one prefetch brings.
const CACHE_LINE: usize = 64;

/// The left side: row `r` is `data[r * stride + first..]`.
pub(super) struct Left<'a> {
    pub data: &'a [u32],
    pub stride: usize,
    pub rows: usize,
    pub first: usize,
}

/// The right side: whole pairs of rows of an operand, and its first columns, a multiple of 16.
///
/// While it is first read, what lies at `ahead` where `rows` lie in the operand is prefetched. A page is a few kilobytes in
/// each of many places, where the hardware's own prefetching ends too soon.
#[derive(Clone)]
pub(super) struct Part<B> {
    pub operand: B,
    pub rows: Range<usize>,
    pub columns: usize,
    pub ahead: *const u8,
}

/// What the product is added to: row `r` from `r * stride + first` on.
pub(super) struct Target<'a> {
    pub out: &'a mut [f32],
    pub stride: usize,
    pub first: usize,
}

/// Multiplies; `packed` is room to work in.
#[inline(always)]
pub(super) fn multiply<P: Pairs, B: Operand>(
    p: P,
    a: &Left<'_>,
    b: Part<B>,
    packed: &mut Vec<u32>,
    mut to: Target<'_>,
) {
    if B::PRECISE {
        unreachable!("caches in f32 are multiplied in f32");
    }
    if a.rows <= NARROW {
        return product(p, a, &b, &mut to);
    }
    b.pack(p, packed);
    product(p, a, &Packed { pairs: packed, columns: b.columns }, &mut to);
}

/// Pairs of rows of a right side.
trait Right: Clone {
    fn pairs(&self) -> usize;
    fn columns(&self) -> usize;
    /// The `C` vectors from `column` on of pair `i`.
    fn load<P: Pairs, const C: usize>(&self, p: P, i: usize, column: usize) -> [P::P; C];
    /// Asks for what comes after, at the time when pair `i` is first read.
    fn prefetch<P: Pairs>(&self, p: P, i: usize);
}

/// `[pairs, columns]`.
#[derive(Clone)]
struct Packed<'a> {
    pairs: &'a [u32],
    columns: usize,
}

impl Right for Packed<'_> {
    #[inline(always)]
    fn pairs(&self) -> usize {
        self.pairs.len().checked_div(self.columns).unwrap_or(0)
    }

    #[inline(always)]
    fn columns(&self) -> usize {
        self.columns
    }

    #[inline(always)]
    fn load<P: Pairs, const C: usize>(&self, p: P, i: usize, column: usize) -> [P::P; C] {
        let line = &self.pairs[i * self.columns + column..][..C * LANES];
        let mut vectors = [p.splat(0); C];
        for (c, vector) in vectors.iter_mut().enumerate() {
            *vector = p.load(&line[c * LANES..]);
        }
        vectors
    }

    #[inline(always)]
    fn prefetch<P: Pairs>(&self, _: P, _: usize) {}
}

impl<B: Operand> Right for Part<B> {
    #[inline(always)]
    fn pairs(&self) -> usize {
        self.rows.len() / 2
    }

    #[inline(always)]
    fn columns(&self) -> usize {
        self.columns
    }

    #[inline(always)]
    fn load<P: Pairs, const C: usize>(&self, p: P, i: usize, column: usize) -> [P::P; C] {
        let (s, row) = (p.floats(), self.rows.start + 2 * i);
        let first = self.operand.line(row, column, C * LANES);
        let second = self.operand.line(row + 1, column, C * LANES);
        let mut vectors = [p.splat(0); C];
        for (c, vector) in vectors.iter_mut().enumerate() {
            *vector = p.pair(first.load(s, c * LANES), second.load(s, c * LANES));
        }
        vectors
    }

    #[inline(always)]
    fn prefetch<P: Pairs>(&self, p: P, i: usize) {
        let bytes = self.operand.row_bytes();
        for byte in (0..2 * bytes).step_by(CACHE_LINE) {
            p.floats().prefetch(self.ahead.wrapping_add((self.rows.start + 2 * i) * bytes + byte));
        }
    }
}

impl<B: Operand> Part<B> {
    #[inline(always)]
    fn pack<P: Pairs>(&self, p: P, packed: &mut Vec<u32>) {
        let columns = self.columns();
        packed.resize(self.pairs() * columns, 0);
        for i in 0..self.pairs() {
            self.prefetch(p, i);
            let line = &mut packed[i * columns..][..columns];
            let mut wide = line.chunks_exact_mut(4 * LANES);
            let mut column = 0;
            for to in wide.by_ref() {
                for (vector, to) in
                    self.load::<P, 4>(p, i, column).into_iter().zip(to.chunks_exact_mut(LANES))
                {
                    p.store(vector, to);
                }
                column += 4 * LANES;
            }
            for to in wide.into_remainder().chunks_exact_mut(LANES) {
                p.store(self.load::<P, 1>(p, i, column)[0], to);
                column += LANES;
            }
        }
    }
}

#[inline(always)]
fn product<P: Pairs>(p: P, a: &Left<'_>, b: &impl Right, to: &mut Target<'_>) {
    let mut column = 0;
    if a.rows > SUMS / 4 && a.rows <= NARROW {
        // More rows than a block of four vectors has, but not packed: each vector is still loaded once.
        while b.columns() - column >= 2 * LANES {
            narrow(p, a, b, column, to);
            column += 2 * LANES;
        }
    }
    while b.columns() - column >= 4 * LANES {
        blocks::<P, _, 4>(p, a, b, column, to);
        column += 4 * LANES;
    }
    while column < b.columns() {
        blocks::<P, _, 1>(p, a, b, column, to);
        column += LANES;
    }
}

/// All rows, in blocks as even as they come: four and four cost less than six and two.
#[inline(always)]
fn blocks<P: Pairs, B: Right, const C: usize>(p: P, a: &Left<'_>, b: &B, column: usize, to: &mut Target<'_>) {
    let count = a.rows.div_ceil(SUMS / 4);
    let mut row = 0;
    for i in 0..count {
        let rows = (a.rows - row).div_ceil(count - i);
        match rows {
            1 => p.call(Tile::<B, 1, C> { row, a, b, column, to }),
            2 => p.call(Tile::<B, 2, C> { row, a, b, column, to }),
            3 => p.call(Tile::<B, 3, C> { row, a, b, column, to }),
            4 => p.call(Tile::<B, 4, C> { row, a, b, column, to }),
            5 => p.call(Tile::<B, 5, C> { row, a, b, column, to }),
            _ => p.call(Tile::<B, 6, C> { row, a, b, column, to }),
        }
        row += rows;
    }
}

/// Seven to twelve rows in one block of two vectors.
#[inline(always)]
fn narrow<P: Pairs, B: Right>(p: P, a: &Left<'_>, b: &B, column: usize, to: &mut Target<'_>) {
    let row = 0;
    match a.rows {
        7 => p.call(Tile::<B, 7, 2> { row, a, b, column, to }),
        8 => p.call(Tile::<B, 8, 2> { row, a, b, column, to }),
        9 => p.call(Tile::<B, 9, 2> { row, a, b, column, to }),
        10 => p.call(Tile::<B, 10, 2> { row, a, b, column, to }),
        11 => p.call(Tile::<B, 11, 2> { row, a, b, column, to }),
        _ => p.call(Tile::<B, 12, 2> { row, a, b, column, to }),
    }
}

/// `R` rows from `row` on times `C` vectors from `column` on.
struct Tile<'t, 'a, 'o, B, const R: usize, const C: usize> {
    row: usize,
    a: &'t Left<'a>,
    b: &'t B,
    column: usize,
    to: &'t mut Target<'o>,
}

impl<B: Right, const R: usize, const C: usize> PairKernel for Tile<'_, '_, '_, B, R, C> {
    #[inline(always)]
    fn run<P: Pairs>(self, p: P) {
        let Self { row, a, b, column, to } = self;
        // A copy, of which the compiler knows that nothing changes it, stays in registers.
        tile::<P, B, R, C>(p, row, a, &b.clone(), column, to);
    }
}

#[expect(clippy::needless_range_loop, reason = "r, i and c are the indices of the formula")]
#[inline(always)]
fn tile<P: Pairs, B: Right, const R: usize, const C: usize>(
    p: P,
    row: usize,
    a: &Left<'_>,
    b: &B,
    column: usize,
    to: &mut Target<'_>,
) {
    let s = p.floats();
    let pairs = b.pairs();
    let mut rows: [&[u32]; R] = [&[]; R];
    for r in 0..R {
        rows[r] = &a.data[(row + r) * a.stride + a.first..][..pairs];
    }
    let mut sums = [[s.splat(0.0); C]; R];
    let start = row * to.stride + to.first + column;
    for r in 0..R {
        for c in 0..C {
            sums[r][c] = s.load(&to.out[start + r * to.stride + c * LANES..]);
        }
    }
    let first_visit = row == 0 && column == 0;
    for i in 0..pairs {
        if first_visit {
            b.prefetch(p, i);
        }
        let vectors = b.load::<P, C>(p, i, column);
        for r in 0..R {
            let x = p.splat(rows[r][i]);
            for c in 0..C {
                sums[r][c] = p.dot(sums[r][c], x, vectors[c]);
            }
        }
    }
    for r in 0..R {
        for c in 0..C {
            s.store(sums[r][c], &mut to.out[start + r * to.stride + c * LANES..]);
        }
    }
}
