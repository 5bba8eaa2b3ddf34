//! AVX2: 6 tokens x 16 rows in twelve sums. Words are f32.
#![allow(unsafe_code)]

use super::{AS_STORED, TOKENS, Tile, WIDEN_BF16, WIDEN_F16, word_bytes};
use crate::isa::Avx2;
use crate::matrix::EncodedRows;
use crate::ops::linear::words::{Packed, Panel, ROWS, RowSums, Source, UNIT};
use crate::ops::linear::x86_64::{ask_behind, load_eight, load_half, store_eight, store_half, transpose8};
use hob_quant::TensorType;
use std::arch::x86_64::*;
use std::ops::Range;

/// Tokens whose sums fit the registers: half of a tile.
const PART: usize = TOKENS / 2;

/// Words after which some of the tile that comes next is asked for.
const RUN: usize = 16;

const RUNS: usize = UNIT / RUN;

pub(super) fn lay_out(source: &Source<'_>, rows: Range<usize>, unit: usize, panel: &mut Panel) {
    let _proof = Avx2::detect().expect("the level was checked when the Cpu was made");
    // SAFETY: `Avx2` exists only where these features do.
    unsafe {
        match source.ty {
            TensorType::F16 => transpose::<WIDEN_F16>(source.rows, rows, unit, panel),
            TensorType::BF16 => transpose::<WIDEN_BF16>(source.rows, rows, unit, panel),
            _ => transpose::<AS_STORED>(source.rows, rows, unit, panel),
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn transpose<const E: u8>(stored: EncodedRows<'_>, rows: Range<usize>, unit: usize, panel: &mut Panel) {
    let (run_bytes, unit_bytes) = const { (8 * word_bytes(E), UNIT * word_bytes(E)) };
    for eight in 0..ROWS / 8 {
        for (run, panel) in panel.0.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let start = unit * unit_bytes + run * run_bytes;
            let mut words = [_mm256_setzero_si256(); 8];
            for (word, row) in words.iter_mut().zip((rows.start + 8 * eight)..rows.end) {
                let row = stored.get(row);
                // The row's next unit is needed after all tokens have been multiplied with this one.
                _mm_prefetch::<_MM_HINT_T1>(row.as_ptr().wrapping_add(start + unit_bytes).cast());
                *word = weights::<E>(&row[start.min(row.len())..]);
            }
            for (place, column) in panel.iter_mut().zip(transpose8(words)) {
                store_half(&mut place.as_flattened_mut().as_chunks_mut::<8>().0[eight], column);
            }
        }
    }
}

/// Eight words from the start of `stored`; those that are not there are 0.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn weights<const E: u8>(stored: &[u8]) -> __m256i {
    let mut padded = [0; 32];
    let stored = if stored.len() < const { 8 * word_bytes(E) } {
        padded[..stored.len()].copy_from_slice(stored);
        &padded
    } else {
        stored
    };
    assert!(stored.len() >= const { 8 * word_bytes(E) });
    if E == AS_STORED {
        // SAFETY: 32 readable bytes, as asserted; the load needs no alignment.
        return unsafe { _mm256_loadu_si256(stored.as_ptr().cast()) };
    }
    // SAFETY: 16 readable bytes, as asserted; the load needs no alignment.
    let halves = unsafe { _mm_loadu_si128(stored.as_ptr().cast()) };
    match E {
        WIDEN_F16 => _mm256_castps_si256(_mm256_cvtph_ps(halves)),
        _ => _mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(halves)),
    }
}

pub(super) fn pack(rows: &[&[f32]; TOKENS], tile: &mut Tile) {
    #[target_feature(enable = "avx2")]
    fn body(rows: &[&[f32]; TOKENS], tile: &mut Tile) {
        for (run, places) in tile.0.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let (mut first, mut last) = ([_mm256_setzero_si256(); 8], [_mm256_setzero_si256(); 8]);
            for (words, row) in first.iter_mut().chain(&mut last).zip(rows) {
                *words = values(row, run);
            }
            let columns = transpose8(first).into_iter().zip(transpose8(last));
            for (place, (first, last)) in places.iter_mut().zip(columns) {
                let (to, rest) = place.split_first_chunk_mut::<8>().expect("twelve tokens");
                store_half(to, first);
                let rest: &mut [i32; 4] = rest.try_into().expect("four of twelve tokens");
                // SAFETY: 16 writable bytes; the store needs no alignment.
                unsafe { _mm_storeu_si128(rest.as_mut_ptr().cast(), _mm256_castsi256_si128(last)) }
            }
        }
    }
    let _proof = Avx2::detect().expect("the level was checked when the Cpu was made");
    // SAFETY: `Avx2` exists only where this feature does.
    unsafe { body(rows, tile) }
}

/// Values `8 * run ..` of `row`; those that are not there are 0.
#[inline]
#[target_feature(enable = "avx2")]
fn values(row: &[f32], run: usize) -> __m256i {
    let values = &row[(8 * run).min(row.len())..];
    let mut padded = [0.0; 8];
    let values = values.first_chunk().unwrap_or_else(|| {
        padded[..values.len()].copy_from_slice(values);
        &padded
    });
    load_half::<f32, 8>(values)
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
    let _proof = Avx2::detect().expect("the level was checked when the Cpu was made");
    for first in (0..tokens.min(TOKENS)).step_by(PART) {
        let sums = &mut sums[first..];
        for half in 0..2 {
            // SAFETY: `Avx2` exists only where these features do.
            unsafe {
                match tokens - first {
                    5.. => part::<PART>(panel, half, values, first, first_unit, sums),
                    3..5 => part::<4>(panel, half, values, first, first_unit, sums),
                    _ => part::<2>(panel, half, values, first, first_unit, sums),
                }
            }
        }
    }
}

/// Half of the rows and `N` tokens of a tile from `first` on.
#[target_feature(enable = "avx2,fma")]
fn part<const N: usize>(
    panel: &Panel,
    half: usize,
    x: &[[i32; TOKENS]; UNIT],
    first: usize,
    first_unit: bool,
    places: &mut [RowSums],
) {
    let mut sums = [[_mm256_setzero_ps(); 2]; N];
    // A tile is walked four times: half of the tokens and half of the rows at a time.
    let walked = (first / PART * 2 + half) * RUNS;
    let runs = panel.0.as_chunks::<RUN>().0.iter().zip(x.as_chunks::<RUN>().0);
    for (run, (panel, columns)) in runs.enumerate() {
        ask_behind(x, walked + run, 4 * RUNS);
        for (rows, x) in panel.iter().zip(columns) {
            let rows = rows[half].as_chunks::<8>().0;
            let rows = [load_half(&rows[0]), load_half(&rows[1])].map(|words| _mm256_castsi256_ps(words));
            let x: &[i32; N] = x[first..].first_chunk().expect("tokens of a tile");
            for (sums, x) in sums.iter_mut().zip(x) {
                let value = _mm256_set1_ps(f32::from_bits(*x as u32));
                sums[0] = _mm256_fmadd_ps(rows[0], value, sums[0]);
                sums[1] = _mm256_fmadd_ps(rows[1], value, sums[1]);
            }
        }
    }
    for (RowSums(place), sums) in places.iter_mut().zip(sums) {
        for (place, sum) in place[half].as_chunks_mut().0.iter_mut().zip(sums) {
            store_eight(place, if first_unit { sum } else { _mm256_add_ps(load_eight(place), sum) });
        }
    }
}
