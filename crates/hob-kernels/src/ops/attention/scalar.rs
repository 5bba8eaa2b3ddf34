//! The reference: one query token at a time, scores kept whole.

use super::AttentionShape;
use crate::{KvView, PAGE_POSITIONS};
use std::ops::Range;

pub(super) fn attend(shape: &AttentionShape, seen: Range<usize>, q: &[f32], kv: KvView<'_>, out: &mut [f32]) {
    let AttentionShape { heads, kv_heads, head_dim, scale, softcap } = *shape;
    let mut scores = vec![0f32; seen.len()];
    let mut row = vec![0f32; head_dim];
    for head in 0..heads {
        let (q, out) = (&q[head * head_dim..][..head_dim], &mut out[head * head_dim..][..head_dim]);
        let place = |position: usize| {
            let offset = position - kv.first;
            let kv_head = head * kv_heads / heads;
            (&kv.pages[offset / PAGE_POSITIONS], kv_head * PAGE_POSITIONS + offset % PAGE_POSITIONS)
        };
        for (score, position) in scores.iter_mut().zip(seen.clone()) {
            let (page, index) = place(position);
            page.k.read_row(index, &mut row);
            let dot: f32 = q.iter().zip(&row).map(|(q, k)| q * k).sum();
            *score = match softcap {
                Some(cap) => cap * (dot * scale / cap).tanh(),
                None => dot * scale,
            };
        }
        let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        scores.iter_mut().for_each(|s| *s = (*s - largest).exp());
        let total: f32 = scores.iter().sum();
        out.fill(0.0);
        for (score, position) in scores.iter().zip(seen.clone()) {
            let (page, index) = place(position);
            page.v.read_row(index, &mut row);
            let weight = score / total;
            out.iter_mut().zip(&row).for_each(|(o, v)| *o += weight * v);
        }
    }
}
