//! The reference.

use super::RopeLayout;

pub(super) fn rotate(head: &mut [f32], layout: RopeLayout, cos: &[f32], sin: &[f32]) {
    let pairs = cos.len();
    for k in 0..pairs {
        let (i, j) = match layout {
            RopeLayout::Halves => (k, k + pairs),
            RopeLayout::Adjacent => (2 * k, 2 * k + 1),
        };
        (head[i], head[j]) = turn(head[i], head[j], cos[k], sin[k]);
    }
}

/// One pair, turned.
#[inline(always)]
pub(super) fn turn(u: f32, v: f32, cos: f32, sin: f32) -> (f32, f32) {
    (u * cos - v * sin, v * cos + u * sin)
}
