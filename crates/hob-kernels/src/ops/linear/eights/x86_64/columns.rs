//! What is stored of eight rows, column by column: a vector has the same bytes of all of them.

use crate::ops::linear::blocks::format::format;
use crate::ops::linear::blocks::{bits, high_nibbles, low_nibbles};
use crate::ops::linear::eights::ROWS;
use crate::ops::linear::x86_64::load_quarter;
use hob_quant::TensorType;
use std::arch::x86_64::*;

/// The bytes of a unit of all rows.
pub(in crate::ops::linear) type Rows<'a, const N: usize> = [&'a [u8; N]; ROWS];

pub(in crate::ops::linear) const fn unit_bytes(ty: TensorType) -> usize {
    match format(ty) {
        Some(format) => format.bytes,
        None => panic!("this type has no units"),
    }
}

/// Whole scales, and minima if there are any, of the sixteen runs of eight rows.
pub(in crate::ops::linear) struct Runs {
    /// Of four runs each, a byte of each row: a signed scale, or a nibble of the scale and one of the minimum.
    bytes: [__m256i; 4],
    /// What scales are multiples of.
    pub base: __m256,
    pub base_of_mins: Option<__m256>,
}

impl Runs {
    /// The scales of a group: of each row, 16 bits for the first half and as many for the second.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn scales(&self, group: usize) -> __m256i {
        let raised = self.raised(group);
        match self.base_of_mins {
            None => _mm256_srai_epi16::<8>(raised),
            Some(_) => _mm256_and_si256(_mm256_srli_epi16::<8>(raised), _mm256_set1_epi16(15)),
        }
    }

    /// The minima, likewise.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn mins(&self, group: usize) -> __m256i {
        _mm256_srli_epi16::<12>(self.raised(group))
    }

    /// The bytes of a group's runs in the upper halves of 16 bits.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn raised(&self, group: usize) -> __m256i {
        let (a, b) = if group.is_multiple_of(2) { (0, 1) } else { (2, 3) };
        let order =
            _mm_setr_epi8(-1, a, -1, b, -1, a + 4, -1, b + 4, -1, a + 8, -1, b + 8, -1, a + 12, -1, b + 12);
        _mm256_shuffle_epi8(self.bytes[group / 2], _mm256_broadcastsi128_si256(order))
    }
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(in crate::ops::linear) fn runs_of_q2_k(rows: &Rows<'_, 84>) -> Runs {
    Runs { bytes: quads(rows, 0), base: halves(rows, 80), base_of_mins: Some(halves(rows, 82)) }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(in crate::ops::linear) fn runs_of_q3_k(rows: &Rows<'_, 110>) -> Runs {
    // Two bytes before the scales: what follows them ends with the unit.
    let [a, b, c, d] = quads(rows, 94);
    let join = |low: __m256i, high: __m256i| {
        _mm256_or_si256(_mm256_srli_epi32::<16>(low), _mm256_slli_epi32::<16>(high))
    };
    let (a, b, tops) = (join(a, b), join(b, c), join(c, d));
    let d = _mm256_srli_epi32::<16>(d);
    let d = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi32(d, d));
    let with_top = |low: __m256i, from: i32| {
        _mm256_sub_epi8(_mm256_or_si256(low, bits(tops, from, 4, 0x30)), _mm256_set1_epi8(32))
    };
    let bytes = [
        with_top(low_nibbles(a), 0),
        with_top(low_nibbles(b), 2),
        with_top(high_nibbles(a), 4),
        with_top(high_nibbles(b), 6),
    ];
    Runs { bytes, base: _mm256_cvtph_ps(_mm256_castsi256_si128(d)), base_of_mins: None }
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(in crate::ops::linear) fn runs_of_q6_k(rows: &Rows<'_, 210>) -> Runs {
    Runs { bytes: quads(rows, 192), base: halves(rows, 208), base_of_mins: None }
}

/// Sixteen bytes of each row, four at a time.
#[inline]
#[target_feature(enable = "avx2")]
pub(in crate::ops::linear) fn quads<const N: usize>(rows: &Rows<'_, N>, start: usize) -> [__m256i; 4] {
    transposed([0, 1, 2, 3].map(|row| two_sixteens(rows, row, start)))
}

/// 32 bytes of each row, two of the first sixteen and two of the last at a time.
#[inline]
#[target_feature(enable = "avx2")]
pub(in crate::ops::linear) fn mixed_quads<const N: usize>(rows: &Rows<'_, N>, start: usize) -> [__m256i; 8] {
    let (mut low, mut high) = ([_mm256_setzero_si256(); 4], [_mm256_setzero_si256(); 4]);
    for i in 0..4 {
        let [first, second] = [start, start + 16].map(|start| two_sixteens(rows, i, start));
        low[i] = _mm256_unpacklo_epi16(first, second);
        high[i] = _mm256_unpackhi_epi16(first, second);
    }
    let ([a, b, c, d], [e, f, g, h]) = (transposed(low), transposed(high));
    [a, b, c, d, e, f, g, h]
}

/// Sixteen bytes of a row and of the fourth one after it.
#[inline]
#[target_feature(enable = "avx2")]
fn two_sixteens<const N: usize>(rows: &Rows<'_, N>, row: usize, start: usize) -> __m256i {
    let sixteen = |row: &[u8; N]| load_quarter(row[start..].first_chunk::<16>().expect("within a unit"));
    _mm256_set_m128i(sixteen(rows[row + 4]), sixteen(rows[row]))
}

/// Each of four vectors has two rows; what becomes of them has four bytes of all.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed([a, b, c, d]: [__m256i; 4]) -> [__m256i; 4] {
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
pub(in crate::ops::linear) fn halves<const N: usize>(rows: &Rows<'_, N>, start: usize) -> __m256 {
    let word = |i: usize| i16::from_le_bytes([rows[i][start], rows[i][start + 1]]);
    let words = _mm_setr_epi16(word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7));
    _mm256_cvtph_ps(words)
}

/// Scales and minima of all groups of Q4_K and Q5_K, see `k_steps` of one row.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(in crate::ops::linear) fn k_steps<const N: usize>(rows: &Rows<'_, N>) -> [[__m256; 8]; 2] {
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
    let mut steps = [[_mm256_setzero_ps(); 8]; 2];
    for group in 0..8 {
        let byte = |words: __m256i| {
            let moved = _mm256_srl_epi32(words, _mm_cvtsi32_si128(group % 4 * 8));
            _mm256_cvtepi32_ps(_mm256_and_si256(moved, _mm256_set1_epi32(0xff)))
        };
        let (part, group) = (group as usize / 4, group as usize);
        steps[0][group] = _mm256_mul_ps(byte(scales[part]), scale);
        steps[1][group] = _mm256_mul_ps(byte(mins[part]), min);
    }
    steps
}
