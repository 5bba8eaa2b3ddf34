//! The panel kernels. AVX-512 VNNI: bytes, 12 tokens x 32 rows in 24 sums. AVX2: 16-bit pairs, 4 tokens x 16 rows in 8.
#![allow(unsafe_code)]

use super::pack::QUADS;
use super::{Packed, ROWS, Sums};
use crate::isa::{Avx2, Avx512};
use crate::ops::linear::activations::UNIT;
use std::arch::x86_64::*;
use std::ops::Range;

/// Tokens of an AVX-512 tile: with two vectors of rows, 24 of the 32 registers hold sums.
const TOKENS: usize = 12;

/// Tokens of an AVX2 tile: with two vectors of rows, 8 of the 16 registers.
const TOKENS_AVX2: usize = 4;

pub(super) fn avx512(
    offset: i32,
    codes: &[[u8; UNIT]; ROWS],
    panel: &mut Vec<u8>,
    x: &Packed,
    unit: usize,
    tiles: Range<usize>,
    out: &mut Sums<'_>,
) {
    let _proof = Avx512::detect().expect("the level was checked when the Cpu was made");
    panel.resize(QUADS * ROWS * 4, 0);
    let panel = panel.as_chunks_mut::<64>().0;
    // SAFETY: `Avx512` exists only where these features do.
    unsafe {
        transpose(codes, panel);
        for (index, tile) in tiles.enumerate() {
            let (bytes, marks, first) = (x.bytes(unit, tile), x.marks(unit, tile), index * TOKENS);
            match x.tokens() - tile * TOKENS {
                9.. => tile_avx512::<12>(offset, panel, bytes, marks, first, out),
                5..9 => tile_avx512::<8>(offset, panel, bytes, marks, first, out),
                _ => tile_avx512::<4>(offset, panel, bytes, marks, first, out),
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load64(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: 64 readable bytes; the load needs no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

/// `panel[2 * quad + half]` holds quad `quad` of rows `16 * half ..`, so that a dot instruction meets 16 rows at once.
#[target_feature(enable = "avx512f")]
fn transpose(codes: &[[u8; UNIT]; ROWS], panel: &mut [[u8; 64]]) {
    for half in 0..2 {
        for part in 0..4 {
            let rows: [__m512i; 16] =
                std::array::from_fn(|r| load64(&codes[16 * half + r].as_chunks::<64>().0[part]));
            for (quad, column) in transpose16(rows).into_iter().enumerate() {
                let place = &mut panel[2 * (16 * part + quad) + half];
                // SAFETY: 64 writable bytes; the store needs no alignment.
                unsafe { _mm512_storeu_si512(place.as_mut_ptr().cast(), column) }
            }
        }
    }
}

/// Transposes a 16 x 16 matrix of 32-bit elements: pairs, then quads within 128-bit lanes, then the lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose16(r: [__m512i; 16]) -> [__m512i; 16] {
    let mut pairs = r;
    for i in 0..8 {
        pairs[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        pairs[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    // `quads[4 * g + c]`: rows 4g.. in each lane, column 4 * lane + c.
    let mut quads = pairs;
    for g in 0..4 {
        let [a, b, c, d] = [pairs[4 * g], pairs[4 * g + 1], pairs[4 * g + 2], pairs[4 * g + 3]];
        quads[4 * g] = _mm512_unpacklo_epi64(a, c);
        quads[4 * g + 1] = _mm512_unpackhi_epi64(a, c);
        quads[4 * g + 2] = _mm512_unpacklo_epi64(b, d);
        quads[4 * g + 3] = _mm512_unpackhi_epi64(b, d);
    }
    let mut out = quads;
    for c in 0..4 {
        let [a, b, d, e] = [quads[c], quads[4 + c], quads[8 + c], quads[12 + c]];
        let low_ab = _mm512_shuffle_i32x4::<0b01_00_01_00>(a, b);
        let high_ab = _mm512_shuffle_i32x4::<0b11_10_11_10>(a, b);
        let low_de = _mm512_shuffle_i32x4::<0b01_00_01_00>(d, e);
        let high_de = _mm512_shuffle_i32x4::<0b11_10_11_10>(d, e);
        out[c] = _mm512_shuffle_i32x4::<0b10_00_10_00>(low_ab, low_de);
        out[4 + c] = _mm512_shuffle_i32x4::<0b11_01_11_01>(low_ab, low_de);
        out[8 + c] = _mm512_shuffle_i32x4::<0b10_00_10_00>(high_ab, high_de);
        out[12 + c] = _mm512_shuffle_i32x4::<0b11_01_11_01>(high_ab, high_de);
    }
    out
}

/// The first `N` tokens of a tile.
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn tile_avx512<const N: usize>(
    offset: i32,
    panel: &[[u8; 64]],
    x: &[i8],
    marks: &[(f32, i32)],
    first: usize,
    out: &mut Sums<'_>,
) {
    let panel = &panel[..2 * QUADS];
    let x = &x.as_chunks::<4>().0.as_chunks::<TOKENS>().0[..QUADS];
    let marks: &[(f32, i32); TOKENS] = marks.try_into().expect("a tile's tokens");
    // Starting from the zero point's share, `-offset * sum(x)`, makes the sums those of signed codes.
    let mut sums: [[__m512i; 2]; N] =
        std::array::from_fn(|t| [_mm512_set1_epi32(offset.wrapping_mul(marks[t].1)); 2]);
    for quad in 0..QUADS {
        let rows = [load64(&panel[2 * quad]), load64(&panel[2 * quad + 1])];
        for t in 0..N {
            let values = _mm512_set1_epi32(i32::from_ne_bytes(x[quad][t].map(|v| v as u8)));
            sums[t][0] = _mm512_dpbusd_epi32(sums[t][0], rows[0], values);
            sums[t][1] = _mm512_dpbusd_epi32(sums[t][1], rows[1], values);
        }
    }
    match out {
        Sums::Integers(out) => {
            for (t, out) in out[first..first + N].iter_mut().enumerate() {
                for (out, sum) in out.as_chunks_mut::<16>().0.iter_mut().zip(sums[t]) {
                    // SAFETY: 64 readable and writable bytes; neither access needs alignment.
                    unsafe {
                        let total = _mm512_add_epi32(_mm512_loadu_si512(out.as_ptr().cast()), sum);
                        _mm512_storeu_si512(out.as_mut_ptr().cast(), total);
                    }
                }
            }
        }
        Sums::Floats(out, scales) => {
            for (t, out) in out[first..first + N].iter_mut().enumerate() {
                let step = _mm512_set1_ps(marks[t].0);
                let parts = out.as_chunks_mut::<16>().0.iter_mut().zip(scales.as_chunks::<16>().0);
                for ((out, scales), sum) in parts.zip(sums[t]) {
                    // SAFETY: 64 readable and writable bytes each; no access needs alignment.
                    unsafe {
                        let scale = _mm512_mul_ps(_mm512_loadu_ps(scales.as_ptr()), step);
                        let old = _mm512_loadu_ps(out.as_ptr());
                        let total = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, old);
                        _mm512_storeu_ps(out.as_mut_ptr(), total);
                    }
                }
            }
        }
    }
}

pub(super) fn avx2(
    offset: i32,
    codes: &[[u8; UNIT]; ROWS],
    panel: &mut Vec<u8>,
    x: &Packed,
    unit: usize,
    tiles: Range<usize>,
    out: &mut Sums<'_>,
) {
    let _proof = Avx2::detect().expect("the level was checked when the Cpu was made");
    panel.resize(UNIT * ROWS * 2, 0);
    let panel = panel.as_chunks_mut::<32>().0;
    // SAFETY: `Avx2` exists only where AVX2 and FMA do.
    unsafe {
        widen(offset, codes, panel);
        for (index, tile) in tiles.enumerate() {
            let (words, marks) = (x.words(unit, tile), x.marks(unit, tile));
            tile_avx2(panel, words, marks, index * TOKENS_AVX2, out);
        }
    }
}

/// `panel[4 * pair + part]` holds columns `2 * pair ..` of rows `8 * part ..` as signed 16-bit values: 8-bit products of
/// unsigned codes would saturate when added in pairs.
#[target_feature(enable = "avx2")]
fn widen(offset: i32, codes: &[[u8; UNIT]; ROWS], panel: &mut [[u8; 32]]) {
    let offset = _mm256_set1_epi16(offset as i16);
    for (part, rows) in codes.as_chunks::<8>().0.iter().enumerate() {
        for run in 0..UNIT / 16 {
            let widened = std::array::from_fn(|r| {
                // SAFETY: 16 readable bytes; the load needs no alignment.
                let codes = unsafe { _mm_loadu_si128(rows[r].as_chunks::<16>().0[run].as_ptr().cast()) };
                _mm256_sub_epi16(_mm256_cvtepu8_epi16(codes), offset)
            });
            for (pair, column) in transpose8(widened).into_iter().enumerate() {
                let place = &mut panel[4 * (8 * run + pair) + part];
                // SAFETY: 32 writable bytes; the store needs no alignment.
                unsafe { _mm256_storeu_si256(place.as_mut_ptr().cast(), column) }
            }
        }
    }
}

/// Transposes an 8 x 8 matrix of 32-bit elements: pairs, then quads within 128-bit lanes, then the lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose8(r: [__m256i; 8]) -> [__m256i; 8] {
    // `quads[4 * g + c]`: rows 4g.. in each lane, column 4 * lane + c.
    let mut quads = r;
    for g in 0..2 {
        let [a, b, c, d] = [r[4 * g], r[4 * g + 1], r[4 * g + 2], r[4 * g + 3]];
        let (low_ab, high_ab) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
        let (low_cd, high_cd) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
        quads[4 * g] = _mm256_unpacklo_epi64(low_ab, low_cd);
        quads[4 * g + 1] = _mm256_unpackhi_epi64(low_ab, low_cd);
        quads[4 * g + 2] = _mm256_unpacklo_epi64(high_ab, high_cd);
        quads[4 * g + 3] = _mm256_unpackhi_epi64(high_ab, high_cd);
    }
    let mut out = quads;
    for c in 0..4 {
        out[c] = _mm256_permute2x128_si256::<0x20>(quads[c], quads[4 + c]);
        out[4 + c] = _mm256_permute2x128_si256::<0x31>(quads[c], quads[4 + c]);
    }
    out
}

#[target_feature(enable = "avx2,fma")]
fn tile_avx2(panel: &[[u8; 32]], x: &[i16], marks: &[(f32, i32)], first: usize, out: &mut Sums<'_>) {
    // `x` is [quad][token][4]: two pairs of columns per token.
    let x = &x.as_chunks::<2>().0.as_chunks::<2>().0.as_chunks::<TOKENS_AVX2>().0[..QUADS];
    let panel = &panel.as_chunks::<4>().0[..2 * QUADS];
    for side in 0..2 {
        let mut sums = [[_mm256_setzero_si256(); 2]; TOKENS_AVX2];
        for quad in 0..QUADS {
            for pair in 0..2 {
                let rows = &panel[2 * quad + pair];
                let rows = [load32(&rows[2 * side]), load32(&rows[2 * side + 1])];
                for t in 0..TOKENS_AVX2 {
                    let [a, b] = x[quad][t][pair];
                    let both = u32::from(a as u16) | u32::from(b as u16) << 16;
                    let values = _mm256_set1_epi32(both as i32);
                    sums[t][0] = _mm256_add_epi32(sums[t][0], _mm256_madd_epi16(rows[0], values));
                    sums[t][1] = _mm256_add_epi32(sums[t][1], _mm256_madd_epi16(rows[1], values));
                }
            }
        }
        for (t, sums) in sums.into_iter().enumerate() {
            for (part, sum) in sums.into_iter().enumerate() {
                add_avx2(out, first + t, 16 * side + 8 * part, marks[t].0, sum);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load32(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: 32 readable bytes; the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// Adds eight rows' dots from `row` on to the sums of token `index`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_avx2(out: &mut Sums<'_>, index: usize, row: usize, step: f32, dots: __m256i) {
    match out {
        Sums::Integers(out) => {
            let out: &mut [i32; 8] = out[index][row..].first_chunk_mut().expect("eight rows of a panel");
            // SAFETY: 32 readable and writable bytes; neither access needs alignment.
            unsafe {
                let total = _mm256_add_epi32(_mm256_loadu_si256(out.as_ptr().cast()), dots);
                _mm256_storeu_si256(out.as_mut_ptr().cast(), total);
            }
        }
        Sums::Floats(out, scales) => {
            let out: &mut [f32; 8] = out[index][row..].first_chunk_mut().expect("eight rows of a panel");
            let scales: &[f32; 8] = scales[row..].first_chunk().expect("eight rows of a panel");
            // SAFETY: 32 readable and writable bytes each; no access needs alignment.
            unsafe {
                let scale = _mm256_mul_ps(_mm256_loadu_ps(scales.as_ptr()), _mm256_set1_ps(step));
                let total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), scale, _mm256_loadu_ps(out.as_ptr()));
                _mm256_storeu_ps(out.as_mut_ptr(), total);
            }
        }
    }
}
