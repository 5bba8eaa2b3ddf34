//! Columns of eight rows in registers, and their products.
#![allow(unsafe_code)]

mod columns;

pub(in crate::ops::linear) use columns::{
    Rows, Runs, halves, k_steps, mixed_quads, quads, runs_of_q2_k, runs_of_q3_k, runs_of_q6_k, unit_bytes,
};

use super::pack::Units;
use super::{Packed, ROWS, TOKENS_MAX, Unit};
use crate::isa::Avx2;
use crate::matrix::EncodedRows;
use crate::ops::linear::blocks::format::MAX_UNIT_BYTES;
use crate::ops::linear::blocks::{bits, high_nibbles, low_nibbles};
use crate::ops::linear::finish::Finish;
use crate::ops::linear::groups::{PanelRows, SLAB};
use crate::ops::linear::x86_64::{broadcast, broadcast_pair, pin, store_eight};
use hob_quant::TensorType;
use std::arch::x86_64::*;
use std::ops::Range;

/// Eight rows against all tokens.
pub(super) fn multiply(
    _proof: Avx2,
    ty: TensorType,
    weight: EncodedRows<'_>,
    PanelRows { rows, next }: PanelRows,
    x: &Packed,
    finish: &Finish<'_>,
) {
    let stored = std::array::from_fn(|i| weight.get((rows.start + i).min(rows.end - 1)));
    let next = Next { start: weight.of(next).as_ptr(), row_bytes: weight.row_bytes };
    let work = Work { stored, next };
    let mut totals = [[0.0; ROWS]; TOKENS_MAX];
    // SAFETY: the proof exists only where these features do.
    unsafe {
        match ty {
            TensorType::Q4_0 => q4_0::some_tokens(work, &x.units, &mut totals),
            TensorType::Q4_K => q4_k::some_tokens(work, &x.units, &mut totals),
            TensorType::Q5_K => q5_k::some_tokens(work, &x.units, &mut totals),
            TensorType::Q2_K => q2_k::some_tokens(work, &x.units, &mut totals),
            TensorType::Q3_K => q3_k::some_tokens(work, &x.units, &mut totals),
            _ => unreachable!("checked when the kernel was chosen"),
        }
    }
    for (token, totals) in totals.iter().enumerate().take(x.tokens) {
        finish.put_panel(token, &rows, totals);
    }
}

/// Runs `$body` with each of these numbers, written out one after the other: the compiler keeps such loops if there are many
/// tokens, which costs some 7 %.
macro_rules! unrolled {
    ($number:ident in [$($value:literal)*] $body:block) => {
        $({
            const $number: usize = $value;
            $body
        })*
    };
}

/// What is multiplied.
struct Work<'a> {
    stored: [&'a [u8]; ROWS],
    next: Next,
}

/// Where the rows lie that are multiplied next.
#[derive(Clone, Copy)]
struct Next {
    start: *const u8,
    row_bytes: usize,
}

impl Next {
    /// The same, some bytes further on.
    fn after(self, bytes: usize) -> Self {
        Self { start: self.start.wrapping_add(bytes), ..self }
    }

    /// Asks for the first bytes of a row: memory would stand idle while instructions set the pace.
    #[inline(always)]
    fn ask<const BYTES: usize>(self, row: usize) {
        let start = self.start.wrapping_add(row * self.row_bytes);
        for line in (0..BYTES).step_by(64) {
            // SAFETY: a prefetch is a hint about an address, which need not be readable.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line).cast()) };
        }
    }
}

/// Sums of one group: a vector of rows for each token.
type Sums<const T: usize> = [__m256; T];

/// The loop over units, for numbers of tokens that are constants. `$unit` adds the products of one unit to the sums.
macro_rules! eight_rows {
    ($module:ident, $ty:ident, $unit:ident) => {
        mod $module {
            use super::*;

            const BYTES: usize = unit_bytes(TensorType::$ty);

            #[target_feature(enable = "avx2,fma,f16c")]
            pub(super) fn some_tokens(work: Work<'_>, x: &Units, totals: &mut [[f32; ROWS]; TOKENS_MAX]) {
                match x {
                    Units::Eight(x) => all_units(work, x, totals),
                    Units::Six(x) => all_units(work, x, totals),
                    Units::Four(x) => all_units(work, x, totals),
                    Units::Three(x) => all_units(work, x, totals),
                    Units::Two(x) => all_units(work, x, totals),
                }
            }

            #[target_feature(enable = "avx2,fma,f16c")]
            fn all_units<const T: usize>(
                work: Work<'_>,
                x: &[Unit<T>],
                totals: &mut [[f32; ROWS]; TOKENS_MAX],
            ) {
                let units = x.len();
                let mut sums = [[_mm256_setzero_ps(); T]; 8];
                let mut total = [_mm256_setzero_ps(); T];
                for (index, x) in x.iter().enumerate() {
                    let bytes = index * BYTES..(index + 1) * BYTES;
                    if bytes.end <= work.stored[0].len() {
                        let rows = work.stored.map(|row| row[bytes.clone()].as_array().expect("a unit"));
                        $unit::<T>(&rows, x, &mut sums, work.next.after(bytes.start));
                    } else {
                        let padded = work.stored.map(|row| padded(row, bytes.clone()));
                        $unit::<T>(&padded.each_ref(), x, &mut sums, work.next.after(bytes.start));
                    }
                    // The order of `groups.rs`.
                    if index % SLAB == SLAB - 1 || index + 1 == units {
                        fold(&mut sums, &mut total);
                    }
                }
                for (to, total) in totals.iter_mut().zip(total) {
                    store_eight(to, total);
                }
            }
        }
    };
}

eight_rows!(q4_0, Q4_0, add_q4_0);
eight_rows!(q4_k, Q4_K, add_q4_k);
eight_rows!(q5_k, Q5_K, add_q5_k);
eight_rows!(q2_k, Q2_K, add_q2_k);
eight_rows!(q3_k, Q3_K, add_q3_k);

/// The end of a row, filled up with zeros.
#[cold]
fn padded<const N: usize>(row: &[u8], bytes: Range<usize>) -> [u8; N] {
    const { assert!(N <= MAX_UNIT_BYTES, "a unit") };
    let mut padded = [0; N];
    let rest = &row[bytes.start..];
    padded[..rest.len()].copy_from_slice(rest);
    padded
}

/// Adds the groups' sums to the totals, in the order of `blocks.rs`.
#[inline]
#[target_feature(enable = "avx2")]
fn fold<const T: usize>(sums: &mut [Sums<T>; 8], totals: &mut Sums<T>) {
    for (t, total) in totals.iter_mut().enumerate() {
        let chunks = |group: usize| _mm256_add_ps(sums[group][t], sums[group + 4][t]);
        let (a, b) = (_mm256_add_ps(chunks(0), chunks(2)), _mm256_add_ps(chunks(1), chunks(3)));
        *total = _mm256_add_ps(*total, _mm256_add_ps(a, b));
    }
    *sums = [[_mm256_setzero_ps(); T]; 8];
}

/// Sums of products of bytes in 16 bits, by pairs.
type Dots<const T: usize> = [__m256i; T];

/// What dots begin with: the zero point's share.
#[inline]
#[target_feature(enable = "avx2")]
fn begin<const T: usize>(starts: &[i32; T]) -> Dots<T> {
    let mut dots = [_mm256_setzero_si256(); T];
    for (dot, start) in dots.iter_mut().zip(starts) {
        *dot = _mm256_set1_epi32(*start);
    }
    dots
}

/// Adds the products of four columns.
#[inline]
#[target_feature(enable = "avx2")]
fn add_quad<const T: usize>(dots: &mut Dots<T>, codes: __m256i, x: &[[i8; 4]; T]) {
    for (dot, x) in dots.iter_mut().zip(x) {
        *dot = _mm256_add_epi16(*dot, _mm256_maddubs_epi16(codes, broadcast(x)));
    }
    dots.iter_mut().for_each(|dot| pin(dot));
}

/// Widens dots to 32 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn widened(dot: __m256i) -> __m256i {
    _mm256_madd_epi16(dot, _mm256_set1_epi16(1))
}

/// Scales the dots of a group and adds them.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn add<const T: usize>(dots: &Dots<T>, scales: __m256, steps: &[f32; T], sums: &mut Sums<T>) {
    for ((sum, dot), step) in sums.iter_mut().zip(dots).zip(steps) {
        let scale = _mm256_mul_ps(scales, _mm256_set1_ps(*step));
        *sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(*dot), scale, *sum);
    }
}

/// The same with whole scales of both halves, which are mixed, after taking whole minima.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_whole<const T: usize>(dots: &Dots<T>, runs: &Runs, group: usize, x: &Unit<T>, sums: &mut Sums<T>) {
    let scales = runs.scales(group);
    for (t, sum) in sums.iter_mut().enumerate() {
        let dot = _mm256_cvtepi32_ps(_mm256_madd_epi16(dots[t], scales));
        let mut product = _mm256_mul_ps(dot, runs.base);
        if let Some(base) = runs.base_of_mins {
            let min = _mm256_madd_epi16(runs.mins(group), broadcast_pair(x.negative_pairs[group][t]));
            product = _mm256_fmadd_ps(_mm256_cvtepi32_ps(min), base, product);
        }
        *sum = _mm256_fmadd_ps(product, _mm256_set1_ps(x.steps[group][t]), *sum);
    }
}

/// Takes the minima of a group.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_mins<const T: usize>(mins: __m256, minus_x: &[f32; T], sums: &mut Sums<T>) {
    for (sum, minus_x) in sums.iter_mut().zip(minus_x) {
        *sum = _mm256_fmadd_ps(mins, _mm256_set1_ps(*minus_x), *sum);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn add_q4_0<const T: usize>(rows: &Rows<'_, 144>, x: &Unit<T>, sums: &mut [Sums<T>; 8], next: Next) {
    for (group, sums) in sums.iter_mut().enumerate() {
        next.ask::<144>(group);
        let scales = halves(rows, 18 * group);
        let nibbles = quads(rows, 18 * group + 2);
        let mut dots = begin::<T>(&x.starts[0][group]);
        unrolled!(QUAD in [0 1 2 3 4 5 6 7] {
            let nibbles = nibbles[QUAD % 4];
            let codes = if QUAD < 4 { low_nibbles(nibbles) } else { high_nibbles(nibbles) };
            add_quad(&mut dots, codes, &x.codes[group][QUAD]);
        });
        add(&dots.map(|dot| widened(dot)), scales, &x.steps[group], sums);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn add_q4_k<const T: usize>(rows: &Rows<'_, 144>, x: &Unit<T>, sums: &mut [Sums<T>; 8], next: Next) {
    let [scales, mins] = k_steps(rows);
    for pair in 0..4 {
        let nibbles = [quads(rows, 16 + 32 * pair), quads(rows, 32 + 32 * pair)];
        unrolled!(ODD in [0 1] {
            let group = 2 * pair + ODD;
            next.ask::<144>(group);
            let mut dots = [_mm256_setzero_si256(); T];
            unrolled!(QUAD in [0 1 2 3 4 5 6 7] {
                let nibbles = nibbles[QUAD / 4][QUAD % 4];
                let codes = if ODD == 0 { low_nibbles(nibbles) } else { high_nibbles(nibbles) };
                add_quad(&mut dots, codes, &x.codes[group][QUAD]);
            });
            add(&dots.map(|dot| widened(dot)), scales[group], &x.steps[group], &mut sums[group]);
            add_mins(mins[group], &x.minus_x[0][group], &mut sums[group]);
        });
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn add_q5_k<const T: usize>(rows: &Rows<'_, 176>, x: &Unit<T>, sums: &mut [Sums<T>; 8], next: Next) {
    let [scales, mins] = k_steps(rows);
    let mut fifths = [quads(rows, 16), quads(rows, 32)];
    for pair in 0..4 {
        let nibbles = [quads(rows, 48 + 32 * pair), quads(rows, 64 + 32 * pair)];
        unrolled!(ODD in [0 1] {
            let group = 2 * pair + ODD;
            next.ask::<176>(group);
            let codes = |quad: usize| {
                let nibbles = nibbles[quad / 4][quad % 4];
                let low = if ODD == 0 { low_nibbles(nibbles) } else { high_nibbles(nibbles) };
                _mm256_or_si256(low, bits(fifths[quad / 4][quad % 4], ODD as i32, 4, 16))
            };
            // All 32 columns do not fit 16 bits.
            let mut first = [_mm256_setzero_si256(); T];
            unrolled!(QUAD in [0 1 2 3] { add_quad(&mut first, codes(QUAD), &x.codes[group][QUAD]); });
            let mut dots = [_mm256_setzero_si256(); T];
            unrolled!(QUAD in [4 5 6 7] { add_quad(&mut dots, codes(QUAD), &x.codes[group][QUAD]); });
            for (dot, first) in dots.iter_mut().zip(first) {
                *dot = _mm256_add_epi32(widened(*dot), widened(first));
            }
            add(&dots, scales[group], &x.steps[group], &mut sums[group]);
            add_mins(mins[group], &x.minus_x[0][group], &mut sums[group]);
        });
        // Those of the next two groups.
        for fifths in fifths.as_flattened_mut() {
            *fifths = _mm256_srli_epi16::<2>(*fifths);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn add_q2_k<const T: usize>(rows: &Rows<'_, 84>, x: &Unit<T>, sums: &mut [Sums<T>; 8], next: Next) {
    let runs = runs_of_q2_k(rows);
    for chunk in 0..2 {
        let packed = mixed_quads(rows, 16 + 32 * chunk);
        unrolled!(PART in [0 1 2 3] {
            let group = 4 * chunk + PART;
            next.ask::<84>(group);
            let mut dots = [_mm256_setzero_si256(); T];
            unrolled!(QUAD in [0 1 2 3 4 5 6 7] {
                add_quad(&mut dots, bits(packed[QUAD], 2 * PART as i32, 0, 3), &x.codes[group][QUAD]);
            });
            add_whole(&dots, &runs, group, x, &mut sums[group]);
        });
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn add_q3_k<const T: usize>(rows: &Rows<'_, 110>, x: &Unit<T>, sums: &mut [Sums<T>; 8], next: Next) {
    let runs = runs_of_q3_k(rows);
    let thirds = mixed_quads(rows, 0);
    for chunk in 0..2 {
        let packed = mixed_quads(rows, 32 + 32 * chunk);
        unrolled!(PART in [0 1 2 3] {
            let group = 4 * chunk + PART;
            next.ask::<110>(group);
            let mut dots = begin::<T>(&x.starts[0][group]);
            unrolled!(QUAD in [0 1 2 3 4 5 6 7] {
                let third = bits(thirds[QUAD], group as i32, 2, 4);
                let codes = _mm256_or_si256(bits(packed[QUAD], 2 * PART as i32, 0, 3), third);
                add_quad(&mut dots, codes, &x.codes[group][QUAD]);
            });
            add_whole(&dots, &runs, group, x, &mut sums[group]);
        });
    }
}
