//! Pages of the KV cache: the unit that sequences share, and the layout attention reads.
//!
//! A page is laid out for the two products of attention, each of which then walks memory in order and needs no horizontal sum:
//!
//! - keys lie transposed, `[K, Dh, PAGE_POSITIONS]`: for one element of the query, the lanes are positions;
//! - values lie in panels of [`PANEL`] columns, `[K, panels, PAGE_POSITIONS, panel width]`: for one position, the lanes are
//!   columns. The last panel is padded with zeros to a multiple of [`COLUMN_ALIGN`], so no kernel has a tail.
//!
//! Positions are written once and read every step after, so the scattered store of a key costs nothing that shows.

mod rows;

pub(crate) use rows::{KvData, value_columns};

use std::sync::Arc;

/// Positions of one page.
pub const PAGE_POSITIONS: usize = 64;

/// Elements that share a scale in [`KvType::Q8`].
pub(crate) const Q8_GROUP: usize = 32;

/// Columns of a panel of values: the widest tile of the kernels, and two groups of [`Q8_GROUP`].
pub(crate) const PANEL: usize = 64;

/// Every row of values is a multiple of this many elements: the widest vector of f32.
pub(crate) const COLUMN_ALIGN: usize = 16;

/// Element type of cached keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvType {
    /// Exact; for tests and the exact compute mode.
    F32,
    /// The default. Magnitudes beyond 65504 are stored as 65504.
    F16,
    /// 8-bit codes with an f16 scale per 32 elements: off by at most 1/253 of the largest magnitude among them, plus 4e-6.
    Q8,
}

/// What a page of one layer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvShape {
    /// Element type.
    pub ty: KvType,
    /// KV heads (`K`).
    pub kv_heads: usize,
    /// Width of a head (`Dh`).
    pub head_dim: usize,
}

impl KvShape {
    /// Bytes of one page.
    pub fn page_bytes(self) -> usize {
        let rows = self.kv_heads * PAGE_POSITIONS;
        let elements = rows * (self.head_dim + value_columns(self.head_dim));
        match self.ty {
            KvType::F32 => 4 * elements,
            KvType::F16 => 2 * elements,
            KvType::Q8 => elements + 2 * 2 * rows * self.head_dim.div_ceil(Q8_GROUP),
        }
    }
}

/// Keys and values of [`PAGE_POSITIONS`] consecutive positions in one layer of one sequence.
///
/// Sequences that begin alike share pages through `Arc`. To write, go through `Arc::make_mut`: it copies the page first if
/// another sequence holds it too, so that one sequence's write is never seen by the other.
#[derive(Clone, Debug)]
pub struct KvPage {
    shape: KvShape,
    pub(crate) k: KvData,
    pub(crate) v: KvData,
}

impl KvPage {
    /// An empty page.
    pub fn new(shape: KvShape) -> Self {
        let KvShape { ty, kv_heads, head_dim } = shape;
        let data = |columns| KvData::new(ty, kv_heads * PAGE_POSITIONS, columns, head_dim);
        Self { shape, k: data(head_dim), v: data(value_columns(head_dim)) }
    }

    /// What this page holds.
    pub fn shape(&self) -> KvShape {
        self.shape
    }

    /// Stores `k` and `v` (`[K, Dh]` each) at position `slot` of the page.
    ///
    /// # Panics
    /// When the slot or a length is off.
    pub fn write(&mut self, slot: usize, k: &[f32], v: &[f32]) {
        self.write_rows(slot, 1, k, v);
    }

    /// Stores `count` consecutive positions from slot `first` on; `k` and `v` are `[count, K, Dh]`.
    ///
    /// # Panics
    /// When the positions do not fit the page or a length is off.
    pub fn write_rows(&mut self, first: usize, count: usize, k: &[f32], v: &[f32]) {
        let KvShape { kv_heads, head_dim, .. } = self.shape;
        let row = kv_heads * head_dim;
        assert!(first <= PAGE_POSITIONS && count <= PAGE_POSITIONS - first, "positions lie in the page");
        assert!(k.len() == count * row && v.len() == k.len(), "k and v are [count, K, Dh]");
        for (i, (k, v)) in k.chunks_exact(row).zip(v.chunks_exact(row)).enumerate() {
            for (head, (k, v)) in k.chunks_exact(head_dim).zip(v.chunks_exact(head_dim)).enumerate() {
                self.k.write_key(head, first + i, k);
                self.v.write_value(head, first + i, v);
            }
        }
    }

    /// Decodes the key of `head` at position `slot` into `out` (`[Dh]`).
    pub fn key(&self, head: usize, slot: usize, out: &mut [f32]) {
        self.check(head, slot, out.len());
        self.k.read_key(head, slot, out);
    }

    /// Decodes the value of `head` at position `slot` into `out` (`[Dh]`).
    pub fn value(&self, head: usize, slot: usize, out: &mut [f32]) {
        self.check(head, slot, out.len());
        self.v.read_value(head, slot, out);
    }

    fn check(&self, head: usize, slot: usize, width: usize) {
        assert!(head < self.shape.kv_heads && slot < PAGE_POSITIONS, "head and slot lie in the page");
        assert_eq!(width, self.shape.head_dim, "one element per column of the head");
    }
}

/// The cached positions `first..end` of one layer of one sequence.
#[derive(Clone, Copy)]
pub struct KvView<'a> {
    /// Pages in order of position.
    pub pages: &'a [Arc<KvPage>],
    /// Position of slot 0 of `pages[0]`; a multiple of [`PAGE_POSITIONS`].
    pub first: usize,
    /// One past the last stored position.
    pub end: usize,
}

#[cfg(test)]
mod tests;
