//! The dot of one unit with AVX2: eight lanes of four products, a group of 32 columns being four lanes.

use super::{Unit, WeightUnit, format_of};
use std::arch::x86_64::*;

/// What a row and a token add up to.
#[derive(Clone, Copy)]
pub(super) struct Sums {
    dots: __m256,
    mins: __m256,
}

impl Sums {
    // SAFETY: vectors of floats have no invalid bit patterns; zero bits are zeros.
    pub(super) const ZERO: Sums = unsafe { std::mem::zeroed() };
}

/// Adds the dot of one unit to `sums`.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn add_unit<const F: usize>(w: &WeightUnit, x: &Unit, sums: &mut Sums) {
    let format = const { format_of::<F>() };
    let steps = load8(&x.steps);
    let negative = [load8i(&x.negative_sums[0]), load8i(&x.negative_sums[1])];
    let halves = if format.halves { 2 } else { 1 };
    for h in 0..halves {
        let negative = if format.halves { negative[h] } else { _mm256_add_epi32(negative[0], negative[1]) };
        let scales = _mm256_mul_ps(load8(&w.scales[h]), steps);
        if format.mins {
            let sums_of_x = _mm256_mul_ps(_mm256_cvtepi32_ps(negative), steps);
            sums.mins = _mm256_fmadd_ps(load8(&w.mins[h]), sums_of_x, sums.mins);
        }
        let shift = _mm_cvtsi32_si128(format.offset.max(1).trailing_zeros() as i32);
        let starts = _mm256_sll_epi32(negative, shift);
        for pair in 0..4 {
            // Groups 2 * pair and 2 * pair + 1 lie side by side in the first and in the second 64 codes of a chunk.
            let place = pair / 2 * 4 + pair % 2;
            let spread = _mm256_add_epi32(
                _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1),
                _mm256_set1_epi32(2 * pair as i32),
            );
            let mut dots = dot::<F>(codes(w, place + 2 * h), values(x, place + 2 * h));
            if !format.halves {
                dots = _mm256_add_epi32(dots, dot::<F>(codes(w, place + 2), values(x, place + 2)));
            }
            if format.offset > 0 {
                // offset * -sum(x), in the first of each group's four lanes.
                let start = _mm256_permutevar8x32_epi32(starts, spread);
                let first = _mm256_setr_epi32(-1, 0, 0, 0, -1, 0, 0, 0);
                dots = _mm256_add_epi32(dots, _mm256_and_si256(start, first));
            }
            let scale = _mm256_permutevar8x32_ps(scales, spread);
            sums.dots = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), scale, sums.dots);
        }
    }
}

/// Sums of four products in each lane. The 16-bit sums of pairs cannot saturate: codes are at most 63 (`2 * 63 * 128`)
/// unless the format is wide, and then both sides are widened before they are multiplied.
#[inline]
#[target_feature(enable = "avx2")]
fn dot<const F: usize>(codes: __m256i, values: __m256i) -> __m256i {
    if const { format_of::<F>().wide } {
        let low = _mm256_madd_epi16(
            _mm256_cvtepu8_epi16(_mm256_castsi256_si128(codes)),
            _mm256_cvtepi8_epi16(_mm256_castsi256_si128(values)),
        );
        let high = _mm256_madd_epi16(
            _mm256_cvtepu8_epi16(_mm256_extracti128_si256::<1>(codes)),
            _mm256_cvtepi8_epi16(_mm256_extracti128_si256::<1>(values)),
        );
        // [low0 low1 | high0 high1] pairwise: four products a lane, each group again in its own four lanes.
        let low_group = _mm_hadd_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256::<1>(low));
        let high_group = _mm_hadd_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256::<1>(high));
        _mm256_set_m128i(high_group, low_group)
    } else {
        _mm256_madd_epi16(_mm256_maddubs_epi16(codes, values), _mm256_set1_epi16(1))
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn finish(sums: Sums) -> f32 {
    let lanes = _mm256_add_ps(sums.dots, sums.mins);
    let quad = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes));
    let pair = _mm_add_ps(quad, _mm_movehl_ps(quad, quad));
    _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn codes(w: &WeightUnit, part: usize) -> __m256i {
    let codes = &w.codes.as_chunks::<32>().0[part];
    // SAFETY: `codes` is 32 readable bytes and this load needs no alignment.
    unsafe { _mm256_loadu_si256(codes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn values(x: &Unit, part: usize) -> __m256i {
    let codes = &x.codes.as_chunks::<32>().0[part];
    // SAFETY: `codes` is 32 readable bytes and this load needs no alignment.
    unsafe { _mm256_loadu_si256(codes.as_ptr().cast()) }
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
