//! AVX2 and AVX-512 VNNI: four rows at a time, so that the sums' final additions and the activations' loads are shared.
#![allow(unsafe_code)]

mod one_token;

use super::{Input, Weights, offset};
use crate::CodeBits;
use crate::isa::{Avx2, Avx512};
use crate::ops::linear::activations::{UNIT, Unit};
use crate::ops::linear::finish::Finish;
use std::arch::x86_64::*;
use std::ops::Range;

/// Rows that are summed together.
const ROWS: usize = 4;

const fn bits_of<const B: usize>() -> CodeBits {
    match B {
        2 => CodeBits::Two,
        4 => CodeBits::Four,
        _ => CodeBits::Eight,
    }
}

/// How far ahead of the loads rows are fetched: four short rows read in turn are a pattern that the CPU's own
/// prefetchers do not follow.
const AHEAD_BYTES: usize = 4096;

/// Where the codes in field `field` of the stored byte `byte` of a unit meet their activations.
const fn place<const B: usize>(field: usize, byte: usize) -> usize {
    match B {
        2 => 64 * field + byte,
        4 => byte / 64 * 128 + 64 * field + byte % 64,
        _ => byte,
    }
}

/// The loops over rows, units and tokens, once per instruction set.
macro_rules! code_kernel {
    ($entry:ident, $one_token:path, $isa:ident, $vector:ty, $zero:ident, $add_bytes:ident, $sum:ident, $bytes:literal, $features:literal) => {
        pub(super) fn $entry(w: &Weights<'_>, rows: Range<usize>, input: &Input, finish: &Finish<'_>) {
            #[target_feature(enable = $features)]
            fn all<const B: usize>(w: &Weights<'_>, rows: Range<usize>, input: &Input, finish: &Finish<'_>) {
                let mut row = rows.start;
                while row < rows.end {
                    row += if row + ROWS <= rows.end {
                        tokens::<B, ROWS>(w, row, input, finish)
                    } else {
                        tokens::<B, 1>(w, row, input, finish)
                    };
                }
            }

            #[target_feature(enable = $features)]
            fn tokens<const B: usize, const R: usize>(
                w: &Weights<'_>,
                row: usize,
                input: &Input,
                finish: &Finish<'_>,
            ) -> usize {
                let mut token = 0;
                while token < input.tokens.len() {
                    token += match input.tokens.len() - token {
                        4.. => tile::<B, R, 4>(w, row, input, token, finish),
                        2..4 => tile::<B, R, 2>(w, row, input, token, finish),
                        _ => tile::<B, R, 1>(w, row, input, token, finish),
                    };
                }
                R
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn tile<const B: usize, const R: usize, const T: usize>(
                w: &Weights<'_>,
                first_row: usize,
                input: &Input,
                first_token: usize,
                finish: &Finish<'_>,
            ) -> usize {
                let unit_bytes = UNIT * B / 8;
                let rows: [&[u8]; R] = std::array::from_fn(|r| w.row(first_row + r));
                let x: [&[Unit]; T] = std::array::from_fn(|t| input.x.token(first_token + t));
                let mut sums = [[$zero(); T]; R];
                for index in 0..rows[0].len().div_ceil(unit_bytes) {
                    let x: [&Unit; T] = std::array::from_fn(|t| &x[t][index]);
                    for r in 0..R {
                        let stored = &rows[r][index * unit_bytes..];
                        if stored.len() >= unit_bytes {
                            unit::<B, T>(&stored[..unit_bytes], &x, &mut sums[r]);
                        } else {
                            let mut padded = [0u8; UNIT];
                            padded[..stored.len()].copy_from_slice(stored);
                            unit::<B, T>(&padded[..unit_bytes], &x, &mut sums[r]);
                        }
                    }
                }
                for (r, sums) in sums.iter().enumerate() {
                    let scale = w.scale(first_row + r);
                    for (t, sum) in sums.iter().enumerate() {
                        let token = input.tokens[first_token + t];
                        let zero_point = const { offset(bits_of::<B>()) }.wrapping_mul(token.negative_sum);
                        let value = $sum(*sum).wrapping_add(zero_point) as f32 * (token.step * scale);
                        finish.put(first_token + t, first_row + r, value);
                    }
                }
                T
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn unit<const B: usize, const T: usize>(stored: &[u8], x: &[&Unit; T], sums: &mut [$vector; T]) {
                for (part, stored) in stored.as_chunks::<$bytes>().0.iter().enumerate() {
                    // A prefetch reads nothing and never faults, wherever it points.
                    _mm_prefetch::<_MM_HINT_T0>(stored.as_ptr().wrapping_add(AHEAD_BYTES).cast());
                    $add_bytes::<B, T>(stored, part * $bytes, x, sums);
                }
            }

            #[target_feature(enable = $features)]
            fn dispatch(w: &Weights<'_>, rows: Range<usize>, input: &Input, finish: &Finish<'_>) {
                let rows = $one_token(w, rows, input, finish);
                match w.bits {
                    CodeBits::Two => all::<2>(w, rows, input, finish),
                    CodeBits::Four => all::<4>(w, rows, input, finish),
                    CodeBits::Eight => all::<8>(w, rows, input, finish),
                }
            }

            let _proof = $isa::detect().expect("the level was checked when the Cpu was made");
            // SAFETY: the token exists only where these features do.
            unsafe { dispatch(w, rows, input, finish) }
        }
    };
}

code_kernel!(
    avx512,
    one_token::run,
    Avx512,
    __m512i,
    _mm512_setzero_si512,
    add64,
    _mm512_reduce_add_epi32,
    64,
    "avx2,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"
);
code_kernel!(avx2, all_rows, Avx2, __m256i, _mm256_setzero_si256, add32, sum8, 32, "avx2");

/// No rows are special.
fn all_rows(_: &Weights<'_>, rows: Range<usize>, _: &Input, _: &Finish<'_>) -> Range<usize> {
    rows
}

#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn add64<const B: usize, const T: usize>(
    stored: &[u8; 64],
    byte: usize,
    x: &[&Unit; T],
    sums: &mut [__m512i; T],
) {
    // SAFETY: 64 readable bytes; the load needs no alignment.
    let stored = unsafe { _mm512_loadu_si512(stored.as_ptr().cast()) };
    for field in 0..8 / B {
        let codes = match B {
            8 => _mm512_xor_si512(stored, _mm512_set1_epi8(-128)),
            _ => {
                let shift = _mm_cvtsi32_si128((B * field) as i32);
                _mm512_and_si512(_mm512_srl_epi16(stored, shift), _mm512_set1_epi8((1 << B) - 1))
            }
        };
        for t in 0..T {
            let values: &[i8; 64] = x[t].codes[place::<B>(field, byte)..].first_chunk().expect("in the unit");
            // SAFETY: 64 readable bytes; the load needs no alignment.
            let values = unsafe { _mm512_loadu_si512(values.as_ptr().cast()) };
            sums[t] = _mm512_dpbusd_epi32(sums[t], codes, values);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn add32<const B: usize, const T: usize>(
    stored: &[u8; 32],
    byte: usize,
    x: &[&Unit; T],
    sums: &mut [__m256i; T],
) {
    // SAFETY: 32 readable bytes; the load needs no alignment.
    let stored = unsafe { _mm256_loadu_si256(stored.as_ptr().cast()) };
    for field in 0..8 / B {
        let shift = _mm_cvtsi32_si128((B * field) as i32);
        let codes = match B {
            8 => _mm256_xor_si256(stored, _mm256_set1_epi8(-128)),
            _ => _mm256_and_si256(_mm256_srl_epi16(stored, shift), _mm256_set1_epi8((1 << B) - 1)),
        };
        for t in 0..T {
            let values: &[i8; 32] = x[t].codes[place::<B>(field, byte)..].first_chunk().expect("in the unit");
            // SAFETY: 32 readable bytes; the load needs no alignment.
            let values = unsafe { _mm256_loadu_si256(values.as_ptr().cast()) };
            let products = if B == 8 { wide_products(codes, values) } else { narrow_products(codes, values) };
            sums[t] = _mm256_add_epi32(sums[t], products);
        }
    }
}

/// Codes up to 15: pairs of products are at most `2 * 15 * 128` and fit 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn narrow_products(codes: __m256i, values: __m256i) -> __m256i {
    _mm256_madd_epi16(_mm256_maddubs_epi16(codes, values), _mm256_set1_epi16(1))
}

/// Codes up to 255: pairs of products would saturate 16 bits, so both sides are widened first.
#[inline]
#[target_feature(enable = "avx2")]
fn wide_products(codes: __m256i, values: __m256i) -> __m256i {
    let low = _mm256_madd_epi16(
        _mm256_cvtepu8_epi16(_mm256_castsi256_si128(codes)),
        _mm256_cvtepi8_epi16(_mm256_castsi256_si128(values)),
    );
    let high = _mm256_madd_epi16(
        _mm256_cvtepu8_epi16(_mm256_extracti128_si256::<1>(codes)),
        _mm256_cvtepi8_epi16(_mm256_extracti128_si256::<1>(values)),
    );
    _mm256_add_epi32(low, high)
}

#[inline]
#[target_feature(enable = "avx2")]
fn sum8(lanes: __m256i) -> i32 {
    let quad = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256::<1>(lanes));
    let pair = _mm_add_epi32(quad, _mm_shuffle_epi32::<0b1110>(quad));
    _mm_cvtsi128_si32(_mm_add_epi32(pair, _mm_shuffle_epi32::<1>(pair)))
}
