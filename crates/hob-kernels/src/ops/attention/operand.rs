//! The right side of attention's two products, decoded a vector at a time while it is multiplied.

use crate::kv::{COLUMN_ALIGN, KvData, PANEL, Q8_GROUP, value_columns};
use crate::simd::Simd;
use crate::{KvPage, PAGE_POSITIONS};
use half::f16;
use std::ops::Range;

/// Bytes that one prefetch brings.
pub(super) const CACHE_LINE: usize = 64;

/// Rows of columns in one of the cache's encodings.
pub(super) trait Operand: Copy {
    /// Whether rounding to bf16 would lose what this encoding was chosen for.
    const PRECISE: bool = false;
    /// Bytes of an element of a row.
    const BYTES: usize;
    /// Some columns of a row.
    type Line: Line;
    /// The `width` columns from `column` on in `row`.
    fn line(self, row: usize, column: usize, width: usize) -> Self::Line;
    /// Bytes of a row.
    fn row_bytes(self) -> usize;
}

/// Columns whose bounds are checked once, not for every vector.
pub(super) trait Line: Copy {
    /// The columns from `at` on.
    fn load<S: Simd>(self, s: S, at: usize) -> S::F;
}

#[derive(Clone, Copy)]
pub(super) struct Floats<'a> {
    data: &'a [f32],
    width: usize,
}

#[derive(Clone, Copy)]
pub(super) struct Halves<'a> {
    data: &'a [f16],
    width: usize,
}

/// Transposed keys as codes: a row is an element of the head, and its scales are one per position.
#[derive(Clone, Copy)]
pub(super) struct KeyCodes<'a> {
    codes: &'a [i8],
    scales: &'a [f32],
}

/// A panel of values as codes: a row is a position, and a vector of columns lies in one group.
#[derive(Clone, Copy)]
pub(super) struct ValueCodes<'a> {
    codes: &'a [i8],
    width: usize,
    /// `[groups, PAGE_POSITIONS]`, from the panel's first group on.
    scales: &'a [f32],
}

impl<'a> Operand for Floats<'a> {
    const PRECISE: bool = true;
    const BYTES: usize = 4;
    type Line = &'a [f32];

    #[inline(always)]
    fn line(self, row: usize, column: usize, width: usize) -> &'a [f32] {
        &self.data[row * self.width + column..][..width]
    }

    #[inline(always)]
    fn row_bytes(self) -> usize {
        4 * self.width
    }
}

impl Line for &[f32] {
    #[inline(always)]
    fn load<S: Simd>(self, s: S, at: usize) -> S::F {
        s.load(&self[at..])
    }
}

impl<'a> Operand for Halves<'a> {
    const BYTES: usize = 2;
    type Line = &'a [f16];

    #[inline(always)]
    fn line(self, row: usize, column: usize, width: usize) -> &'a [f16] {
        &self.data[row * self.width + column..][..width]
    }

    #[inline(always)]
    fn row_bytes(self) -> usize {
        2 * self.width
    }
}

impl Line for &[f16] {
    #[inline(always)]
    fn load<S: Simd>(self, s: S, at: usize) -> S::F {
        s.load_f16(&self[at..])
    }
}

impl<'a> Operand for KeyCodes<'a> {
    const BYTES: usize = 1;
    type Line = (&'a [i8], &'a [f32]);

    #[inline(always)]
    fn line(self, row: usize, column: usize, width: usize) -> Self::Line {
        let codes = &self.codes[row * PAGE_POSITIONS + column..][..width];
        (codes, &self.scales[row / Q8_GROUP * PAGE_POSITIONS + column..][..width])
    }

    #[inline(always)]
    fn row_bytes(self) -> usize {
        PAGE_POSITIONS
    }
}

impl Line for (&[i8], &[f32]) {
    #[inline(always)]
    fn load<S: Simd>(self, s: S, at: usize) -> S::F {
        s.mul(s.load_i8(&self.0[at..]), s.load(&self.1[at..]))
    }
}

/// A line of [`ValueCodes`].
#[derive(Clone, Copy)]
pub(super) struct ValueLine<'a> {
    codes: &'a [i8],
    /// From the row's scale in the group that `first` columns of come before the line.
    scales: &'a [f32],
    first: usize,
}

impl<'a> Operand for ValueCodes<'a> {
    const BYTES: usize = 1;
    type Line = ValueLine<'a>;

    #[inline(always)]
    fn line(self, row: usize, column: usize, width: usize) -> ValueLine<'a> {
        let codes = &self.codes[row * self.width + column..][..width];
        let scales = &self.scales[column / Q8_GROUP * PAGE_POSITIONS + row..];
        ValueLine { codes, scales, first: column % Q8_GROUP }
    }

    #[inline(always)]
    fn row_bytes(self) -> usize {
        self.width
    }
}

impl Line for ValueLine<'_> {
    #[inline(always)]
    fn load<S: Simd>(self, s: S, at: usize) -> S::F {
        s.mul(
            s.load_i8(&self.codes[at..]),
            s.splat(self.scales[(self.first + at) / Q8_GROUP * PAGE_POSITIONS]),
        )
    }
}

/// The rows `rows` of an operand as floats, decoded once for all that meet them. What lies at `ahead` where they lie in the
/// operand is prefetched.
#[inline(always)]
pub(super) fn decoded<'a, S: Simd, B: Operand>(
    s: S,
    operand: B,
    rows: Range<usize>,
    width: usize,
    ahead: *const u8,
    room: &'a mut Vec<f32>,
) -> Floats<'a> {
    room.resize(room.len().max(rows.end * width), 0.0);
    for row in rows {
        let bytes = operand.row_bytes();
        for line in (0..bytes).step_by(CACHE_LINE) {
            s.prefetch(ahead.wrapping_add(row * bytes + line));
        }
        let out = &mut room[row * width..][..width];
        for (vector, out) in out.chunks_exact_mut(S::LANES).enumerate() {
            s.store(operand.line(row, vector * S::LANES, S::LANES).load(s, 0), out);
        }
    }
    Floats { data: room, width }
}

/// What to do with an operand of whichever type.
pub(super) trait Visit {
    /// `operand` has `columns` columns that start at column `first` of the head, and lies `offset` bytes into the data
    /// of its head.
    fn visit<B: Operand>(&mut self, operand: B, first: usize, columns: usize, offset: usize);
}

/// Where the keys of `head` begin.
pub(super) fn key_start(page: &KvPage, head: usize) -> *const u8 {
    page.k.address(head * page.shape().head_dim * PAGE_POSITIONS)
}

/// Where the values of `head` begin.
pub(super) fn value_start(page: &KvPage, head: usize) -> *const u8 {
    page.v.address(head * value_columns(page.shape().head_dim) * PAGE_POSITIONS)
}

/// Visits the transposed keys of `head`. `scales` is room for decoded scales.
#[inline(always)]
pub(super) fn keys<S: Simd>(s: S, page: &KvPage, head: usize, scales: &mut Vec<f32>, visit: &mut impl Visit) {
    let len = page.shape().head_dim * PAGE_POSITIONS;
    let (at, width) = (head * len, PAGE_POSITIONS);
    match &page.k {
        KvData::F32(data) => visit.visit(Floats { data: &data[at..at + len], width }, 0, width, 0),
        KvData::F16(data) => visit.visit(Halves { data: &data[at..at + len], width }, 0, width, 0),
        KvData::Q8 { codes, scales: packed, groups } => {
            decode(s, &packed[head * groups * PAGE_POSITIONS..][..groups * PAGE_POSITIONS], scales);
            visit.visit(KeyCodes { codes: &codes[at..at + len], scales }, 0, width, 0);
        }
    }
}

/// Visits the values of `head`, panel by panel. `scales` is room for decoded scales.
#[inline(always)]
pub(super) fn values<S: Simd>(
    s: S,
    page: &KvPage,
    head: usize,
    scales: &mut Vec<f32>,
    visit: &mut impl Visit,
) {
    let columns = value_columns(page.shape().head_dim);
    if let KvData::Q8 { scales: packed, groups, .. } = &page.v {
        decode(s, &packed[head * groups * PAGE_POSITIONS..][..groups * PAGE_POSITIONS], scales);
    }
    for first in (0..columns).step_by(PANEL) {
        let width = PANEL.min(columns - first);
        let (offset, len) = (first * PAGE_POSITIONS, width * PAGE_POSITIONS);
        let at = head * columns * PAGE_POSITIONS + offset;
        match &page.v {
            KvData::F32(data) => {
                visit.visit(Floats { data: &data[at..at + len], width }, first, width, 4 * offset);
            }
            KvData::F16(data) => {
                visit.visit(Halves { data: &data[at..at + len], width }, first, width, 2 * offset);
            }
            KvData::Q8 { codes, .. } => {
                let scales = &scales[first / Q8_GROUP * PAGE_POSITIONS..];
                visit.visit(ValueCodes { codes: &codes[at..at + len], width, scales }, first, width, offset);
            }
        }
    }
}

#[inline(always)]
pub(super) fn decode<S: Simd>(s: S, packed: &[f16], scales: &mut Vec<f32>) {
    // A page has 64 positions, so its scales are whole vectors.
    const { assert!(PAGE_POSITIONS.is_multiple_of(COLUMN_ALIGN)) };
    scales.resize(packed.len(), 0.0);
    for (packed, scales) in packed.chunks_exact(S::LANES).zip(scales.chunks_exact_mut(S::LANES)) {
        s.store(s.load_f16(packed), scales);
    }
}
