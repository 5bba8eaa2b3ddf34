//! Codebook entries of eight elements, found by way of their two halves of four.
//!
//! With a given step an entry's weighted error is the sum of its halves' errors. There are few different halves, so
//! theirs are computed once for all entries. Where signs must be even in number and are not, one sign is turned in the
//! half where that costs least; so each half's error is needed with a turned sign too.

use super::steps::Moments;

const LANES: usize = 8;

/// Half entries, eight side by side: `C * 8` of them.
pub(crate) struct Patterns<const C: usize>([[[f32; LANES]; 4]; C]);

impl<const C: usize> Patterns<C> {
    /// The first `COUNT` half entries; the rest is padding.
    pub(crate) const fn new<const COUNT: usize>(entries: &[[i8; 4]; COUNT]) -> Self {
        let mut values = [[[0.0; LANES]; 4]; C];
        let mut e = 0;
        while e < COUNT {
            let mut j = 0;
            while j < 4 {
                values[e / LANES][j][e % LANES] = entries[e][j] as f32;
                j += 1;
            }
            e += 1;
        }
        Self(values)
    }
}

/// The 81 halves that three levels make, the first element's level counting fastest.
pub(crate) const fn ternary_halves(levels: [i8; 3]) -> [[i8; 4]; 81] {
    let mut halves = [[0; 4]; 81];
    let mut e = 0;
    while e < 81 {
        halves[e] = [levels[e % 3], levels[e / 3 % 3], levels[e / 9 % 3], levels[e / 27]];
        e += 1;
    }
    halves
}

/// What the errors of all halves follow from, for four elements of `x` with weights.
pub(crate) struct HalfSums<const C: usize> {
    xv: [[f32; LANES]; C],
    vv: [[f32; LANES]; C],
    /// `xv` after turning the sign of the element where it costs least.
    turned: [[f32; LANES]; C],
}

impl<const C: usize> HalfSums<C> {
    /// `wx` is `w * x`; without signs in the entries, `w * |x|`.
    pub(crate) fn new(patterns: &Patterns<C>, wx: &[f32; 4], w: &[f32; 4]) -> Self {
        let mut sums = Self { xv: [[0.0; LANES]; C], vv: [[0.0; LANES]; C], turned: [[0.0; LANES]; C] };
        for (c, chunk) in patterns.0.iter().enumerate() {
            let (mut xv, mut vv, mut least) = ([0.0; LANES], [0.0; LANES], [f32::INFINITY; LANES]);
            for j in 0..4 {
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
    pub(crate) fn errors(&self, step: f32, turned: bool) -> [[f32; LANES]; C] {
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

    pub(crate) fn moments(&self, entry: usize, turned: bool) -> Moments {
        let (c, lane) = (entry / LANES, entry % LANES);
        Moments { xv: if turned { self.turned[c][lane] } else { self.xv[c][lane] }, vv: self.vv[c][lane] }
    }
}

/// Index and value of the least error.
#[inline(always)]
pub(crate) fn least<const C: usize>(errors: &[[f32; LANES]; C]) -> (usize, f32) {
    let (mut best, mut chunks) = ([f32::INFINITY; LANES], [0_u32; LANES]);
    for (c, errors) in errors.iter().enumerate() {
        for lane in 0..LANES {
            let better = errors[lane] < best[lane];
            best[lane] = if better { errors[lane] } else { best[lane] };
            chunks[lane] = if better { c as u32 } else { chunks[lane] };
        }
    }
    let (mut index, mut error) = (0, f32::INFINITY);
    for lane in 0..LANES {
        if best[lane] < error {
            (index, error) = (chunks[lane] as usize * LANES + lane, best[lane]);
        }
    }
    (index, error)
}
