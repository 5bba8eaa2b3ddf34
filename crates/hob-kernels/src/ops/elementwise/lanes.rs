//! Every vector level.

use crate::simd::{Kernel, Simd, map, math, zip_map};

pub(super) struct AddScaled<'a> {
    pub x: &'a mut [f32],
    pub factor: f32,
    pub y: &'a [f32],
}

impl Kernel for AddScaled<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let factor = s.splat(self.factor);
        zip_map(
            s,
            self.x,
            self.y,
            #[inline(always)]
            |x, y| s.mul_add(factor, y, x),
        );
    }
}

pub(super) struct Scale<'a> {
    pub x: &'a mut [f32],
    pub factor: f32,
}

impl Kernel for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let factor = s.splat(self.factor);
        map(
            s,
            self.x,
            #[inline(always)]
            |x| s.mul(x, factor),
        );
    }
}

pub(super) struct Softcap<'a> {
    pub x: &'a mut [f32],
    pub cap: f32,
}

impl Kernel for Softcap<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let cap = s.splat(self.cap);
        map(
            s,
            self.x,
            #[inline(always)]
            |x| s.mul(cap, math::tanh(s, s.div(x, cap))),
        );
    }
}
