//! `exp` and `ln` from additions, multiplications and bit moves only.
//!
//! The C library's versions differ in the last bit between platforms, and one bit can move a cumulative sum across
//! the drawn number. Rust never contracts `a * b + c`, so these give the same bits everywhere, and the compiler can
//! vectorise them. Relative error: below `2^-50` (checked in the tests against the standard library).

use std::f64::consts::{LN_2, LOG2_E};

/// `LN_2` without its low 32 bits, so that `k * LN2_HI` is exact for every exponent.
const LN2_HI: f64 = f64::from_bits(LN_2.to_bits() & 0xffff_ffff_0000_0000);
/// What `LN2_HI` leaves out: `LN_2 - LN2_HI`, plus the part of ln 2 that an f64 cannot hold (2.319e-17).
const LN2_LO: f64 = (LN_2 - LN2_HI) + 2.319_046_813_846_299_6e-17;
/// Adding and subtracting 1.5 * 2^52 rounds to the nearest integer without a call.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// Below this the result is less than 2^-1021; the sums here cannot tell it from zero.
const EXP_MIN: f64 = -708.0;

/// `e^x`; zero below -708, saturating at `e^708` above.
#[inline]
pub(super) fn exp(x: f64) -> f64 {
    let clamped = x.clamp(EXP_MIN, -EXP_MIN);
    let rounded = clamped * LOG2_E + ROUND;
    let k = rounded - ROUND;
    let r = (clamped - k * LN2_HI) - k * LN2_LO;
    // Taylor series: |r| <= ln(2)/2, where the first term left out is below 5e-18.
    let mut p = 1.0 / 6_227_020_800.0;
    for c in [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        p = p * r + c;
    }
    // The integer sits in the low bits of `rounded`; a conversion instruction would keep the loop out of vectors.
    let scale = f64::from_bits((rounded.to_bits() << 52).wrapping_add(1.0f64.to_bits()));
    if x < EXP_MIN { 0.0 } else { p * scale }
}

/// Natural logarithm of a positive, normal `x`.
#[inline]
pub(super) fn ln(x: f64) -> f64 {
    debug_assert!(x >= f64::MIN_POSITIVE && x.is_finite());
    let bits = x.to_bits();
    let mut e = ((bits >> 52) as i64 - 1023) as f64;
    let mut m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    if m > std::f64::consts::SQRT_2 {
        m *= 0.5;
        e += 1.0;
    }
    // ln m = 2 artanh(s); |s| <= 0.172, where the first term left out is below 1e-19.
    let s = (m - 1.0) / (m + 1.0);
    let s2 = s * s;
    let mut p = 0.0;
    for odd in [21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        p = p * s2 + 1.0 / odd;
    }
    e * LN2_HI + (2.0 * s + (2.0 * s * s2 * p + e * LN2_LO))
}

/// Sum in interleaved partial sums: the order is fixed, and the chains are short enough for vector registers.
pub(super) fn sum(values: &[f64]) -> f64 {
    let mut parts = [0.0; 8];
    let chunks = values.chunks_exact(8);
    let tail: f64 = chunks.remainder().iter().sum();
    for chunk in chunks {
        for (p, v) in parts.iter_mut().zip(chunk) {
            *p += v;
        }
    }
    parts.iter().sum::<f64>() + tail
}

/// The largest value, negative infinity for none; values must not be NaN.
#[inline]
pub(super) fn largest(values: &[f32]) -> f32 {
    let max = |m: f32, v: f32| if v > m { v } else { m };
    let mut parts = [f32::NEG_INFINITY; 16];
    let chunks = values.chunks_exact(16);
    let tail = chunks.remainder().iter().fold(f32::NEG_INFINITY, |m, &v| max(m, v));
    for chunk in chunks {
        for (p, &v) in parts.iter_mut().zip(chunk) {
            *p = max(*p, v);
        }
    }
    parts.iter().fold(tail, |m, &v| max(m, v))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_and_ln_agree_with_the_standard_library() {
        let bound = 2f64.powi(-50);
        for i in -70_000..70_000 {
            let x = f64::from(i) * 0.01 + 0.001_234;
            assert!((exp(x) / x.exp() - 1.0).abs() < bound, "exp({x})");
            let y = x.exp();
            let error = (ln(y) - y.ln()).abs();
            assert!(error <= bound * y.ln().abs().max(1e-3), "ln({y}): {error:e}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-1e9), 0.0);
        assert!(exp(1e9).is_finite());
        assert_eq!(ln(1.0), 0.0);
    }
}
