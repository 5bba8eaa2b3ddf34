//! AVX-512: 12 tokens x 32 rows in 24 sums; a word of a token is broadcast and multiplied with two vectors of rows.
#![allow(unsafe_code)]

use super::{AS_STORED, TOKENS, Tile, WIDEN_BF16, WIDEN_F16, word_bytes};
use crate::isa::{Avx512, Avx512Bf16};
use crate::matrix::EncodedRows;
use crate::ops::linear::words::{Packed, Panel, ROWS, RowSums, Source, UNIT, Word};
use crate::ops::linear::x86_64::{ask_behind, load, load_ints, load_run, rounded_pairs, transpose16};
use hob_quant::TensorType;
use std::arch::x86_64::*;
use std::ops::Range;

pub(super) fn lay_out(source: &Source<'_>, rows: Range<usize>, unit: usize, panel: &mut Panel) {
    let _proof = Avx512::detect().expect("the level was checked when the Cpu was made");
    // SAFETY: `Avx512` exists only where these features do.
    unsafe {
        match (source.ty, source.word) {
            (TensorType::F16, _) => transpose::<WIDEN_F16>(source.rows, rows, unit, panel),
            (TensorType::BF16, Word::F32) => transpose::<WIDEN_BF16>(source.rows, rows, unit, panel),
            _ => transpose::<AS_STORED>(source.rows, rows, unit, panel),
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq")]
fn transpose<const E: u8>(stored: EncodedRows<'_>, rows: Range<usize>, unit: usize, panel: &mut Panel) {
    let (run_bytes, unit_bytes) = const { (16 * word_bytes(E), UNIT * word_bytes(E)) };
    for half in 0..ROWS / 16 {
        for (run, panel) in panel.0.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let start = unit * unit_bytes + run * run_bytes;
            let mut words = [_mm512_setzero_si512(); 16];
            for (word, row) in words.iter_mut().zip((rows.start + 16 * half)..rows.end) {
                let row = stored.get(row);
                // The row's next unit is needed after all tokens have been multiplied with this one.
                _mm_prefetch::<_MM_HINT_T1>(row.as_ptr().wrapping_add(start + unit_bytes).cast());
                *word = weights::<E>(&row[start.min(row.len())..]);
            }
            for (place, column) in panel.iter_mut().zip(transpose16(words)) {
                // SAFETY: 64 writable bytes; the store needs no alignment.
                unsafe { _mm512_storeu_si512(place[half].as_mut_ptr().cast(), column) }
            }
        }
    }
}

/// 16 words from the start of `stored`; those that are not there are 0.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq")]
fn weights<const E: u8>(stored: &[u8]) -> __m512i {
    let mut padded = [0; 64];
    let stored = if stored.len() < const { 16 * word_bytes(E) } {
        padded[..stored.len()].copy_from_slice(stored);
        &padded
    } else {
        stored
    };
    assert!(stored.len() >= const { 16 * word_bytes(E) });
    if E == AS_STORED {
        // SAFETY: 64 readable bytes, as asserted; the load needs no alignment.
        return unsafe { _mm512_loadu_si512(stored.as_ptr().cast()) };
    }
    // SAFETY: 32 readable bytes, as asserted; the load needs no alignment.
    let halves = unsafe { _mm256_loadu_si256(stored.as_ptr().cast()) };
    match E {
        WIDEN_F16 => _mm512_castps_si512(_mm512_cvtph_ps(halves)),
        _ => _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves)),
    }
}

pub(super) fn pack(rows: &[&[f32]; TOKENS], word: Word, tile: &mut Tile) {
    match word {
        Word::Bf16Pair => {
            let _proof = Avx512Bf16::detect().expect("a Cpu with bf16 was made where it was detected");
            // SAFETY: the token exists only where these features do.
            unsafe { pack_pairs(rows, tile) }
        }
        Word::F32 => {
            let _proof = Avx512::detect().expect("the level was checked when the Cpu was made");
            // SAFETY: the token exists only where these features do.
            unsafe { pack_floats(rows, tile) }
        }
    }
}

pub(super) fn multiply(
    panel: &Panel,
    x: &Packed,
    unit: usize,
    tile: usize,
    first_unit: bool,
    sums: &mut [RowSums; TOKENS],
) {
    let values = x.tile(unit, tile);
    let tokens = x.tokens() - tile * TOKENS;
    match x.word() {
        Word::Bf16Pair => {
            let _proof = Avx512Bf16::detect().expect("a Cpu with bf16 was made where it was detected");
            // SAFETY: the token exists only where these features do.
            unsafe {
                match tokens {
                    9.. => tile_pairs::<12>(panel, values, first_unit, sums),
                    5..9 => tile_pairs::<8>(panel, values, first_unit, sums),
                    _ => tile_pairs::<4>(panel, values, first_unit, sums),
                }
            }
        }
        Word::F32 => {
            let _proof = Avx512::detect().expect("the level was checked when the Cpu was made");
            // SAFETY: the token exists only where these features do.
            unsafe {
                match tokens {
                    9.. => tile_floats::<12>(panel, values, first_unit, sums),
                    5..9 => tile_floats::<8>(panel, values, first_unit, sums),
                    _ => tile_floats::<4>(panel, values, first_unit, sums),
                }
            }
        }
    }
}

/// Packing and the product, once per kind of word: `$words` makes words of activations, `$multiply_add` multiplies them.
macro_rules! word_kernels {
    ($pack:ident, $tile:ident, $words:ident, $multiply_add:ident, $features:literal) => {
        #[target_feature(enable = $features)]
        fn $pack(rows: &[&[f32]; TOKENS], tile: &mut Tile) {
            for (run, places) in tile.0.as_chunks_mut::<16>().0.iter_mut().enumerate() {
                let mut words = [_mm512_setzero_si512(); 16];
                for (words, row) in words.iter_mut().zip(rows) {
                    *words = $words(row, run);
                }
                for (place, column) in places.iter_mut().zip(transpose16(words)) {
                    // SAFETY: twelve lanes are the 48 writable bytes of a word's tokens; the store needs no alignment.
                    unsafe { _mm512_mask_storeu_epi32(place.as_mut_ptr(), 0xfff, column) }
                }
            }
        }

        /// The first `N` tokens of a tile.
        #[target_feature(enable = $features)]
        fn $tile<const N: usize>(
            panel: &Panel,
            x: &[[i32; TOKENS]; UNIT],
            first_unit: bool,
            places: &mut [RowSums; TOKENS],
        ) {
            let mut sums = [[_mm512_setzero_ps(); 2]; N];
            for (word, ([low, high], values)) in panel.0.iter().zip(x).enumerate() {
                ask_behind(x, word, UNIT);
                let (low, high) = (load_ints(low), load_ints(high));
                for (sums, x) in sums.iter_mut().zip(values) {
                    let value = _mm512_set1_epi32(*x);
                    sums[0] = $multiply_add(sums[0], low, value);
                    sums[1] = $multiply_add(sums[1], high, value);
                }
            }
            for (RowSums(place), sums) in places.iter_mut().zip(sums) {
                for (place, sum) in place.iter_mut().zip(sums) {
                    let total = if first_unit { sum } else { _mm512_add_ps(load(place), sum) };
                    // SAFETY: 64 writable bytes; the store needs no alignment.
                    unsafe { _mm512_storeu_ps(place.as_mut_ptr(), total) }
                }
            }
        }
    };
}

word_kernels!(
    pack_pairs,
    tile_pairs,
    rounded_pairs,
    dot_pairs,
    "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16"
);
word_kernels!(
    pack_floats,
    tile_floats,
    floats,
    multiply_floats,
    "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq"
);

#[inline]
#[target_feature(enable = "avx512f")]
fn floats(row: &[f32], run: usize) -> __m512i {
    _mm512_castps_si512(load_run(row, run))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn multiply_floats(sum: __m512, a: __m512i, b: __m512i) -> __m512 {
    _mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), sum)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn dot_pairs(sum: __m512, a: __m512i, b: __m512i) -> __m512 {
    // SAFETY: all are 64 bytes of any value.
    let [a, b] = unsafe { std::mem::transmute::<[__m512i; 2], [__m512bh; 2]>([a, b]) };
    _mm512_dpbf16_ps(sum, a, b)
}
