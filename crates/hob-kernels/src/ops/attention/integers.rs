//! Attention over a q8 cache in integers, where the instructions that multiply pairs of 16-bit integers are twice as fast as
//! f32: codes meet queries and weights of 16 bits, and are neither converted nor scaled one by one.
//!
//! A query is rounded relative to its largest element, and its products with the codes of a group are summed exactly before
//! the group's scale is applied. Of a weight it is the product with the value's scale that is rounded, relative to the
//! largest such product in the page, so a page of small weights keeps as many digits as another. Sums over a page are exact
//! too, and what is rounded depends on a token's own query and the positions it sees, so its result does not depend on its
//! neighbours.

mod product;

use self::product::{Block, Codes, Factors, Left, Target, multiply};
use super::lanes::{self, Rows, weigh, within};
use super::operand::{CACHE_LINE, decode};
use crate::kv::{KvData, PANEL, Q8_GROUP, value_columns};
use crate::simd::{Int16, Int16Kernel, Simd, load_partial};
use crate::{KvPage, PAGE_POSITIONS};
use half::f16;
use std::ops::Range;

/// Pairs of elements that share a scale.
const GROUP_PAIRS: usize = Q8_GROUP / 2;

/// Pairs of positions of a page.
const PAGE_PAIRS: usize = PAGE_POSITIONS / 2;

/// The largest magnitude after rounding. Sums fit: a group's 32 products with codes up to 127, and a page's 64.
const LARGEST: f32 = 32767.0;

/// Buffers that a thread keeps from one tile to the next.
#[derive(Default)]
pub(super) struct Scratch {
    /// `[rows, pairs of elements]`.
    queries: Vec<u32>,
    /// What one of a row of `queries` is worth.
    query_steps: Vec<f32>,
    /// Weights times scales of values: `[rows, groups, pairs of positions]`.
    weights: Vec<u32>,
    /// What one of `weights` is worth: `[rows, groups]`.
    weight_steps: Vec<f32>,
    /// Codes in pairs, for many rows.
    packed: Vec<u32>,
}

/// Adds the pages `pages` of the view, all in q8, to `scratch.chunk`. A head has an even number of elements.
pub(super) struct AttendIntegers<'a> {
    pub rows: &'a Rows<'a>,
    pub pages: Range<usize>,
    /// The page that this thread likely comes to after them.
    pub after: usize,
    pub scratch: &'a mut lanes::Scratch,
}

impl Int16Kernel for AttendIntegers<'_> {
    #[inline(always)]
    fn run<I: Int16>(self, int16: I) {
        let Self { rows, pages, after, scratch } = self;
        let (s, end) = (int16.floats(), pages.end);
        let lanes::Scratch { chunk, scores, scales, integers, .. } = scratch;
        let columns = value_columns(rows.shape.head_dim);
        integers.round_queries(int16, rows);
        scores.resize(rows.count() * PAGE_POSITIONS, 0.0);
        let any = rows.seen_by_any();
        let kv = rows.query.kv;
        for index in pages {
            let (page, first) = (&kv.pages[index], kv.first + index * PAGE_POSITIONS);
            let next = kv.pages.get(if index + 1 < end { index + 1 } else { after }).unwrap_or(page);
            let here = Here { page, next, head: rows.kv_head, rows: rows.count() };
            here.scores(int16, scales, integers, scores);
            for r in 0..rows.count() {
                let row = &mut scores[r * PAGE_POSITIONS..][..PAGE_POSITIONS];
                let sum = &mut chunk.sum[r * columns..][..columns];
                let to = (&mut chunk.largest[r], &mut chunk.total[r], sum);
                let scale = rows.shape.scale * integers.query_steps[r];
                weigh(s, (scale, rows.shape.softcap), within(&rows.seen(r), first), row, to);
            }
            here.round_weights(int16, scales, scores, integers);
            here.add_values(int16, within(&any, first), integers, &mut chunk.sum);
        }
    }
}

impl Scratch {
    #[inline(always)]
    fn round_queries<I: Int16>(&mut self, int16: I, rows: &Rows<'_>) {
        let (s, pairs) = (int16.floats(), rows.shape.head_dim / 2);
        self.queries.resize(rows.count() * pairs, 0);
        self.query_steps.resize(rows.count(), 0.0);
        for (r, to) in self.queries.chunks_exact_mut(pairs).enumerate() {
            let row = rows.row(r);
            let largest = largest(s, row);
            round(int16, row, inverse(largest), to);
            // A largest element does not tell of NaN, which has to reach the scores.
            let finite = row.iter().fold(true, |all, x| all & x.is_finite());
            self.query_steps[r] = if finite { largest / LARGEST } else { f32::NAN };
        }
    }
}

/// A page's keys and values of one head, and how many rows meet them.
struct Here<'a> {
    page: &'a KvPage,
    /// The page that likely comes after.
    next: &'a KvPage,
    head: usize,
    rows: usize,
}

impl<'a> Here<'a> {
    /// Codes and scales of the head in `data`, of `columns` elements a position.
    #[inline(always)]
    fn part(&self, data: &'a KvData, columns: usize) -> (&'a [i8], &'a [f16]) {
        let KvData::Q8 { codes, scales, groups } = data else {
            unreachable!("integers are for q8 caches, and a cache's pages are of one type")
        };
        let (codes_len, scales_len) = (columns * PAGE_POSITIONS, groups * PAGE_POSITIONS);
        (&codes[self.head * codes_len..][..codes_len], &scales[self.head * scales_len..][..scales_len])
    }

    #[inline(always)]
    fn keys(&self, page: &'a KvPage) -> (&'a [i8], &'a [f16]) {
        self.part(&page.k, page.shape().head_dim)
    }

    #[inline(always)]
    fn values(&self, page: &'a KvPage) -> (&'a [i8], &'a [f16]) {
        self.part(&page.v, value_columns(page.shape().head_dim))
    }

    /// `q . k` of every row and position, in steps of the row's query: `[rows, PAGE_POSITIONS]`.
    #[inline(always)]
    fn scores<I: Int16>(&self, int16: I, scales: &mut Vec<f32>, scratch: &mut Scratch, out: &mut [f32]) {
        let ((codes, packed), (ahead, ahead_scales)) = (self.keys(self.page), self.values(self.page));
        prefetch(int16.floats(), ahead_scales);
        decode(int16.floats(), packed, scales);
        let pairs = self.page.shape().head_dim / 2;
        let left = Left { data: &scratch.queries, stride: pairs, rows: self.rows };
        let right = Codes { codes, width: PAGE_POSITIONS };
        let blocks = (0..pairs).step_by(GROUP_PAIRS).map(|first| Block {
            left: first,
            pairs: first..pairs.min(first + GROUP_PAIRS),
            columns: 0..PAGE_POSITIONS,
            group: first / GROUP_PAIRS,
        });
        out.fill(0.0);
        let mut to = Target { out, stride: PAGE_POSITIONS, first: 0 };
        let room = (&mut scratch.packed, ahead.as_ptr().cast());
        multiply(int16, (&left, right), blocks, PositionScales(scales), room, &mut to);
    }

    /// Rounds weights times scales of values.
    #[inline(always)]
    fn round_weights<I: Int16>(
        &self,
        int16: I,
        scales: &mut Vec<f32>,
        weights: &[f32],
        scratch: &mut Scratch,
    ) {
        let (s, (_, ahead)) = (int16.floats(), self.keys(self.next));
        prefetch(s, ahead);
        decode(s, self.values(self.page).1, scales);
        let groups = scales.len() / PAGE_POSITIONS;
        scratch.weights.resize(self.rows * groups * PAGE_PAIRS, 0);
        scratch.weight_steps.resize(self.rows * groups, 0.0);
        for r in 0..self.rows {
            let weights = &weights[r * PAGE_POSITIONS..][..PAGE_POSITIONS];
            for g in 0..groups {
                let scales = &scales[g * PAGE_POSITIONS..][..PAGE_POSITIONS];
                let mut products = [0f32; PAGE_POSITIONS];
                let mut best = s.splat(0.0);
                for at in (0..PAGE_POSITIONS).step_by(I::S::LANES) {
                    let product = s.mul(s.load(&weights[at..]), s.load(&scales[at..]));
                    s.store(product, &mut products[at..]);
                    best = s.max(product, best);
                }
                let largest = s.largest(best);
                let to = &mut scratch.weights[(r * groups + g) * PAGE_PAIRS..][..PAGE_PAIRS];
                round(int16, &products, inverse(largest), to);
                scratch.weight_steps[r * groups + g] = largest / LARGEST;
            }
        }
    }

    /// Adds the values in `slots`, weighted, to `sum`: `[rows, columns]`.
    #[inline(always)]
    fn add_values<I: Int16>(&self, int16: I, slots: Range<usize>, scratch: &mut Scratch, sum: &mut [f32]) {
        let columns = value_columns(self.page.shape().head_dim);
        let groups = columns.div_ceil(Q8_GROUP);
        let (codes, ahead) = (self.values(self.page).0, self.keys(self.next).0);
        let left = Left { data: &scratch.weights, stride: groups * PAGE_PAIRS, rows: self.rows };
        let steps = RowSteps { steps: &scratch.weight_steps, groups };
        let pairs = slots.start / 2..slots.end.div_ceil(2);
        for first in (0..columns).step_by(PANEL) {
            let width = PANEL.min(columns - first);
            let at = first * PAGE_POSITIONS;
            let right = Codes { codes: &codes[at..][..width * PAGE_POSITIONS], width };
            let blocks = (0..width).step_by(Q8_GROUP).map(|column| {
                let group = (first + column) / Q8_GROUP;
                Block {
                    left: group * PAGE_PAIRS + pairs.start,
                    pairs: pairs.clone(),
                    columns: column..width.min(column + Q8_GROUP),
                    group,
                }
            });
            let mut to = Target { out: sum, stride: columns, first };
            let room = (&mut scratch.packed, ahead.as_ptr().wrapping_add(at).cast());
            multiply(int16, (&left, right), blocks, steps, room, &mut to);
        }
    }
}

#[inline(always)]
fn prefetch<S: Simd>(s: S, scales: &[f16]) {
    for line in scales.chunks(CACHE_LINE / size_of::<f16>()) {
        s.prefetch(line.as_ptr().cast());
    }
}

/// Scales of keys: `[groups, PAGE_POSITIONS]`.
#[derive(Clone, Copy)]
struct PositionScales<'a>(&'a [f32]);

impl Factors for PositionScales<'_> {
    #[inline(always)]
    fn load<S: Simd>(self, s: S, group: usize, _: usize, column: usize) -> S::F {
        s.load(&self.0[group * PAGE_POSITIONS + column..])
    }
}

/// Steps of weights: `[rows, groups]`.
#[derive(Clone, Copy)]
struct RowSteps<'a> {
    steps: &'a [f32],
    groups: usize,
}

impl Factors for RowSteps<'_> {
    #[inline(always)]
    fn load<S: Simd>(self, s: S, group: usize, row: usize, _: usize) -> S::F {
        s.splat(self.steps[row * self.groups + group])
    }
}

/// The largest magnitude in `x`, NaN aside.
#[inline(always)]
fn largest<S: Simd>(s: S, x: &[f32]) -> f32 {
    let mut chunks = x.chunks_exact(S::LANES);
    let mut best = s.splat(0.0);
    for x in chunks.by_ref() {
        best = s.max(s.abs(s.load(x)), best);
    }
    s.largest(s.max(s.abs(load_partial(s, chunks.remainder())), best))
}

/// What makes [`LARGEST`] of `largest`; 0 where the quotient would be infinite.
#[inline(always)]
fn inverse(largest: f32) -> f32 {
    if largest > f32::MIN_POSITIVE * LARGEST { LARGEST / largest } else { 0.0 }
}

/// `x * factor`, of magnitudes up to [`LARGEST`], to the nearest integers; their number is even.
#[inline(always)]
fn round<I: Int16>(int16: I, x: &[f32], factor: f32, to: &mut [u32]) {
    let (mut from, mut into) = (x.chunks_exact(2 * I::S::LANES), to.chunks_exact_mut(I::S::LANES));
    for (x, to) in from.by_ref().zip(into.by_ref()) {
        int16.store(adjacent(int16, x, factor), to);
    }
    let rest = from.remainder();
    if !rest.is_empty() {
        let (mut room, mut out) = ([0f32; 32], [0; 16]);
        room[..rest.len()].copy_from_slice(rest);
        int16.store(adjacent(int16, &room, factor), &mut out);
        let to = into.into_remainder();
        to.copy_from_slice(&out[..to.len()]);
    }
}

#[inline(always)]
fn adjacent<I: Int16>(int16: I, x: &[f32], factor: f32) -> I::I {
    let s = int16.floats();
    let factor = s.splat(factor);
    int16.adjacent(s.mul(s.load(x), factor), s.mul(s.load(&x[I::S::LANES..]), factor))
}
