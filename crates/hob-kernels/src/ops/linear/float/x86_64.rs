//! AVX2 and AVX-512: a register tile of rows and tokens, one vector of lanes per sum.
#![allow(unsafe_code)]

use super::{TILE_ROWS, Tile, each_tile};
use crate::Matrix;
use crate::isa::{Avx2, Avx512};
use crate::matrix::Storage;
use hob_quant::TensorType;
use std::arch::x86_64::*;

/// One kernel body for both vector widths; `$tokens` fills the register file (rows x tokens sums, and the operands).
macro_rules! float_kernel {
    ($name:ident, $tile:ident, $features:literal, $lanes:literal, $tokens:literal,
     $zero:ident, $load:ident, $fma:ident, $sum:ident) => {
        #[target_feature(enable = $features)]
        fn $name(w: &[f32], x: &[f32], cols: usize, put: &mut dyn FnMut(usize, usize, f32)) {
            each_tile(w.len() / cols, x.len() / cols, TILE_ROWS, $tokens, |at: Tile| {
                match (at.tall, at.wide) {
                    (true, true) => $tile::<TILE_ROWS, $tokens>(w, x, cols, &at, put),
                    (true, false) => $tile::<TILE_ROWS, 1>(w, x, cols, &at, put),
                    (false, true) => $tile::<1, $tokens>(w, x, cols, &at, put),
                    (false, false) => $tile::<1, 1>(w, x, cols, &at, put),
                }
            });
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn $tile<const R: usize, const T: usize>(
            w: &[f32],
            x: &[f32],
            cols: usize,
            at: &Tile,
            put: &mut dyn FnMut(usize, usize, f32),
        ) {
            let steps = cols / $lanes;
            let w: [&[f32]; R] = std::array::from_fn(|r| &w[(at.row + r) * cols..][..cols]);
            let x: [&[f32]; T] = std::array::from_fn(|t| &x[(at.token + t) * cols..][..cols]);
            let whole_w = w.map(|w| &w.as_chunks::<$lanes>().0[..steps]);
            let whole_x = x.map(|x| &x.as_chunks::<$lanes>().0[..steps]);
            let mut sums = [[$zero(); T]; R];
            for i in 0..steps {
                let x: [_; T] = std::array::from_fn(|t| $load(&whole_x[t][i]));
                for r in 0..R {
                    let w = $load(&whole_w[r][i]);
                    for t in 0..T {
                        sums[r][t] = $fma(w, x[t], sums[r][t]);
                    }
                }
            }
            if steps * $lanes < cols {
                let padded = |row: &[f32]| {
                    let mut rest = [0f32; $lanes];
                    rest[..cols - steps * $lanes].copy_from_slice(&row[steps * $lanes..]);
                    rest
                };
                for r in 0..R {
                    for t in 0..T {
                        sums[r][t] = $fma($load(&padded(w[r])), $load(&padded(x[t])), sums[r][t]);
                    }
                }
            }
            for (r, sums) in sums.iter().enumerate() {
                for (t, sum) in sums.iter().enumerate() {
                    put(at.row + r, at.token + t, $sum(*sum));
                }
            }
        }
    };
}

float_kernel!(avx512, tile_avx512, "avx512f", 16, 4, _mm512_setzero_ps, load16, _mm512_fmadd_ps, sum16);
float_kernel!(avx2, tile_avx2, "avx2,fma", 8, 2, _mm256_setzero_ps, load8, _mm256_fmadd_ps, sum8);

pub(super) fn multiply_avx512(w: &[f32], x: &[f32], cols: usize, put: &mut dyn FnMut(usize, usize, f32)) {
    let _proof = Avx512::detect().expect("the level was checked when the Cpu was made");
    // SAFETY: `Avx512` exists only where AVX-512 F does.
    unsafe { avx512(w, x, cols, put) }
}

pub(super) fn multiply_avx2(w: &[f32], x: &[f32], cols: usize, put: &mut dyn FnMut(usize, usize, f32)) {
    let _proof = Avx2::detect().expect("the level was checked when the Cpu was made");
    // SAFETY: `Avx2` exists only where AVX2 and FMA do.
    unsafe { avx2(w, x, cols, put) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load16(values: &[f32; 16]) -> __m512 {
    // SAFETY: `values` is 64 readable bytes and this load needs no alignment.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load8(values: &[f32; 8]) -> __m256 {
    // SAFETY: `values` is 32 readable bytes and this load needs no alignment.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn sum16(lanes: __m512) -> f32 {
    _mm512_reduce_add_ps(lanes)
}

#[inline]
#[target_feature(enable = "avx2")]
fn sum8(lanes: __m256) -> f32 {
    let quad = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes));
    let pair = _mm_add_ps(quad, _mm_movehl_ps(quad, quad));
    _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)))
}

/// Decodes a row; the half-precision types, which have an instruction (or a shift), at the speed of memory.
pub(super) fn decode_row(weight: &Matrix, row: usize, values: &mut [f32]) {
    let _proof = Avx2::detect().expect("the level was checked when the Cpu was made");
    match weight.storage() {
        // SAFETY: `Avx2` exists only where AVX2 and F16C do.
        Storage::Blocks { ty: TensorType::F16, .. } => unsafe { decode_f16(weight.row_bytes(row), values) },
        _ => weight.dequantize_row(row, values),
    }
}

#[target_feature(enable = "avx2,f16c")]
fn decode_f16(bytes: &[u8], values: &mut [f32]) {
    let (blocks, rest) = bytes.as_chunks::<16>();
    let (outs, out_rest) = values.as_chunks_mut::<8>();
    for (block, out) in blocks.iter().zip(outs) {
        // SAFETY: `block` is 16 readable bytes and `out` 32 writable ones; neither access needs alignment.
        unsafe {
            let halves = _mm_loadu_si128(block.as_ptr().cast());
            _mm256_storeu_ps(out.as_mut_ptr(), _mm256_cvtph_ps(halves));
        }
    }
    for (half, out) in rest.as_chunks::<2>().0.iter().zip(out_rest) {
        *out = hob_quant::f16_to_f32(u16::from_le_bytes(*half));
    }
}
