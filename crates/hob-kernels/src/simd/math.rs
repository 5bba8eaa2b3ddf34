//! Exponential, hyperbolic tangent and error function on vectors.
//!
//! The polynomials are minimax fits (Lawson's iteration on Chebyshev nodes in f64) made for these intervals; each function
//! states the error of its fit and the bound that `tests.rs` holds the whole function to.

use super::{Lanes, Pairs, Simd};

/// `c[0] + c[1] x + c[2] x^2 + ...`
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(s: S, x: S::F, c: [f32; N]) -> S::F {
    let mut sum = s.splat(c[N - 1]);
    for c in c[..N - 1].iter().rev() {
        sum = s.mul_add(sum, x, s.splat(*c));
    }
    sum
}

/// `e^x`, within `2 * EPSILON` relative; 0 below -87.3, and the value at 88 above that. NaN stays NaN.
///
/// Fit of `(e^r - 1 - r) / r^2` on `|r| <= ln(2) / 2`: 3.1e-9 relative to `e^r`.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    const LOWEST: f32 = -87.3;
    // ln 2 in two parts, the first with so few bits that its product with any exponent is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    const FIT: [f32; 5] = [0.499_999_93, 0.166_665_2, 0.041_668_39, 0.008_368_71, 0.001_381_461_3];
    let bounded = s.max(s.splat(LOWEST), s.min(s.splat(88.0), x));
    let n = s.round(s.mul(bounded, s.splat(std::f32::consts::LOG2_E)));
    let r = s.mul_add(n, s.splat(-LN2_HIGH), bounded);
    let r = s.mul_add(n, s.splat(-LN2_LOW), r);
    let power = s.add(s.mul_add(s.mul(r, r), polynomial(s, r, FIT), r), s.splat(1.0));
    s.select_less(x, s.splat(LOWEST), s.splat(0.0), s.mul(power, s.exp2_integer(n)))
}

/// `2^x`, within 7.6e-5 relative, for results that become bf16 (which rounds by up to 3.9e-3); 0 below -160, for `x` below
/// 120. NaN stays NaN.
///
/// Fit of `2^r` on `|r| <= 1/2`: 7.5e-5 relative.
#[inline(always)]
pub(crate) fn exp2_for_bf16<P: Pairs>(p: P, x: Lanes<P>) -> Lanes<P> {
    let s = p.floats();
    const FIT: [f32; 4] = [0.999_928_06, 0.693_260_97, 0.242_611_13, 0.055_171_67];
    // An infinity would leave no remainder.
    let x = s.max(s.splat(-200.0), x);
    let n = s.round(x);
    p.scale(polynomial(s, s.sub(x, n), FIT), n)
}

/// `2^x`, within `3 * EPSILON` relative, for `x` up to 127; 0 below -126. NaN stays NaN.
///
/// Fit of `2^r` on `|r| <= 1/2`: 7.5e-8 relative.
#[inline(always)]
pub(crate) fn exp2<S: Simd>(s: S, x: S::F) -> S::F {
    const FIT: [f32; 6] =
        [1.000_000_1, 0.693_146_94, 0.240_221_2, 0.055_507_13, 0.009_675_541, 0.001_327_647_3];
    const LOWEST: f32 = -126.0;
    let bounded = s.max(s.splat(LOWEST), x);
    let n = s.round(bounded);
    let power = s.mul(polynomial(s, s.sub(bounded, n), FIT), s.exp2_integer(n));
    s.select_less(x, s.splat(LOWEST), s.splat(0.0), power)
}

/// `1 / (1 + e^-x)`, within `4 * EPSILON` absolute.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(s: S, x: S::F) -> S::F {
    let one = s.splat(1.0);
    s.div(one, s.add(one, exp(s, s.sub(s.splat(0.0), x))))
}

/// `tanh x`, within `4 * EPSILON` relative.
///
/// Near zero the difference of two numbers near 1 would leave no digits, hence the fit of `(tanh x / x - 1) / x^2` on
/// `|x| < 0.625`: 4.1e-9 relative to `tanh x / x`.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(s: S, x: S::F) -> S::F {
    const FIT: [f32; 5] = [-0.333_332_84, 0.133_314_91, -0.053_743_5, 0.020_650_587, -0.005_717_045];
    let magnitude = s.abs(x);
    let square = s.mul(x, x);
    let near = s.mul_add(s.mul(square, x), polynomial(s, square, FIT), x);
    let double = s.add(magnitude, magnitude);
    let far = s.sub(s.splat(1.0), s.div(s.splat(2.0), s.add(exp(s, double), s.splat(1.0))));
    s.select_less(magnitude, s.splat(0.625), near, with_sign(s, far, x))
}

/// `erf x`, within `2 * EPSILON` absolute.
///
/// Fits: `erf(x) / x` in `x^2` on `|x| < 1` (5.7e-10), and `erfc(x) e^(x^2)` in `1 / (1 + x / 2)` above (3.5e-11 on `erfc`).
#[inline(always)]
pub(crate) fn erf<S: Simd>(s: S, x: S::F) -> S::F {
    const NEAR: [f32; 7] = [
        std::f32::consts::FRAC_2_SQRT_PI,
        -0.376_126_06,
        0.112_834_3,
        -0.026_848_592,
        0.005_179_75,
        -7.942_357e-4,
        7.647_119_5e-5,
    ];
    const FAR: [f32; 6] =
        [0.001_822_477_3, 0.259_700_65, 0.396_801_94, -0.064_460_4, 0.636_679_8, -0.230_801_6];
    let magnitude = s.abs(x);
    let square = s.mul(x, x);
    let near = s.mul(x, polynomial(s, square, NEAR));
    let t = s.div(s.splat(1.0), s.mul_add(magnitude, s.splat(0.5), s.splat(1.0)));
    let tail = s.mul(exp(s, s.sub(s.splat(0.0), square)), polynomial(s, t, FAR));
    let far = s.sub(s.splat(1.0), tail);
    s.select_less(magnitude, s.splat(1.0), near, with_sign(s, far, x))
}

#[inline(always)]
fn with_sign<S: Simd>(s: S, magnitude: S::F, sign: S::F) -> S::F {
    s.select_less(sign, s.splat(0.0), s.sub(s.splat(0.0), magnitude), magnitude)
}
