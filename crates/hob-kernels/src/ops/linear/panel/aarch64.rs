//! The panel kernels with NEON. Rows and tokens are read as they lie, column by column: 4 rows x 4 tokens in 16 sums of
//! four lanes each, added up once per unit. `smmla` multiplies pairs of rows with pairs of tokens: 8 x 8 in 16 sums.
#![allow(unsafe_code)]

use super::{Packed, Panel, ROWS, Sums};
use crate::isa::{Neon, NeonDot, NeonI8mm};
use crate::ops::linear::aarch64::{dot_neon, dot_sdot, dot_smmla, load_i8, load_u8, sum_each};
use crate::ops::linear::activations::UNIT;
use std::arch::aarch64::*;
use std::ops::Range;

/// Vectors of a row of one unit.
const STEPS: usize = UNIT / 16;

/// Rows and tokens of a tile of the dot kernels.
const TILE: usize = 4;

/// Pairs of rows, and at most pairs of tokens, of a tile of the matrix kernel.
const PAIRS: usize = 4;

/// The panel is `[row][column]`, as signed bytes: codes less their offset fit.
pub(super) fn lay_out_rows(offset: i32, codes: &[[u8; UNIT]; ROWS], Panel(panel): &mut Panel) {
    #[target_feature(enable = "neon")]
    fn sign(offset: i32, codes: &[[u8; UNIT]; ROWS], panel: &mut [u8]) {
        let offset = vdupq_n_u8(offset as u8);
        let runs = codes.as_flattened().as_chunks::<16>().0.iter().zip(panel.as_chunks_mut::<16>().0);
        runs.for_each(|(codes, out)| store_u8(out, vsubq_u8(load_u8(codes), offset)));
    }
    let _proof = Neon::detect().expect("the level was checked when the Cpu was made");
    // SAFETY: the token exists only where this feature does.
    unsafe { sign(offset, codes, panel) }
}

#[inline]
#[target_feature(enable = "neon")]
fn store_u8(to: &mut [u8; 16], bytes: uint8x16_t) {
    // SAFETY: 16 writable bytes; the store needs no alignment.
    unsafe { vst1q_u8(to.as_mut_ptr(), bytes) }
}

#[inline]
#[target_feature(enable = "neon")]
fn load_signed(bytes: &[u8; 16]) -> int8x16_t {
    vreinterpretq_s8_u8(load_u8(bytes))
}

#[inline]
#[target_feature(enable = "neon")]
fn lanes(v: int32x4_t) -> [i32; 4] {
    let mut lanes = [0; 4];
    // SAFETY: 16 writable bytes; the store needs no alignment.
    unsafe { vst1q_s32(lanes.as_mut_ptr(), v) }
    lanes
}

/// The loops over tokens and rows, once per dot instruction.
macro_rules! panel_kernel {
    ($entry:ident, $isa:ident, $dot:ident, $features:literal) => {
        pub(super) fn $entry(
            Panel(panel): &Panel,
            x: &Packed,
            unit: usize,
            tokens: Range<usize>,
            out: &mut Sums<'_>,
        ) {
            #[target_feature(enable = $features)]
            fn all(panel: &[u8], x: &Packed, unit: usize, tokens: Range<usize>, out: &mut Sums<'_>) {
                let mut token = tokens.start;
                while token < tokens.end {
                    let index = token - tokens.start;
                    token += match tokens.end - token {
                        TILE.. => some_tokens::<TILE>(panel, x, unit, token, index, out),
                        2..TILE => some_tokens::<2>(panel, x, unit, token, index, out),
                        _ => some_tokens::<1>(panel, x, unit, token, index, out),
                    };
                }
            }

            #[target_feature(enable = $features)]
            fn some_tokens<const T: usize>(
                panel: &[u8],
                x: &Packed,
                unit: usize,
                token: usize,
                index: usize,
                out: &mut Sums<'_>,
            ) -> usize {
                let values: [&[[i8; 16]; STEPS]; T] = std::array::from_fn(|t| {
                    x.unit(token + t, unit).0.as_chunks().0.try_into().expect("a unit's vectors")
                });
                let mut dots = [[0; ROWS]; T];
                for (tile, rows) in
                    panel[..UNIT * ROWS].as_chunks::<16>().0.chunks_exact(TILE * STEPS).enumerate()
                {
                    let sums = products(rows, &values);
                    for t in 0..T {
                        dots[t][TILE * tile..][..TILE].copy_from_slice(&lanes(sum_each(sums[t])));
                    }
                }
                for t in 0..T {
                    out.add(index + t, x.unit(token + t, unit).1, &dots[t]);
                }
                T
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn products<const T: usize>(
                rows: &[[u8; 16]],
                x: &[&[[i8; 16]; STEPS]; T],
            ) -> [[int32x4_t; TILE]; T] {
                let rows = &rows[..TILE * STEPS];
                let mut sums = [[vdupq_n_s32(0); TILE]; T];
                for step in 0..STEPS {
                    let mut weights = [vdupq_n_s8(0); TILE];
                    for r in 0..TILE {
                        weights[r] = load_signed(&rows[r * STEPS + step]);
                    }
                    for t in 0..T {
                        let values = load_i8(&x[t][step]);
                        for r in 0..TILE {
                            sums[t][r] = $dot(sums[t][r], weights[r], values);
                        }
                    }
                }
                sums
            }

            let _proof = $isa::detect().expect("the level was checked when the Cpu was made");
            // SAFETY: the token exists only where these features do.
            unsafe { all(panel, x, unit, tokens, out) }
        }
    };
}

panel_kernel!(neon, Neon, dot_neon, "neon");
panel_kernel!(dotprod, NeonDot, dot_sdot, "neon,dotprod");

pub(super) fn i8mm(Panel(panel): &Panel, x: &Packed, unit: usize, tokens: Range<usize>, out: &mut Sums<'_>) {
    let _proof = NeonI8mm::detect().expect("the level was checked when the Cpu was made");
    // SAFETY: the token exists only where these features do.
    unsafe {
        let mut token = tokens.start;
        while token < tokens.end {
            let index = token - tokens.start;
            token += match tokens.end - token {
                7.. => some_tokens::<PAIRS>(panel, x, unit, token..tokens.end, index, out),
                3..7 => some_tokens::<2>(panel, x, unit, token..tokens.end, index, out),
                _ => some_tokens::<1>(panel, x, unit, token..tokens.end, index, out),
            };
        }
    }
}

/// The panel is `[pair of rows][8 columns][row of the pair]`, as signed bytes: what `smmla` multiplies.
pub(super) fn lay_out_pairs(offset: i32, codes: &[[u8; UNIT]; ROWS], Panel(panel): &mut Panel) {
    #[target_feature(enable = "neon")]
    fn sign(offset: i32, codes: &[[u8; UNIT]; ROWS], panel: &mut [u8]) {
        let offset = vdupq_n_u8(offset as u8);
        let pairs = panel.as_chunks_mut::<32>().0.chunks_exact_mut(STEPS);
        for ([a, b], out) in codes.as_chunks::<2>().0.iter().zip(pairs) {
            let columns = a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0);
            for ((a, b), out) in columns.zip(out) {
                let (a, b) = (vsubq_u8(load_u8(a), offset), vsubq_u8(load_u8(b), offset));
                let (a, b) = (vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b));
                let out = out.as_chunks_mut::<16>().0;
                store_u8(&mut out[0], vreinterpretq_u8_u64(vzip1q_u64(a, b)));
                store_u8(&mut out[1], vreinterpretq_u8_u64(vzip2q_u64(a, b)));
            }
        }
    }
    let _proof = NeonI8mm::detect().expect("the level was checked when the Cpu was made");
    // SAFETY: the token exists only where this feature does.
    unsafe { sign(offset, codes, panel) }
}

/// Up to `2 * P` tokens; where the last pair lacks one, its first is multiplied twice.
#[target_feature(enable = "neon,i8mm")]
fn some_tokens<const P: usize>(
    panel: &[u8],
    x: &Packed,
    unit: usize,
    tokens: Range<usize>,
    index: usize,
    out: &mut Sums<'_>,
) -> usize {
    let count = tokens.len().min(2 * P);
    let values: [[&[[i8; 16]; STEPS]; 2]; P] = std::array::from_fn(|p| {
        std::array::from_fn(|i| {
            let token = tokens.start + (2 * p + i).min(count - 1);
            x.unit(token, unit).0.as_chunks().0.try_into().expect("a unit's vectors")
        })
    });
    let mut dots = [[[0; ROWS]; 2]; P];
    for (tile, rows) in panel[..UNIT * ROWS].as_chunks::<32>().0.chunks_exact(PAIRS * STEPS).enumerate() {
        let sums = matrix_products(rows, &values);
        for p in 0..P {
            for (pair, sum) in sums[p].iter().enumerate() {
                let row = 2 * (PAIRS * tile + pair);
                let [a, b, c, d] = lanes(*sum);
                dots[p][0][row..row + 2].copy_from_slice(&[a, c]);
                dots[p][1][row..row + 2].copy_from_slice(&[b, d]);
            }
        }
    }
    for (t, dots) in dots.as_flattened()[..count].iter().enumerate() {
        out.add(index + t, x.unit(tokens.start + t, unit).1, dots);
    }
    count
}

#[inline]
#[target_feature(enable = "neon,i8mm")]
fn matrix_products<const P: usize>(
    rows: &[[u8; 32]],
    x: &[[&[[i8; 16]; STEPS]; 2]; P],
) -> [[int32x4_t; PAIRS]; P] {
    let rows = &rows[..PAIRS * STEPS];
    let mut sums = [[vdupq_n_s32(0); PAIRS]; P];
    for step in 0..STEPS {
        let mut values = [[vdupq_n_s8(0); 2]; P];
        for p in 0..P {
            let [a, b] = [load_i8(&x[p][0][step]), load_i8(&x[p][1][step])];
            let [a, b] = [vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)];
            values[p] = [vreinterpretq_s8_s64(vzip1q_s64(a, b)), vreinterpretq_s8_s64(vzip2q_s64(a, b))];
        }
        for pair in 0..PAIRS {
            let weights = rows[pair * STEPS + step].as_chunks::<16>().0;
            for part in 0..2 {
                let weights = load_signed(&weights[part]);
                for p in 0..P {
                    sums[p][pair] = dot_smmla(sums[p][pair], weights, values[p][part]);
                }
            }
        }
    }
    sums
}
