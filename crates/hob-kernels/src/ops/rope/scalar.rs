//! The reference.

use super::RopeLayout;

pub(super) fn rotate(head: &mut [f32], layout: RopeLayout, cos: &[f32], sin: &[f32]) {
    let pairs = cos.len();
    for k in 0..pairs {
        let (i, j) = match layout {
            RopeLayout::Halves => (k, k + pairs),
            RopeLayout::Adjacent => (2 * k, 2 * k + 1),
        };
        let (u, v) = (head[i], head[j]);
        head[i] = u * cos[k] - v * sin[k];
        head[j] = v * cos[k] + u * sin[k];
    }
}
