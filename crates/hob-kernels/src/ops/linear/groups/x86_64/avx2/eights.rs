//! Panels of bytes straight from what is stored, eight rows at once: stored bytes are transposed, which are half as many as
//! their codes or little more, and only then unpacked, column by column. So for the formats that are met most often; the
//! others go by way of `WeightUnit`s.
#![allow(unsafe_code)]

use super::EncodedUnit;
use crate::isa::Avx2;
use crate::ops::linear::blocks::format::format;
use crate::ops::linear::blocks::{bits, high_nibbles, low_nibbles};
use crate::ops::linear::groups::Panel;
use crate::ops::linear::x86_64::{store_eight, store_half};
use hob_quant::TensorType;
use std::arch::x86_64::*;

macro_rules! unpackers {
    ($($ty:ident $unpack:ident,)*) => {
        /// Unpacks one unit of some rows. `false` if the format has no such way, or the rows end within the unit.
        pub(super) fn unpack(_proof: Avx2, from: &EncodedUnit<'_>, panel: &mut Panel<u8>) -> bool {
            #[target_feature(enable = "avx2,fma,f16c")]
            fn all_rows(from: &EncodedUnit<'_>, panel: &mut Panel<u8>) -> bool {
                match from.ty {
                    $(TensorType::$ty => {
                        const BYTES: usize = unit_bytes(TensorType::$ty);
                        for eight in 0..from.rows.len().div_ceil(8) {
                            let Some(rows) = stored::<BYTES>(from, eight) else { return false };
                            $unpack(&rows, &mut Columns { panel, eight });
                        }
                        true
                    })*
                    _ => false,
                }
            }
            // SAFETY: the proof exists only where these features do.
            unsafe { all_rows(from, panel) }
        }
    };
}

unpackers!(Q4_0 q4_0, Q4_K q4_k, Q5_K q5_k, Q6_K q6_k,);

const fn unit_bytes(ty: TensorType) -> usize {
    match format(ty) {
        Some(format) => format.bytes,
        None => panic!("this type has no units"),
    }
}

/// The unit of eight rows. Those that are not there are the last one: their sums are not used.
#[inline(always)]
fn stored<'a, const N: usize>(from: &EncodedUnit<'a>, eight: usize) -> Option<[&'a [u8; N]; 8]> {
    let (weight, start) = (from.weight, from.unit * N);
    if start + N > weight.row_bytes {
        return None;
    }
    let mut stored = [&[0; N]; 8];
    for (i, stored) in stored.iter_mut().enumerate() {
        let row = (from.rows.start + 8 * eight + i).min(from.rows.end - 1);
        *stored = weight.bytes.get(row * weight.row_bytes + start..)?.first_chunk()?;
    }
    Some(stored)
}

/// Where the columns of eight rows go.
struct Columns<'a> {
    panel: &'a mut Panel<u8>,
    eight: usize,
}

impl Columns<'_> {
    /// Stores the codes of four columns.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn put(&mut self, group: usize, quad: usize, codes: __m256i) {
        let quad = self.panel.codes[group][quad].as_flattened_mut();
        store_half(&mut quad.as_chunks_mut::<32>().0[self.eight], codes);
    }

    /// Stores scales.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn put_scales(&mut self, half: usize, group: usize, scales: __m256) {
        store_eight(&mut self.panel.scales[half][group].as_chunks_mut().0[self.eight], scales);
    }

    /// Stores minima.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn put_mins(&mut self, group: usize, mins: __m256) {
        store_eight(&mut self.panel.mins[0][group].as_chunks_mut().0[self.eight], mins);
    }
}

type Rows<'a, const N: usize> = [&'a [u8; N]; 8];

/// Sixteen bytes of each row, four at a time.
#[inline]
#[target_feature(enable = "avx2")]
fn quads<const N: usize>(rows: &Rows<'_, N>, start: usize) -> [__m256i; 4] {
    let mut pairs = [_mm256_setzero_si256(); 4];
    for (i, pair) in pairs.iter_mut().enumerate() {
        let sixteen = |row: &[u8; N]| -> __m128i {
            let bytes: &[u8; 16] = row[start..].first_chunk().expect("within a unit");
            // SAFETY: 16 readable bytes; the load needs no alignment.
            unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
        };
        *pair = _mm256_set_m128i(sixteen(rows[i + 4]), sixteen(rows[i]));
    }
    let [a, b, c, d] = pairs;
    let (low_ab, high_ab) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let (low_cd, high_cd) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
    [
        _mm256_unpacklo_epi64(low_ab, low_cd),
        _mm256_unpackhi_epi64(low_ab, low_cd),
        _mm256_unpacklo_epi64(high_ab, high_cd),
        _mm256_unpackhi_epi64(high_ab, high_cd),
    ]
}

/// A number in f16 of each row.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn halves<const N: usize>(rows: &Rows<'_, N>, start: usize) -> __m256 {
    let word = |i: usize| i16::from_le_bytes([rows[i][start], rows[i][start + 1]]);
    let words = _mm_setr_epi16(word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7));
    _mm256_cvtph_ps(words)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q4_0(rows: &Rows<'_, 144>, to: &mut Columns<'_>) {
    for group in 0..8 {
        to.put_scales(0, group, halves(rows, 18 * group));
        for (quad, nibbles) in quads(rows, 18 * group + 2).into_iter().enumerate() {
            to.put(group, quad, low_nibbles(nibbles));
            to.put(group, 4 + quad, high_nibbles(nibbles));
        }
    }
}

/// Scales and minima of Q4_K and Q5_K, see `k_steps` of one row.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn k_steps<const N: usize>(rows: &Rows<'_, N>, to: &mut Columns<'_>) {
    let [d, a, b, c] = quads(rows, 0);
    let words =
        _mm256_packus_epi32(_mm256_and_si256(d, _mm256_set1_epi32(0xffff)), _mm256_srli_epi32::<16>(d));
    let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(words);
    let scale = _mm256_cvtph_ps(_mm256_castsi256_si128(words));
    let min = _mm256_cvtph_ps(_mm256_extracti128_si256::<1>(words));
    let (six, four) = (_mm256_set1_epi8(0x3f), _mm256_set1_epi8(0x0f));
    let upper = |word: __m256i| _mm256_and_si256(_mm256_srli_epi32::<2>(word), _mm256_set1_epi8(0x30));
    let scales = [_mm256_and_si256(a, six), _mm256_or_si256(_mm256_and_si256(c, four), upper(a))];
    let high = _mm256_and_si256(_mm256_srli_epi32::<4>(c), four);
    let mins = [_mm256_and_si256(b, six), _mm256_or_si256(high, upper(b))];
    for group in 0..8 {
        let byte = |words: __m256i| {
            let moved = _mm256_srl_epi32(words, _mm_cvtsi32_si128(group % 4 * 8));
            _mm256_cvtepi32_ps(_mm256_and_si256(moved, _mm256_set1_epi32(0xff)))
        };
        let (part, group) = (group as usize / 4, group as usize);
        to.put_scales(0, group, _mm256_mul_ps(byte(scales[part]), scale));
        to.put_mins(group, _mm256_mul_ps(byte(mins[part]), min));
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q4_k(rows: &Rows<'_, 144>, to: &mut Columns<'_>) {
    k_steps(rows, to);
    for sixteen in 0..8 {
        let (even, first) = (sixteen / 2 * 2, sixteen % 2 * 4);
        for (quad, nibbles) in quads(rows, 16 + 16 * sixteen).into_iter().enumerate() {
            to.put(even, first + quad, low_nibbles(nibbles));
            to.put(even + 1, first + quad, high_nibbles(nibbles));
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q5_k(rows: &Rows<'_, 176>, to: &mut Columns<'_>) {
    k_steps(rows, to);
    for half in 0..2 {
        let fifths = quads(rows, 16 + 16 * half);
        for even in [0, 2, 4, 6] {
            let nibbles = quads(rows, 48 + 16 * (even + half));
            for (quad, (nibbles, fifths)) in nibbles.into_iter().zip(fifths).enumerate() {
                let with_fifth =
                    |low: __m256i, group: usize| _mm256_or_si256(low, bits(fifths, group as i32, 4, 16));
                to.put(even, 4 * half + quad, with_fifth(low_nibbles(nibbles), even));
                to.put(even + 1, 4 * half + quad, with_fifth(high_nibbles(nibbles), even + 1));
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q6_k(rows: &Rows<'_, 210>, to: &mut Columns<'_>) {
    let scale = halves(rows, 208);
    for (part, scales) in quads(rows, 192).into_iter().enumerate() {
        for byte in 0..4 {
            let up = _mm256_sll_epi32(scales, _mm_cvtsi32_si128(24 - 8 * byte));
            let scales = _mm256_cvtepi32_ps(_mm256_srai_epi32::<24>(up));
            let sixteen = 4 * part + byte as usize;
            to.put_scales(sixteen % 2, sixteen / 2, _mm256_mul_ps(scales, scale));
        }
    }
    for part in 0..4 {
        let (chunk, half) = (part / 2, part % 2);
        let tops = quads(rows, 128 + 16 * part);
        for pair in 0..2 {
            let nibbles = quads(rows, 64 * chunk + 32 * pair + 16 * half);
            for (quad, (nibbles, tops)) in nibbles.into_iter().zip(tops).enumerate() {
                let with_top =
                    |low: __m256i, of: usize| _mm256_or_si256(low, bits(tops, 2 * of as i32, 4, 0x30));
                let quad = 4 * half + quad;
                to.put(4 * chunk + pair, quad, with_top(low_nibbles(nibbles), pair));
                to.put(4 * chunk + 2 + pair, quad, with_top(high_nibbles(nibbles), 2 + pair));
            }
        }
    }
}
