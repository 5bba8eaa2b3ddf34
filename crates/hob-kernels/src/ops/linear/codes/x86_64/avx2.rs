//! AVX2: products are added up in 16 bits as long as they fit. One token meets a row at a time, as memory gives them best.
#![allow(unsafe_code)]

use super::{bits_of, place, prefetch};
use crate::CodeBits;
use crate::ops::linear::activations::{UNIT, Unit};
use crate::ops::linear::codes::{self, Input, Weights};
use crate::ops::linear::finish::Finish;
use crate::ops::linear::x86_64::load_half;
use std::arch::x86_64::*;
use std::ops::Range;

/// What is taken for zero of stored codes; those of eight bits are multiplied as they are, signed.
pub(super) const fn offset<const B: usize>() -> i32 {
    if B == 8 { 0 } else { codes::offset(bits_of::<B>()) }
}

/// Rows whose results are scaled and stored together.
const RUN: usize = 8;

/// Works on `rows`, of which none are left. The tile of one row and one token does the same, at 60 % of the speed.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn one_token(
    w: &Weights<'_>,
    rows: Range<usize>,
    input: &Input,
    finish: &Finish<'_>,
) -> Range<usize> {
    match w.bits {
        CodeBits::Two => all::<2>(w, rows.clone(), input, finish),
        CodeBits::Four => all::<4>(w, rows.clone(), input, finish),
        CodeBits::Eight => all::<8>(w, rows.clone(), input, finish),
    }
    rows.end..rows.end
}

#[target_feature(enable = "avx2")]
fn all<const B: usize>(w: &Weights<'_>, rows: Range<usize>, input: &Input, finish: &Finish<'_>) {
    let (units, token) = (input.x.token(0), input.tokens[0]);
    let zero_point = const { offset::<B>() }.wrapping_mul(token.negative_sum);
    for first in rows.clone().step_by(RUN) {
        let mut out = [0.0; RUN];
        let out = &mut out[..RUN.min(rows.end - first)];
        for (row, out) in (first..).zip(out.iter_mut()) {
            *out = dot::<B>(w.row(row), units).wrapping_add(zero_point) as f32 * (token.step * w.scale(row));
        }
        finish.put_run(0, first, out);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn dot<const B: usize>(row: &[u8], units: &[Unit]) -> i32 {
    let stored = row.chunks_exact(UNIT * B / 8);
    let rest = stored.remainder();
    let mut sum = [_mm256_setzero_si256()];
    for (stored, x) in stored.zip(units) {
        unit::<B, 1>(stored, &[x], &mut sum);
    }
    if let (false, Some(x)) = (rest.is_empty(), units.last()) {
        let mut padded = [0; UNIT];
        padded[..rest.len()].copy_from_slice(rest);
        unit::<B, 1>(&padded[..UNIT * B / 8], &[x], &mut sum);
    }
    add_lanes(sum[0])
}

/// Adds the dots of 256 columns with each token, in eight lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn unit<const B: usize, const T: usize>(stored: &[u8], x: &[&Unit; T], sums: &mut [__m256i; T]) {
    prefetch(stored);
    if B == 8 { signed_bytes(stored, x, sums) } else { fields::<B, T>(stored, x, sums) }
}

/// Fields of two or four bits: the products of a unit that meet in a lane, two at a time and eight of these, are at most
/// `8 * 2 * 15 * 128` and fit 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn fields<const B: usize, const T: usize>(stored: &[u8], x: &[&Unit; T], sums: &mut [__m256i; T]) {
    let mut of_unit = [_mm256_setzero_si256(); T];
    for (part, stored) in stored.as_chunks::<32>().0.iter().enumerate() {
        let stored = load_half(stored);
        for field in 0..8 / B {
            let shift = _mm_cvtsi32_si128((B * field) as i32);
            let codes = _mm256_and_si256(_mm256_srl_epi16(stored, shift), _mm256_set1_epi8((1 << B) - 1));
            for (sum, x) in of_unit.iter_mut().zip(x) {
                let values = load_half(&x.codes.as_chunks::<32>().0[place::<B>(field, 32 * part) / 32]);
                *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(codes, values));
            }
        }
    }
    for (sum, of_unit) in sums.iter_mut().zip(of_unit) {
        *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(of_unit, _mm256_set1_epi16(1)));
    }
}

/// Codes of eight bits: both sides are widened, since pairs of their products can exceed 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn signed_bytes<const T: usize>(stored: &[u8], x: &[&Unit; T], sums: &mut [__m256i; T]) {
    for (part, stored) in stored.as_chunks::<16>().0.iter().enumerate() {
        let codes = widened(stored);
        for (sum, x) in sums.iter_mut().zip(x) {
            let values = widened(&x.codes.as_chunks::<16>().0[part]);
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(codes, values));
        }
    }
}

/// Sixteen signed bytes in 16 bits each.
#[inline]
#[target_feature(enable = "avx2")]
fn widened<T>(bytes: &[T; 16]) -> __m256i {
    const { assert!(size_of::<T>() == 1) }
    // SAFETY: 16 readable bytes; the load needs no alignment.
    _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
}

/// The sum of a vector's lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn add_lanes(lanes: __m256i) -> i32 {
    let quad = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256::<1>(lanes));
    let pair = _mm_add_epi32(quad, _mm_shuffle_epi32::<0b1110>(quad));
    _mm_cvtsi128_si32(_mm_add_epi32(pair, _mm_shuffle_epi32::<1>(pair)))
}
