//! `C[m, n] = sum over k of A[m, k] * B[k, n]`, or added to what `C` holds: the product of training, where both sides change
//! with every step.
//!
//! Shapes: `a`: `[M, K]`, `b`: `[K, N]`, both with any strides, so a transpose costs nothing; `c`: `[M, N]` with contiguous
//! rows. f32 in and out. Both sides are copied into panels first: tiles of a few rows of `A`, vectors of columns of `B`.
//! Sums are f32, in the order of `k` within 128 words, and these partial sums in order; a sum depends neither on the
//! rest of the matrix nor on the threads. Error: at most `EPSILON * sqrt(K) * sum |a b|`; with [`Precision::Bf16`] both
//! sides are first rounded to bf16 (nearest, ties to even), which adds at most `2^-8 * sum |a b|`.
//! `c` aliases neither `a` nor `b`.

#![allow(unsafe_code)]

mod pack;
mod scalar;
#[cfg(test)]
mod tests;
mod tile;

use crate::pool::DisjointMut;
use crate::scratch::{Buffer, Plain};
use crate::simd::{self, Kernel, PairKernel, Pairs, Simd};
use crate::{Cpu, Isa};
use pack::{Pack, Panels};
use tile::{Multiply, Target};

/// Words of `k` that are summed in registers: a panel of `B` of this depth (16 KiB) stays in the L1 cache.
const DEPTH: usize = 128;

/// Tiles of `A` that are multiplied with a panel of `B` before the next panel: about 190 rows.
const TILES: usize = 16;

/// How exact a product is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Precision {
    /// f32 throughout.
    #[default]
    F32,
    /// Both sides rounded to bf16 where the CPU multiplies those faster, and f32 elsewhere. Sums are f32.
    Bf16,
}

/// What happens to the numbers that `C` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sum {
    /// They are replaced; they may be anything.
    Replace,
    /// The product is added to them.
    Add,
}

/// A matrix in someone else's memory: element `(r, c)` stands at `r * row_step + c * col_step`.
#[derive(Clone, Copy, Debug)]
pub struct MatrixView<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_step: usize,
    col_step: usize,
}

impl<'a> MatrixView<'a> {
    /// Whole rows, one after the other.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::of_wider(data, rows, cols, cols)
    }

    /// The first `cols` elements of rows that are `row_step` apart.
    ///
    /// # Panics
    /// When the last row is not inside `data`.
    pub fn of_wider(data: &'a [f32], rows: usize, cols: usize, row_step: usize) -> Self {
        check(data.len(), rows, cols, row_step);
        Self { data, rows, cols, row_step, col_step: 1 }
    }

    /// Rows for columns.
    pub fn transposed(self) -> Self {
        let Self { data, rows, cols, row_step, col_step } = self;
        Self { data, rows: cols, cols: rows, row_step: col_step, col_step: row_step }
    }

    fn at(&self, row: usize, col: usize) -> f32 {
        self.data[row * self.row_step + col * self.col_step]
    }
}

/// A matrix that a product is written to: rows of contiguous elements, `row_step` apart.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    cols: usize,
    row_step: usize,
}

impl<'a> MatrixMut<'a> {
    /// Whole rows, one after the other.
    pub fn new(data: &'a mut [f32], rows: usize, cols: usize) -> Self {
        Self::of_wider(data, rows, cols, cols)
    }

    /// The first `cols` elements of rows that are `row_step` apart.
    ///
    /// # Panics
    /// When the last row is not inside `data`.
    pub fn of_wider(data: &'a mut [f32], rows: usize, cols: usize, row_step: usize) -> Self {
        check(data.len(), rows, cols, row_step);
        Self { data, rows, cols, row_step }
    }
}

fn check(len: usize, rows: usize, cols: usize, row_step: usize) {
    assert!(cols <= row_step || rows <= 1, "rows do not overlap");
    let end = if rows == 0 { 0 } else { (rows - 1) * row_step + cols };
    assert!(end <= len, "{rows} rows of {cols}, {row_step} apart, do not fit into {len} elements");
}

impl Cpu {
    /// `c = a * b` or `c += a * b`.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn gemm(&self, a: MatrixView<'_>, b: MatrixView<'_>, c: MatrixMut<'_>, sum: Sum, how: Precision) {
        assert_eq!((a.rows, a.cols, b.cols), (c.rows, b.rows, c.cols), "[M, K] x [K, N] is [M, N]");
        if c.rows == 0 || c.cols == 0 {
            return;
        }
        match self.isa {
            Isa::Scalar => scalar::gemm(a, b, c, sum),
            _ if how == Precision::Bf16 && self.bf16 => self.run_gemm::<u32>(a, b, c, sum),
            _ => self.run_gemm::<f32>(a, b, c, sum),
        }
    }

    fn run_gemm<W: Word>(&self, a: MatrixView<'_>, b: MatrixView<'_>, c: MatrixMut<'_>, sum: Sum) {
        let shape = simd::dispatch(self, TileShape);
        let words = a.cols.div_ceil(W::COLUMNS);
        let a = Panels { source: a, lanes: shape.rows, words };
        let b = Panels { source: b.transposed(), lanes: shape.cols, words };
        let mut packed_a: Buffer<W> = self.shelf.take(a.len());
        let mut packed_b: Buffer<W> = self.shelf.take(b.len());
        self.pack(&[(&a, &mut packed_a), (&b, &mut packed_b)].map(|(p, to)| (p, DisjointMut::new(to))));
        let groups = a.count().div_ceil(TILES);
        let target = Target::new(c, sum);
        self.pool.run(groups * b.count(), &|chunk| {
            // One group of tiles meets all panels before the next group: it is the part that stays in the L2 cache.
            let (group, panel) = (chunk / b.count(), chunk % b.count());
            let tiles = group * TILES..((group + 1) * TILES).min(a.count());
            let part = Multiply {
                a: &packed_a[a.range(tiles.clone())],
                b: &packed_b[b.range(panel..panel + 1)],
                words,
                row: tiles.start * shape.rows,
                col: panel * shape.cols,
                target: &target,
            };
            W::multiply(self, part);
        });
    }

    fn pack<W: Word>(&self, sides: &[(&Panels<'_>, DisjointMut<'_, W>); 2]) {
        let [(a, _), (b, _)] = sides;
        // A few panels at a time: a panel alone may be too little work to be worth a claim.
        let steps = [a, b].map(|panels| (1 << 15) / (panels.lanes * panels.words).max(1) + 1);
        let counts = [a.count().div_ceil(steps[0]), b.count().div_ceil(steps[1])];
        self.pool.run(counts[0] + counts[1], &|chunk| {
            let (side, chunk) = if chunk < counts[0] { (0, chunk) } else { (1, chunk - counts[0]) };
            let (panels, to) = &sides[side];
            let range = chunk * steps[side]..((chunk + 1) * steps[side]).min(panels.count());
            // SAFETY: chunks are consecutive ranges of panels, which do not overlap, and `run` calls each once.
            let to = unsafe { to.slice(panels.range(range.clone())) };
            W::pack(self, Pack { panels, range, to });
        });
    }
}

/// What both sides are copied as: one f32, or a pair of bf16 in a `u32`.
trait Word: Plain + Sync + Default {
    /// Elements of `k` in one word.
    const COLUMNS: usize;
    fn pack(cpu: &Cpu, work: Pack<'_, Self>);
    fn multiply(cpu: &Cpu, work: Multiply<'_, Self>);
}

impl Word for f32 {
    const COLUMNS: usize = 1;

    fn pack(cpu: &Cpu, work: Pack<'_, f32>) {
        simd::dispatch(cpu, work);
    }

    fn multiply(cpu: &Cpu, work: Multiply<'_, f32>) {
        simd::dispatch(cpu, work);
    }
}

impl Word for u32 {
    const COLUMNS: usize = 2;

    fn pack(cpu: &Cpu, work: Pack<'_, u32>) {
        simd::dispatch_pairs(cpu, work);
    }

    fn multiply(cpu: &Cpu, work: Multiply<'_, u32>) {
        simd::dispatch_pairs(cpu, work);
    }
}

/// Vectors of words, multiplied into f32 sums.
trait Words: Copy {
    type S: Simd;
    type W: Word;
    type V: Copy;
    fn floats(self) -> Self::S;
    fn load(self, from: &[Self::W]) -> Self::V;
    fn splat(self, word: Self::W) -> Self::V;
    fn multiply(self, sum: Lane<Self>, a: Self::V, b: Self::V) -> Lane<Self>;
    fn store(self, words: Self::V, to: &mut [Self::W]);
    /// Lane by lane the word of these columns of `k`; the second is unused where a word is one column.
    fn make(self, first: Lane<Self>, second: Lane<Self>) -> Self::V;
    /// The words of a run of adjacent columns: `a`, and `b` after it where a word is two columns.
    fn take(self, a: Lane<Self>, b: Lane<Self>) -> Self::V;
    /// Alternating words of both, as [`Simd::zip`].
    fn zip(self, a: Self::V, b: Self::V) -> (Self::V, Self::V);
}

type Lane<U> = <<U as Words>::S as Simd>::F;

/// Words of one f32.
#[derive(Clone, Copy)]
struct Single<S>(S);

impl<S: Simd> Words for Single<S> {
    type S = S;
    type W = f32;
    type V = S::F;

    #[inline(always)]
    fn floats(self) -> S {
        self.0
    }

    #[inline(always)]
    fn load(self, from: &[f32]) -> S::F {
        self.0.load(from)
    }

    #[inline(always)]
    fn splat(self, word: f32) -> S::F {
        self.0.splat(word)
    }

    #[inline(always)]
    fn multiply(self, sum: S::F, a: S::F, b: S::F) -> S::F {
        self.0.mul_add(a, b, sum)
    }

    #[inline(always)]
    fn store(self, words: S::F, to: &mut [f32]) {
        self.0.store(words, to);
    }

    #[inline(always)]
    fn make(self, first: S::F, _: S::F) -> S::F {
        first
    }

    #[inline(always)]
    fn take(self, a: S::F, _: S::F) -> S::F {
        a
    }

    #[inline(always)]
    fn zip(self, a: S::F, b: S::F) -> (S::F, S::F) {
        self.0.zip(a, b)
    }
}

/// Words of two bf16.
#[derive(Clone, Copy)]
struct Double<P>(P);

impl<P: Pairs> Words for Double<P> {
    type S = P::S;
    type W = u32;
    type V = P::P;

    #[inline(always)]
    fn floats(self) -> P::S {
        self.0.floats()
    }

    #[inline(always)]
    fn load(self, from: &[u32]) -> P::P {
        self.0.load(from)
    }

    #[inline(always)]
    fn splat(self, word: u32) -> P::P {
        self.0.splat(word)
    }

    #[inline(always)]
    fn multiply(self, sum: Lane<Self>, a: P::P, b: P::P) -> Lane<Self> {
        self.0.dot(sum, a, b)
    }

    #[inline(always)]
    fn store(self, words: P::P, to: &mut [u32]) {
        self.0.store(words, to);
    }

    #[inline(always)]
    fn make(self, first: Lane<Self>, second: Lane<Self>) -> P::P {
        self.0.pair(first, second)
    }

    #[inline(always)]
    fn take(self, a: Lane<Self>, b: Lane<Self>) -> P::P {
        self.0.adjacent(a, b)
    }

    #[inline(always)]
    fn zip(self, a: P::P, b: P::P) -> (P::P, P::P) {
        self.0.zip(a, b)
    }
}

impl Kernel for Pack<'_, f32> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.fill(Single(s));
    }
}

impl PairKernel for Pack<'_, u32> {
    #[inline(always)]
    fn run<P: Pairs>(self, pairs: P) {
        self.fill(Double(pairs));
    }
}

impl Kernel for Multiply<'_, f32> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.all(Single(s));
    }
}

impl PairKernel for Multiply<'_, u32> {
    #[inline(always)]
    fn run<P: Pairs>(self, pairs: P) {
        self.all(Double(pairs));
    }
}

/// Rows and columns of a tile of `C` in registers.
struct Shape {
    rows: usize,
    cols: usize,
}

struct TileShape;

impl Kernel for TileShape {
    type Output = Shape;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Shape {
        Shape { rows: tile::rows::<S>(), cols: tile::VECTORS * S::LANES }
    }
}
