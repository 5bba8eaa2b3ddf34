//! A row's unit against four tokens with AVX-512 VNNI, and these tokens quantised.
#![allow(unsafe_code)]

use super::{RowSums, Sums, TOKENS};
use crate::isa::Avx512;
use crate::ops::linear::activations::x86_64::{GroupCodes, codes_of, in_order};
use crate::ops::linear::activations::{Order, UNIT};
use crate::ops::linear::blocks::format::{Form, WeightUnit};
use crate::ops::linear::x86_64::{load, load_bytes, load_ints, store};
use crate::scratch::Plain;
use std::arch::x86_64::*;

/// One unit of four tokens; those that lack are zeros.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(in crate::ops::linear) struct Four {
    /// `[part of 64 codes in Order::Halves][quad of each sixteen][group][token]`.
    codes: [[[[[i8; 4]; TOKENS]; 4]; 4]; 4],
    /// `[chunk][group][token]`.
    steps: [[f32; 16]; 2],
    /// What dots begin with, the zero point's share: minus the sum of the codes times the offset. `[half][chunk]`, then as
    /// `steps`; where a group has one scale, the first stands for both halves.
    starts: [[[i32; 16]; 2]; 2],
    /// What minima are multiplied with: minus the sum of the quantised activations. As `starts`.
    minus_x: [[[f32; 16]; 2]; 2],
}

// SAFETY: arrays of numbers; the alignment is a cache line's.
unsafe impl Plain for Four {}

/// Four tokens; rows that are short end in zeros.
pub(super) fn quantise(_proof: Avx512, rows: &[&[f32]; TOKENS], form: Form, four: &mut Four) {
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
    fn body(rows: &[&[f32]; TOKENS], form: Form, four: &mut Four) {
        // `[part][token]`.
        let mut parts = [[_mm512_setzero_si512(); TOKENS]; 4];
        for (t, x) in rows.iter().enumerate() {
            let mut padded = [0.0; UNIT];
            padded[..x.len()].copy_from_slice(x);
            let GroupCodes { codes, steps, negative_sums } = codes_of(&padded, form.steps);
            for (part, codes) in parts.iter_mut().zip(in_order(codes, Order::Halves)) {
                part[t] = codes;
            }
            let (mut sums, mut of_groups) = ([[0; 8]; 2], [[0.0; 8]; 2]);
            // SAFETY: 64 writable bytes each; the stores need no alignment.
            unsafe {
                _mm512_storeu_si512(sums.as_mut_ptr().cast(), negative_sums);
                _mm512_storeu_ps(of_groups.as_mut_ptr().cast(), steps);
            }
            for group in 0..8 {
                let (chunk, place) = (group / 4, group % 4 * TOKENS + t);
                if !form.halves {
                    sums[0][group] += sums[1][group];
                }
                let step = of_groups[0][group];
                four.steps[chunk][place] = step;
                for (half, sums) in sums.iter().enumerate() {
                    four.starts[half][chunk][place] = sums[group] * i32::from(form.offset);
                    four.minus_x[half][chunk][place] = sums[group] as f32 * step;
                }
            }
        }
        for (part, tokens) in four.codes.iter_mut().zip(parts) {
            for (quad, column) in part.iter_mut().zip(transpose4(tokens)) {
                // SAFETY: 64 writable bytes; the store needs no alignment.
                unsafe { _mm512_storeu_si512(quad.as_mut_ptr().cast(), column) }
            }
        }
    }
    // SAFETY: the proof exists only where these features do.
    unsafe { body(rows, form, four) }
}

/// One unit of a row against all tokens.
#[inline]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
pub(in crate::ops::linear) fn add_row<const MINS: bool, const HALVES: bool>(
    unit: &WeightUnit,
    x: &[Four],
    sums: &mut RowSums,
) {
    let weights = Weights::new::<MINS, HALVES>(unit);
    for (x, sums) in x.iter().zip(sums) {
        for chunk in 0..2 {
            weights.add::<MINS, HALVES>(x, chunk, &mut sums.0[chunk]);
        }
    }
}

/// One unit of a row in registers.
struct Weights {
    /// `[part][quad of each sixteen codes]`: each group's quad once for every token.
    codes: [[__m512i; 4]; 4],
    /// `[half][chunk]`: each group's scale once for every token.
    scales: [[__m512; 2]; 2],
    mins: [[__m512; 2]; 2],
}

impl Weights {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new<const MINS: bool, const HALVES: bool>(unit: &WeightUnit) -> Self {
        let mut weights = Self {
            codes: [[_mm512_setzero_si512(); 4]; 4],
            scales: [[_mm512_setzero_ps(); 2]; 2],
            mins: [[_mm512_setzero_ps(); 2]; 2],
        };
        for (quads, codes) in weights.codes.iter_mut().zip(unit.codes.as_chunks().0) {
            let codes = load_bytes(codes);
            *quads = [
                _mm512_shuffle_epi32::<0b00_00_00_00>(codes),
                _mm512_shuffle_epi32::<0b01_01_01_01>(codes),
                _mm512_shuffle_epi32::<0b10_10_10_10>(codes),
                _mm512_shuffle_epi32::<0b11_11_11_11>(codes),
            ];
        }
        for half in 0..1 + usize::from(HALVES) {
            weights.scales[half] = spread(&unit.scales[half]);
            if MINS {
                weights.mins[half] = spread(&unit.mins[half]);
            }
        }
        weights
    }

    /// Adds the products with a chunk of four groups.
    #[inline]
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
    fn add<const MINS: bool, const HALVES: bool>(&self, x: &Four, chunk: usize, sums: &mut [f32; 16]) {
        let steps = load(&x.steps[chunk]);
        let mut total = load(sums);
        // Formats with minima have no zero point.
        let start =
            |half: usize| if MINS { _mm512_setzero_si512() } else { load_ints(&x.starts[half][chunk]) };
        let minus_x = |half: usize| load(&x.minus_x[half][chunk]);
        let first = self.dots(x, 2 * chunk, start(0));
        if HALVES {
            let dots = [first, self.dots(x, 2 * chunk + 1, start(1))];
            let mut parts = [_mm512_setzero_ps(); 2];
            for (half, (part, dots)) in parts.iter_mut().zip(dots).enumerate() {
                let scale = _mm512_mul_ps(self.scales[half][chunk], steps);
                *part = _mm512_mul_ps(_mm512_cvtepi32_ps(dots), scale);
                if MINS {
                    *part = _mm512_fmadd_ps(self.mins[half][chunk], minus_x(half), *part);
                }
            }
            total = _mm512_add_ps(total, _mm512_add_ps(parts[0], parts[1]));
        } else {
            let dots = self.dots(x, 2 * chunk + 1, first);
            let scale = _mm512_mul_ps(self.scales[0][chunk], steps);
            total = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), scale, total);
            if MINS {
                total = _mm512_fmadd_ps(self.mins[0][chunk], minus_x(0), total);
            }
        }
        store(sums, total);
    }

    /// Adds the products of part `part` for each group and token.
    #[inline]
    #[target_feature(enable = "avx512f,avx512vnni")]
    fn dots(&self, x: &Four, part: usize, mut dots: __m512i) -> __m512i {
        for (weights, codes) in self.codes[part].iter().zip(&x.codes[part]) {
            // SAFETY: 64 readable bytes; the load needs no alignment.
            let codes = unsafe { _mm512_loadu_si512(codes.as_ptr().cast()) };
            dots = _mm512_dpbusd_epi32(dots, *weights, codes);
        }
        dots
    }
}

/// Transposes a 4 x 4 matrix of 32-bit elements in each quarter.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose4([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    let (ab, cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
    let (ab_high, cd_high) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
    [
        _mm512_unpacklo_epi64(ab, cd),
        _mm512_unpackhi_epi64(ab, cd),
        _mm512_unpacklo_epi64(ab_high, cd_high),
        _mm512_unpackhi_epi64(ab_high, cd_high),
    ]
}

/// Each of four groups' numbers four times, for both chunks.
#[inline]
#[target_feature(enable = "avx512f")]
fn spread(groups: &[f32; 8]) -> [__m512; 2] {
    // SAFETY: 32 readable bytes; the load needs no alignment.
    let groups = _mm512_castps256_ps512(unsafe { _mm256_loadu_ps(groups.as_ptr()) });
    let first = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    let second = _mm512_setr_epi32(4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7);
    [_mm512_permutexvar_ps(first, groups), _mm512_permutexvar_ps(second, groups)]
}

/// Adds the groups' sums of a row and four tokens in the order of `blocks.rs`.
pub(super) fn total(_proof: Avx512, sums: &Sums) -> [f32; TOKENS] {
    #[target_feature(enable = "avx512f")]
    fn body(Sums([first, second]): &Sums) -> [f32; TOKENS] {
        let chunks = _mm512_add_ps(load(first), load(second));
        let pairs = _mm512_add_ps(chunks, _mm512_shuffle_f32x4::<0b01_00_11_10>(chunks, chunks));
        let all = _mm512_add_ps(pairs, _mm512_shuffle_f32x4::<0b10_11_00_01>(pairs, pairs));
        let mut total = [0.0; TOKENS];
        // SAFETY: 16 writable bytes; the store needs no alignment.
        unsafe { _mm_storeu_ps(total.as_mut_ptr(), _mm512_castps512_ps128(all)) }
        total
    }
    // SAFETY: the proof exists only where this feature does.
    unsafe { body(sums) }
}
