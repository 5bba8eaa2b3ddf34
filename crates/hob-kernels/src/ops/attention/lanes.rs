//! Every vector level: a tile of query rows over a run of pages, then the merging of runs.

use super::operand::{Operand, Visit, decoded, key_start, keys, value_start, values};
use super::product::{Left, Target, product};
use super::{AttentionShape, Mask, Query};
use super::{integers, pairs};
use crate::PAGE_POSITIONS;
use crate::kv::value_columns;
use crate::simd::{Kernel, Simd, map, math, zip_map};
use std::f32::consts::LOG2_E;
use std::ops::Range;

/// What a run of positions contributes to each row: `sum[r] / total[r]` is the output once every run is merged in.
#[derive(Default)]
pub(super) struct Partial {
    /// The largest score, in powers of two; -inf while no position was seen.
    pub largest: Vec<f32>,
    /// The sum of `2^(score - largest)`.
    pub total: Vec<f32>,
    /// The sum of `2^(score - largest) * v`: `[rows, columns]`.
    pub sum: Vec<f32>,
}

impl Partial {
    /// Nothing seen yet by any of `rows` rows.
    pub fn reset(&mut self, rows: usize, columns: usize) {
        self.largest.clear();
        self.largest.resize(rows, f32::NEG_INFINITY);
        self.total.clear();
        self.total.resize(rows, 0.0);
        self.sum.clear();
        self.sum.resize(rows * columns, 0.0);
    }
}

/// Buffers that a thread keeps from one tile to the next.
#[derive(Default)]
pub(super) struct Scratch {
    /// Of the pages of one chunk.
    pub chunk: Partial,
    /// Of all chunks so far.
    pub whole: Partial,
    pub scores: Vec<f32>,
    pub scales: Vec<f32>,
    /// Keys or values of a page.
    pub decoded: Vec<f32>,
    /// Of the arithmetic in bf16.
    pub pairs: pairs::Scratch,
    /// Of the arithmetic in integers.
    pub integers: integers::Scratch,
}

/// Query rows that share a KV head: tokens by heads of the group. Row `r` is token `r / group`.
pub(super) struct Rows<'a> {
    pub shape: &'a AttentionShape,
    pub mask: Mask,
    pub query: Query<'a>,
    pub kv_head: usize,
    pub tokens: Range<usize>,
}

impl<'a> Rows<'a> {
    pub fn group(&self) -> usize {
        self.shape.heads / self.shape.kv_heads
    }

    pub fn count(&self) -> usize {
        self.tokens.len() * self.group()
    }

    /// Index of the first element of row `r` in `q` and in the output.
    #[inline(always)]
    pub fn start(&self, r: usize) -> usize {
        let (token, head) =
            (self.tokens.start + r / self.group(), self.kv_head * self.group() + r % self.group());
        (token * self.shape.heads + head) * self.shape.head_dim
    }

    #[inline(always)]
    pub fn row(&self, r: usize) -> &'a [f32] {
        &self.query.q[self.start(r)..][..self.shape.head_dim]
    }

    /// The positions that the token of row `r` sees.
    #[inline(always)]
    pub fn seen(&self, r: usize) -> Range<usize> {
        let token = self.tokens.start + r / self.group();
        self.mask.visible(self.query.first_position + token, self.query.kv.end)
    }

    /// The positions that any row sees; both ends of a mask move with the token, so the first and last rows bound it.
    pub fn seen_by_any(&self) -> Range<usize> {
        self.seen(0).start..self.seen(self.count() - 1).end
    }
}

/// Adds the pages `pages` of the view to `scratch.chunk`.
pub(super) struct Attend<'a> {
    pub rows: &'a Rows<'a>,
    pub pages: Range<usize>,
    /// The page that this thread likely comes to after them.
    pub after: usize,
    pub scratch: &'a mut Scratch,
}

impl Kernel for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { rows, pages, after, scratch } = self;
        let end = pages.end;
        scratch.scores.resize(rows.count() * PAGE_POSITIONS, 0.0);
        let columns = value_columns(rows.shape.head_dim);
        let any = rows.seen_by_any();
        for index in pages {
            let kv = rows.query.kv;
            let (page, first) = (&kv.pages[index], kv.first + index * PAGE_POSITIONS);
            let slots = within(&any, first);
            let ahead = value_start(page, rows.kv_head);
            let Scratch { scores, scales, decoded, .. } = &mut *scratch;
            let mut scores = Scores { s, rows, scores, decoded, ahead };
            keys(s, page, rows.kv_head, scales, &mut scores);
            for r in 0..rows.count() {
                let row = &mut scratch.scores[r * PAGE_POSITIONS..][..PAGE_POSITIONS];
                let sum = &mut scratch.chunk.sum[r * columns..][..columns];
                let (largest, total) = (&mut scratch.chunk.largest[r], &mut scratch.chunk.total[r]);
                let AttentionShape { scale, softcap, .. } = *rows.shape;
                weigh(s, (scale, softcap), within(&rows.seen(r), first), row, (largest, total, sum));
            }
            let Scratch { scores, scales, decoded, chunk: Partial { sum, .. }, .. } = &mut *scratch;
            let next = if index + 1 < end { index + 1 } else { after };
            let ahead = key_start(kv.pages.get(next).unwrap_or(page), rows.kv_head);
            let mut weighted =
                Weighted { s, rows: rows.count(), slots, scores, sum, columns, decoded, ahead };
            values(s, page, rows.kv_head, scales, &mut weighted);
        }
    }
}

/// The slots of the page that begins at position `first` which lie in `seen`.
#[inline(always)]
pub(super) fn within(seen: &Range<usize>, first: usize) -> Range<usize> {
    let slot = |position: usize| position.saturating_sub(first).min(PAGE_POSITIONS);
    slot(seen.start)..slot(seen.end)
}

/// `q . k` of every row and a page's positions: `[rows, PAGE_POSITIONS]`.
pub(super) struct Scores<'a, S> {
    pub s: S,
    pub rows: &'a Rows<'a>,
    pub scores: &'a mut [f32],
    pub decoded: &'a mut Vec<f32>,
    pub ahead: *const u8,
}

impl<S: Simd> Visit for Scores<'_, S> {
    #[inline(always)]
    fn visit<B: Operand>(&mut self, operand: B, first: usize, columns: usize, offset: usize) {
        let rows = self.rows;
        let (at, ahead) = (|r| rows.row(r), self.ahead.wrapping_add(offset));
        let mut to = Target { out: self.scores, stride: PAGE_POSITIONS, first, add: false };
        let all = 0..rows.shape.head_dim;
        multiply(self.s, (rows.count(), at), (operand, all, columns), ahead, self.decoded, &mut to);
    }
}

struct Weighted<'a, S> {
    s: S,
    rows: usize,
    slots: Range<usize>,
    scores: &'a [f32],
    sum: &'a mut [f32],
    columns: usize,
    decoded: &'a mut Vec<f32>,
    ahead: *const u8,
}

impl<S: Simd> Visit for Weighted<'_, S> {
    #[inline(always)]
    fn visit<B: Operand>(&mut self, operand: B, first: usize, columns: usize, offset: usize) {
        let (scores, slots) = (self.scores, self.slots.clone());
        let at = |r| &scores[r * PAGE_POSITIONS..][slots.clone()];
        let ahead = self.ahead.wrapping_add(offset);
        let mut to = Target { out: self.sum, stride: self.columns, first, add: true };
        multiply(
            self.s,
            (self.rows, at),
            (operand, self.slots.clone(), columns),
            ahead,
            self.decoded,
            &mut to,
        );
    }
}

/// The product of the rows of both sides, the right one decoded beforehand where that pays.
#[inline(always)]
fn multiply<'a, S: Simd, B: Operand>(
    s: S,
    (count, at): (usize, impl Fn(usize) -> &'a [f32]),
    (operand, rows, columns): (B, Range<usize>, usize),
    ahead: *const u8,
    room: &mut Vec<f32>,
    to: &mut Target<'_>,
) {
    let skip = rows.start;
    if B::PRECISE || count < S::ROWS_TO_DECODE {
        return product(s, Left { rows: count, at, ahead }, operand, skip, columns, to);
    }
    let operand = decoded(s, operand, rows, columns, ahead, room);
    product(s, Left { rows: count, at, ahead: std::ptr::null() }, operand, skip, columns, to);
}

/// Caps one row's scores over a page if there is a cap, and hides those outside `slots`; returns by what they are still to be
/// multiplied to become powers of two. `scale` makes scores of them.
#[inline(always)]
pub(super) fn mask<S: Simd>(
    s: S,
    (scale, softcap): (f32, Option<f32>),
    slots: Range<usize>,
    row: &mut [f32],
) -> f32 {
    let mut factor = scale * LOG2_E;
    if let Some(cap) = softcap {
        let (scale, cap) = (s.splat(scale), s.splat(cap));
        map(
            s,
            row,
            #[inline(always)]
            |x| s.mul(cap, math::tanh(s, s.div(s.mul(x, scale), cap))),
        );
        factor = LOG2_E;
    }
    if slots.len() < PAGE_POSITIONS {
        row[..slots.start].fill(f32::NEG_INFINITY);
        row[slots.end..].fill(f32::NEG_INFINITY);
    }
    factor
}

/// Turns one row's scores over a page into weights relative to the largest score so far, and rescales the sums if that grew.
/// `scale` makes scores of them.
#[inline(always)]
pub(super) fn weigh<S: Simd>(
    s: S,
    scale: (f32, Option<f32>),
    slots: Range<usize>,
    row: &mut [f32],
    (largest, total, sum): (&mut f32, &mut f32, &mut [f32]),
) {
    if slots.is_empty() {
        return row.fill(0.0);
    }
    let factor = s.splat(mask(s, scale, slots, row));
    let mut best = s.splat(f32::NEG_INFINITY);
    for at in (0..PAGE_POSITIONS).step_by(S::LANES) {
        let x = s.mul(s.load(&row[at..]), factor);
        s.store(x, &mut row[at..]);
        best = s.max(x, best);
    }
    let best = s.largest(best);
    if best > *largest {
        let shrink = (*largest - best).exp2();
        *total *= shrink;
        let shrink = s.splat(shrink);
        map(
            s,
            sum,
            #[inline(always)]
            |x| s.mul(x, shrink),
        );
        *largest = best;
    }
    let shift = s.splat(*largest);
    let mut added = s.splat(0.0);
    for at in (0..PAGE_POSITIONS).step_by(S::LANES) {
        let weight = math::exp2(s, s.sub(s.load(&row[at..]), shift));
        s.store(weight, &mut row[at..]);
        added = s.add(added, weight);
    }
    *total += s.sum(added);
}

/// Merges a partial into `whole`: the rows of both in order, `columns` wide.
pub(super) struct Merge<'a> {
    pub whole: &'a mut Partial,
    pub largest: &'a [f32],
    pub total: &'a [f32],
    pub sum: &'a [f32],
    pub columns: usize,
}

/// Rows whose factors are computed together: a multiple of every number of lanes.
const MERGED: usize = 16;

impl Kernel for Merge<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        for first in (0..self.total.len()).step_by(MERGED) {
            let count = MERGED.min(self.total.len() - first);
            let (old, new) = self.factors(s, first, count);
            for i in 0..count {
                self.row(s, first + i, old[i], new[i]);
            }
        }
    }
}

impl Merge<'_> {
    /// What the sums of `count` rows are multiplied with, those of `whole` and the others.
    #[inline(always)]
    fn factors<S: Simd>(&mut self, s: S, first: usize, count: usize) -> ([f32; MERGED], [f32; MERGED]) {
        let (mut old, mut new) = ([0f32; MERGED], [0f32; MERGED]);
        for i in 0..count {
            let (largest, added) = (&mut self.whole.largest[first + i], self.largest[first + i]);
            // NaN compares false both ways and reaches the sums through the factors.
            let top = if added > *largest { added } else { *largest };
            (old[i], new[i]) = (*largest - top, added - top);
            if self.total[first + i] != 0.0 {
                *largest = top;
            }
        }
        for factors in [&mut old, &mut new] {
            map(
                s,
                factors,
                #[inline(always)]
                |x| math::exp2(s, x),
            );
        }
        (old, new)
    }

    #[inline(always)]
    fn row<S: Simd>(&mut self, s: S, r: usize, old: f32, new: f32) {
        if self.total[r] == 0.0 {
            return;
        }
        let total = &mut self.whole.total[r];
        *total = *total * old + self.total[r] * new;
        let (old, new) = (s.splat(old), s.splat(new));
        let columns = r * self.columns..(r + 1) * self.columns;
        zip_map(
            s,
            &mut self.whole.sum[columns.clone()],
            &self.sum[columns],
            #[inline(always)]
            |x, y| s.mul_add(y, new, s.mul(x, old)),
        );
    }
}
