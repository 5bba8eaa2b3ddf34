//! The loops over rows, blocks and tokens with NEON. The format is looked up per unit of 256 columns, which costs nothing
//! beside unpacking it; the unpackers are the portable ones, whose runs of 16 codes are vectors of this architecture.
#![allow(unsafe_code)]

use super::format::{Format, MAX_UNIT_BYTES, WeightUnit, format};
use super::unpack::unpack;
use crate::Matrix;
use crate::isa::{Neon, NeonDot};
use crate::ops::linear::aarch64::{dot_neon, dot_sdot, load_f32, load_i8, load_i32, load_u8, sum_each};
use crate::ops::linear::activations::{Activations, Unit};
use crate::ops::linear::finish::Finish;
use hob_quant::TensorType;
use std::arch::aarch64::*;
use std::ops::Range;

/// The loops, once per dot instruction.
macro_rules! block_kernel {
    ($entry:ident, $isa:ident, $dot:ident, $features:literal) => {
        pub(super) fn $entry(
            ty: TensorType,
            weight: &Matrix,
            rows: Range<usize>,
            x: &Activations,
            finish: &Finish<'_>,
        ) {
            #[target_feature(enable = $features)]
            fn all_tokens(
                ty: TensorType,
                weight: &Matrix,
                rows: Range<usize>,
                x: &Activations,
                finish: &Finish<'_>,
            ) {
                let mut token = 0;
                while token < x.tokens {
                    let rows = rows.clone();
                    token += match x.tokens - token {
                        4.. => some_tokens::<4>(ty, weight, rows, x, token, finish),
                        2..4 => some_tokens::<2>(ty, weight, rows, x, token, finish),
                        _ => some_tokens::<1>(ty, weight, rows, x, token, finish),
                    };
                }
            }

            #[target_feature(enable = $features)]
            fn some_tokens<const T: usize>(
                ty: TensorType,
                weight: &Matrix,
                rows: Range<usize>,
                x: &Activations,
                first: usize,
                finish: &Finish<'_>,
            ) -> usize {
                let format = format(ty).expect("callers dispatch on it");
                let x: [&[Unit]; T] = std::array::from_fn(|t| x.token(first + t));
                for row in rows {
                    let mut sums = [vdupq_n_f32(0.0); T];
                    for (index, block) in weight.row_bytes(row).chunks(format.bytes).enumerate() {
                        let mut unit = WeightUnit::ZERO;
                        if block.len() == format.bytes {
                            unpack(ty, block, &mut unit);
                        } else {
                            let mut padded = [0u8; MAX_UNIT_BYTES];
                            padded[..block.len()].copy_from_slice(block);
                            unpack(ty, &padded[..format.bytes], &mut unit);
                        }
                        let codes = signed(format, &unit);
                        for t in 0..T {
                            sums[t] = add_unit(format, &unit, &codes, &x[t][index], sums[t]);
                        }
                    }
                    for t in 0..T {
                        finish.put(first + t, row, vaddvq_f32(sums[t]));
                    }
                }
                T
            }

            /// Four groups lie side by side, so that their dots meet their scales in one vector.
            #[inline]
            #[target_feature(enable = $features)]
            fn add_unit(
                format: Format,
                w: &WeightUnit,
                codes: &[int8x16_t; 16],
                x: &Unit,
                mut sum: float32x4_t,
            ) -> float32x4_t {
                let values = x.codes.as_chunks::<16>().0;
                for chunk in 0..2 {
                    let mut dots = [[vdupq_n_s32(0); 4]; 2];
                    for half in 0..2 {
                        for group in 0..4 {
                            let place = 8 * chunk + 4 * half + group;
                            let dots = &mut dots[if format.halves { half } else { 0 }][group];
                            *dots = $dot(*dots, codes[place], load_i8(&values[place]));
                        }
                    }
                    sum = scaled(format, w, x, chunk, dots.map(|dots| sum_each(dots)), sum);
                }
                sum
            }

            let _proof = $isa::detect().expect("the level was checked when the Cpu was made");
            // SAFETY: the token exists only where these features do.
            unsafe { all_tokens(ty, weight, rows, x, finish) }
        }
    };
}

block_kernel!(neon, Neon, dot_neon, "neon");
block_kernel!(dotprod, NeonDot, dot_sdot, "neon,dotprod");

/// The unit's codes less the format's offset: all of them fit signed bytes.
#[inline]
#[target_feature(enable = "neon")]
fn signed(format: Format, unit: &WeightUnit) -> [int8x16_t; 16] {
    let offset = vdupq_n_u8(format.offset);
    let mut codes = [vdupq_n_s8(0); 16];
    for (signed, stored) in codes.iter_mut().zip(unit.codes.as_chunks::<16>().0) {
        *signed = vreinterpretq_s8_u8(vsubq_u8(load_u8(stored), offset));
    }
    codes
}

/// Adds the dots of groups `4 * chunk ..` times their scales, and the share of their minima.
#[inline]
#[target_feature(enable = "neon")]
fn scaled(
    format: Format,
    w: &WeightUnit,
    x: &Unit,
    chunk: usize,
    dots: [int32x4_t; 2],
    mut sum: float32x4_t,
) -> float32x4_t {
    let four = |values: &[f32; 8]| load_f32(&values.as_chunks::<4>().0[chunk]);
    let steps = four(&x.steps);
    let negative = x.negative_sums.each_ref().map(|sums| load_i32(&sums.as_chunks::<4>().0[chunk]));
    for half in 0..if format.halves { 2 } else { 1 } {
        sum = vfmaq_f32(sum, vcvtq_f32_s32(dots[half]), vmulq_f32(four(&w.scales[half]), steps));
        if format.mins {
            let of_x = if format.halves { negative[half] } else { vaddq_s32(negative[0], negative[1]) };
            sum = vfmaq_f32(sum, four(&w.mins[half]), vmulq_f32(vcvtq_f32_s32(of_x), steps));
        }
    }
    sum
}
