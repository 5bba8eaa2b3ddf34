//! Attention in bf16: a tile of query rows over a run of pages, where products of bf16 pairs are twice as fast as f32.
//!
//! Keys, values, queries and weights are rounded to bf16 and paired along the direction that is summed; sums are f32. A page
//! is packed once and then multiplied with every row of the tile. Each output is one chain of dots over the pairs in order,
//! whatever the tile, and pairs begin at even positions, so a token's result does not depend on its neighbours.
//!
//! Scores are powers of two here: `scale * log2(e)` is in the queries before they are rounded.

mod product;

use self::product::{Left, Part, Target, multiply};
use super::lanes::{self, Rows, within};
use super::operand::{Operand, Visit, key_start, keys, value_start, values};
use crate::PAGE_POSITIONS;
use crate::kv::value_columns;
use crate::simd::{PairKernel, Pairs, Simd, map, math};
use std::f32::consts::LOG2_E;
use std::ops::Range;

/// Pairs of positions of a page.
const PAGE_PAIRS: usize = PAGE_POSITIONS / 2;

/// Lanes of a vector of pairs.
const LANES: usize = 16;

/// Two bf16 ones.
const ONES: u32 = 0x3f80_3f80;

/// How far scores may exceed the one that weights are relative to before the sums are rescaled. The format's range is wide
/// enough for weights of 256, and most rows never rescale after their first page.
const SLACK: f32 = 8.0;

/// Buffers that a thread keeps from one tile to the next.
#[derive(Default)]
pub(super) struct Scratch {
    /// Queries: `[rows, pairs of elements]`.
    q: Vec<u32>,
    /// Packed keys or values: `[pairs, columns]`.
    packed: Vec<u32>,
    /// `[rows, pairs of positions]`.
    weights: Vec<u32>,
    /// Sums of weights, a vector for each row.
    totals: Vec<f32>,
}

/// Rounds the queries of a tile into its scratch.
pub(super) struct PackQueries<'a> {
    pub rows: &'a Rows<'a>,
    pub scratch: &'a mut lanes::Scratch,
}

impl PairKernel for PackQueries<'_> {
    #[inline(always)]
    fn run<P: Pairs>(self, p: P) {
        let (s, shape) = (p.floats(), self.rows.shape);
        // The cap comes between the scale and the exponential.
        let factor = s.splat(if shape.softcap.is_some() { shape.scale } else { shape.scale * LOG2_E });
        let stride = query_stride(shape.head_dim);
        let q = &mut self.scratch.pairs.q;
        q.resize(self.rows.count() * stride, 0);
        for (r, packed) in q.chunks_exact_mut(stride).enumerate() {
            for (x, packed) in self.rows.row(r).chunks(2 * LANES).zip(packed.chunks_exact_mut(LANES)) {
                let mut padded = [0f32; 2 * LANES];
                padded[..x.len()].copy_from_slice(x);
                let (a, b) = padded.split_at(LANES);
                p.store(p.adjacent(s.mul(s.load(a), factor), s.mul(s.load(b), factor)), packed);
            }
        }
    }
}

/// Pairs from one query to the next.
fn query_stride(head_dim: usize) -> usize {
    head_dim.div_ceil(2).next_multiple_of(LANES)
}

/// Adds the pages `pages` of the view to `scratch.chunk`, with the queries that [`PackQueries`] left.
pub(super) struct AttendPairs<'a> {
    pub rows: &'a Rows<'a>,
    pub pages: Range<usize>,
    pub scratch: &'a mut lanes::Scratch,
}

impl PairKernel for AttendPairs<'_> {
    #[inline(always)]
    fn run<P: Pairs>(self, p: P) {
        let Self { rows, pages, scratch } = self;
        let lanes::Scratch { chunk, scores, scales, pairs, .. } = scratch;
        let count = rows.count();
        scores.resize(count * PAGE_POSITIONS, 0.0);
        pairs.weights.resize(count * PAGE_PAIRS, 0);
        pairs.totals.clear();
        pairs.totals.resize(count * LANES, 0.0);
        let columns = value_columns(rows.shape.head_dim);
        let any = rows.seen_by_any();
        let kv = rows.query.kv;
        for index in pages {
            let (page, first) = (&kv.pages[index], kv.first + index * PAGE_POSITIONS);
            let slots = within(&any, first);
            let ahead = value_start(page, rows.kv_head);
            keys(
                p.floats(),
                page,
                rows.kv_head,
                scales,
                &mut Scores { p, rows, slots: &slots, scores, scratch: pairs, ahead },
            );
            for r in 0..count {
                let row = Row {
                    scores: &mut scores[r * PAGE_POSITIONS..][..PAGE_POSITIONS],
                    weights: &mut pairs.weights[r * PAGE_PAIRS..][..PAGE_PAIRS],
                    base: &mut chunk.largest[r],
                    total: &mut pairs.totals[r * LANES..][..LANES],
                    sum: &mut chunk.sum[r * columns..][..columns],
                };
                row.weigh(p, rows.shape.softcap, within(&rows.seen(r), first));
            }
            let ahead = key_start(kv.pages.get(index + 1).unwrap_or(page), rows.kv_head);
            let mut weighted =
                Weighted { p, count, slots, scratch: pairs, sum: &mut chunk.sum, columns, ahead };
            values(p.floats(), page, rows.kv_head, scales, &mut weighted);
        }
        for (total, lanes) in chunk.total.iter_mut().zip(pairs.totals.chunks_exact(LANES)) {
            *total = p.floats().sum(p.floats().load(lanes));
        }
    }
}

/// Scores of all rows against a page's keys.
struct Scores<'a, P> {
    p: P,
    rows: &'a Rows<'a>,
    slots: &'a Range<usize>,
    scores: &'a mut [f32],
    scratch: &'a mut Scratch,
    ahead: *const u8,
}

impl<P: Pairs> Visit for Scores<'_, P> {
    #[inline(always)]
    fn visit<B: Operand>(&mut self, operand: B, _: usize, _: usize, _: usize) {
        let head_dim = self.rows.shape.head_dim;
        // Whole vectors of positions around those that are seen.
        let columns = self.slots.start / LANES * LANES..self.slots.end.next_multiple_of(LANES);
        let Scratch { q, packed, .. } = &mut *self.scratch;
        let (stride, rows) = (query_stride(head_dim), self.rows.count());
        let to = Target { out: self.scores, stride: PAGE_POSITIONS, first: columns.start, add: false };
        let part = Part { operand, rows: 0..head_dim, columns, ahead: self.ahead };
        multiply(self.p, &Left { data: q, stride, rows, first: 0 }, part, packed, to);
    }
}

/// Values summed by the weights of all rows.
struct Weighted<'a, P> {
    p: P,
    count: usize,
    slots: Range<usize>,
    scratch: &'a mut Scratch,
    sum: &'a mut [f32],
    columns: usize,
    ahead: *const u8,
}

impl<P: Pairs> Visit for Weighted<'_, P> {
    #[inline(always)]
    fn visit<B: Operand>(&mut self, operand: B, first: usize, width: usize, offset: usize) {
        let positions = self.slots.start / 2 * 2..self.slots.end.next_multiple_of(2);
        let Scratch { packed, weights, .. } = &mut *self.scratch;
        let left = Left { data: weights, stride: PAGE_PAIRS, rows: self.count, first: positions.start / 2 };
        let to = Target { out: self.sum, stride: self.columns, first, add: true };
        let ahead = self.ahead.wrapping_add(offset);
        multiply(self.p, &left, Part { operand, rows: positions, columns: 0..width, ahead }, packed, to);
    }
}

/// One query row at one page.
struct Row<'a> {
    scores: &'a mut [f32],
    weights: &'a mut [u32],
    /// The score that weights are relative to.
    base: &'a mut f32,
    total: &'a mut [f32],
    sum: &'a mut [f32],
}

impl Row<'_> {
    /// Turns scores into weights, of which only those of `slots` are not zero, and adds them to the total.
    #[inline(always)]
    fn weigh<P: Pairs>(self, p: P, softcap: Option<f32>, slots: Range<usize>) {
        if slots.is_empty() {
            return self.weights.fill(0);
        }
        let s = p.floats();
        if let Some(cap) = softcap {
            let (cap, top) = (s.splat(cap), s.splat(cap * LOG2_E));
            map(
                s,
                self.scores,
                #[inline(always)]
                |x| s.mul(top, math::tanh(s, s.div(x, cap))),
            );
        }
        if slots.len() < PAGE_POSITIONS {
            self.scores[..slots.start].fill(f32::NEG_INFINITY);
            self.scores[slots.end..].fill(f32::NEG_INFINITY);
        }
        let mut x = [s.splat(0.0); PAGE_POSITIONS / LANES];
        for (x, scores) in x.iter_mut().zip(self.scores.chunks_exact(LANES)) {
            *x = s.load(scores);
        }
        let best = s.max(s.max(x[0], x[1]), s.max(x[2], x[3]));
        if p.any_greater(best, s.splat(*self.base + SLACK)) {
            rebase(p, s.largest(best), self.base, self.total, self.sum);
        }
        let base = s.splat(*self.base);
        let mut total = s.load(self.total);
        for (half, weights) in self.weights.chunks_exact_mut(LANES).enumerate() {
            let a = math::exp2_for_bf16(p, s.sub(x[2 * half], base));
            let b = math::exp2_for_bf16(p, s.sub(x[2 * half + 1], base));
            let both = p.adjacent(a, b);
            // Summed as they are after rounding, so that they are shares of one.
            total = p.dot(total, both, p.splat(ONES));
            p.store(both, weights);
        }
        s.store(total, self.total);
    }
}

/// Makes `best` the score that weights are relative to.
#[cold]
#[inline(always)]
fn rebase<P: Pairs>(p: P, best: f32, base: &mut f32, total: &mut [f32], sum: &mut [f32]) {
    let s = p.floats();
    // Before the first position there is nothing to rescale.
    if *base > f32::NEG_INFINITY {
        let shrink = s.splat((*base - best).exp2());
        for data in [total, sum] {
            map(
                s,
                data,
                #[inline(always)]
                |x| s.mul(x, shrink),
            );
        }
    }
    *base = best;
}
