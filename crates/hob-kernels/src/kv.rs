//! Pages of the KV cache: the unit that sequences share, and the layout attention reads.

use half::f16;
use std::sync::Arc;

/// Positions of one page.
pub const PAGE_POSITIONS: usize = 64;

/// Elements that share a scale in [`KvType::Q8`].
pub(crate) const Q8_GROUP: usize = 32;

/// Element type of cached keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvType {
    /// Exact; for tests and the exact compute mode.
    F32,
    /// The default.
    F16,
    /// 8-bit codes with an f16 scale per 32 elements.
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
        let elements = 2 * self.kv_heads * PAGE_POSITIONS * self.head_dim;
        match self.ty {
            KvType::F32 => 4 * elements,
            KvType::F16 => 2 * elements,
            KvType::Q8 => elements + 2 * (elements / self.head_dim) * self.head_dim.div_ceil(Q8_GROUP),
        }
    }
}

/// Keys or values of one page: `[K, PAGE_POSITIONS, Dh]`, so that a head's positions are contiguous.
#[derive(Clone, Debug)]
pub(crate) enum KvData {
    F32(Vec<f32>),
    F16(Vec<f16>),
    /// `scales` is `[K, PAGE_POSITIONS, ceil(Dh / 32)]`.
    Q8 {
        codes: Vec<i8>,
        scales: Vec<f16>,
    },
}

/// Keys and values of [`PAGE_POSITIONS`] consecutive positions in one layer of one sequence.
///
/// Sequences that begin alike share pages through `Arc`; writing into a shared page copies it first (`Arc::make_mut`).
#[derive(Clone, Debug)]
pub struct KvPage {
    shape: KvShape,
    pub(crate) k: KvData,
    pub(crate) v: KvData,
}

impl KvPage {
    /// An empty page.
    pub fn new(shape: KvShape) -> Self {
        let data = || {
            let rows = shape.kv_heads * PAGE_POSITIONS;
            let len = rows * shape.head_dim;
            match shape.ty {
                KvType::F32 => KvData::F32(vec![0.0; len]),
                KvType::F16 => KvData::F16(vec![f16::ZERO; len]),
                KvType::Q8 => KvData::Q8 {
                    codes: vec![0; len],
                    scales: vec![f16::ZERO; rows * shape.head_dim.div_ceil(Q8_GROUP)],
                },
            }
        };
        Self { shape, k: data(), v: data() }
    }

    /// What this page holds.
    pub fn shape(&self) -> KvShape {
        self.shape
    }

    /// Stores `k` and `v` (`[K, Dh]` each) at position `slot` of the page.
    pub fn write(&mut self, slot: usize, k: &[f32], v: &[f32]) {
        let KvShape { kv_heads, head_dim, .. } = self.shape;
        assert!(
            slot < PAGE_POSITIONS && k.len() == kv_heads * head_dim && v.len() == k.len(),
            "one position of K and V"
        );
        for head in 0..kv_heads {
            let row = head * PAGE_POSITIONS + slot;
            let part = head * head_dim..(head + 1) * head_dim;
            self.k.write_row(row, &k[part.clone()]);
            self.v.write_row(row, &v[part]);
        }
    }
}

impl KvData {
    fn write_row(&mut self, row: usize, x: &[f32]) {
        let at = row * x.len();
        match self {
            KvData::F32(data) => data[at..at + x.len()].copy_from_slice(x),
            KvData::F16(data) => {
                data[at..at + x.len()].iter_mut().zip(x).for_each(|(d, &x)| *d = f16::from_f32(x));
            }
            KvData::Q8 { codes, scales } => {
                let groups = x.len().div_ceil(Q8_GROUP);
                for (g, x) in x.chunks(Q8_GROUP).enumerate() {
                    let largest = x.iter().fold(0f32, |m, v| m.max(v.abs()));
                    let scale = f16::from_f32(largest / 127.0);
                    let inverse = if scale.to_f32() > 0.0 { 1.0 / scale.to_f32() } else { 0.0 };
                    scales[row * groups + g] = scale;
                    let codes = &mut codes[at + g * Q8_GROUP..][..x.len()];
                    codes
                        .iter_mut()
                        .zip(x)
                        .for_each(|(c, &x)| *c = (x * inverse).round_ties_even().clamp(-127.0, 127.0) as i8);
                }
            }
        }
    }

    /// Decodes a row (`head * PAGE_POSITIONS + slot`) to f32.
    pub(crate) fn read_row(&self, row: usize, out: &mut [f32]) {
        let at = row * out.len();
        match self {
            KvData::F32(data) => out.copy_from_slice(&data[at..at + out.len()]),
            KvData::F16(data) => out.iter_mut().zip(&data[at..]).for_each(|(o, x)| *o = x.to_f32()),
            KvData::Q8 { codes, scales } => {
                let groups = out.len().div_ceil(Q8_GROUP);
                for (g, out) in out.chunks_mut(Q8_GROUP).enumerate() {
                    let scale = scales[row * groups + g].to_f32();
                    out.iter_mut()
                        .zip(&codes[at + g * Q8_GROUP..])
                        .for_each(|(o, &c)| *o = f32::from(c) * scale);
                }
            }
        }
    }
}

/// The cached positions `first..end` of one layer of one sequence.
#[derive(Clone, Copy)]
pub struct KvView<'a> {
    /// Pages in order of position.
    pub pages: &'a [Arc<KvPage>],
    /// Position of slot 0 of `pages[0]`.
    pub first: usize,
    /// One past the last stored position.
    pub end: usize,
}
