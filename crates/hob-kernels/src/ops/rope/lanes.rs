//! Every vector level; pairs beyond a whole number of vectors go to the reference.

use super::{RopeLayout, scalar};
use crate::simd::{Kernel, Simd};

/// The rows of `angles` belong to consecutive tokens of `x`, each `heads * head_dim` wide.
pub(super) struct Rope<'a> {
    pub x: &'a mut [f32],
    pub row: usize,
    pub head_dim: usize,
    pub layout: RopeLayout,
    pub pairs: usize,
    pub cos: &'a [f32],
    pub sin: &'a [f32],
}

impl Kernel for Rope<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let angles = self.cos.chunks_exact(self.pairs).zip(self.sin.chunks_exact(self.pairs));
        for (token, (cos, sin)) in self.x.chunks_exact_mut(self.row).zip(angles) {
            for head in token.chunks_exact_mut(self.head_dim) {
                match self.layout {
                    RopeLayout::Halves => halves(s, head, cos, sin),
                    RopeLayout::Adjacent => adjacent(s, head, cos, sin),
                }
            }
        }
    }
}

#[inline(always)]
fn halves<S: Simd>(s: S, head: &mut [f32], cos: &[f32], sin: &[f32]) {
    let pairs = cos.len();
    let whole = pairs - pairs % S::LANES;
    let (first, second) = head[..2 * pairs].split_at_mut(pairs);
    for k in (0..whole).step_by(S::LANES) {
        let (u, v) = turn(s, s.load(&first[k..]), s.load(&second[k..]), &cos[k..], &sin[k..]);
        s.store(u, &mut first[k..]);
        s.store(v, &mut second[k..]);
    }
    for k in whole..pairs {
        (first[k], second[k]) = scalar::turn(first[k], second[k], cos[k], sin[k]);
    }
}

#[inline(always)]
fn adjacent<S: Simd>(s: S, head: &mut [f32], cos: &[f32], sin: &[f32]) {
    let pairs = cos.len();
    let whole = pairs - pairs % S::LANES;
    for k in (0..whole).step_by(S::LANES) {
        let (low, high) = head[2 * k..2 * (k + S::LANES)].split_at_mut(S::LANES);
        let (u, v) = s.unzip(s.load(low), s.load(high));
        let (u, v) = turn(s, u, v, &cos[k..], &sin[k..]);
        let (a, b) = s.zip(u, v);
        s.store(a, low);
        s.store(b, high);
    }
    for k in whole..pairs {
        (head[2 * k], head[2 * k + 1]) = scalar::turn(head[2 * k], head[2 * k + 1], cos[k], sin[k]);
    }
}

#[inline(always)]
fn turn<S: Simd>(s: S, u: S::F, v: S::F, cos: &[f32], sin: &[f32]) -> (S::F, S::F) {
    let (cos, sin) = (s.load(cos), s.load(sin));
    // Two roundings per product as in the reference: with a fused one, heads of different widths would differ by their tails.
    (s.sub(s.mul(u, cos), s.mul(v, sin)), s.add(s.mul(v, cos), s.mul(u, sin)))
}
