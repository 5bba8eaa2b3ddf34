//! The dot of one unit with AVX-512 VNNI: lanes of four products, then a lane for each group or half group.

use super::{Unit, WeightUnit, format_of, unpack_avx512};
use std::arch::x86_64::*;

/// What a row and a token add up to, by group.
pub(super) type Sums = __m256;

// SAFETY: vectors of floats have no invalid bit patterns; zero bits are zeros.
pub(super) const ZERO: Sums = unsafe { std::mem::zeroed() };

#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
pub(super) fn unpacked<const F: usize>(bytes: &[u8]) -> WeightUnit {
    let mut unit = WeightUnit::ZERO;
    unpack_avx512::unpack::<F>(bytes, &mut unit);
    unit
}

/// Adds the dot of one unit to `sums`. `groups.rs` does the same additions in the same order.
#[inline]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
pub(super) fn add_unit<const F: usize>(w: &WeightUnit, x: &Unit, sums: &mut Sums) {
    let format = const { format_of::<F>() };
    // The zero point: offset * -sum(x).
    let shift = const { shift_of(format_of::<F>().offset) };
    if format.halves {
        let (negative, steps) = (load16i(&x.negative_sums), _mm512_broadcast_f32x8(load8(&x.steps)));
        let mut dots = half_groups(w, x);
        if format.offset > 0 {
            dots = _mm512_add_epi32(dots, _mm512_sll_epi32(negative, _mm_cvtsi32_si128(shift)));
        }
        let scales = _mm512_mul_ps(load16(&w.scales), steps);
        let mut products = _mm512_mul_ps(_mm512_cvtepi32_ps(dots), scales);
        if format.mins {
            let minus_x = _mm512_mul_ps(_mm512_cvtepi32_ps(negative), steps);
            products = _mm512_fmadd_ps(load16(&w.mins), minus_x, products);
        }
        let (first, second) = (_mm512_castps512_ps256(products), _mm512_extractf32x8_ps::<1>(products));
        *sums = _mm256_add_ps(*sums, _mm256_add_ps(first, second));
    } else {
        let negative = _mm256_add_epi32(load8i(&x.negative_sums[0]), load8i(&x.negative_sums[1]));
        let steps = load8(&x.steps);
        let mut dots = groups(w, x);
        if format.offset > 0 {
            dots = _mm256_add_epi32(dots, _mm256_sll_epi32(negative, _mm_cvtsi32_si128(shift)));
        }
        let scales = _mm256_mul_ps(load8(&w.scales[0]), steps);
        *sums = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), scales, *sums);
        if format.mins {
            let minus_x = _mm256_mul_ps(_mm256_cvtepi32_ps(negative), steps);
            *sums = _mm256_fmadd_ps(load8(&w.mins[0]), minus_x, *sums);
        }
    }
}

/// By how many bits a number is shifted to be multiplied with an offset.
const fn shift_of(offset: u8) -> i32 {
    if offset == 0 { 0 } else { offset.trailing_zeros() as i32 }
}

/// The dots of the eight groups.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn groups(w: &WeightUnit, x: &Unit) -> __m256i {
    let first = dots(w, x, 1, dots(w, x, 0, _mm512_setzero_si512()));
    let second = dots(w, x, 3, dots(w, x, 2, _mm512_setzero_si512()));
    let pairs = added_pairs(first, second);
    let all = _mm512_add_epi32(pairs, _mm512_shuffle_epi32::<0b01_00_11_10>(pairs));
    // In each quarter: its group of the first chunk, that of the second, and both again.
    let places = _mm512_castsi256_si512(_mm256_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13));
    _mm512_castsi512_si256(_mm512_permutexvar_epi32(places, all))
}

/// The dots of the sixteen half groups: first halves, then second ones.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn half_groups(w: &WeightUnit, x: &Unit) -> __m512i {
    let zero = _mm512_setzero_si512();
    let first = added_pairs(dots(w, x, 0, zero), dots(w, x, 1, zero));
    let second = added_pairs(dots(w, x, 2, zero), dots(w, x, 3, zero));
    let all = _mm512_add_epi32(_mm512_unpacklo_epi64(first, second), _mm512_unpackhi_epi64(first, second));
    // In each quarter: the halves of its group of the first chunk, then of the second.
    let places = _mm512_setr_epi32(0, 4, 8, 12, 2, 6, 10, 14, 1, 5, 9, 13, 3, 7, 11, 15);
    _mm512_permutexvar_epi32(places, all)
}

/// In each quarter, sums of half the lanes: `a`, `b`, and those of the other halves.
#[inline]
#[target_feature(enable = "avx512f")]
fn added_pairs(a: __m512i, b: __m512i) -> __m512i {
    _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b))
}

/// Adds the products of 64 codes in lanes of four.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn dots(w: &WeightUnit, x: &Unit, part: usize, start: __m512i) -> __m512i {
    _mm512_dpbusd_epi32(start, codes(w, part), values(x, part))
}

/// `(groups 0, 4 + groups 2, 6) + (groups 1, 5 + groups 3, 7)`.
/// Nothing: groups are added up in the end.
#[inline]
pub(super) fn fold(_sums: &mut Sums) {}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn finish(sums: Sums) -> f32 {
    let chunks = _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps::<1>(sums));
    let pairs = _mm_add_ps(chunks, _mm_movehl_ps(chunks, chunks));
    _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehdup_ps(pairs)))
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

#[inline]
#[target_feature(enable = "avx512f")]
fn load16(values: &[[f32; 8]; 2]) -> __m512 {
    // SAFETY: `values` is 64 readable bytes and this load needs no alignment.
    unsafe { _mm512_loadu_ps(values.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load16i(values: &[[i32; 8]; 2]) -> __m512i {
    // SAFETY: `values` is 64 readable bytes and this load needs no alignment.
    unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
}
