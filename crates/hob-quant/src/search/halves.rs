//! Codebook entries by way of their two halves.
//!
//! With a given step an entry's weighted error is the sum of its halves' errors. There are few different halves, so
//! theirs are computed once for all entries. Where signs must be even in number and are not, one sign is turned in the
//! half where that costs least; so each half's error is needed with a turned sign too.

use super::steps::Moments;

pub(super) const LANES: usize = 8;

/// All combinations of levels of `D` elements, eight side by side, the first element's level counting fastest.
pub(super) struct Patterns<const D: usize, const C: usize>([[[f32; LANES]; D]; C]);

impl<const D: usize, const C: usize> Patterns<D, C> {
    /// Patterns beyond the last combination repeat the first ones, so that the least error is a true one.
    pub(super) const fn new<const LEVELS: usize>(levels: &[i8; LEVELS], shift: i8) -> Self {
        let mut values = [[[0.0; LANES]; D]; C];
        let mut e = 0;
        while e < C * LANES {
            let (mut digits, mut j) = (e, 0);
            while j < D {
                values[e / LANES][j][e % LANES] = (levels[digits % LEVELS] + shift) as f32;
                digits /= LEVELS;
                j += 1;
            }
            e += 1;
        }
        Self(values)
    }

    pub(super) fn values(&self, half: usize) -> [f32; D] {
        std::array::from_fn(|j| self.0[half / LANES][j][half % LANES])
    }
}

/// What the errors of all halves follow from, for `D` elements with weights.
pub(crate) struct HalfSums<const C: usize> {
    xv: [[f32; LANES]; C],
    vv: [[f32; LANES]; C],
    /// `xv` after turning the sign of the element where it costs least.
    turned: [[f32; LANES]; C],
}

impl<const C: usize> HalfSums<C> {
    pub(super) fn new<const D: usize>(patterns: &Patterns<D, C>, wx: &[f32; D], w: &[f32; D]) -> Self {
        let mut sums = Self { xv: [[0.0; LANES]; C], vv: [[0.0; LANES]; C], turned: [[0.0; LANES]; C] };
        for (c, chunk) in patterns.0.iter().enumerate() {
            let (mut xv, mut vv, mut least) = ([0.0; LANES], [0.0; LANES], [f32::INFINITY; LANES]);
            for j in 0..D {
                for lane in 0..LANES {
                    let v = chunk[j][lane];
                    let product = wx[j] * v;
                    xv[lane] += product;
                    vv[lane] += w[j] * v * v;
                    least[lane] = if product < least[lane] { product } else { least[lane] };
                }
            }
            for lane in 0..LANES {
                sums.turned[c][lane] = xv[lane] - 2.0 * least[lane];
            }
            (sums.xv[c], sums.vv[c]) = (xv, vv);
        }
        sums
    }

    /// Weighted error of each half with this step, less that of zeros.
    #[inline(always)]
    pub(super) fn errors(&self, step: f32, turned: bool) -> [[f32; LANES]; C] {
        let xv = if turned { &self.turned } else { &self.xv };
        let (square, double) = (step * step, -2.0 * step);
        let mut errors = [[0.0; LANES]; C];
        for c in 0..C {
            for lane in 0..LANES {
                errors[c][lane] = square * self.vv[c][lane] + double * xv[c][lane];
            }
        }
        errors
    }

    pub(super) fn moments(&self, half: usize, turned: bool) -> Moments {
        let (c, lane) = (half / LANES, half % LANES);
        Moments { xv: if turned { self.turned[c][lane] } else { self.xv[c][lane] }, vv: self.vv[c][lane] }
    }
}
