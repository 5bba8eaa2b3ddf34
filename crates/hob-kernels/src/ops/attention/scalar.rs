//! The reference: one query token at a time, scores kept whole, in f64 inside.

use super::AttentionShape;
use crate::{KvView, PAGE_POSITIONS};
use std::ops::Range;

pub(super) fn attend(shape: &AttentionShape, seen: Range<usize>, q: &[f32], kv: KvView<'_>, out: &mut [f32]) {
    let AttentionShape { heads, kv_heads, head_dim, .. } = *shape;
    let mut row = vec![0f32; head_dim];
    for head in 0..heads {
        let (q, out) = (&q[head * head_dim..][..head_dim], &mut out[head * head_dim..][..head_dim]);
        let kv_head = head * kv_heads / heads;
        let place = |position: usize| {
            let offset = position - kv.first;
            (&kv.pages[offset / PAGE_POSITIONS], offset % PAGE_POSITIONS)
        };
        let mut weights: Vec<f64> = seen
            .clone()
            .map(|position| {
                let (page, slot) = place(position);
                page.key(kv_head, slot, &mut row);
                score(shape, q, &row)
            })
            .collect();
        let largest = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        weights.iter_mut().for_each(|w| *w = (*w - largest).exp());
        let total: f64 = weights.iter().sum();
        let mut sums = vec![0f64; head_dim];
        for (weight, position) in weights.iter().zip(seen.clone()) {
            let (page, slot) = place(position);
            page.value(kv_head, slot, &mut row);
            sums.iter_mut().zip(&row).for_each(|(sum, v)| *sum += weight / total * f64::from(*v));
        }
        out.iter_mut().zip(&sums).for_each(|(o, sum)| *o = *sum as f32);
    }
}

fn score(shape: &AttentionShape, q: &[f32], k: &[f32]) -> f64 {
    let dot: f64 = q.iter().zip(k).map(|(q, k)| f64::from(*q) * f64::from(*k)).sum();
    let score = dot * f64::from(shape.scale);
    match shape.softcap.map(f64::from) {
        Some(cap) => cap * (score / cap).tanh(),
        None => score,
    }
}
