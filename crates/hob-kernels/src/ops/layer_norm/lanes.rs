//! Every vector level.

use crate::simd::{Kernel, Simd, map, sum_map, zip_map};

pub(super) struct LayerNorm<'a> {
    pub rows: &'a mut [f32],
    pub weight: &'a [f32],
    pub bias: Option<&'a [f32]>,
    pub eps: f32,
}

impl Kernel for LayerNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let width = self.weight.len();
        for row in self.rows.chunks_exact_mut(width) {
            let mean = s.splat(
                sum_map(
                    s,
                    row,
                    #[inline(always)]
                    |x| x,
                ) / width as f32,
            );
            // The row is centred before it is squared: a mean far from zero would otherwise cancel every digit.
            map(
                s,
                row,
                #[inline(always)]
                |x| s.sub(x, mean),
            );
            let squares = sum_map(
                s,
                row,
                #[inline(always)]
                |x| s.mul(x, x),
            );
            let scale = s.splat(1.0 / (squares / width as f32 + self.eps).sqrt());
            zip_map(
                s,
                row,
                self.weight,
                #[inline(always)]
                |x, w| s.mul(s.mul(x, scale), w),
            );
            if let Some(bias) = self.bias {
                zip_map(
                    s,
                    row,
                    bias,
                    #[inline(always)]
                    |x, b| s.add(x, b),
                );
            }
        }
    }
}
