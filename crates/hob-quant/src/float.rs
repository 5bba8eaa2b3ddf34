//! Small float formats, decoded exactly: binary16, bfloat16, and the 8-bit scales of the FP4 types.
//!
//! The conversions are branch-free integer arithmetic, so loops over rows vectorise on the baseline CPU and
//! subnormals cost no more than other values.

use half::f16;

/// The f32 with the value of the IEEE binary16 number `bits`; exact, keeps infinities and NaN payloads.
#[inline]
pub fn f16_to_f32(bits: u16) -> f32 {
    const REBIAS: u32 = (127 - 15) << 23;
    const SMALLEST_NORMAL: u32 = 0x0400;
    const INFINITY: u32 = 0x7C00;
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7FFF);
    let widened = (magnitude << 13) + REBIAS;
    // With a subnormal's bits as fraction, `2^-14 * (1 + fraction)` is a normal f32; taking 2^-14 away leaves the value.
    let subnormal = (f32::from_bits(widened + (1 << 23)) - f32::from_bits(REBIAS + (1 << 23))).to_bits();
    let infinite = if magnitude >= INFINITY { REBIAS } else { 0 };
    let finite = if magnitude < SMALLEST_NORMAL { subnormal } else { widened };
    f32::from_bits(sign | (finite + infinite))
}

/// The f32 with the value of the bfloat16 number `bits`, which is its upper half.
#[inline]
pub fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// `2^(e - 128)`: half the value of an OCP e8m0 scale, the factor that goes with the doubled [`FP4_VALUES`].
///
/// The NaN code 255 is decoded as 2^127, as ggml does. Source: OCP Microscaling Formats 1.0; ggml for the halving.
///
/// [`FP4_VALUES`]: crate::FP4_VALUES
#[inline]
pub fn e8m0_half_to_f32(e: u8) -> f32 {
    // 2^-128 and 2^-127 are subnormal: they have fraction bits and no exponent.
    let bits = if e < 2 { 0x0020_0000 << e } else { u32::from(e - 1) << 23 };
    f32::from_bits(bits)
}

/// Half the value of an unsigned e4m3 scale (bias 7), the factor that goes with the doubled [`FP4_VALUES`].
///
/// The top bit is ignored by the format and must be clear; the NaN code 0x7F decodes to zero, as ggml does.
///
/// [`FP4_VALUES`]: crate::FP4_VALUES
#[inline]
pub fn ue4m3_half_to_f32(code: u8) -> f32 {
    if code == 0x7F {
        return 0.0;
    }
    let exponent = u32::from(code >> 3) & 15;
    let fraction = u32::from(code & 7);
    if exponent == 0 {
        return fraction as f32 * (1.0 / 1024.0);
    }
    f32::from_bits(((exponent + 127 - 7 - 1) << 23) | (fraction << 20))
}

/// Rounds to binary16 (nearest, ties to even) and stores it at `at`; `None` when the value overflows that format.
pub(crate) fn store_f16(block: &mut [u8], at: usize, value: f32) -> Option<()> {
    let rounded = f16::from_f32(value);
    block[at..at + 2].copy_from_slice(&rounded.to_le_bytes());
    rounded.is_finite().then_some(())
}

/// The value binary16 keeps of `value`.
pub(crate) fn through_f16(value: f32) -> f32 {
    f16_to_f32(f16::from_f32(value).to_bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_f16_equals_the_half_crate() {
        for bits in 0..=u16::MAX {
            let (ours, theirs) = (f16_to_f32(bits), f16::from_bits(bits).to_f32());
            assert!(ours.to_bits() == theirs.to_bits() || (ours.is_nan() && theirs.is_nan()), "{bits:#06x}");
        }
    }

    #[test]
    fn every_fp4_scale_is_the_power_formula() {
        for e in 0..=u8::MAX {
            assert_eq!(f64::from(e8m0_half_to_f32(e)), (f64::from(e) - 128.0).exp2(), "e8m0 {e}");
        }
        for code in 0..0x7F_u8 {
            let (exponent, fraction) = (i32::from(code >> 3), f64::from(code & 7) / 8.0);
            let value = if exponent == 0 {
                fraction * (-6_f64).exp2()
            } else {
                (1.0 + fraction) * f64::from(exponent - 7).exp2()
            };
            assert_eq!(f64::from(ue4m3_half_to_f32(code)), value / 2.0, "ue4m3 {code}");
        }
    }
}
