//! `out[r, c] += factor * sum over i of a[r, i] * b[i, c]` on pairs of 16-bit integers, the sum exact: the inner loop.
//!
//! Few rows meet codes as they are stored, each vector of them widened once in registers. More rows would widen it anew for
//! every block of rows, so for them it is done beforehand. Both give the same bits.

use super::super::operand::CACHE_LINE;
use crate::simd::{Int16, Int16Kernel, Simd};
use std::ops::Range;

/// Rows of the largest tile: with two vectors each, their sums leave four registers of sixteen.
const TILE_ROWS: usize = 6;

/// Columns of a tile: as many as bytes are loaded at a time.
const TILE_COLUMNS: usize = 16;

/// Rows above which codes are widened beforehand: those of more than two tiles.
const NARROW: usize = 2 * TILE_ROWS;

/// The left side: row `r` is `data[r * stride..]`.
pub(super) struct Left<'a> {
    pub data: &'a [u32],
    pub stride: usize,
    pub rows: usize,
}

/// The right side: `[2 * pairs, width]`.
#[derive(Clone, Copy)]
pub(super) struct Codes<'a> {
    pub codes: &'a [i8],
    pub width: usize,
}

/// A part of both sides with a factor for each row or column.
pub(super) struct Block {
    /// Where its pairs begin in a row of the left side.
    pub left: usize,
    /// Pairs of rows of the right side.
    pub pairs: Range<usize>,
    /// Columns of the right side, a multiple of 16.
    pub columns: Range<usize>,
    /// Which group's factors it has.
    pub group: usize,
}

/// What sums are multiplied with.
pub(super) trait Factors: Copy {
    /// Those of row `row` and the columns from `column` on.
    fn load<S: Simd>(self, s: S, group: usize, row: usize, column: usize) -> S::F;
}

/// Where the product is added: row `r` from `r * stride + first` on.
pub(super) struct Target<'a> {
    pub out: &'a mut [f32],
    pub stride: usize,
    pub first: usize,
}

/// Multiplies each of `blocks`; `packed` is room to work in. While codes are first read, as many bytes are prefetched from
/// `ahead` on.
#[inline(always)]
pub(super) fn multiply<I: Int16>(
    int16: I,
    (a, b): (&Left<'_>, Codes<'_>),
    blocks: impl Iterator<Item = Block>,
    factors: impl Factors,
    (packed, ahead): (&mut Vec<u32>, *const u8),
    to: &mut Target<'_>,
) {
    if a.rows > NARROW {
        let b = b.pack(int16, ahead, packed);
        return blocks.for_each(|block| product(int16, (a, b), &block, factors, None, to));
    }
    match b.width / TILE_COLUMNS {
        4 => narrow(int16, (a, b.lines::<4>()), blocks, factors, ahead, to),
        3 => narrow(int16, (a, b.lines::<3>()), blocks, factors, ahead, to),
        2 => narrow(int16, (a, b.lines::<2>()), blocks, factors, ahead, to),
        _ => narrow(int16, (a, b.lines::<1>()), blocks, factors, ahead, to),
    }
}

#[inline(always)]
fn narrow<I: Int16>(
    int16: I,
    (a, b): (&Left<'_>, impl Right),
    blocks: impl Iterator<Item = Block>,
    factors: impl Factors,
    mut ahead: *const u8,
    to: &mut Target<'_>,
) {
    for block in blocks {
        product(int16, (a, b), &block, factors, Some(ahead), to);
        ahead = ahead.wrapping_add(2 * block.pairs.len() * block.columns.len());
    }
}

/// Pairs of rows of a right side.
trait Right: Copy {
    /// Some pairs of a tile's columns.
    type Strip: Strip;
    fn strip(self, pairs: Range<usize>, column: usize) -> Self::Strip;
}

/// What a tile's loop walks along.
trait Strip: Copy {
    fn len(self) -> usize;
    fn load<I: Int16>(self, int16: I, i: usize) -> [I::I; 2];
}

/// Codes of `N` times 16 columns, whose number is known so that bounds need no check within the loop.
#[derive(Clone, Copy)]
struct Lines<'a, const N: usize>(&'a [[[[i8; TILE_COLUMNS]; N]; 2]]);

impl<'a, const N: usize> Right for Lines<'a, N> {
    type Strip = (Self, usize);

    #[inline(always)]
    fn strip(self, pairs: Range<usize>, column: usize) -> (Self, usize) {
        assert!(column < N * TILE_COLUMNS, "a column of the right side");
        (Lines(&self.0[pairs]), column / TILE_COLUMNS)
    }
}

impl<const N: usize> Strip for (Lines<'_, N>, usize) {
    #[inline(always)]
    fn len(self) -> usize {
        self.0.0.len()
    }

    #[inline(always)]
    fn load<I: Int16>(self, int16: I, i: usize) -> [I::I; 2] {
        let [first, second] = &self.0.0[i];
        int16.pair(&first[self.1], &second[self.1])
    }
}

/// `[columns / 16, pairs, 16]`.
#[derive(Clone, Copy)]
struct Packed<'a> {
    data: &'a [[u32; TILE_COLUMNS]],
    pairs: usize,
}

impl<'a> Right for Packed<'a> {
    type Strip = &'a [[u32; TILE_COLUMNS]];

    #[inline(always)]
    fn strip(self, pairs: Range<usize>, column: usize) -> Self::Strip {
        &self.data[column / TILE_COLUMNS * self.pairs..][pairs]
    }
}

impl Strip for &[[u32; TILE_COLUMNS]] {
    #[inline(always)]
    fn len(self) -> usize {
        <[_]>::len(self)
    }

    #[inline(always)]
    fn load<I: Int16>(self, int16: I, i: usize) -> [I::I; 2] {
        let line = &self[i];
        [int16.load(line), int16.load(&line[I::S::LANES..])]
    }
}

impl<'a> Codes<'a> {
    #[inline(always)]
    fn lines<const N: usize>(self) -> Lines<'a, N> {
        Lines(self.codes.as_chunks().0.as_chunks().0.as_chunks().0)
    }

    #[inline(always)]
    fn pack<'p, I: Int16>(self, int16: I, mut ahead: *const u8, room: &'p mut Vec<u32>) -> Packed<'p> {
        let (len, pairs) = (self.codes.len() / 2, self.codes.len() / (2 * self.width));
        room.resize(room.len().max(len), 0);
        let data = room[..len].as_chunks_mut::<TILE_COLUMNS>().0;
        for (pair, both) in self.codes.chunks_exact(2 * self.width).enumerate() {
            for strip in 0..self.width / TILE_COLUMNS {
                let column = strip * TILE_COLUMNS;
                let [low, high] = int16.pair(&both[column..], &both[self.width + column..]);
                let to = &mut data[strip * pairs + pair];
                int16.store(low, to);
                int16.store(high, &mut to[I::S::LANES..]);
            }
            for at in (0..2 * self.width).step_by(CACHE_LINE) {
                int16.floats().prefetch(ahead.wrapping_add(at));
            }
            ahead = ahead.wrapping_add(2 * self.width);
        }
        Packed { data, pairs }
    }
}

/// All rows, in tiles as even as they come: four and four cost less than six and two.
#[inline(always)]
fn product<I: Int16>(
    int16: I,
    (a, b): (&Left<'_>, impl Right),
    block: &Block,
    factors: impl Factors,
    ahead: Option<*const u8>,
    to: &mut Target<'_>,
) {
    let count = a.rows.div_ceil(TILE_ROWS);
    let mut row = 0;
    for i in 0..count {
        let rows = (a.rows - row).div_ceil(count - i);
        let tile = Tile { row, a, b, block, factors, ahead: ahead.filter(|_| i == 0), to };
        match rows {
            1 => int16.call(Rows::<_, _, 1>(tile)),
            2 => int16.call(Rows::<_, _, 2>(tile)),
            3 => int16.call(Rows::<_, _, 3>(tile)),
            4 => int16.call(Rows::<_, _, 4>(tile)),
            5 => int16.call(Rows::<_, _, 5>(tile)),
            _ => int16.call(Rows::<_, _, 6>(tile)),
        }
        row += rows;
    }
}

/// Rows from `row` on times the columns of a block.
struct Tile<'t, 'a, 'o, B, F> {
    row: usize,
    a: &'t Left<'a>,
    b: B,
    block: &'t Block,
    factors: F,
    ahead: Option<*const u8>,
    to: &'t mut Target<'o>,
}

/// A tile of `R` rows.
struct Rows<'t, 'a, 'o, B, F, const R: usize>(Tile<'t, 'a, 'o, B, F>);

impl<B: Right, F: Factors, const R: usize> Int16Kernel for Rows<'_, '_, '_, B, F, R> {
    #[expect(clippy::needless_range_loop, reason = "r, i and c are the indices of the formula")]
    #[inline(always)]
    fn run<I: Int16>(self, int16: I) {
        let Tile { row, a, b, block, factors, ahead, to } = self.0;
        let (s, pairs) = (int16.floats(), block.pairs.len());
        let mut rows: [&[u32]; R] = [&[]; R];
        for r in 0..R {
            rows[r] = &a.data[(row + r) * a.stride + block.left..][..pairs];
        }
        // Where nothing is asked for, the same line again and again costs less than a branch.
        let (mut ahead, step) = match ahead {
            Some(ahead) => (ahead, 2 * TILE_COLUMNS),
            None => (rows[0].as_ptr().cast(), 0),
        };
        for column in block.columns.clone().step_by(TILE_COLUMNS) {
            let strip = b.strip(block.pairs.clone(), column);
            let mut sums = [[int16.splat(0); 2]; R];
            for i in 0..strip.len().min(pairs) {
                s.prefetch(ahead);
                ahead = ahead.wrapping_add(step);
                let vectors = strip.load(int16, i);
                for r in 0..R {
                    let x = int16.splat(rows[r][i]);
                    for c in 0..2 {
                        sums[r][c] = int16.dot(sums[r][c], x, vectors[c]);
                    }
                }
            }
            for r in 0..R {
                let out = &mut to.out[(row + r) * to.stride + to.first + column..][..TILE_COLUMNS];
                for c in 0..2 {
                    let out = &mut out[c * I::S::LANES..];
                    let factor = factors.load(s, block.group, row + r, column + c * I::S::LANES);
                    s.store(s.mul_add(int16.to_floats(sums[r][c]), factor, s.load(out)), out);
                }
            }
        }
    }
}
