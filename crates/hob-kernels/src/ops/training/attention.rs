//! Attention over whole sequences, forward and backward: every token sees the tokens from `first[t]` to itself.
//!
//! `s[t, u] = cap(scale * q[t] . k[u])`, `p = softmax over u of s`, `o[t] = sum over u of p[t, u] v[u]`; with
//! `delta[t] = do[t] . o[t]`: `dv[u] += p[t, u] do[t]`, `ds[t, u] = p[t, u] (do[t] . v[u] - delta[t])`,
//! `dq[t] = sum ds k`, `dk[u] += ds[t, u] q[t]`, each `ds` times `scale` and the cap's slope.
//!
//! Shapes: `q`, `o`: `[T, H, Dh]`, `k`, `v`: `[T, K, Dh]`, `log_sums`: `[H, T]`; head `h` reads key-value head `h / (H / K)`.
//! `first` holds what separates documents and what windows leave: it never decreases inside a sequence and never points
//! before its start. Scores exist for 128 tokens of one head at a time; backward computes them again from `log_sums`.
//! f32, products in the given [`Precision`]. Error: that of the products.
//! Source: Dao et al., arXiv:2205.14135, algorithms 2 and 4, with whole rows in place of tiles.

use super::real::Real;
use crate::simd::{self, Kernel, Simd, load_partial, math, store_partial, sum_map};
use crate::{Cpu, DisjointMut, Isa, MatrixMut, MatrixView, Precision, Sum};

/// Tokens whose scores exist at a time.
const ROWS: usize = 128;

/// What attention is given beside its tensors.
#[derive(Clone, Copy, Debug)]
pub struct TrainingAttention<'a> {
    /// Query heads (`H`).
    pub heads: usize,
    /// Key-value heads (`K`).
    pub kv_heads: usize,
    /// Width of a head (`Dh`).
    pub head_dim: usize,
    /// Factor on scores.
    pub scale: f32,
    /// `cap * tanh(score / cap)`, where there is a cap.
    pub softcap: Option<f32>,
    /// Tokens of a sequence; there are `T / sequence` of them.
    pub sequence: usize,
    /// The first token each token sees, `[T]`.
    pub first: &'a [usize],
    /// Precision of the products.
    pub precision: Precision,
}

/// Queries, keys and values.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// `[T, H, Dh]`.
    pub q: &'a [f32],
    /// `[T, K, Dh]`.
    pub k: &'a [f32],
    /// `[T, K, Dh]`.
    pub v: &'a [f32],
}

/// What backward replaces.
#[derive(Debug)]
pub struct Gradients<'a> {
    /// `[T, H, Dh]`.
    pub dq: &'a mut [f32],
    /// `[T, K, Dh]`.
    pub dk: &'a mut [f32],
    /// `[T, K, Dh]`.
    pub dv: &'a mut [f32],
}

/// Some tokens of one sequence and the keys they see.
struct Block {
    start: usize,
    rows: usize,
    key: usize,
    keys: usize,
}

impl TrainingAttention<'_> {
    fn check(&self, x: Inputs<'_>, out: usize, log_sums: usize) {
        let tokens = self.first.len();
        assert!(self.kv_heads > 0 && self.heads.is_multiple_of(self.kv_heads), "whole groups of heads");
        assert!(self.sequence > 0 && tokens.is_multiple_of(self.sequence), "whole sequences");
        let (q, kv) = (tokens * self.heads * self.head_dim, tokens * self.kv_heads * self.head_dim);
        assert!(x.q.len() == q && x.k.len() == kv && x.v.len() == kv && out == q, "[T, heads, Dh]");
        assert_eq!(log_sums, tokens * self.heads, "[H, T]");
        let seen = |(t, first): (usize, &usize)| *first <= t && *first >= t / self.sequence * self.sequence;
        assert!(
            self.first.iter().enumerate().all(seen),
            "a token sees itself and nothing before its sequence"
        );
    }

    fn blocks(&self, sequence: usize) -> impl Iterator<Item = Block> {
        let tokens = sequence * self.sequence..(sequence + 1) * self.sequence;
        let end = tokens.end;
        tokens.step_by(ROWS).map(move |start| {
            let rows = ROWS.min(end - start);
            let key = self.first[start];
            Block { start, rows, key, keys: start + rows - key }
        })
    }

    /// `[rows, Dh]` of head `head` out of `heads`.
    fn head<'x>(&self, x: &'x [f32], start: usize, rows: usize, head: usize, heads: usize) -> MatrixView<'x> {
        let row = heads * self.head_dim;
        MatrixView::of_wider(&x[start * row + head * self.head_dim..], rows, self.head_dim, row)
    }

    /// Writes `[rows, Dh]` to head `head` of `heads`.
    fn put(&self, from: &[f32], to: &DisjointMut<'_, f32>, start: usize, head: usize, heads: usize) {
        for (i, row) in from.chunks_exact(self.head_dim).enumerate() {
            let place = ((start + i) * heads + head) * self.head_dim;
            // SAFETY: each head of a sequence is one task's, and `run` runs each task once.
            #[allow(unsafe_code)]
            unsafe { to.slice(place..place + self.head_dim) }.copy_from_slice(row);
        }
    }
}

impl Cpu {
    /// Attention; `out` and `log_sums` are replaced.
    ///
    /// # Panics
    /// When the shapes do not fit.
    #[allow(unsafe_code)]
    pub fn training_attention(
        &self,
        how: &TrainingAttention<'_>,
        x: Inputs<'_>,
        out: &mut [f32],
        log_sums: &mut [f32],
    ) {
        how.check(x, out.len(), log_sums.len());
        let tokens = how.first.len();
        let (out, log_sums) = (DisjointMut::new(out), DisjointMut::new(log_sums));
        self.pool.run(tokens / how.sequence * how.heads, &|task| {
            let (sequence, head) = (task / how.heads, task % how.heads);
            let kv = head / (how.heads / how.kv_heads);
            let mut scores = self.buffer(ROWS * how.sequence);
            let mut rows_out = self.buffer(ROWS * how.head_dim);
            for block in how.blocks(sequence) {
                let Block { start, rows, key, keys } = block;
                let scores = &mut scores[..rows * keys];
                self.scores(how, x, &block, head, kv, scores);
                // SAFETY: each head of a sequence is one task's, and `run` runs each task once.
                let log_sums = unsafe { log_sums.slice(head * tokens + start..head * tokens + start + rows) };
                let visible = Visible { first: &how.first[start..start + rows], key, start };
                match self.isa {
                    Isa::Scalar => softmax_rows(scores, keys, &visible, how.softcap, log_sums),
                    _ => simd::dispatch(
                        self,
                        Softmax { scores, keys, visible, softcap: how.softcap, log_sums },
                    ),
                }
                let to = &mut rows_out[..rows * how.head_dim];
                let v = how.head(x.v, key, keys, kv, how.kv_heads);
                let p = MatrixView::new(scores, rows, keys);
                self.gemm(p, v, MatrixMut::new(to, rows, how.head_dim), Sum::Replace, how.precision);
                how.put(to, &out, start, head, how.heads);
            }
        });
    }

    /// `scale * q . k` of a block, not capped.
    fn scores(
        &self,
        how: &TrainingAttention<'_>,
        x: Inputs<'_>,
        block: &Block,
        head: usize,
        kv: usize,
        scores: &mut [f32],
    ) {
        let &Block { start, rows, key, keys } = block;
        let q = how.head(x.q, start, rows, head, how.heads);
        let k = how.head(x.k, key, keys, kv, how.kv_heads).transposed();
        self.gemm(q, k, MatrixMut::new(scores, rows, keys), Sum::Replace, how.precision);
        self.scale(scores, how.scale);
    }

    /// Gradients of attention: `out` and `log_sums` are what [`Cpu::training_attention`] made, `d_out` the gradient of `out`.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn training_attention_grad(
        &self,
        how: &TrainingAttention<'_>,
        x: Inputs<'_>,
        out: &[f32],
        log_sums: &[f32],
        d_out: &[f32],
        gradients: Gradients<'_>,
    ) {
        how.check(x, out.len(), log_sums.len());
        let Gradients { dq, dk, dv } = gradients;
        assert!(dq.len() == x.q.len() && dk.len() == x.k.len() && dv.len() == x.v.len(), "as the inputs");
        assert_eq!(d_out.len(), out.len(), "one shape");
        let [dq, dk, dv] = [dq, dk, dv].map(DisjointMut::new);
        let size = how.sequence * how.head_dim;
        self.pool.run(how.first.len() / how.sequence * how.kv_heads, &|task| {
            let (sequence, kv) = (task / how.kv_heads, task % how.kv_heads);
            let (mut key_sums, mut value_sums) = (self.buffer(size), self.buffer(size));
            key_sums.fill(0.0);
            value_sums.fill(0.0);
            let group = how.heads / how.kv_heads;
            let mut work = Backward {
                how,
                x,
                out,
                log_sums,
                d_out,
                key_sums: &mut key_sums,
                value_sums: &mut value_sums,
            };
            for head in kv * group..(kv + 1) * group {
                self.head_grad(&mut work, sequence, head, kv, &dq);
            }
            let start = sequence * how.sequence;
            how.put(&key_sums, &dk, start, kv, how.kv_heads);
            how.put(&value_sums, &dv, start, kv, how.kv_heads);
        });
    }

    fn head_grad(
        &self,
        work: &mut Backward<'_>,
        sequence: usize,
        head: usize,
        kv: usize,
        dq: &DisjointMut<'_, f32>,
    ) {
        let Backward { how, x, out, log_sums, d_out, .. } = *work;
        let (width, tokens, base) = (how.head_dim, how.first.len(), sequence * how.sequence);
        let [mut scores, mut slopes] = [(); 2].map(|()| self.buffer(ROWS * how.sequence));
        let mut rows_dq = self.buffer(ROWS * width);
        for block in how.blocks(sequence) {
            let Block { start, rows, key, keys } = block;
            let (p, ds) = (&mut scores[..rows * keys], &mut slopes[..rows * keys]);
            self.scores(how, x, &block, head, kv, p);
            let d_rows = how.head(d_out, start, rows, head, how.heads);
            let v = how.head(x.v, key, keys, kv, how.kv_heads);
            self.gemm(d_rows, v.transposed(), MatrixMut::new(ds, rows, keys), Sum::Replace, how.precision);
            let row = how.heads * width;
            let slopes = Slopes {
                p,
                ds,
                keys,
                visible: Visible { first: &how.first[start..start + rows], key, start },
                softcap: how.softcap,
                scale: how.scale,
                log_sums: &log_sums[head * tokens + start..][..rows],
                out: &out[start * row + head * width..],
                d_out: &d_out[start * row + head * width..],
                row,
                width,
            };
            match self.isa {
                Isa::Scalar => slopes.scalar(),
                _ => simd::dispatch(self, slopes),
            }
            let (p, ds) = (MatrixView::new(p, rows, keys), MatrixView::new(ds, rows, keys));
            let place = (key - base) * width;
            let to = MatrixMut::new(&mut work.value_sums[place..], keys, width);
            self.gemm(p.transposed(), d_rows, to, Sum::Add, how.precision);
            let q = how.head(x.q, start, rows, head, how.heads);
            let to = MatrixMut::new(&mut work.key_sums[place..], keys, width);
            self.gemm(ds.transposed(), q, to, Sum::Add, how.precision);
            let to = &mut rows_dq[..rows * width];
            let k = how.head(x.k, key, keys, kv, how.kv_heads);
            self.gemm(ds, k, MatrixMut::new(to, rows, width), Sum::Replace, how.precision);
            how.put(to, dq, start, head, how.heads);
        }
    }
}

/// What the heads of a group work on.
struct Backward<'a> {
    how: &'a TrainingAttention<'a>,
    x: Inputs<'a>,
    out: &'a [f32],
    log_sums: &'a [f32],
    d_out: &'a [f32],
    key_sums: &'a mut [f32],
    value_sums: &'a mut [f32],
}

/// Which columns of a block's rows count: from `first[i] - key` to `start + i - key`.
struct Visible<'a> {
    first: &'a [usize],
    key: usize,
    start: usize,
}

impl Visible<'_> {
    fn columns(&self, row: usize) -> std::ops::Range<usize> {
        self.first[row] - self.key..self.start + row + 1 - self.key
    }
}

/// The reference of one row of visible scores: probabilities in place, and the logarithm of their sum.
pub(super) fn softmax<R: Real>(scores: &mut [R], softcap: Option<R>) -> R {
    if let Some(cap) = softcap {
        scores.iter_mut().for_each(|s| *s = cap * (*s / cap).tanh());
    }
    let max = scores.iter().fold(scores[0], |m, &s| if s > m { s } else { m });
    let sum: R = scores.iter().map(|&s| (s - max).exp()).sum();
    let log = max + sum.ln();
    scores.iter_mut().for_each(|s| *s = (*s - log).exp());
    log
}

fn softmax_rows(
    scores: &mut [f32],
    keys: usize,
    visible: &Visible<'_>,
    softcap: Option<f32>,
    log_sums: &mut [f32],
) {
    for (row, (scores, log)) in scores.chunks_exact_mut(keys).zip(log_sums).enumerate() {
        let columns = visible.columns(row);
        *log = softmax(&mut scores[columns.clone()], softcap);
        clear_outside(scores, columns);
    }
}

#[inline(always)]
fn clear_outside(scores: &mut [f32], columns: std::ops::Range<usize>) {
    scores[..columns.start].fill(0.0);
    scores[columns.end..].fill(0.0);
}

struct Softmax<'a> {
    scores: &'a mut [f32],
    keys: usize,
    visible: Visible<'a>,
    softcap: Option<f32>,
    log_sums: &'a mut [f32],
}

impl Kernel for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (row, (scores, log)) in self.scores.chunks_exact_mut(self.keys).zip(self.log_sums).enumerate() {
            let columns = self.visible.columns(row);
            let visible = &mut scores[columns.clone()];
            if let Some(cap) = self.softcap {
                simd::map(
                    s,
                    visible,
                    #[inline(always)]
                    |x| capped(s, x, cap),
                );
            }
            let max = visible.chunks_exact(S::LANES).fold(
                s.splat(f32::NEG_INFINITY),
                #[inline(always)]
                |m, x| s.max(s.load(x), m),
            );
            let rest = visible.chunks_exact(S::LANES).remainder();
            let max = rest.iter().fold(s.largest(max), |m, &x| if x > m { x } else { m });
            let shift = s.splat(-max);
            simd::map(
                s,
                visible,
                #[inline(always)]
                |x| math::exp(s, s.add(x, shift)),
            );
            let sum = sum_map(
                s,
                visible,
                #[inline(always)]
                |x| x,
            );
            let factor = s.splat(1.0 / sum);
            simd::map(
                s,
                visible,
                #[inline(always)]
                |x| s.mul(x, factor),
            );
            *log = max + sum.ln();
            clear_outside(scores, columns);
        }
    }
}

#[inline(always)]
fn capped<S: Simd>(s: S, x: S::F, cap: f32) -> S::F {
    s.mul(s.splat(cap), math::tanh(s, s.mul(x, s.splat(1.0 / cap))))
}

/// Turns scores into probabilities `p` and `do . v` into `ds`.
struct Slopes<'a> {
    p: &'a mut [f32],
    ds: &'a mut [f32],
    keys: usize,
    visible: Visible<'a>,
    softcap: Option<f32>,
    scale: f32,
    log_sums: &'a [f32],
    /// From the head's first element of the first row; rows are `row` apart.
    out: &'a [f32],
    d_out: &'a [f32],
    row: usize,
    width: usize,
}

impl Slopes<'_> {
    fn scalar(self) {
        let rows = self.p.chunks_exact_mut(self.keys).zip(self.ds.chunks_exact_mut(self.keys));
        for (row, ((p, ds), log)) in rows.zip(self.log_sums).enumerate() {
            let columns = self.visible.columns(row);
            let place = row * self.row..row * self.row + self.width;
            let delta: f32 = self.out[place.clone()].iter().zip(&self.d_out[place]).map(|(o, d)| o * d).sum();
            for (p, ds) in p[columns.clone()].iter_mut().zip(&mut ds[columns.clone()]) {
                let capped = self.softcap.map_or(*p, |cap| cap * (*p / cap).tanh());
                let slope = self.softcap.map_or(1.0, |cap| 1.0 - (capped / cap).powi(2));
                *p = (capped - log).exp();
                *ds = *p * (*ds - delta) * slope * self.scale;
            }
            clear_outside(p, columns.clone());
            clear_outside(ds, columns);
        }
    }
}

impl Kernel for Slopes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let rows = self.p.chunks_exact_mut(self.keys).zip(self.ds.chunks_exact_mut(self.keys));
        for (row, ((p, ds), log)) in rows.zip(self.log_sums).enumerate() {
            let columns = self.visible.columns(row);
            let place = row * self.row..row * self.row + self.width;
            let delta: f32 = dot(s, &self.out[place.clone()], &self.d_out[place]);
            let (shift, delta, scale) = (s.splat(-log), s.splat(-delta), s.splat(self.scale));
            let pairs = p[columns.clone()].chunks_mut(S::LANES).zip(ds[columns.clone()].chunks_mut(S::LANES));
            for (p, ds) in pairs {
                let whole = p.len() == S::LANES;
                let [score, d] = [&*p, &*ds].map(
                    #[inline(always)]
                    |from: &[f32]| if whole { s.load(from) } else { load_partial(s, from) },
                );
                let (score, slope) = match self.softcap {
                    Some(cap) => {
                        let score = capped(s, score, cap);
                        let part = s.mul(score, s.splat(1.0 / cap));
                        (score, s.mul(scale, s.sub(s.splat(1.0), s.mul(part, part))))
                    }
                    None => (score, scale),
                };
                let probability = math::exp(s, s.add(score, shift));
                let d = s.mul(s.mul(probability, s.add(d, delta)), slope);
                for (value, to) in [(probability, p), (d, ds)] {
                    if whole { s.store(value, to) } else { store_partial(s, value, to) }
                }
            }
            clear_outside(p, columns.clone());
            clear_outside(ds, columns);
        }
    }
}

#[inline(always)]
fn dot<S: Simd>(s: S, a: &[f32], b: &[f32]) -> f32 {
    let mut sum = s.splat(0.0);
    for (a, b) in a.chunks(S::LANES).zip(b.chunks(S::LANES)) {
        let whole = a.len() == S::LANES;
        let (a, b) = if whole { (s.load(a), s.load(b)) } else { (load_partial(s, a), load_partial(s, b)) };
        sum = s.mul_add(a, b, sum);
    }
    s.sum(sum)
}
