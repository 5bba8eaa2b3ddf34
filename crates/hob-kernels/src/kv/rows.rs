//! Keys or values of one page in each element type, and where an element lies.

use super::{COLUMN_ALIGN, KvType, PAGE_POSITIONS, PANEL, Q8_GROUP};
use half::f16;
use half::slice::HalfFloatSliceExt;

/// Elements converted at a time: a stack buffer instead of an allocation per row.
const RUN: usize = 128;

/// Keys or values of one page; the layouts are in the parent module.
#[derive(Clone, Debug)]
pub(crate) enum KvData {
    F32(Vec<f32>),
    F16(Vec<f16>),
    /// Scales are `[K, groups, PAGE_POSITIONS]`, with `groups = ceil(Dh / 32)`.
    Q8 {
        codes: Vec<i8>,
        scales: Vec<f16>,
        groups: usize,
    },
}

/// Columns of a head's values with their padding.
pub(crate) fn value_columns(head_dim: usize) -> usize {
    head_dim.next_multiple_of(COLUMN_ALIGN)
}

/// Where the values of `head` at `slot` lie: for each panel the first index and the real columns.
fn value_runs(head: usize, slot: usize, head_dim: usize) -> impl Iterator<Item = (usize, usize)> {
    let columns = value_columns(head_dim);
    (0..head_dim).step_by(PANEL).map(move |column| {
        let width = PANEL.min(columns - column);
        ((head * columns + column) * PAGE_POSITIONS + slot * width, width.min(head_dim - column))
    })
}

impl KvData {
    pub(super) fn new(ty: KvType, rows: usize, columns: usize, head_dim: usize) -> Self {
        let groups = head_dim.div_ceil(Q8_GROUP);
        match ty {
            KvType::F32 => KvData::F32(vec![0.0; rows * columns]),
            KvType::F16 => KvData::F16(vec![f16::ZERO; rows * columns]),
            KvType::Q8 => {
                KvData::Q8 { codes: vec![0; rows * columns], scales: vec![f16::ZERO; rows * groups], groups }
            }
        }
    }

    /// The address of element `at`, for prefetching.
    pub(crate) fn address(&self, at: usize) -> *const u8 {
        match self {
            KvData::F32(data) => data[at..].as_ptr().cast(),
            KvData::F16(data) => data[at..].as_ptr().cast(),
            KvData::Q8 { codes, .. } => codes[at..].as_ptr().cast(),
        }
    }

    pub(super) fn write_key(&mut self, head: usize, slot: usize, x: &[f32]) {
        let base = head * x.len() * PAGE_POSITIONS + slot;
        match self {
            KvData::F32(data) => scatter(&mut data[base..], x),
            KvData::F16(data) => {
                let mut run = [f16::ZERO; RUN];
                for (i, x) in x.chunks(RUN).enumerate() {
                    let run = &mut run[..x.len()];
                    to_f16(x, run);
                    scatter(&mut data[base + i * RUN * PAGE_POSITIONS..], run);
                }
            }
            KvData::Q8 { codes, scales, groups } => {
                let mut run = [0i8; Q8_GROUP];
                for (g, x) in x.chunks(Q8_GROUP).enumerate() {
                    let run = &mut run[..x.len()];
                    scales[(head * *groups + g) * PAGE_POSITIONS + slot] = to_q8(x, run);
                    scatter(&mut codes[base + g * Q8_GROUP * PAGE_POSITIONS..], run);
                }
            }
        }
    }

    pub(super) fn write_value(&mut self, head: usize, slot: usize, x: &[f32]) {
        let mut rest = x;
        for (panel, (at, width)) in value_runs(head, slot, x.len()).enumerate() {
            let (x, after) = rest.split_at(width);
            rest = after;
            match self {
                KvData::F32(data) => data[at..at + width].copy_from_slice(x),
                KvData::F16(data) => to_f16(x, &mut data[at..at + width]),
                KvData::Q8 { codes, scales, groups } => {
                    let first = head * *groups + panel * (PANEL / Q8_GROUP);
                    for (g, x) in x.chunks(Q8_GROUP).enumerate() {
                        scales[(first + g) * PAGE_POSITIONS + slot] =
                            to_q8(x, &mut codes[at + g * Q8_GROUP..][..x.len()]);
                    }
                }
            }
        }
    }

    pub(super) fn read_key(&self, head: usize, slot: usize, out: &mut [f32]) {
        let base = head * out.len() * PAGE_POSITIONS + slot;
        for (d, out) in out.iter_mut().enumerate() {
            let at = base + d * PAGE_POSITIONS;
            *out = match self {
                KvData::F32(data) => data[at],
                KvData::F16(data) => data[at].to_f32(),
                KvData::Q8 { codes, scales, groups } => {
                    let scale = scales[(head * groups + d / Q8_GROUP) * PAGE_POSITIONS + slot];
                    f32::from(codes[at]) * scale.to_f32()
                }
            };
        }
    }

    pub(super) fn read_value(&self, head: usize, slot: usize, out: &mut [f32]) {
        for (panel, (at, width)) in value_runs(head, slot, out.len()).enumerate() {
            for i in 0..width {
                let d = panel * PANEL + i;
                out[d] = match self {
                    KvData::F32(data) => data[at + i],
                    KvData::F16(data) => data[at + i].to_f32(),
                    KvData::Q8 { codes, scales, groups } => {
                        let scale = scales[(head * groups + d / Q8_GROUP) * PAGE_POSITIONS + slot];
                        f32::from(codes[at + i]) * scale.to_f32()
                    }
                };
            }
        }
    }
}

fn scatter<T: Copy>(column: &mut [T], x: &[T]) {
    column.iter_mut().step_by(PAGE_POSITIONS).zip(x).for_each(|(to, x)| *to = *x);
}

/// Rounds half to even. An infinity in the cache would turn a weight of zero into NaN, so the range is clamped.
fn to_f16(x: &[f32], out: &mut [f16]) {
    let mut run = [0f32; RUN];
    for (x, out) in x.chunks(RUN).zip(out.chunks_mut(RUN)) {
        let run = &mut run[..x.len()];
        run.iter_mut().zip(x).for_each(|(r, x)| *r = x.clamp(-65504.0, 65504.0));
        out.convert_from_f32_slice(run);
    }
}

/// The codes of one group and its scale.
fn to_q8(x: &[f32], codes: &mut [i8]) -> f16 {
    let largest = x.iter().fold(0f32, |m, v| m.max(v.abs()));
    let scale = f16::from_f32((largest / 127.0).min(65504.0));
    let inverse = if scale.to_f32() > 0.0 { 1.0 / scale.to_f32() } else { 0.0 };
    // Adding 1.5 * 2^23 leaves the integer nearest to a small number (ties to even) in the low bits, eight of which are its
    // code; rounding by its name is a library call per element on a baseline CPU.
    const ROUND: f32 = 12_582_912.0;
    for (c, &x) in codes.iter_mut().zip(x) {
        *c = ((x * inverse).clamp(-127.0, 127.0) + ROUND).to_bits() as i8;
    }
    scale
}
