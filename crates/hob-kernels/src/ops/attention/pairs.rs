//! Attention with values and weights in bf16, where products of bf16 pairs are twice as fast as f32.
//!
//! Scores stay f32: an error there is a relative error of a weight. With queries and keys in bf16 as well, the divergence
//! between the story model's f32 and f16 files rose from 0.00003 to 0.0007 nats; with values and weights alone it stays.
//! Weights and values, once rounded, are paired position by position;
//! sums are f32. Each output is one chain of dots over the pairs in order, whatever the tile, and pairs begin at even
//! positions, so a token's result does not depend on its neighbours.

mod product;

use self::product::{Left, Part, Target, multiply};
use super::AttentionShape;
use super::lanes::{self, Rows, Scores, mask, within};
use super::operand::{Operand, Visit, key_start, keys, value_start, values};
use crate::PAGE_POSITIONS;
use crate::kv::value_columns;
use crate::simd::{PairKernel, Pairs, Simd, map, math};
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
    /// Packed values: `[pairs, columns]`.
    packed: Vec<u32>,
    /// `[rows, pairs of positions]`.
    weights: Vec<u32>,
    /// Sums of weights, a vector for each row.
    totals: Vec<f32>,
}

/// Adds the pages `pages` of the view to `scratch.chunk`; `largest` there is within [`SLACK`] of the largest.
pub(super) struct AttendPairs<'a> {
    pub rows: &'a Rows<'a>,
    pub pages: Range<usize>,
    /// The page that this thread likely comes to after them.
    pub after: usize,
    pub scratch: &'a mut lanes::Scratch,
}

impl PairKernel for AttendPairs<'_> {
    #[inline(always)]
    fn run<P: Pairs>(self, p: P) {
        let Self { rows, pages, after, scratch } = self;
        let end = pages.end;
        let lanes::Scratch { chunk, scores, scales, decoded, pairs, .. } = scratch;
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
            let mut products = Scores { s: p.floats(), rows, scores, decoded, ahead };
            keys(p.floats(), page, rows.kv_head, scales, &mut products);
            for r in 0..count {
                let row = Row {
                    scores: &mut scores[r * PAGE_POSITIONS..][..PAGE_POSITIONS],
                    weights: &mut pairs.weights[r * PAGE_PAIRS..][..PAGE_PAIRS],
                    base: &mut chunk.largest[r],
                    total: &mut pairs.totals[r * LANES..][..LANES],
                    sum: &mut chunk.sum[r * columns..][..columns],
                };
                row.weigh(p, rows.shape, within(&rows.seen(r), first));
            }
            let next = if index + 1 < end { index + 1 } else { after };
            let ahead = key_start(kv.pages.get(next).unwrap_or(page), rows.kv_head);
            let mut weighted =
                Weighted { p, count, slots, scratch: pairs, sum: &mut chunk.sum, columns, ahead };
            values(p.floats(), page, rows.kv_head, scales, &mut weighted);
        }
        for (total, lanes) in chunk.total.iter_mut().zip(pairs.totals.chunks_exact(LANES)) {
            *total = p.floats().sum(p.floats().load(lanes));
        }
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
        let to = Target { out: self.sum, stride: self.columns, first };
        let ahead = self.ahead.wrapping_add(offset);
        multiply(self.p, &left, Part { operand, rows: positions, columns: width, ahead }, packed, to);
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
    fn weigh<P: Pairs>(self, p: P, shape: &AttentionShape, slots: Range<usize>) {
        if slots.is_empty() {
            return self.weights.fill(0);
        }
        let s = p.floats();
        let factor = s.splat(mask(s, (shape.scale, shape.softcap), slots, self.scores));
        let mut x = [s.splat(0.0); PAGE_POSITIONS / LANES];
        for (x, scores) in x.iter_mut().zip(self.scores.chunks_exact(LANES)) {
            *x = s.mul(s.load(scores), factor);
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
