//! AVX2 and AVX-512: a register tile of rows and tokens, one vector of lanes per sum. Half-precision weights are widened
//! as they are loaded, which costs less than writing them down.
#![allow(unsafe_code)]

use super::tile::{BF16, F16, F32, Tile, each_tile, element_bytes, padded, put_all};
use super::{Rows, TILE_ROWS};
use crate::isa::{Avx2, Avx512};
use std::arch::x86_64::*;

/// How far ahead of the loads weights are fetched: four rows read in turn are a pattern that the CPU's own prefetchers
/// follow badly.
const AHEAD_BYTES: usize = 4096;

/// The bytes of decoded values.
fn bytes_of(values: &[f32]) -> &[u8] {
    // SAFETY: floats are plain bytes without padding, and bytes may lie anywhere.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

/// One kernel body for both vector widths; `$tokens` fills the register file (rows x tokens sums, and the operands).
/// `$rows_of_one` are the rows that one token takes at a time.
macro_rules! float_kernel {
    ($entry:ident, $isa:ident, $features:literal, $lanes:literal, $tokens:literal, $rows_of_one:expr,
     $zero:ident, $load:ident, $weights:ident, $fma:ident, $sum:ident) => {
        pub(super) fn $entry(w: Rows<'_>, x: &[f32], cols: usize, put: &mut dyn FnMut(usize, usize, f32)) {
            #[target_feature(enable = $features)]
            fn all<const E: u8>(w: &[u8], x: &[f32], cols: usize, put: &mut dyn FnMut(usize, usize, f32)) {
                let (rows, tokens) = (w.len() / (cols * element_bytes(E)), x.len() / cols);
                let tile_rows = if tokens == 1 { $rows_of_one } else { TILE_ROWS };
                each_tile(rows, tokens, tile_rows, $tokens, |at: Tile| match (at.tall, at.wide) {
                    (true, true) => put_all(&at, tile::<E, TILE_ROWS, $tokens>(w, x, cols, &at), put),
                    (true, false) => put_all(&at, tile::<E, TILE_ROWS, 1>(w, x, cols, &at), put),
                    (false, true) => put_all(&at, tile::<E, 1, $tokens>(w, x, cols, &at), put),
                    (false, false) => put_all(&at, tile::<E, 1, 1>(w, x, cols, &at), put),
                });
            }

            // A function of its own, so that the sums have the registers to themselves.
            #[inline(never)]
            #[target_feature(enable = $features)]
            fn tile<const E: u8, const R: usize, const T: usize>(
                w: &[u8],
                x: &[f32],
                cols: usize,
                at: &Tile,
            ) -> [[f32; T]; R] {
                let (steps, size) = (cols / $lanes, const { element_bytes(E) });
                let w: [&[u8]; R] = std::array::from_fn(|r| &w[(at.row + r) * cols * size..][..cols * size]);
                let x: [&[f32]; T] = std::array::from_fn(|t| &x[(at.token + t) * cols..][..cols]);
                let whole = x.map(|x| &x.as_chunks::<$lanes>().0[..steps]);
                // Beyond its end the rows of the next tile are wanted, not the next row, which is one of this tile's.
                let next_tile = (R - 1) * cols * size;
                let turn = steps.saturating_sub(AHEAD_BYTES / ($lanes * size));
                let mut sums = [[$zero(); T]; R];
                for i in 0..steps {
                    let ahead = AHEAD_BYTES + if i < turn { 0 } else { next_tile };
                    // A plain loop: closures with vectors in them are not always inlined, and then sums live in memory.
                    let mut values = [$zero(); T];
                    for t in 0..T {
                        values[t] = $load(&whole[t][i]);
                    }
                    for r in 0..R {
                        let range = i * $lanes * size..(i + 1) * $lanes * size;
                        // SAFETY: a row has `cols * size` bytes (sliced so above) and `i` counts its whole vectors.
                        let stored = unsafe { w[r].get_unchecked(range) };
                        _mm_prefetch::<_MM_HINT_T0>(stored.as_ptr().wrapping_add(ahead).cast());
                        let w = $weights::<E>(stored);
                        for t in 0..T {
                            sums[r][t] = $fma(w, values[t], sums[r][t]);
                        }
                    }
                }
                let rest = steps * $lanes;
                if rest < cols {
                    for t in 0..T {
                        let values = $load(&padded::<F32, $lanes>(bytes_of(&x[t][rest..])));
                        for r in 0..R {
                            let w = $load(&padded::<E, $lanes>(&w[r][rest * size..]));
                            sums[r][t] = $fma(w, values, sums[r][t]);
                        }
                    }
                }
                let mut totals = [[0f32; T]; R];
                for r in 0..R {
                    for t in 0..T {
                        totals[r][t] = $sum(sums[r][t]);
                    }
                }
                totals
            }

            #[target_feature(enable = $features)]
            fn dispatch(w: Rows<'_>, x: &[f32], cols: usize, put: &mut dyn FnMut(usize, usize, f32)) {
                match w {
                    Rows::F32(w) => all::<F32>(bytes_of(w), x, cols, put),
                    Rows::F32Bytes(w) => all::<F32>(w, x, cols, put),
                    Rows::F16(w) => all::<F16>(w, x, cols, put),
                    Rows::BF16(w) => all::<BF16>(w, x, cols, put),
                }
            }

            let _proof = $isa::detect().expect("the level was checked when the Cpu was made");
            // SAFETY: the token exists only where these features do.
            unsafe { dispatch(w, x, cols, put) }
        }
    };
}

float_kernel!(
    multiply_avx512,
    Avx512,
    "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq",
    16,
    4,
    // Memory likes a single stream best.
    1,
    _mm512_setzero_ps,
    load16,
    weights16,
    _mm512_fmadd_ps,
    sum16
);
float_kernel!(
    multiply_avx2,
    Avx2,
    "avx2,fma,f16c",
    8,
    2,
    // A sum waits four cycles for each addition: one alone is half as fast as memory.
    TILE_ROWS,
    _mm256_setzero_ps,
    load8,
    weights8,
    _mm256_fmadd_ps,
    sum8
);

#[inline]
#[target_feature(enable = "avx512f")]
fn load16(values: &[f32; 16]) -> __m512 {
    // SAFETY: `values` is 64 readable bytes and this load needs no alignment.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
fn weights16<const E: u8>(stored: &[u8]) -> __m512 {
    assert_eq!(stored.len(), 16 * const { element_bytes(E) });
    if E == F32 {
        // SAFETY: 64 readable bytes, as asserted; the load needs no alignment.
        return unsafe { _mm512_loadu_ps(stored.as_ptr().cast()) };
    }
    // SAFETY: 32 readable bytes, as asserted; the load needs no alignment.
    let halves = unsafe { _mm256_loadu_si256(stored.as_ptr().cast()) };
    match E {
        F16 => _mm512_cvtph_ps(halves),
        _ => _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves))),
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load8(values: &[f32; 8]) -> __m256 {
    // SAFETY: `values` is 32 readable bytes and this load needs no alignment.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn weights8<const E: u8>(stored: &[u8]) -> __m256 {
    assert_eq!(stored.len(), 8 * const { element_bytes(E) });
    if E == F32 {
        // SAFETY: 32 readable bytes, as asserted; the load needs no alignment.
        return unsafe { _mm256_loadu_ps(stored.as_ptr().cast()) };
    }
    // SAFETY: 16 readable bytes, as asserted; the load needs no alignment.
    let halves = unsafe { _mm_loadu_si128(stored.as_ptr().cast()) };
    match E {
        F16 => _mm256_cvtph_ps(halves),
        _ => _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(halves))),
    }
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
