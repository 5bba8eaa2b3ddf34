//! Rounding an unpacked unit to one scale with AVX-512: all 256 values stay in sixteen registers between the two passes.

use super::WeightUnit;
use crate::ops::linear::activations::{Step, UNIT};
use crate::ops::linear::blocks::format::Format;
use std::arch::x86_64::*;

/// The same arithmetic as `panel::round_to_one_scale`, to the bit.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512dq")]
pub(super) fn round_to_one_scale(format: Format, unit: &WeightUnit, out: &mut [u8; UNIT]) -> f32 {
    if format.nibbles {
        return look_up(format, unit, out);
    }
    let offset = _mm512_set1_epi32(i32::from(format.offset));
    let magnitude = _mm512_set1_epi32(0x7fff_ffff);
    let (mut values, mut largest) = ([_mm512_setzero_ps(); 16], _mm512_setzero_si512());
    for (place, codes) in unit.codes.as_chunks::<16>().0.iter().enumerate() {
        let (group, half) = (place / 8 * 4 + place % 4, if format.halves { place / 4 % 2 } else { 0 });
        // SAFETY: 16 readable bytes; the load needs no alignment.
        let codes = unsafe { _mm_loadu_si128(codes.as_ptr().cast()) };
        let codes = _mm512_sub_epi32(_mm512_cvtepu8_epi32(codes), offset);
        let mut value = _mm512_mul_ps(_mm512_cvtepi32_ps(codes), _mm512_set1_ps(unit.scales[half][group]));
        if format.mins {
            value = _mm512_sub_ps(value, _mm512_set1_ps(unit.mins[half][group]));
        }
        values[place] = value;
        largest = _mm512_max_epu32(largest, _mm512_and_si512(_mm512_castps_si512(value), magnitude));
    }
    let step = Step::of(_mm512_reduce_max_epu32(largest));
    let inverse = _mm512_set1_ps(step.inverse);
    let middle = _mm_set1_epi8(-128);
    for (value, out) in values.into_iter().zip(out.as_chunks_mut::<16>().0) {
        // A NaN or infinity makes the inverse zero and the step NaN; its own code is whatever conversion gives.
        let codes = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(value, inverse)));
        // SAFETY: 16 writable bytes; the store needs no alignment.
        unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), _mm_xor_si128(codes, middle)) }
    }
    step.step
}

/// The same for formats with sixteen values to a group: those are rounded, and codes are looked up among them.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512dq")]
fn look_up(format: Format, unit: &WeightUnit, out: &mut [u8; UNIT]) -> f32 {
    let step = Step::of(unit.largest_nibble(format));
    let inverse = _mm512_set1_ps(step.inverse);
    let codes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let codes = _mm512_cvtepi32_ps(_mm512_sub_epi32(codes, _mm512_set1_epi32(i32::from(format.offset))));
    for (chunk, out) in out.as_chunks_mut::<128>().0.iter_mut().enumerate() {
        // A table of sixteen bytes for each of the chunk's four groups, where the shuffle looks for it.
        let mut tables = [_mm_setzero_si128(); 4];
        for (k, table) in tables.iter_mut().enumerate() {
            let mut values = _mm512_mul_ps(codes, _mm512_set1_ps(unit.scales[0][4 * chunk + k]));
            if format.mins {
                values = _mm512_sub_ps(values, _mm512_set1_ps(unit.mins[0][4 * chunk + k]));
            }
            *table = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(values, inverse)));
        }
        let [a, b, c, d] = tables;
        let table = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(a), b);
        let table = _mm512_inserti32x4::<3>(_mm512_inserti32x4::<2>(table, c), d);
        let table = _mm512_xor_si512(table, _mm512_set1_epi8(-128));
        let codes = unit.codes.as_chunks::<128>().0[chunk].as_chunks::<64>().0;
        for (codes, out) in codes.iter().zip(out.as_chunks_mut::<64>().0) {
            // SAFETY: 64 readable and 64 writable bytes; neither access needs alignment.
            unsafe {
                let codes = _mm512_loadu_si512(codes.as_ptr().cast());
                _mm512_storeu_si512(out.as_mut_ptr().cast(), _mm512_shuffle_epi8(table, codes));
            }
        }
    }
    step.step
}
