//! The codebook formats (IQ1, IQ2, IQ3): indices, signs and scales with vectors, entries one by one.
//!
//! Entries are loaded where a gather would do no better. The layouts are those of `hob_quant::codebook_runs`; bit `i` of
//! byte `r` of a vector of signs belongs to column `8 * r + i`. Scales are `(2s + 1) * d` times a power of two, which is
//! what the formats' formulas round to.

use super::unpack_avx2::{at, load16, load32, sized, splat_f16, store_run_steps, store8};
use super::{WeightUnit, type_of};
use hob_quant::{TensorType, codebooks as books};
use std::arch::asm;
use std::arch::x86_64::*;

/// The codes of the eight groups of a block of type number `F`, raised by 128; its scales go to `unit`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn groups<const F: usize>(bytes: &[u8], unit: &mut WeightUnit) -> [__m256i; 8] {
    use TensorType as T;
    match const { type_of::<F>() } {
        T::IQ1_S => iq1_s(sized(bytes), unit),
        T::IQ1_M => iq1_m(sized(bytes), unit),
        T::IQ2_XXS => iq2_xxs(sized(bytes), unit),
        T::IQ2_XS => iq2_xs(sized(bytes), unit),
        T::IQ2_S => iq2_s(sized(bytes), unit),
        T::IQ3_XXS => iq3_xxs(sized(bytes), unit),
        T::IQ3_S => iq3_s(sized(bytes), unit),
        _ => unreachable!("only types with a codebook get here"),
    }
}

avx2! { fn iq2_xxs(bytes: &[u8; 66], unit: &mut WeightUnit) -> [__m256i; 8] {
    // Four indices and a word for each group.
    let (first, second) = (load32(at(bytes, 2)), load32(at(bytes, 34)));
    let odd = _mm256_setr_epi32(1, 3, 5, 7, 1, 3, 5, 7);
    let words = _mm256_blend_epi32::<0b1111_0000>(
        _mm256_permutevar8x32_epi32(first, odd),
        _mm256_permutevar8x32_epi32(second, odd),
    );
    store_word_steps(unit, words, times(at(bytes, 0), 0.125));
    signed(eights(&books::IQ2_XXS, |run| usize::from(bytes[2 + run / 4 * 8 + run % 4])), word_signs(words))
} }

avx2! { fn iq2_xs(bytes: &[u8; 74], unit: &mut WeightUnit) -> [__m256i; 8] {
    let (first, second) = (load32(at(bytes, 2)), load32(at(bytes, 34)));
    let sevens = _mm256_packus_epi16(_mm256_srli_epi16::<9>(first), _mm256_srli_epi16::<9>(second));
    let signs = completed(_mm256_permute4x64_epi64::<0b11_01_10_00>(sevens));
    store_run_steps(&mut unit.scales, odd(nibbles(at(bytes, 66))), times(at(bytes, 0), 0.125));
    signed(eights(&books::IQ2_XS, |run| usize::from(u16::from_le_bytes(*at(bytes, 2 + 2 * run))) & 511), signs)
} }

avx2! { fn iq2_s(bytes: &[u8; 82], unit: &mut WeightUnit) -> [__m256i; 8] {
    // The high two bits of four indices share a byte.
    store_run_steps(&mut unit.scales, odd(nibbles(at(bytes, 74))), times(at(bytes, 0), 0.125));
    signed(eights_by_group(&books::IQ2_S, |run| {
        let top = usize::from(bytes[66 + run / 4]) << (8 - run % 4 * 2);
        usize::from(bytes[2 + run]) | top & 0x300
    }), load32(at(bytes, 34)))
} }

avx2! { fn iq3_xxs(bytes: &[u8; 98], unit: &mut WeightUnit) -> [__m256i; 8] {
    let words = load32(at(bytes, 66));
    store_word_steps(unit, words, times(at(bytes, 0), 0.25));
    signed(fours(&books::IQ3_XXS, |four| usize::from(bytes[2 + four])), word_signs(words))
} }

avx2! { fn iq3_s(bytes: &[u8; 110], unit: &mut WeightUnit) -> [__m256i; 8] {
    let [x, y, z, w] = *at(bytes, 106);
    let scales = odd(nibbles(&[x, y, z, w, 0, 0, 0, 0]));
    let scales = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(scales));
    store8(&mut unit.scales[0], _mm256_mul_ps(scales, splat_f16(at(bytes, 0))));
    let entries = fours_by_group(&books::IQ3_S, |four| {
        let top = usize::from(bytes[66 + four / 8]) << (8 - four % 8);
        usize::from(bytes[2 + four]) | top & 0x100
    });
    signed(entries, load32(at(bytes, 74)))
} }

avx2! { fn iq1_s(bytes: &[u8; 50], unit: &mut WeightUnit) -> [__m256i; 8] {
    let words = load16(at(bytes, 34));
    let scales = _mm_and_si128(_mm_srli_epi16::<12>(words), _mm_set1_epi16(7));
    let scales = _mm256_cvtepu16_epi32(_mm_add_epi16(_mm_add_epi16(scales, scales), _mm_set1_epi16(1)));
    store8(&mut unit.scales[0], _mm256_mul_ps(_mm256_cvtepi32_ps(scales), times(at(bytes, 0), 0.125)));
    // The top bit moves all of a group's elements.
    let down = _mm256_cvtepi16_epi32(_mm_srai_epi16::<15>(words));
    moved(eights_by_group(&books::IQ1, |run| {
        let word = usize::from(u16::from_le_bytes(*at(bytes, 34 + run / 4 * 2)));
        usize::from(bytes[2 + run]) | (word << 8 >> (run % 4 * 3)) & 0x700
    }), down)
} }

avx2! { fn iq1_m(bytes: &[u8; 56], unit: &mut WeightUnit) -> [__m256i; 8] {
    let words = _mm_cvtsi64_si128(i64::from_le_bytes(*at(bytes, 48)));
    let scales = threes(words);
    let scales = _mm_packus_epi16(_mm256_castsi256_si128(scales), _mm256_extracti128_si256::<1>(scales));
    let d = (0..4).fold(0, |d, i| d | u16::from(bytes[49 + 2 * i] >> 4) << (4 * i));
    store_run_steps(&mut unit.scales, odd(scales), times(&d.to_le_bytes(), 0.125));
    let high = _mm256_set_m128i(nibbles(at(bytes, 40)), nibbles(at(bytes, 32)));
    let eight = _mm256_set1_epi8(8);
    moved(eights_by_group(&books::IQ1, |run| {
        let top = usize::from(bytes[32 + run / 2]) << (8 - run % 2 * 4);
        usize::from(bytes[run]) | top & 0x700
    }), _mm256_cmpeq_epi8(_mm256_and_si256(high, eight), eight))
} }

avx2! {
/// A scale times a power of two.
fn times(scale: &[u8; 2], power: f32) -> __m256 {
    _mm256_mul_ps(splat_f16(scale), _mm256_set1_ps(power))
} }

avx2! {
/// `2s + 1`.
fn odd(scales: __m128i) -> __m128i {
    _mm_add_epi8(_mm_add_epi8(scales, scales), _mm_set1_epi8(1))
} }

avx2! {
/// Sixteen nibbles, low ones first.
fn nibbles(bytes: &[u8; 8]) -> __m128i {
    let (packed, fifteen) = (_mm_cvtsi64_si128(i64::from_le_bytes(*bytes)), _mm_set1_epi8(15));
    _mm_unpacklo_epi8(_mm_and_si128(packed, fifteen), _mm_and_si128(_mm_srli_epi16::<4>(packed), fifteen))
} }

avx2! {
/// Scales from the top four bits of each group's word.
fn store_word_steps(unit: &mut WeightUnit, words: __m256i, d: __m256) {
    let scales = _mm256_srli_epi32::<28>(words);
    let scales = _mm256_add_epi32(_mm256_add_epi32(scales, scales), _mm256_set1_epi32(1));
    store8(&mut unit.scales[0], _mm256_mul_ps(_mm256_cvtepi32_ps(scales), d));
} }

avx2! {
/// Four times seven signs in each word, completed.
fn word_signs(words: __m256i) -> __m256i {
    let field = |at: i32| _mm256_set1_epi32(0x7f << at);
    let low = _mm256_or_si256(
        _mm256_and_si256(words, field(0)),
        _mm256_and_si256(_mm256_slli_epi32::<1>(words), field(8)),
    );
    let high = _mm256_or_si256(
        _mm256_and_si256(_mm256_slli_epi32::<2>(words), field(16)),
        _mm256_and_si256(_mm256_slli_epi32::<3>(words), field(24)),
    );
    completed(_mm256_or_si256(low, high))
} }

avx2! {
/// Seven signs in each byte, with an eighth that makes their number even.
fn completed(sevens: __m256i) -> __m256i {
    let odd = -128;
    let parity = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        0, odd, odd, 0, odd, 0, 0, odd, odd, 0, 0, odd, 0, odd, odd, 0,
    ));
    let folded = _mm256_xor_si256(sevens, _mm256_srli_epi16::<4>(sevens));
    let folded = _mm256_and_si256(folded, _mm256_set1_epi8(15));
    _mm256_or_si256(sevens, _mm256_shuffle_epi8(parity, folded))
} }

avx2! {
/// The four threes of bits of each of four words; what is left of a word is not among them.
fn threes(words: __m128i) -> __m256i {
    let twice = _mm_unpacklo_epi16(words, words);
    let four = _mm256_set_m128i(_mm_unpackhi_epi32(twice, twice), _mm_unpacklo_epi32(twice, twice));
    let places = _mm256_setr_epi16(512, 64, 8, 1, 512, 64, 8, 1, 512, 64, 8, 1, 512, 64, 8, 1);
    _mm256_and_si256(_mm256_srli_epi16::<9>(_mm256_mullo_epi16(four, places)), _mm256_set1_epi16(7))
} }

/// The entries of both halves of each group.
type Entries = [[__m128i; 2]; 8];

/// One entry. Codebooks are powers of two, so the index is masked rather than checked.
#[inline(always)]
fn entry<const N: usize, const EACH: usize>(book: &[[i8; EACH]; N], index: usize) -> [u8; EACH] {
    const { assert!(N.is_power_of_two()) }
    book[index % N].map(|v| v as u8)
}

/// Entries of eight elements. A loop, not yet unrolled, is small enough for the compiler to put it where it is used.
#[inline]
#[target_feature(enable = "avx2")]
fn eights<const N: usize>(book: &[[i8; 8]; N], index: impl Fn(usize) -> usize) -> Entries {
    let mut entries = [[_mm_setzero_si128(); 2]; 8];
    for (half, place) in entries.as_flattened_mut().iter_mut().enumerate() {
        let eight = |run: usize| i64::from_le_bytes(entry(book, index(run)));
        *place = kept(_mm_set_epi64x(eight(2 * half + 1), eight(2 * half)));
    }
    entries
}

/// The same, where shifts depend on the place in the group: they are constants here even in a loop.
#[inline]
#[target_feature(enable = "avx2")]
fn eights_by_group<const N: usize>(book: &[[i8; 8]; N], index: impl Fn(usize) -> usize) -> Entries {
    let mut entries = [[_mm_setzero_si128(); 2]; 8];
    for (group, halves) in entries.iter_mut().enumerate() {
        let eight = |run: usize| i64::from_le_bytes(entry(book, index(4 * group + run)));
        *halves = [kept(_mm_set_epi64x(eight(1), eight(0))), kept(_mm_set_epi64x(eight(3), eight(2)))];
    }
    entries
}

/// Entries of four elements.
#[inline]
#[target_feature(enable = "avx2")]
fn fours<const N: usize>(book: &[[i8; 4]; N], index: impl Fn(usize) -> usize) -> Entries {
    let mut entries = [[_mm_setzero_si128(); 2]; 8];
    for (half, place) in entries.as_flattened_mut().iter_mut().enumerate() {
        let four = |i: usize| i32::from_le_bytes(entry(book, index(4 * half + i)));
        *place = kept(_mm_setr_epi32(four(0), four(1), four(2), four(3)));
    }
    entries
}

/// As [`eights_by_group`].
#[inline]
#[target_feature(enable = "avx2")]
fn fours_by_group<const N: usize>(book: &[[i8; 4]; N], index: impl Fn(usize) -> usize) -> Entries {
    let mut entries = [[_mm_setzero_si128(); 2]; 8];
    for (group, [low, high]) in entries.iter_mut().enumerate() {
        let four = |i: usize| i32::from_le_bytes(entry(book, index(8 * group + i)));
        *low = kept(_mm_setr_epi32(four(0), four(1), four(2), four(3)));
        *high = kept(_mm_setr_epi32(four(4), four(5), four(6), four(7)));
    }
    entries
}

/// `entries`, which the compiler may not join with others to make one gather: that costs twice as much as the loads.
#[inline]
#[target_feature(enable = "avx2")]
fn kept(mut entries: __m128i) -> __m128i {
    // SAFETY: no instruction, and no memory, flag or register beyond `entries` is touched.
    unsafe { asm!("/* {0} */", inout(xmm_reg) entries, options(pure, nomem, nostack, preserves_flags)) };
    entries
}

/// A byte of ones for each sign of group `group`.
#[inline]
#[target_feature(enable = "avx2")]
fn mask(signs: __m256i, group: usize) -> __m256i {
    let word = _mm256_permutevar8x32_epi32(signs, _mm256_set1_epi32(group as i32));
    let byte = _mm256_setr_epi8(
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3,
    );
    let own = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64 as i64);
    _mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(word, byte), own), own)
}

/// Entries with their signs, raised by 128.
#[inline]
#[target_feature(enable = "avx2")]
fn signed(entries: Entries, signs: __m256i) -> [__m256i; 8] {
    let mut groups = [_mm256_setzero_si256(); 8];
    for (g, (group, [low, high])) in groups.iter_mut().zip(entries).enumerate() {
        *group = _mm256_set_m128i(high, low);
        let mask = mask(signs, g);
        let value = _mm256_sub_epi8(_mm256_xor_si256(*group, mask), mask);
        *group = _mm256_xor_si256(value, _mm256_set1_epi8(-128));
    }
    groups
}

/// Entries moved by one, down where a bit of `down` is set, raised by 128.
#[inline]
#[target_feature(enable = "avx2")]
fn moved(entries: Entries, down: __m256i) -> [__m256i; 8] {
    let mut groups = [_mm256_setzero_si256(); 8];
    for (g, (group, [low, high])) in groups.iter_mut().zip(entries).enumerate() {
        *group = _mm256_set_m128i(high, low);
        let by = _mm256_or_si256(mask(down, g), _mm256_set1_epi8(1));
        *group = _mm256_xor_si256(_mm256_add_epi8(*group, by), _mm256_set1_epi8(-128));
    }
    groups
}
