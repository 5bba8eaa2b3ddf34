//! Unpackers for AVX2: two groups of 32 columns at a time, one vector with their first halves and one with their second.
//!
//! Steps shared by several formats live here too and serve AVX-512 as well.

use super::{WeightUnit, codebook, has_codebook, type_of};
use crate::ops::linear::blocks::unpack as portable;
use hob_quant::TensorType;
use portable::{FP4_CODES, IQ4_CODES};
use std::arch::x86_64::*;

/// Unpacks one unit of the type number `F`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn unpack<const F: usize>(bytes: &[u8], unit: &mut WeightUnit) {
    use TensorType as T;
    if const { has_codebook::<F>() } {
        let groups = codebook::groups::<F>(bytes, unit);
        for pair in 0..4 {
            store_groups(unit, pair, groups[2 * pair], groups[2 * pair + 1]);
        }
        return;
    }
    match const { type_of::<F>() } {
        T::Q4_0 => q4_0(sized(bytes), unit),
        T::Q4_1 => q4_1(sized(bytes), unit),
        T::Q5_0 => q5_0(sized(bytes), unit),
        T::Q5_1 => q5_1(sized(bytes), unit),
        T::Q8_0 => q8_0(sized(bytes), unit),
        T::Q4_K => q4_k(sized(bytes), unit),
        T::Q5_K => q5_k(sized(bytes), unit),
        T::IQ4_NL => iq4_nl(sized(bytes), unit),
        T::IQ4_XS => iq4_xs(sized(bytes), unit),
        T::TQ1_0 => tq1_0(sized(bytes), unit),
        T::TQ2_0 => tq2_0(sized(bytes), unit),
        T::MXFP4 => mxfp4(sized(bytes), unit),
        other => portable::unpack(other, bytes, unit),
    }
}

#[inline(always)]
pub(super) fn sized<const N: usize>(bytes: &[u8]) -> &[u8; N] {
    bytes.try_into().expect("a unit has its format's length")
}

/// `N` bytes from `start` on.
#[inline(always)]
pub(super) fn at<const N: usize>(bytes: &[u8], start: usize) -> &[u8; N] {
    bytes[start..].first_chunk().expect("inside a unit")
}

avx2! { fn load16(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: 16 readable bytes; the load needs no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
} }

avx2! { fn load32(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: 32 readable bytes; the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
} }

avx2! { fn store8(place: &mut [f32; 8], values: __m256) {
    // SAFETY: 32 writable bytes; the store needs no alignment.
    unsafe { _mm256_storeu_ps(place.as_mut_ptr(), values) }
} }

avx2! { fn store_codes(unit: &mut WeightUnit, part: usize, codes: __m256i) {
    let place = &mut unit.codes.as_chunks_mut::<32>().0[part];
    // SAFETY: 32 writable bytes; the store needs no alignment.
    unsafe { _mm256_storeu_si256(place.as_mut_ptr().cast(), codes) }
} }

avx2! {
/// Stores the first and the second halves of groups `2 * pair` and `2 * pair + 1`.
fn store_halves(unit: &mut WeightUnit, pair: usize, first: __m256i, second: __m256i) {
    let part = pair / 2 * 4 + pair % 2;
    store_codes(unit, part, first);
    store_codes(unit, part + 2, second);
} }

avx2! {
/// The same from the groups themselves.
fn store_groups(unit: &mut WeightUnit, pair: usize, even: __m256i, odd: __m256i) {
    let (first, second) =
        (_mm256_permute2x128_si256::<0x20>(even, odd), _mm256_permute2x128_si256::<0x31>(even, odd));
    store_halves(unit, pair, first, second);
} }

avx2! {
/// The 16 bytes at `start` in two neighbouring blocks of `STRIDE` bytes.
fn two_blocks<const STRIDE: usize>(bytes: &[u8], start: usize) -> __m256i {
    _mm256_set_m128i(load16(at(bytes, start + STRIDE)), load16(at(bytes, start)))
} }

avx2! { fn low_nibbles(v: __m256i) -> __m256i {
    _mm256_and_si256(v, _mm256_set1_epi8(15))
} }

avx2! { fn high_nibbles(v: __m256i) -> __m256i {
    _mm256_and_si256(_mm256_srli_epi16::<4>(v), _mm256_set1_epi8(15))
} }

avx2! {
/// The bits `mask` of each byte after a move that takes bit `from` to bit `to`.
fn bits(v: __m256i, from: i32, to: i32, mask: i8) -> __m256i {
    let moved = if to < from {
        _mm256_srl_epi16(v, _mm_cvtsi32_si128(from - to))
    } else {
        _mm256_sll_epi16(v, _mm_cvtsi32_si128(to - from))
    };
    _mm256_and_si256(moved, _mm256_set1_epi8(mask))
} }

avx2! {
/// The f16 numbers at `start` in each of eight blocks of `STRIDE` bytes.
fn eight_halves<const STRIDE: usize>(bytes: &[u8], start: usize) -> __m256 {
    let word = |i: usize| i16::from_le_bytes(*at(bytes, start + STRIDE * i));
    _mm256_cvtph_ps(_mm_setr_epi16(
        word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7),
    ))
} }

avx2! { fn negated(values: __m256) -> __m256 {
    _mm256_xor_ps(values, _mm256_set1_ps(-0.0))
} }

avx2! { fn splat_f16(bytes: &[u8; 2]) -> __m256 {
    let half = _mm_cvtsi32_si128(i32::from(u16::from_le_bytes(*bytes)));
    _mm256_broadcastss_ps(_mm_cvtph_ps(half))
} }

avx2! {
/// Sixteen signed bytes, one per run, times `d`, in the order of scales per half group.
fn store_run_steps(place: &mut [[f32; 8]; 2], bytes: __m128i, d: __m256) {
    let even_then_odd = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    let sorted = _mm_shuffle_epi8(bytes, even_then_odd);
    let (even, odd) = (_mm256_cvtepi8_epi32(sorted), _mm256_cvtepi8_epi32(_mm_unpackhi_epi64(sorted, sorted)));
    store8(&mut place[0], _mm256_mul_ps(_mm256_cvtepi32_ps(even), d));
    store8(&mut place[1], _mm256_mul_ps(_mm256_cvtepi32_ps(odd), d));
} }

avx2! { fn q4_0(bytes: &[u8; 144], unit: &mut WeightUnit) {
    store8(&mut unit.scales[0], eight_halves::<18>(bytes, 0));
    for pair in 0..4 {
        let nibbles = two_blocks::<18>(bytes, 36 * pair + 2);
        store_halves(unit, pair, low_nibbles(nibbles), high_nibbles(nibbles));
    }
} }

avx2! {
/// Codes looked up in a table of 16.
fn store_looked_up(unit: &mut WeightUnit, pair: usize, table: &[u8; 16], nibbles: __m256i) {
    let table = _mm256_broadcastsi128_si256(load16(table));
    let (first, second) = (low_nibbles(nibbles), high_nibbles(nibbles));
    store_halves(unit, pair, _mm256_shuffle_epi8(table, first), _mm256_shuffle_epi8(table, second));
} }

avx2! { fn iq4_nl(bytes: &[u8; 144], unit: &mut WeightUnit) {
    store8(&mut unit.scales[0], eight_halves::<18>(bytes, 0));
    for pair in 0..4 {
        store_looked_up(unit, pair, &IQ4_CODES, two_blocks::<18>(bytes, 36 * pair + 2));
    }
} }

avx2! { fn mxfp4(bytes: &[u8; 136], unit: &mut WeightUnit) {
    unit.scales[0] = std::array::from_fn(|i| hob_quant::e8m0_half_to_f32(bytes[17 * i]));
    for pair in 0..4 {
        store_looked_up(unit, pair, &FP4_CODES, two_blocks::<17>(bytes, 34 * pair + 1));
    }
} }

avx2! { fn q4_1(bytes: &[u8; 160], unit: &mut WeightUnit) {
    store8(&mut unit.scales[0], eight_halves::<20>(bytes, 0));
    store8(&mut unit.mins[0], negated(eight_halves::<20>(bytes, 2)));
    for pair in 0..4 {
        let nibbles = two_blocks::<20>(bytes, 40 * pair + 4);
        store_halves(unit, pair, low_nibbles(nibbles), high_nibbles(nibbles));
    }
} }

avx2! {
/// 16 in each byte whose bit is set; the bits of byte `i` of a lane are in byte `FIRST + i / 8` of that lane.
fn sixteens<const FIRST: i8>(bits: __m256i) -> __m256i {
    let (a, b) = (FIRST, FIRST + 1);
    let spread = _mm256_broadcastsi128_si256(_mm_setr_epi8(a, a, a, a, a, a, a, a, b, b, b, b, b, b, b, b));
    let own = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64 as i64);
    let set = _mm256_and_si256(_mm256_shuffle_epi8(bits, spread), own);
    _mm256_and_si256(_mm256_cmpeq_epi8(set, own), _mm256_set1_epi8(16))
} }

avx2! {
/// Nibbles and fifth bits of 32-column blocks: the bits of a block are a u32, its columns in order.
fn five_bits<const STRIDE: usize>(bytes: &[u8], bits_at: usize, unit: &mut WeightUnit) {
    for pair in 0..4 {
        let start = 2 * STRIDE * pair + bits_at;
        let word = |at_byte: usize| _mm_cvtsi32_si128(i32::from_le_bytes(*at(bytes, at_byte)));
        let fifth = _mm256_set_m128i(word(start + STRIDE), word(start));
        let nibbles = two_blocks::<STRIDE>(bytes, start + 4);
        let first = _mm256_or_si256(low_nibbles(nibbles), sixteens::<0>(fifth));
        let second = _mm256_or_si256(high_nibbles(nibbles), sixteens::<2>(fifth));
        store_halves(unit, pair, first, second);
    }
} }

avx2! { fn q5_0(bytes: &[u8; 176], unit: &mut WeightUnit) {
    store8(&mut unit.scales[0], eight_halves::<22>(bytes, 0));
    five_bits::<22>(bytes, 2, unit);
} }

avx2! { fn q5_1(bytes: &[u8; 192], unit: &mut WeightUnit) {
    store8(&mut unit.scales[0], eight_halves::<24>(bytes, 0));
    store8(&mut unit.mins[0], negated(eight_halves::<24>(bytes, 2)));
    five_bits::<24>(bytes, 4, unit);
} }

avx2! { fn q8_0(bytes: &[u8; 272], unit: &mut WeightUnit) {
    store8(&mut unit.scales[0], eight_halves::<34>(bytes, 0));
    let raised = |start: usize| _mm256_xor_si256(two_blocks::<34>(bytes, start), _mm256_set1_epi8(-128));
    for pair in 0..4 {
        store_halves(unit, pair, raised(68 * pair + 2), raised(68 * pair + 18));
    }
} }

avx2! {
/// Scales and minima of Q4_K and Q5_K: six bits each, spread over twelve bytes so that words can be masked together.
fn k_steps(bytes: &[u8], unit: &mut WeightUnit) {
    let word = |i: usize| u32::from_le_bytes(*at(bytes, 4 + 4 * i));
    let (a, b, c) = (word(0), word(1), word(2));
    let scales = u64::from(a & 0x3f3f_3f3f) | u64::from((c & 0x0f0f_0f0f) | ((a >> 2) & 0x3030_3030)) << 32;
    let mins = u64::from(b & 0x3f3f_3f3f) | u64::from(((c >> 4) & 0x0f0f_0f0f) | ((b >> 2) & 0x3030_3030)) << 32;
    let [d, dmin] = two_halves(at(bytes, 0));
    let floats = |packed: u64| _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(packed as i64)));
    store8(&mut unit.scales[0], _mm256_mul_ps(floats(scales), d));
    store8(&mut unit.mins[0], _mm256_mul_ps(floats(mins), dmin));
} }

avx2! {
/// Sixteen bytes twice, the first ones moved right by `even` bits, the second ones by `odd`; left where that is negative. What
/// crosses into another byte has to be masked.
fn moved(bytes: &[u8; 16], even: i32, odd: i32) -> __m256i {
    let twice = _mm256_broadcastsi128_si256(load16(bytes));
    let by = |even: i32, odd: i32| _mm256_set_m128i(_mm_set1_epi32(odd), _mm_set1_epi32(even));
    if even < 0 {
        _mm256_sllv_epi32(twice, by(-even, -odd))
    } else {
        _mm256_srlv_epi32(twice, by(even, odd))
    }
} }

avx2! {
/// The bits `mask` of those.
fn fields(bytes: &[u8; 16], even: i32, odd: i32, mask: i8) -> __m256i {
    _mm256_and_si256(moved(bytes, even, odd), _mm256_set1_epi8(mask))
} }

avx2! { fn q4_k(bytes: &[u8; 144], unit: &mut WeightUnit) {
    k_steps(bytes, unit);
    for pair in 0..4 {
        let half = |start: usize| fields(at(bytes, 16 + 32 * pair + start), 0, 4, 15);
        store_halves(unit, pair, half(0), half(16));
    }
} }

avx2! { fn q5_k(bytes: &[u8; 176], unit: &mut WeightUnit) {
    k_steps(bytes, unit);
    for pair in 0..4 {
        // Bit `group` becomes bit 4.
        let even = 2 * pair as i32 - 4;
        let half = |start: usize| {
            let fifth = fields(at(bytes, 16 + start), even, even + 1, 16);
            _mm256_or_si256(fields(at(bytes, 48 + 32 * pair + start), 0, 4, 15), fifth)
        };
        store_halves(unit, pair, half(0), half(16));
    }
} }

avx2! {
/// Two f16 numbers, each in a vector.
fn two_halves(bytes: &[u8; 4]) -> [__m256; 2] {
    let both = _mm256_cvtph_ps(_mm_set1_epi32(i32::from_le_bytes(*bytes)));
    [_mm256_moveldup_ps(both), _mm256_movehdup_ps(both)]
} }

avx2! {
/// Two-bit codes: each 32 bytes hold four groups, the first in the lowest bits.
fn two_bits(bytes: &[u8; 64], unit: &mut WeightUnit) {
    for pair in 0..4 {
        let even = 4 * (pair as i32 % 2);
        let half = |start: usize| fields(at(bytes, 32 * (pair / 2) + start), even, even + 2, 3);
        store_halves(unit, pair, half(0), half(16));
    }
} }

avx2! {
/// The sixteen scales of Q3_K: low nibbles in eight bytes, upper bit pairs in four.
fn q3_k_scales(bytes: &[u8; 12]) -> __m128i {
    let low = u64::from_le_bytes(*at(bytes, 0));
    let high = u64::from(u32::from_le_bytes(*at(bytes, 8)));
    let pairs = |shift: u32| (high >> shift & 0x0303_0303) << 4;
    let first = low & 0x0f0f_0f0f_0f0f_0f0f | pairs(0) | pairs(2) << 32;
    let second = low >> 4 & 0x0f0f_0f0f_0f0f_0f0f | pairs(4) | pairs(6) << 32;
    _mm_sub_epi8(_mm_set_epi64x(second as i64, first as i64), _mm_set1_epi8(32))
} }

avx2! { fn iq4_xs(bytes: &[u8; 136], unit: &mut WeightUnit) {
    let scales = hob_quant::iq4_xs_scales(at(bytes, 2), at(bytes, 4));
    let scales = _mm_cvtsi64_si128(i64::from_le_bytes(scales.map(|s| s as u8)));
    let scales = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(scales));
    store8(&mut unit.scales[0], _mm256_mul_ps(scales, splat_f16(at(bytes, 0))));
    for pair in 0..4 {
        store_looked_up(unit, pair, &IQ4_CODES, load32(at(bytes, 8 + 32 * pair)));
    }
} }

avx2! { fn tq2_0(bytes: &[u8; 66], unit: &mut WeightUnit) {
    store8(&mut unit.scales[0], splat_f16(at(bytes, 64)));
    two_bits(at(bytes, 0), unit);
} }

avx2! { fn tripled(v: __m256i) -> __m256i {
    _mm256_add_epi8(v, _mm256_add_epi8(v, v))
} }

avx2! {
/// The leading base-3 digit of bytes that count 256ths: `byte * 3 >> 8`, which is 0 below 86 and 2 from 171 on.
fn digits(v: __m256i) -> __m256i {
    let from = |start: u8| {
        _mm256_cmpeq_epi8(_mm256_max_epu8(v, _mm256_set1_epi8(start as i8)), v)
    };
    _mm256_sub_epi8(_mm256_setzero_si256(), _mm256_add_epi8(from(86), from(171)))
} }

avx2! { fn tq1_0(bytes: &[u8; 54], unit: &mut WeightUnit) {
    store8(&mut unit.scales[0], splat_f16(at(bytes, 52)));
    // Digit `n` of a byte is the leading one of the byte times 3^n.
    let (first, rest) = (load32(at(bytes, 0)), _mm256_broadcastsi128_si256(load16(at(bytes, 32))));
    let last = _mm256_set1_epi32(i32::from_le_bytes(*at(bytes, 48)));
    let powers = |v: __m256i| {
        let (v3, v9) = (tripled(v), tripled(tripled(v)));
        [v, v3, v9, tripled(v9), tripled(tripled(v9))]
    };
    let (first, rest, last) = (powers(first), powers(rest), powers(last));
    let last = _mm256_blend_epi32::<0b1100_1100>(
        _mm256_blend_epi32::<0b0010_0010>(last[0], last[1]),
        _mm256_blend_epi32::<0b1000_1000>(last[2], last[3]),
    );
    let upper = |low: __m256i, high: __m256i| digits(_mm256_blend_epi32::<0b1111_0000>(low, high));
    store_groups(unit, 0, digits(first[0]), digits(first[1]));
    store_groups(unit, 1, digits(first[2]), digits(first[3]));
    store_groups(unit, 2, digits(first[4]), upper(rest[0], rest[1]));
    store_groups(unit, 3, upper(rest[2], rest[3]), upper(rest[4], last));
} }
