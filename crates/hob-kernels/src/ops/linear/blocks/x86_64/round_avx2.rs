//! Rounding an unpacked unit to one scale with AVX2. The 256 values do not fit its registers, so they wait on the stack.

use super::WeightUnit;
use crate::ops::linear::activations::{Step, UNIT};
use crate::ops::linear::blocks::format::Format;
use std::arch::x86_64::*;

/// The same arithmetic as `panel::round_to_one_scale`, to the bit.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn round_to_one_scale(format: Format, unit: &WeightUnit, out: &mut [u8; UNIT]) -> f32 {
    let offset = _mm256_set1_epi32(i32::from(format.offset));
    let magnitude = _mm256_set1_epi32(0x7fff_ffff);
    let (mut values, mut largest) = ([_mm256_setzero_ps(); UNIT / 8], _mm256_setzero_si256());
    for (place, codes) in unit.codes.as_chunks::<8>().0.iter().enumerate() {
        let run = place / 2;
        let (group, half) = (run / 8 * 4 + run % 4, if format.halves { run / 4 % 2 } else { 0 });
        let codes = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(i64::from_le_bytes(*codes)));
        let codes = _mm256_cvtepi32_ps(_mm256_sub_epi32(codes, offset));
        let mut value = _mm256_mul_ps(codes, _mm256_set1_ps(unit.scales[half][group]));
        if format.mins {
            value = _mm256_sub_ps(value, _mm256_set1_ps(unit.mins[half][group]));
        }
        values[place] = value;
        largest = _mm256_max_epu32(largest, _mm256_and_si256(_mm256_castps_si256(value), magnitude));
    }
    let largest = if format.nibbles { unit.largest_nibble(format) } else { largest_lane(largest) };
    let step = Step::of(largest);
    let inverse = _mm256_set1_ps(step.inverse);
    let rounded = |value: __m256| _mm256_cvtps_epi32(_mm256_mul_ps(value, inverse));
    for (values, out) in values.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<32>().0) {
        // A NaN or infinity makes the inverse zero and the step NaN; its own code is whatever conversion gives.
        let [a, b, c, d] = values.map(rounded);
        let packed = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
        // Packing works in each half of a register; this puts the eights of values back in order.
        let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
        let codes = _mm256_xor_si256(_mm256_permutevar8x32_epi32(packed, order), _mm256_set1_epi8(-128));
        // SAFETY: 32 writable bytes; the store needs no alignment.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), codes) }
    }
    step.step
}

#[inline]
#[target_feature(enable = "avx2")]
fn largest_lane(lanes: __m256i) -> u32 {
    let four = _mm_max_epu32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256::<1>(lanes));
    let two = _mm_max_epu32(four, _mm_shuffle_epi32::<0b01_00_11_10>(four));
    let one = _mm_max_epu32(two, _mm_shuffle_epi32::<0b10_11_00_01>(two));
    _mm_cvtsi128_si32(one) as u32
}
