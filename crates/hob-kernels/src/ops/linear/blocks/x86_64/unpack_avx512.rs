//! Unpackers for AVX-512: a chunk of 128 columns is two vectors, the first halves of its four groups and the second.

use super::unpack_avx2::{self as avx2, at, eight_halves, k_steps, load16, negated, sized, store8};
use super::{WeightUnit, codebook, has_codebook, type_of};
use crate::ops::linear::blocks::unpack as portable;
use hob_quant::TensorType;
use portable::{FP4_CODES, IQ4_CODES};
use std::arch::x86_64::*;

/// Unpacks one unit of the type number `F`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq")]
pub(super) fn unpack<const F: usize>(bytes: &[u8], unit: &mut WeightUnit) {
    use TensorType as T;
    if const { has_codebook::<F>() } {
        let groups = codebook::groups::<F>(bytes, unit);
        for (chunk, [a, b, c, d]) in groups.as_chunks().0.iter().enumerate() {
            let low = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(*a), *b);
            let high = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(*c), *d);
            let [first, second] = halves::<false>(low, high);
            store_codes(unit, 2 * chunk, first);
            store_codes(unit, 2 * chunk + 1, second);
        }
        return;
    }
    match const { type_of::<F>() } {
        T::Q4_0 => q4_0(sized(bytes), unit),
        T::Q4_1 => q4_1(sized(bytes), unit),
        T::Q5_0 => q5_0(sized(bytes), unit),
        T::Q5_1 => q5_1(sized(bytes), unit),
        T::Q8_0 => q8_0(sized(bytes), unit),
        T::Q2_K => q2_k(sized(bytes), unit),
        T::Q3_K => q3_k(sized(bytes), unit),
        T::Q4_K => q4_k(sized(bytes), unit),
        T::Q5_K => q5_k(sized(bytes), unit),
        T::Q6_K => q6_k(sized(bytes), unit),
        T::IQ4_NL => iq4_nl(sized(bytes), unit),
        T::IQ4_XS => iq4_xs(sized(bytes), unit),
        T::TQ1_0 => avx2::tq1_0(sized(bytes), unit),
        T::TQ2_0 => tq2_0(sized(bytes), unit),
        T::MXFP4 => mxfp4(sized(bytes), unit),
        other => portable::unpack(other, bytes, unit),
    }
}

macro_rules! avx512 {
    ($(#[$note:meta])* fn $name:ident $(<$(const $param:ident: $kind:ty),*>)? ($($arg:ident: $ty:ty),*) $(-> $ret:ty)? $body:block) => {
        $(#[$note])*
        #[inline]
        #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq")]
        fn $name $(<$(const $param: $kind),*>)? ($($arg: $ty),*) $(-> $ret)? $body
    };
}

avx512! { fn load64(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: 64 readable bytes; the load needs no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
} }

avx512! { fn store_codes(unit: &mut WeightUnit, part: usize, codes: __m512i) {
    let place = &mut unit.codes.as_chunks_mut::<64>().0[part];
    // SAFETY: 64 writable bytes; the store needs no alignment.
    unsafe { _mm512_storeu_si512(place.as_mut_ptr().cast(), codes) }
} }

avx512! {
/// Sixteen values, even runs then odd ones: the layout of scales per half group.
fn store16(place: &mut [[f32; 8]; 2], values: __m512) {
    // SAFETY: 64 writable bytes; the store needs no alignment.
    unsafe { _mm512_storeu_ps(place.as_flattened_mut().as_mut_ptr(), values) }
} }

avx512! {
/// The 16 bytes at `start` in each of four blocks of `STRIDE` bytes.
fn four_blocks<const STRIDE: usize>(bytes: &[u8], start: usize) -> __m512i {
    let v = _mm512_castsi128_si512(load16(at(bytes, start)));
    let v = _mm512_inserti32x4::<1>(v, load16(at(bytes, start + STRIDE)));
    let v = _mm512_inserti32x4::<2>(v, load16(at(bytes, start + 2 * STRIDE)));
    _mm512_inserti32x4::<3>(v, load16(at(bytes, start + 3 * STRIDE)))
} }

avx512! { fn low_nibbles(v: __m512i) -> __m512i {
    _mm512_and_si512(v, _mm512_set1_epi8(15))
} }

avx512! { fn high_nibbles(v: __m512i) -> __m512i {
    _mm512_and_si512(_mm512_srli_epi16::<4>(v), _mm512_set1_epi8(15))
} }

avx512! { fn q4_0(bytes: &[u8; 144], unit: &mut WeightUnit) {
    store8(&mut unit.scales[0], scales_of_18(bytes));
    for chunk in 0..2 {
        let nibbles = four_blocks::<18>(bytes, 72 * chunk + 2);
        store_codes(unit, 2 * chunk, low_nibbles(nibbles));
        store_codes(unit, 2 * chunk + 1, high_nibbles(nibbles));
    }
} }

avx512! {
/// The eight scales of 18-byte blocks: they all lie in the first 128 bytes, at every ninth word.
fn scales_of_18(bytes: &[u8; 144]) -> __m256 {
    let places = _mm512_castsi128_si512(_mm_setr_epi16(0, 9, 18, 27, 36, 45, 54, 63));
    let words = _mm512_permutex2var_epi16(load64(at(bytes, 0)), places, load64(at(bytes, 64)));
    _mm256_cvtph_ps(_mm512_castsi512_si128(words))
} }

avx512! { fn table(codes: &[u8; 16]) -> __m512i {
    _mm512_broadcast_i32x4(load16(codes))
} }

avx512! { fn iq4_nl(bytes: &[u8; 144], unit: &mut WeightUnit) {
    store8(&mut unit.scales[0], scales_of_18(bytes));
    for chunk in 0..2 {
        let nibbles = four_blocks::<18>(bytes, 72 * chunk + 2);
        store_codes(unit, 2 * chunk, _mm512_shuffle_epi8(table(&IQ4_CODES), low_nibbles(nibbles)));
        store_codes(unit, 2 * chunk + 1, _mm512_shuffle_epi8(table(&IQ4_CODES), high_nibbles(nibbles)));
    }
} }

avx512! {
/// `2^(e - 128)` for eight bytes `e`, of which the two smallest are below the range of normal floats.
fn halved_powers(exponents: u64) -> __m256 {
    let e = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(exponents as i64));
    let normal = _mm256_slli_epi32::<23>(_mm256_sub_epi32(e, _mm256_set1_epi32(1)));
    let small = _mm256_sllv_epi32(_mm256_set1_epi32(0x0020_0000), e);
    let is_small = _mm256_cmplt_epi32_mask(e, _mm256_set1_epi32(2));
    _mm256_castsi256_ps(_mm256_mask_mov_epi32(normal, is_small, small))
} }

avx512! { fn mxfp4(bytes: &[u8; 136], unit: &mut WeightUnit) {
    store8(&mut unit.scales[0], halved_powers(u64::from_le_bytes(
        [bytes[0], bytes[17], bytes[34], bytes[51], bytes[68], bytes[85], bytes[102], bytes[119]],
    )));
    for chunk in 0..2 {
        let nibbles = four_blocks::<17>(bytes, 68 * chunk + 1);
        store_codes(unit, 2 * chunk, _mm512_shuffle_epi8(table(&FP4_CODES), low_nibbles(nibbles)));
        store_codes(unit, 2 * chunk + 1, _mm512_shuffle_epi8(table(&FP4_CODES), high_nibbles(nibbles)));
    }
} }

avx512! { fn q4_1(bytes: &[u8; 160], unit: &mut WeightUnit) {
    store8(&mut unit.scales[0], eight_halves::<20>(bytes, 0));
    store8(&mut unit.mins[0], negated(eight_halves::<20>(bytes, 2)));
    for chunk in 0..2 {
        let nibbles = four_blocks::<20>(bytes, 80 * chunk + 4);
        store_codes(unit, 2 * chunk, low_nibbles(nibbles));
        store_codes(unit, 2 * chunk + 1, high_nibbles(nibbles));
    }
} }

avx512! {
/// Nibbles and fifth bits of 32-column blocks: the bits of a block are a u32, its columns in order.
fn five_bits<const STRIDE: usize>(bytes: &[u8], bits_at: usize, unit: &mut WeightUnit) {
    for chunk in 0..2 {
        let base = 4 * STRIDE * chunk + bits_at;
        let nibbles = four_blocks::<STRIDE>(bytes, base + 4);
        let (mut first, mut second) = (0u64, 0u64);
        for i in 0..4 {
            let bits = u64::from(u32::from_le_bytes(*at(bytes, base + STRIDE * i)));
            first |= (bits & 0xffff) << (16 * i);
            second |= (bits >> 16) << (16 * i);
        }
        let sixteen = _mm512_set1_epi8(16);
        let (low, high) = (low_nibbles(nibbles), high_nibbles(nibbles));
        store_codes(unit, 2 * chunk, _mm512_mask_add_epi8(low, first, low, sixteen));
        store_codes(unit, 2 * chunk + 1, _mm512_mask_add_epi8(high, second, high, sixteen));
    }
} }

avx512! { fn q5_0(bytes: &[u8; 176], unit: &mut WeightUnit) {
    store8(&mut unit.scales[0], eight_halves::<22>(bytes, 0));
    five_bits::<22>(bytes, 2, unit);
} }

avx512! { fn q5_1(bytes: &[u8; 192], unit: &mut WeightUnit) {
    store8(&mut unit.scales[0], eight_halves::<24>(bytes, 0));
    store8(&mut unit.mins[0], negated(eight_halves::<24>(bytes, 2)));
    five_bits::<24>(bytes, 4, unit);
} }

avx512! { fn q8_0(bytes: &[u8; 272], unit: &mut WeightUnit) {
    store8(&mut unit.scales[0], eight_halves::<34>(bytes, 0));
    let sign = _mm512_set1_epi8(-128);
    for chunk in 0..2 {
        for half in 0..2 {
            let codes = four_blocks::<34>(bytes, 136 * chunk + 2 + 16 * half);
            store_codes(unit, 2 * chunk + half, _mm512_xor_si512(codes, sign));
        }
    }
} }

avx512! {
/// Splits vectors of [a b | c d] 16-byte runs, `low` holding halves of two groups and `high` those of the two others, into
/// all first halves and all second ones. `ALTERNATE` tells whether the vectors hold groups in turn or neighbours.
fn halves<const ALTERNATE: bool>(low: __m512i, high: __m512i) -> [__m512i; 2] {
    let (first, second) = if ALTERNATE {
        (_mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15))
    } else {
        (_mm512_setr_epi64(0, 1, 4, 5, 8, 9, 12, 13), _mm512_setr_epi64(2, 3, 6, 7, 10, 11, 14, 15))
    };
    [_mm512_permutex2var_epi64(low, first, high), _mm512_permutex2var_epi64(low, second, high)]
} }

avx512! { fn q4_k(bytes: &[u8; 144], unit: &mut WeightUnit) {
    k_steps(bytes, unit);
    for chunk in 0..2 {
        let nibbles = load64(at(bytes, 16 + 64 * chunk));
        let [first, second] = halves::<true>(low_nibbles(nibbles), high_nibbles(nibbles));
        store_codes(unit, 2 * chunk, first);
        store_codes(unit, 2 * chunk + 1, second);
    }
} }

avx512! {
/// 16 bytes for each of a chunk's four groups, in which bit `FIRST + STEP * k` of group `k` has moved to bit `TO`.
/// Rotating 32-bit lanes keeps fields that lie inside a byte together; bits of neighbours come along.
fn turned<const FIRST: i32, const STEP: i32, const TO: i32>(bytes: &[u8; 16]) -> __m512i {
    let turn = |k: i32| (TO - FIRST - STEP * k).rem_euclid(32);
    let turns = _mm512_setr_epi32(
        turn(0), turn(0), turn(0), turn(0), turn(1), turn(1), turn(1), turn(1),
        turn(2), turn(2), turn(2), turn(2), turn(3), turn(3), turn(3), turn(3),
    );
    _mm512_rolv_epi32(_mm512_broadcast_i32x4(load16(bytes)), turns)
} }

avx512! {
/// The bits of `low` in `MASK`, and those of `high` above that `ALL` has too.
fn joined<const MASK: i8, const ALL: i8>(low: __m512i, high: __m512i) -> __m512i {
    // The truth table of `mask ? low : high`.
    let both = _mm512_ternarylogic_epi32::<0xca>(_mm512_set1_epi8(MASK), low, high);
    _mm512_and_si512(both, _mm512_set1_epi8(ALL))
} }

avx512! { fn q5_k(bytes: &[u8; 176], unit: &mut WeightUnit) {
    k_steps(bytes, unit);
    for chunk in 0..2 {
        let nibbles = load64(at(bytes, 48 + 64 * chunk));
        let halves = halves::<true>(nibbles, _mm512_srli_epi16::<4>(nibbles));
        for (half, nibbles) in halves.into_iter().enumerate() {
            let bits = at(bytes, 16 + 16 * half);
            let fifth = if chunk == 0 { turned::<0, 1, 4>(bits) } else { turned::<4, 1, 4>(bits) };
            store_codes(unit, 2 * chunk + half, joined::<15, 31>(nibbles, fifth));
        }
    }
} }

avx512! {
/// Sixteen signed bytes, one per run, as floats in the order of scales per half group.
fn run_floats(bytes: __m128i) -> __m512 {
    let even_then_odd = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_shuffle_epi8(bytes, even_then_odd)))
} }

avx512! { fn splat_f16(bytes: &[u8; 2]) -> __m512 {
    let half = _mm_cvtsi32_si128(i32::from(u16::from_le_bytes(*bytes)));
    _mm512_broadcastss_ps(_mm_cvtph_ps(half))
} }

avx512! {
/// Bits `2k, 2k + 1` of 16 bytes, for the groups `k` of a chunk.
fn pairs(bytes: &[u8; 16]) -> __m512i {
    _mm512_and_si512(turned::<0, 2, 0>(bytes), _mm512_set1_epi8(3))
} }

avx512! { fn q2_k(bytes: &[u8; 84], unit: &mut WeightUnit) {
    let packed = load16(at(bytes, 0));
    let (low, high) = (
        _mm_and_si128(packed, _mm_set1_epi8(15)),
        _mm_and_si128(_mm_srli_epi16::<4>(packed), _mm_set1_epi8(15)),
    );
    store16(&mut unit.scales, _mm512_mul_ps(run_floats(low), splat_f16(at(bytes, 80))));
    store16(&mut unit.mins, _mm512_mul_ps(run_floats(high), splat_f16(at(bytes, 82))));
    for part in 0..4 {
        store_codes(unit, part, pairs(at(bytes, 16 + 16 * part)));
    }
} }

avx512! { fn q3_k(bytes: &[u8; 110], unit: &mut WeightUnit) {
    let scales = run_floats(avx2::q3_k_scales(at(bytes, 96)));
    store16(&mut unit.scales, _mm512_mul_ps(scales, splat_f16(at(bytes, 108))));
    for chunk in 0..2 {
        for half in 0..2 {
            let low = turned::<0, 2, 0>(at(bytes, 32 + 32 * chunk + 16 * half));
            let bits = at(bytes, 16 * half);
            let third = if chunk == 0 { turned::<0, 1, 2>(bits) } else { turned::<4, 1, 2>(bits) };
            store_codes(unit, 2 * chunk + half, joined::<3, 7>(low, third));
        }
    }
} }

avx512! { fn q6_k(bytes: &[u8; 210], unit: &mut WeightUnit) {
    store16(&mut unit.scales, _mm512_mul_ps(run_floats(load16(at(bytes, 192))), splat_f16(at(bytes, 208))));
    for chunk in 0..2 {
        let nibbles = load64(at(bytes, 64 * chunk));
        let halves = halves::<false>(nibbles, _mm512_srli_epi16::<4>(nibbles));
        for (half, nibbles) in halves.into_iter().enumerate() {
            let top = turned::<0, 2, 4>(at(bytes, 128 + 32 * chunk + 16 * half));
            store_codes(unit, 2 * chunk + half, joined::<15, 63>(nibbles, top));
        }
    }
} }

avx512! { fn iq4_xs(bytes: &[u8; 136], unit: &mut WeightUnit) {
    let scales = hob_quant::iq4_xs_scales(at(bytes, 2), at(bytes, 4));
    let scales = _mm_cvtsi64_si128(i64::from_le_bytes(scales.map(|s| s as u8)));
    let d = _mm512_castps512_ps256(splat_f16(at(bytes, 0)));
    store8(&mut unit.scales[0], _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(scales)), d));
    for chunk in 0..2 {
        let nibbles = load64(at(bytes, 8 + 64 * chunk));
        store_codes(unit, 2 * chunk, _mm512_shuffle_epi8(table(&IQ4_CODES), low_nibbles(nibbles)));
        store_codes(unit, 2 * chunk + 1, _mm512_shuffle_epi8(table(&IQ4_CODES), high_nibbles(nibbles)));
    }
} }

avx512! { fn tq2_0(bytes: &[u8; 66], unit: &mut WeightUnit) {
    store8(&mut unit.scales[0], _mm512_castps512_ps256(splat_f16(at(bytes, 64))));
    for part in 0..4 {
        store_codes(unit, part, pairs(at(bytes, 16 * part)));
    }
} }
