//! AVX-512 VNNI. With one token, four rows share each load of the activations, and fields of a byte are never shifted.
//!
//! There a field is masked where it stands, which makes its code `2^shift` times as large; it has a sum of its own, which is
//! divided by that at the end. No sum overflows: at most `2^16` columns of `255 * 128` are added, sixteenths to a lane.
#![allow(unsafe_code)]

use super::{AHEAD_BYTES, ROWS, bits_of, place, prefetch};
use crate::CodeBits;
use crate::ops::linear::activations::{UNIT, Unit};
use crate::ops::linear::codes::{self, Input, Weights};
use crate::ops::linear::finish::Finish;
use std::arch::x86_64::*;
use std::ops::Range;

/// What is taken for zero of stored codes.
pub(super) const fn offset<const B: usize>() -> i32 {
    codes::offset(bits_of::<B>())
}

/// Adds the dots of 256 columns with each token, in sixteen lanes.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
pub(super) fn unit<const B: usize, const T: usize>(stored: &[u8], x: &[&Unit; T], sums: &mut [__m512i; T]) {
    prefetch(stored);
    for (part, stored) in stored.as_chunks::<64>().0.iter().enumerate() {
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
            for (sum, x) in sums.iter_mut().zip(x) {
                let values = load(&x.codes.as_chunks::<64>().0[place::<B>(field, 64 * part) / 64]);
                *sum = _mm512_dpbusd_epi32(*sum, codes, values);
            }
        }
    }
}

/// The sum of a vector's lanes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn add_lanes(lanes: __m512i) -> i32 {
    _mm512_reduce_add_epi32(lanes)
}

/// Works on as many of `rows` as come in fours; returns those that are left.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
pub(super) fn one_token(
    w: &Weights<'_>,
    rows: Range<usize>,
    input: &Input,
    finish: &Finish<'_>,
) -> Range<usize> {
    let fours = rows.start..rows.start + rows.len() / ROWS * ROWS;
    match w.bits {
        CodeBits::Two => all::<2, 4>(w, fours.clone(), input, finish),
        CodeBits::Four => all::<4, 2>(w, fours.clone(), input, finish),
        CodeBits::Eight => all::<8, 1>(w, fours.clone(), input, finish),
    }
    fours.end..rows.end
}

/// `B` bits to a code, `FIELDS` codes to a byte.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn all<const B: usize, const FIELDS: usize>(
    w: &Weights<'_>,
    rows: Range<usize>,
    input: &Input,
    finish: &Finish<'_>,
) {
    let (units, token) = (input.x.token(0), input.tokens[0]);
    let zero_point = const { offset::<B>() }.wrapping_mul(token.negative_sum);
    for row in rows.step_by(ROWS) {
        let sums = dot::<B, FIELDS>([w.row(row), w.row(row + 1), w.row(row + 2), w.row(row + 3)], units);
        let mut out = [0.0; ROWS];
        for (r, (out, sum)) in out.iter_mut().zip(sums).enumerate() {
            *out = sum.wrapping_add(zero_point) as f32 * (token.step * w.scale(row + r));
        }
        finish.put_run(0, row, &out);
    }
}

#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn dot<const B: usize, const FIELDS: usize>(rows: [&[u8]; ROWS], units: &[Unit]) -> [i32; ROWS] {
    let unit_bytes = UNIT * B / 8;
    let whole = rows[0].len() / unit_bytes;
    let mut sums = [[_mm512_setzero_si512(); FIELDS]; ROWS];
    for (index, x) in units[..whole].iter().enumerate() {
        let at = index * unit_bytes..(index + 1) * unit_bytes;
        let [a, b, c, d] = rows;
        let stored = [&a[at.clone()], &b[at.clone()], &c[at.clone()], &d[at]];
        for part in 0..unit_bytes / 64 {
            add::<B, FIELDS>(stored, part, x, &mut sums);
        }
    }
    if let Some(x) = units.get(whole) {
        let mut padded = [[0u8; UNIT]; ROWS];
        for (padded, row) in padded.iter_mut().zip(rows) {
            let rest = &row[whole * unit_bytes..];
            padded[..rest.len()].copy_from_slice(rest);
        }
        let [a, b, c, d] = &padded;
        for part in 0..unit_bytes / 64 {
            add::<B, FIELDS>([a, b, c, d], part, x, &mut sums);
        }
    }
    let mut totals = [_mm512_setzero_si512(); ROWS];
    for (total, sums) in totals.iter_mut().zip(sums) {
        for (field, sum) in sums.into_iter().enumerate() {
            let shift = _mm_cvtsi32_si128((B * field) as i32);
            *total = _mm512_add_epi32(*total, _mm512_sra_epi32(sum, shift));
        }
    }
    add_four(totals)
}

/// The 64 bytes `part` of each row's unit.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn add<const B: usize, const FIELDS: usize>(
    stored: [&[u8]; ROWS],
    part: usize,
    x: &Unit,
    sums: &mut [[__m512i; FIELDS]; ROWS],
) {
    let mut values = [_mm512_setzero_si512(); FIELDS];
    for (field, values) in values.iter_mut().enumerate() {
        *values = load(&x.codes.as_chunks::<64>().0[place::<B>(field, 64 * part) / 64]);
    }
    for (stored, sums) in stored.into_iter().zip(sums) {
        let stored = &stored.as_chunks::<64>().0[part];
        // A prefetch reads nothing and never faults, wherever it points.
        _mm_prefetch::<_MM_HINT_T0>(stored.as_ptr().wrapping_add(AHEAD_BYTES).cast());
        // SAFETY: 64 readable bytes; the load needs no alignment.
        let bytes = unsafe { _mm512_loadu_si512(stored.as_ptr().cast()) };
        for (field, (sum, values)) in sums.iter_mut().zip(values).enumerate() {
            let codes = match B {
                8 => _mm512_xor_si512(bytes, _mm512_set1_epi8(-128)),
                _ => _mm512_and_si512(bytes, _mm512_set1_epi8((((1u32 << B) - 1) << (B * field)) as i8)),
            };
            *sum = _mm512_dpbusd_epi32(*sum, codes, values);
        }
    }
}

/// The sum of each vector's lanes.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512dq")]
fn add_four([a, b, c, d]: [__m512i; ROWS]) -> [i32; ROWS] {
    let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    let all = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    let halves = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64::<1>(all));
    let lanes = _mm_add_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves));
    let mut sums = [0; ROWS];
    // SAFETY: 16 writable bytes; the store needs no alignment.
    unsafe { _mm_storeu_si128(sums.as_mut_ptr().cast(), lanes) }
    sums
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(codes: &[i8; 64]) -> __m512i {
    // SAFETY: 64 readable bytes; the load needs no alignment.
    unsafe { _mm512_loadu_si512(codes.as_ptr().cast()) }
}
