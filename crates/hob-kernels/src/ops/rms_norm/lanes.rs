//! Every vector level.

use crate::simd::{Kernel, Simd, map, sum_map, zip_map};

pub(super) struct RmsNorm<'a> {
    pub rows: &'a mut [f32],
    pub width: usize,
    pub weight: Option<&'a [f32]>,
    pub eps: f32,
}

impl Kernel for RmsNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for row in self.rows.chunks_exact_mut(self.width) {
            let squares = sum_map(
                s,
                row,
                #[inline(always)]
                |x| s.mul(x, x),
            );
            let scale = s.splat(1.0 / (squares / self.width as f32 + self.eps).sqrt());
            match self.weight {
                Some(weight) => zip_map(
                    s,
                    row,
                    weight,
                    #[inline(always)]
                    |x, w| s.mul(x, s.mul(scale, w)),
                ),
                None => map(
                    s,
                    row,
                    #[inline(always)]
                    |x| s.mul(x, scale),
                ),
            }
        }
    }
}
