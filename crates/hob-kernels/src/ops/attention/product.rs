//! `out[r, c] (+)= sum over i of a[r, i] * b[i, c]`: the one inner loop of attention.
//!
//! With transposed keys for `b` it makes scores, with values for `b` it sums what the scores weigh. A tile of rows and columns
//! stays in registers, so a vector of `b` is decoded once for up to six rows. Each output is one chain of fused
//! multiply-adds over `i` in order, whatever the tile, which is why a token's result does not depend on its neighbours.

use super::operand::{CACHE_LINE, Line, Operand};
use crate::simd::{Kernel, Simd};

/// The left side: `at(r)` is row `r`.
pub(super) struct Left<F> {
    pub rows: usize,
    pub at: F,
    /// Data to prefetch while the first rows meet the right side: as many bytes as there are of it, in equal steps, so that
    /// memory is asked all the time and never for more lines than it takes at once. A page is a few kilobytes in each of many
    /// places, where the hardware's own prefetching ends too soon. Null where there is nothing to prefetch.
    pub ahead: *const u8,
}

/// Where the product goes: row `r` from `r * stride + first` on; added to what is there if `add`.
pub(super) struct Target<'a> {
    pub out: &'a mut [f32],
    pub stride: usize,
    pub first: usize,
    pub add: bool,
}

/// The rows of `b` from `skip` on, as many as a row of `a` is long, times `columns` columns; a multiple of 16.
#[inline(always)]
pub(super) fn product<'a, S: Simd, B: Operand>(
    s: S,
    a: Left<impl Fn(usize) -> &'a [f32]>,
    b: B,
    skip: usize,
    columns: usize,
    to: &mut Target<'_>,
) {
    let (vectors, _) = S::TILE;
    let mut column = 0;
    while columns - column >= vectors * S::LANES {
        match vectors {
            2 => blocks::<S, B, 2>(s, &a, b, (skip, column), to),
            _ => blocks::<S, B, 4>(s, &a, b, (skip, column), to),
        }
        column += vectors * S::LANES;
    }
    while column < columns {
        blocks::<S, B, 1>(s, &a, b, (skip, column), to);
        column += S::LANES;
    }
}

/// All rows, in blocks as even as they come: four and four cost less than six and two.
#[inline(always)]
fn blocks<'a, S: Simd, B: Operand, const C: usize>(
    s: S,
    a: &Left<impl Fn(usize) -> &'a [f32]>,
    b: B,
    at: (usize, usize),
    to: &mut Target<'_>,
) {
    let count = a.rows.div_ceil(S::TILE.1);
    let mut row = 0;
    for i in 0..count {
        let rows = (a.rows - row).div_ceil(count - i);
        match rows {
            1 => s.call(Tile::<_, _, 1, C> { row, a, b, at, to }),
            2 => s.call(Tile::<_, _, 2, C> { row, a, b, at, to }),
            3 => s.call(Tile::<_, _, 3, C> { row, a, b, at, to }),
            4 => s.call(Tile::<_, _, 4, C> { row, a, b, at, to }),
            5 => s.call(Tile::<_, _, 5, C> { row, a, b, at, to }),
            _ => s.call(Tile::<_, _, 6, C> { row, a, b, at, to }),
        }
        row += rows;
    }
}

/// `R` rows from `row` on times `C` vectors of columns, from a row and a column of the right side on.
struct Tile<'t, 'o, F, B, const R: usize, const C: usize> {
    row: usize,
    a: &'t Left<F>,
    b: B,
    at: (usize, usize),
    to: &'t mut Target<'o>,
}

impl<'a, F, B, const R: usize, const C: usize> Kernel for Tile<'_, '_, F, B, R, C>
where
    F: Fn(usize) -> &'a [f32],
    B: Operand,
{
    type Output = ();

    #[expect(clippy::needless_range_loop, reason = "r, i and c are the indices of the formula")]
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { row: first_row, a, b, at: (skip, column), to } = self;
        let len = (a.at)(first_row).len();
        let mut rows: [&[f32]; R] = [&[]; R];
        let mut sums = [[s.splat(0.0); C]; R];
        for r in 0..R {
            rows[r] = &(a.at)(first_row + r)[..len];
            for c in 0..C {
                if to.add {
                    sums[r][c] = s.load(&to.out[to.index::<S>(first_row + r, column, c)..]);
                }
            }
        }
        let asks = first_row == 0 && !a.ahead.is_null();
        let mut ahead = a.ahead.wrapping_add(skip * b.row_bytes() + len * column * B::BYTES);
        let step = C * S::LANES * B::BYTES;
        for i in 0..len {
            if asks {
                for line in (0..step).step_by(CACHE_LINE) {
                    s.prefetch(ahead.wrapping_add(line));
                }
                ahead = ahead.wrapping_add(step);
            }
            let line = b.line(skip + i, column, C * S::LANES);
            let mut vectors = [s.splat(0.0); C];
            for c in 0..C {
                vectors[c] = line.load(s, c * S::LANES);
            }
            for r in 0..R {
                let x = s.splat(rows[r][i]);
                for c in 0..C {
                    sums[r][c] = s.mul_add(x, vectors[c], sums[r][c]);
                }
            }
        }
        for r in 0..R {
            for c in 0..C {
                let at = to.index::<S>(first_row + r, column, c);
                s.store(sums[r][c], &mut to.out[at..]);
            }
        }
    }
}

impl Target<'_> {
    #[inline(always)]
    fn index<S: Simd>(&self, row: usize, column: usize, vector: usize) -> usize {
        row * self.stride + self.first + column + vector * S::LANES
    }
}
