//! Attention of new tokens over the cached positions of one sequence, the new ones included.
//!
//! `out[t, h] = sum over j of softmax_j(cap(scale * q[t, h] . k[j, g])) * v[j, g]`, with `g = h * K / H` and `j` over the
//! positions the mask lets the query at position `first_position + t` see.
//! Shapes: `q`, `out`: `[T, H, Dh]`; keys and values come from cache pages. f32 arithmetic in the reference, with one pass
//! for the maximum and one for the sum. `q` and `out` do not alias.

mod scalar;

use crate::{Cpu, KvView};

/// Widths and constants of an attention layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionShape {
    /// Query heads (`H`).
    pub heads: usize,
    /// KV heads (`K`); divides `heads`.
    pub kv_heads: usize,
    /// Width of a head (`Dh`).
    pub head_dim: usize,
    /// Factor on `q . k`.
    pub scale: f32,
    /// `cap * tanh(score / cap)` before the mask.
    pub softcap: Option<f32>,
}

/// Which positions a query sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// Key `j` from query `i` iff `0 <= i - j`, and `i - j < window` where there is one.
    Causal {
        /// Keys a query sees, itself included.
        window: Option<usize>,
    },
    /// Key `j` from query `i` iff `|i - j| <= reach` where there is one.
    Bidirectional {
        /// Positions a query sees on either side.
        reach: Option<usize>,
    },
}

impl Mask {
    /// The positions `start..end` that the query at `position` sees, of those before `stored`.
    pub fn visible(self, position: usize, stored: usize) -> std::ops::Range<usize> {
        match self {
            Mask::Causal { window } => {
                (position + 1).saturating_sub(window.unwrap_or(usize::MAX))..(position + 1).min(stored)
            }
            Mask::Bidirectional { reach } => {
                let reach = reach.unwrap_or(usize::MAX);
                position.saturating_sub(reach)..position.saturating_add(reach).saturating_add(1).min(stored)
            }
        }
    }
}

impl Cpu {
    /// Attends from the tokens at `first_position..` (`q`: `[T, H, Dh]`) to the cache; the result goes to `out`.
    ///
    /// # Panics
    /// When the cache lacks a position that the mask shows.
    pub fn attention(
        &self,
        shape: &AttentionShape,
        mask: Mask,
        q: &[f32],
        first_position: usize,
        kv: KvView<'_>,
        out: &mut [f32],
    ) {
        let row = shape.heads * shape.head_dim;
        assert!(shape.heads.is_multiple_of(shape.kv_heads), "query heads share KV heads evenly");
        assert!(row > 0 && q.len().is_multiple_of(row) && q.len() == out.len(), "q and out are [T, H, Dh]");
        for (t, (q, out)) in q.chunks_exact(row).zip(out.chunks_exact_mut(row)).enumerate() {
            let seen = mask.visible(first_position + t, kv.end);
            assert!(kv.first <= seen.start, "the cache holds every position the mask shows");
            scalar::attend(shape, seen, q, kv, out);
        }
    }
}
