//! AVX2 and AVX-512 VNNI, a few tokens: four rows at a time, so that the sums' final additions and the activations' loads are
//! shared. One token has loops of its own.
#![allow(unsafe_code)]

mod avx2;
mod avx512;

use super::{Input, Weights};
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

/// Asks for the cache lines that follow those of `stored`.
#[inline(always)]
fn prefetch(stored: &[u8]) {
    for line in stored.as_chunks::<64>().0 {
        // SAFETY: a prefetch reads nothing and never faults, wherever it points.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().wrapping_add(AHEAD_BYTES).cast()) }
    }
}

/// The loops over rows, units and tokens, once per instruction set, around what the module `$level` does with a unit.
macro_rules! code_kernel {
    ($level:ident, $isa:ident, $vector:ty, $zero:ident, $features:literal) => {
        pub(super) fn $level(w: &Weights<'_>, rows: Range<usize>, input: &Input, finish: &Finish<'_>) {
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
                            $level::unit::<B, T>(&stored[..unit_bytes], &x, &mut sums[r]);
                        } else {
                            let mut padded = [0u8; UNIT];
                            padded[..stored.len()].copy_from_slice(stored);
                            $level::unit::<B, T>(&padded[..unit_bytes], &x, &mut sums[r]);
                        }
                    }
                }
                for (r, sums) in sums.iter().enumerate() {
                    let scale = w.scale(first_row + r);
                    for (t, sum) in sums.iter().enumerate() {
                        let token = input.tokens[first_token + t];
                        let zero_point = const { $level::offset::<B>() }.wrapping_mul(token.negative_sum);
                        let sum = $level::add_lanes(*sum).wrapping_add(zero_point);
                        let value = sum as f32 * (token.step * scale);
                        finish.put(first_token + t, first_row + r, value);
                    }
                }
                T
            }

            #[target_feature(enable = $features)]
            fn dispatch(w: &Weights<'_>, rows: Range<usize>, input: &Input, finish: &Finish<'_>) {
                let alone = input.tokens.len() == 1;
                let rows = if alone { $level::one_token(w, rows, input, finish) } else { rows };
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
    Avx512,
    __m512i,
    _mm512_setzero_si512,
    "avx2,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"
);
code_kernel!(avx2, Avx2, __m256i, _mm256_setzero_si256, "avx2");
