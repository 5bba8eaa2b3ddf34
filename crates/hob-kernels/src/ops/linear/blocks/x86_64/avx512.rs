//! The dot of one unit with AVX-512 VNNI: 16 lanes of four products, a group of 32 columns being four lanes.

use super::{Unit, WeightUnit, format_of};
use std::arch::x86_64::*;

/// What a row and a token add up to: in the four lanes `4 * j ..` what groups `j` of all chunks of 128 columns do.
pub(super) type Sums = __m512;

// SAFETY: vectors of floats have no invalid bit patterns; zero bits are zeros.
pub(super) const ZERO: Sums = unsafe { std::mem::zeroed() };

/// Adds the dot of one unit to `sums`. `groups.rs` does the same additions in the same order.
#[inline]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
pub(super) fn add_unit<const F: usize>(w: &WeightUnit, x: &Unit, sums: &mut Sums) {
    let format = const { format_of::<F>() };
    let steps = load8(&x.steps);
    let negative = [load8i(&x.negative_sums[0]), load8i(&x.negative_sums[1])];
    let halves = if format.halves { 2 } else { 1 };
    for h in 0..halves {
        let negative = if format.halves { negative[h] } else { _mm256_add_epi32(negative[0], negative[1]) };
        let scales = _mm512_castps256_ps512(_mm256_mul_ps(load8(&w.scales[h]), steps));
        // The zero point: offset * -sum(x), placed in the first of each group's four lanes.
        let shift = _mm_cvtsi32_si128(format.offset.max(1).trailing_zeros() as i32);
        let starts = _mm512_castsi256_si512(_mm256_sll_epi32(negative, shift));
        let minus_x = _mm512_castps256_ps512(_mm256_mul_ps(_mm256_cvtepi32_ps(negative), steps));
        for chunk in 0..2 {
            let spread = _mm512_add_epi32(
                _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3),
                _mm512_set1_epi32(4 * chunk as i32),
            );
            let mut dots = if format.offset == 0 {
                _mm512_setzero_si512()
            } else {
                _mm512_maskz_permutexvar_epi32(0x1111, spread, starts)
            };
            dots = _mm512_dpbusd_epi32(dots, codes(w, 2 * chunk + h), values(x, 2 * chunk + h));
            if !format.halves {
                dots = _mm512_dpbusd_epi32(dots, codes(w, 2 * chunk + 1), values(x, 2 * chunk + 1));
            }
            // All four lanes get the whole group, which is an integer that a float holds exactly.
            dots = _mm512_add_epi32(dots, _mm512_shuffle_epi32::<0b10_11_00_01>(dots));
            dots = _mm512_add_epi32(dots, _mm512_shuffle_epi32::<0b01_00_11_10>(dots));
            let scale = _mm512_permutexvar_ps(spread, scales);
            *sums = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), scale, *sums);
            if format.mins {
                let mins = _mm512_permutexvar_ps(spread, _mm512_castps256_ps512(load8(&w.mins[h])));
                *sums = _mm512_fmadd_ps(mins, _mm512_permutexvar_ps(spread, minus_x), *sums);
            }
        }
    }
}

/// `(groups 0 + groups 2) + (groups 1 + groups 3)`.
#[inline]
#[target_feature(enable = "avx2,fma,avx512f,avx512dq")]
pub(super) fn finish(sums: Sums) -> f32 {
    let pairs = _mm256_add_ps(_mm512_castps512_ps256(sums), _mm512_extractf32x8_ps::<1>(sums));
    _mm_cvtss_f32(_mm_add_ss(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps::<1>(pairs)))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn codes(w: &WeightUnit, part: usize) -> __m512i {
    let codes = &w.codes.as_chunks::<64>().0[part];
    // SAFETY: `codes` is 64 readable bytes and this load needs no alignment.
    unsafe { _mm512_loadu_si512(codes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn values(x: &Unit, part: usize) -> __m512i {
    let codes = &x.codes.as_chunks::<64>().0[part];
    // SAFETY: `codes` is 64 readable bytes and this load needs no alignment.
    unsafe { _mm512_loadu_si512(codes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load8(values: &[f32; 8]) -> __m256 {
    // SAFETY: `values` is 32 readable bytes and this load needs no alignment.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load8i(values: &[i32; 8]) -> __m256i {
    // SAFETY: `values` is 32 readable bytes and this load needs no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}
