//! Attention of new tokens over the cached positions of one sequence, the new ones included.
//!
//! `out[t, h] = sum over j of softmax_j(cap(scale * q[t, h] . k[j, g])) * v[j, g]`, with `g = h * K / H` and `j` over the
//! positions the mask lets the query at position `first_position + t` see. A token that sees nothing gets zeros.
//! Shapes: `q`, `out`: `[T, H, Dh]`; keys and values come from cache pages. f64 arithmetic in the reference; f32, bf16
//! products with f32 sums, or 16-bit integers elsewhere, with `[T, S]` never in memory. `q` and `out` do not alias.
//! Error against the reference on the same pages: at most `EPSILON * (4 * sqrt(Dh) * s + 32) * max|v|`, where `s` is the
//! largest `scale * |q| * |k|`: a score's rounding error is a relative error of its weight.
//! In fast mode on CPUs with bf16 dot products, unless the cache is f32, `v` and the weights are rounded to bf16 (2^-8
//! relative at most), which adds at most `max|v| / 64`.
//! In fast mode with AVX2 over a q8 cache, queries and weights are rounded to 16 bits, which adds at most
//! `(sqrt(Dh) * s / 32767 + 1 / 1000) * max|v|`.
//! A token's result depends on its own query and the positions it sees, not on the other tokens of the call, the number of
//! threads or later positions, as long as `first` of the view is a multiple of the page.
//! Source: Milakov and Gimelshein, arXiv:1805.02867 (running maximum); Dao et al., arXiv:2205.14135 (tiles).
//!
//! Read `lanes.rs` for the arithmetic, `product.rs` for the inner loop, `pairs.rs` for what is bf16, `integers.rs` for
//! what is in integers, `plan.rs` for the work of each thread.

#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "only AVX2 has 16-bit integers yet"))]
mod integers;
mod lanes;
mod operand;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "no other level has bf16 pairs yet"))]
mod pairs;
mod plan;
mod product;
mod run;
mod scalar;
#[cfg(test)]
mod tests;

use crate::{Cpu, Isa, KvPage, KvView, PAGE_POSITIONS};

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

/// The new tokens of one sequence, and where their keys and values are.
pub struct AttentionJob<'a> {
    /// `[T, H, Dh]`.
    pub q: &'a [f32],
    /// Position of the first of the tokens; the others follow it.
    pub first_position: usize,
    /// What the tokens attend to, themselves included.
    pub kv: KvView<'a>,
    /// `[T, H, Dh]`.
    pub out: &'a mut [f32],
}

/// What of a job threads share.
#[derive(Clone, Copy)]
struct Query<'a> {
    q: &'a [f32],
    first_position: usize,
    kv: KvView<'a>,
}

impl<'a> AttentionJob<'a> {
    fn query(&self) -> Query<'a> {
        Query { q: self.q, first_position: self.first_position, kv: self.kv }
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
        self.attention_batch(shape, mask, &mut [AttentionJob { q, first_position, kv, out }]);
    }

    /// [`Cpu::attention`] for several sequences at once: the same results, one dispatch.
    ///
    /// # Panics
    /// When a cache lacks a position that the mask shows.
    pub fn attention_batch(&self, shape: &AttentionShape, mask: Mask, jobs: &mut [AttentionJob<'_>]) {
        assert!(shape.heads.is_multiple_of(shape.kv_heads), "query heads share KV heads evenly");
        jobs.iter().for_each(|job| check(shape, mask, job));
        if self.isa != Isa::Scalar {
            return run::run(self, shape, mask, jobs);
        }
        let row = shape.heads * shape.head_dim;
        for job in jobs {
            for (t, (q, out)) in job.q.chunks_exact(row).zip(job.out.chunks_exact_mut(row)).enumerate() {
                scalar::attend(shape, mask.visible(job.first_position + t, job.kv.end), q, job.kv, out);
            }
        }
    }
}

fn check(shape: &AttentionShape, mask: Mask, job: &AttentionJob<'_>) {
    let AttentionJob { q, kv, .. } = job;
    let row = shape.heads * shape.head_dim;
    assert!(row > 0 && q.len().is_multiple_of(row) && q.len() == job.out.len(), "q and out are [T, H, Dh]");
    if q.is_empty() {
        return;
    }
    assert!(kv.end - kv.first <= kv.pages.len() * PAGE_POSITIONS, "pages hold every position of the view");
    let found = |page: &KvPage| (page.shape().kv_heads, page.shape().head_dim);
    let expected = (shape.kv_heads, shape.head_dim);
    assert!(kv.pages.iter().all(|page| found(page) == expected), "pages are of the shape of the layer");
    let first = mask.visible(job.first_position, kv.end);
    assert!(kv.first <= first.start || first.is_empty(), "the cache holds every position the mask shows");
}
