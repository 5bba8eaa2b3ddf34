//! What happens to a sum on its way out: bias, output range, and its place in `[T, out]`.
#![allow(unsafe_code)]

use super::activations::ROUND;
use crate::{DisjointMut, Linear};
use std::ops::Range;

/// The output of one layer, written by several chunks of rows at once.
pub(super) struct Finish<'a> {
    out: DisjointMut<'a, f32>,
    rows: usize,
    tokens: usize,
    bias: Option<&'a [f32]>,
    output_scale: Option<f32>,
}

impl<'a> Finish<'a> {
    /// Writes to `out` (`[tokens, out]`) what belongs to `linear`.
    pub(super) fn new(linear: &'a Linear, tokens: usize, out: &'a mut [f32]) -> Self {
        let (bias, rows) = (linear.bias.as_deref(), linear.weight.rows());
        assert!(bias.is_none_or(|b| b.len() == rows), "one bias per output");
        assert_eq!(out.len(), tokens * rows, "out is [T, out]");
        Self { out: DisjointMut::new(out), rows, tokens, bias, output_scale: linear.output_scale }
    }

    /// Stores `W x` of one token and row as the layer's output. Only the chunk that owns `row` may call this.
    #[inline]
    pub(super) fn put(&self, token: usize, row: usize, sum: f32) {
        self.put_run(token, row, &[sum]);
    }

    /// Stores consecutive rows of one token. Only the chunk that owns these rows may call this.
    #[inline(always)]
    pub(super) fn put_run(&self, token: usize, first_row: usize, sums: &[f32]) {
        let at = token * self.rows + first_row;
        // SAFETY: chunks own disjoint rows (`project` hands each out once), a chunk is one thread's, and the piece
        // ends with this call.
        let out = unsafe { self.out.slice(at..at + sums.len()) };
        match self.bias {
            Some(bias) => {
                let terms = sums.iter().zip(&bias[first_row..first_row + sums.len()]);
                out.iter_mut().zip(terms).for_each(|(y, (sum, bias))| *y = sum + bias);
            }
            None => out.iter_mut().zip(sums).for_each(|(y, sum)| *y = *sum),
        }
        if let Some(scale) = self.output_scale {
            out.iter_mut().for_each(|y| *y = round_to_range(*y, scale));
        }
    }

    /// The same for the rows of a panel, of which the last may lack some: whole ones are no loop and no call.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) fn put_panel<const N: usize>(&self, token: usize, rows: &Range<usize>, sums: &[f32; N]) {
        if rows.len() == N {
            self.put_run(token, rows.start, sums);
        } else {
            self.put_run(token, rows.start, &sums[..rows.len()]);
        }
    }

    /// Stores empty sums for `rows`.
    pub(super) fn fill_empty(&self, rows: Range<usize>) {
        (0..self.tokens).for_each(|token| rows.clone().for_each(|row| self.put(token, row, 0.0)));
    }
}

/// `clamp(round_half_even(y / step), -128, 127) * step`, in operations that every CPU has as vectors: the bounds are
/// integers, so clamping first changes nothing, and then the sum with `ROUND` has no room for a fraction.
#[inline(always)]
fn round_to_range(y: f32, step: f32) -> f32 {
    ((y / step).clamp(-128.0, 127.0) + ROUND - ROUND) * step
}

#[cfg(test)]
mod tests {
    #[test]
    fn rounding_is_the_definition() {
        let halves = (-600..600).map(|i| i as f32 / 4.0);
        let others = [f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 1e-40, 127.49999, -128.5, 0.49999997];
        for y in halves.chain(others) {
            for step in [1.0, 0.5, 0.3] {
                let expected = super::super::scalar::round_to_range(y, step);
                assert_eq!(super::round_to_range(y, step), expected, "{y} {step}");
            }
        }
        assert!(super::round_to_range(f32::NAN, 1.0).is_nan());
    }
}
