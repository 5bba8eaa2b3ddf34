//! NEON, with and without the dot instruction: four rows at a time, so that the activations' loads are shared.
#![allow(unsafe_code)]

use super::{Input, Weights, offset};
use crate::CodeBits;
use crate::isa::{Neon, NeonDot};
use crate::ops::linear::aarch64::{dot_neon, dot_sdot, load_i8, load_u8};
use crate::ops::linear::activations::{UNIT, Unit};
use crate::ops::linear::finish::Finish;
use std::arch::aarch64::*;
use std::ops::Range;

/// Rows that are summed together.
const ROWS: usize = 4;

/// What the codes that are multiplied are above their values: bytes are read as the signed numbers they are.
const fn offset_of<const B: usize>() -> i32 {
    match B {
        2 => offset(CodeBits::Two),
        4 => offset(CodeBits::Four),
        _ => 0,
    }
}

/// Where the codes in field `field` of the stored byte `byte` of a unit meet their activations.
const fn place<const B: usize>(field: usize, byte: usize) -> usize {
    match B {
        2 => 64 * field + byte,
        4 => byte / 64 * 128 + 64 * field + byte % 64,
        _ => byte,
    }
}

/// The codes of field `field` of 16 stored bytes.
#[inline]
#[target_feature(enable = "neon")]
fn unpacked<const B: usize>(stored: uint8x16_t, field: usize) -> int8x16_t {
    let codes = match (B, field) {
        (2, 0) => vandq_u8(stored, vdupq_n_u8(3)),
        (2, 1) => vandq_u8(vshrq_n_u8::<2>(stored), vdupq_n_u8(3)),
        (2, 2) => vandq_u8(vshrq_n_u8::<4>(stored), vdupq_n_u8(3)),
        (2, _) => vshrq_n_u8::<6>(stored),
        (4, 0) => vandq_u8(stored, vdupq_n_u8(15)),
        (4, _) => vshrq_n_u8::<4>(stored),
        _ => stored,
    };
    vreinterpretq_s8_u8(codes)
}

/// The loops over rows, units and tokens, once per dot instruction.
macro_rules! code_kernel {
    ($entry:ident, $isa:ident, $dot:ident, $features:literal) => {
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
                let mut sums = [[vdupq_n_s32(0); T]; R];
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
                        let zero_point = const { offset_of::<B>() }.wrapping_mul(token.negative_sum);
                        let value = vaddvq_s32(*sum).wrapping_add(zero_point) as f32 * (token.step * scale);
                        finish.put(first_token + t, first_row + r, value);
                    }
                }
                T
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn unit<const B: usize, const T: usize>(
                stored: &[u8],
                x: &[&Unit; T],
                sums: &mut [int32x4_t; T],
            ) {
                for (part, stored) in stored.as_chunks::<16>().0.iter().enumerate() {
                    let stored = load_u8(stored);
                    for field in 0..8 / B {
                        let codes = unpacked::<B>(stored, field);
                        let place = place::<B>(field, 16 * part);
                        for t in 0..T {
                            let values = x[t].codes[place..].first_chunk().expect("in the unit");
                            sums[t] = $dot(sums[t], codes, load_i8(values));
                        }
                    }
                }
            }

            #[target_feature(enable = $features)]
            fn dispatch(w: &Weights<'_>, rows: Range<usize>, input: &Input, finish: &Finish<'_>) {
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

code_kernel!(neon, Neon, dot_neon, "neon");
code_kernel!(dotprod, NeonDot, dot_sdot, "neon,dotprod");
