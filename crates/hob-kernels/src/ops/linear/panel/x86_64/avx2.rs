//! The panel kernels with AVX2: 6 tokens x 16 rows in twelve sums.
//!
//! Codes of at most four bits stay bytes: products are added up in 16 bits for 32 columns, which always fit, and then in 32.
//! Those of eight bits are widened to pairs of 16, since 8-bit products of unsigned codes would not fit when added in pairs.
//! Block formats are not rounded into panels here: `groups.rs` is faster.
#![allow(unsafe_code)]

use super::{QUADS, TileAvx2};
use crate::isa::Avx2;
use crate::ops::linear::activations::{UNIT, Unit, quantise_unit};
use crate::ops::linear::panel::pack::{Form, TokenUnit};
use crate::ops::linear::panel::{Packed, Panel, ROWS, RowSums, Sums};
use crate::ops::linear::x86_64::{load_half, store_half, transpose8};
use crate::scratch::Plain;
use std::arch::x86_64::*;
use std::ops::Range;

const TOKENS: usize = TileAvx2::<i8>::TOKENS;

/// The largest offset of codes that stay bytes: those of four bits.
pub(in crate::ops::linear::panel) const BYTES_OFFSET: i32 = 8;

/// Quads whose products fit 16 bits: `2 * 8 * 15 * 128` is 30720.
const CHAIN: usize = 8;

/// As `quantise_avx512`.
pub(in crate::ops::linear::panel) fn quantise_avx2_bytes(
    rows: &[TokenUnit<'_>],
    form: Form,
    tile: &mut TileAvx2<i8>,
) {
    let _proof = Avx2::detect().expect("the level was checked when the Cpu was made");
    // SAFETY: `Avx2` exists only where these features do.
    unsafe { quantise(rows, form, tile, |code| code) }
}

/// The same in words.
pub(in crate::ops::linear::panel) fn quantise_avx2_words(
    rows: &[TokenUnit<'_>],
    form: Form,
    tile: &mut TileAvx2<i16>,
) {
    let _proof = Avx2::detect().expect("the level was checked when the Cpu was made");
    // SAFETY: `Avx2` exists only where these features do.
    unsafe { quantise(rows, form, tile, i16::from) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn quantise<C: Plain>(
    rows: &[TokenUnit<'_>],
    form: Form,
    tile: &mut TileAvx2<C>,
    code: impl Fn(i8) -> C + Copy,
) {
    let mut units = [Unit::ZERO; TOKENS];
    (tile.steps, tile.starts) = ([0.0; TOKENS], [0; TOKENS]);
    for (t, &(x, shared)) in rows.iter().enumerate() {
        quantise_unit(x, form.steps, shared, form.order, &mut units[t]);
        tile.steps[t] = units[t].step();
        tile.starts[t] = form.offset.wrapping_mul(units[t].negative_sum());
    }
    for (quad, tokens) in tile.codes.iter_mut().enumerate() {
        for (codes, unit) in tokens.iter_mut().zip(&units) {
            *codes = unit.codes.as_chunks().0[quad].map(code);
        }
    }
}

pub(in crate::ops::linear::panel) fn lay_out_avx2(
    offset: i32,
    codes: &[[u8; UNIT]; ROWS],
    Panel(panel): &mut Panel,
) {
    let _proof = Avx2::detect().expect("the level was checked when the Cpu was made");
    let panel = panel.as_chunks_mut::<32>().0;
    // SAFETY: `Avx2` exists only where this feature does.
    unsafe {
        if offset <= BYTES_OFFSET {
            transpose(codes, panel);
        } else {
            widen(offset, codes, panel);
        }
    }
}

pub(in crate::ops::linear::panel) fn avx2(
    Panel(panel): &Panel,
    x: &Packed,
    unit: usize,
    tiles: Range<usize>,
    out: &mut Sums<'_>,
) {
    let _proof = Avx2::detect().expect("the level was checked when the Cpu was made");
    let panel = panel.as_chunks::<32>().0;
    for (index, tile) in tiles.enumerate() {
        let first = index * TOKENS;
        // SAFETY: `Avx2` exists only where AVX2 and FMA do.
        unsafe {
            match x.avx2_bytes(unit) {
                Some(all) => tile_bytes(panel, &all[tile], first, out),
                None => tile_words(panel, &x.avx2_words(unit)[tile], first, out),
            }
        }
    }
}

/// `panel[4 * quad + part]` holds columns `4 * quad ..` of rows `8 * part ..`.
#[target_feature(enable = "avx2")]
fn transpose(codes: &[[u8; UNIT]; ROWS], panel: &mut [[u8; 32]]) {
    for (part, rows) in codes.as_chunks::<8>().0.iter().enumerate() {
        for run in 0..UNIT / 32 {
            let rows = rows.each_ref().map(|codes| load_half(&codes.as_chunks::<32>().0[run]));
            for (quad, column) in transpose8(rows).into_iter().enumerate() {
                store_half(&mut panel[4 * (8 * run + quad) + part], column);
            }
        }
    }
}

/// `panel[4 * pair + part]` holds columns `2 * pair ..` of rows `8 * part ..` as signed 16-bit values.
#[target_feature(enable = "avx2")]
fn widen(offset: i32, codes: &[[u8; UNIT]; ROWS], panel: &mut [[u8; 32]]) {
    let offset = _mm256_set1_epi16(offset as i16);
    for (part, rows) in codes.as_chunks::<8>().0.iter().enumerate() {
        for run in 0..UNIT / 16 {
            let widened = rows.each_ref().map(|codes| {
                // SAFETY: 16 readable bytes; the load needs no alignment.
                let codes = unsafe { _mm_loadu_si128(codes.as_chunks::<16>().0[run].as_ptr().cast()) };
                _mm256_sub_epi16(_mm256_cvtepu8_epi16(codes), offset)
            });
            for (pair, column) in transpose8(widened).into_iter().enumerate() {
                store_half(&mut panel[4 * (8 * run + pair) + part], column);
            }
        }
    }
}

#[target_feature(enable = "avx2,fma")]
fn tile_bytes(panel: &[[u8; 32]], x: &TileAvx2<i8>, first: usize, out: &mut Sums<'_>) {
    let panel = &panel.as_chunks::<4>().0[..QUADS];
    for side in 0..2 {
        let mut sums = x.starts.map(|start| [_mm256_set1_epi32(start); 2]);
        for (rows, columns) in panel.as_chunks::<CHAIN>().0.iter().zip(x.codes.as_chunks::<CHAIN>().0) {
            let mut pairs = [[_mm256_setzero_si256(); 2]; TOKENS];
            for (rows, columns) in rows.iter().zip(columns) {
                let rows = [load_half(&rows[2 * side]), load_half(&rows[2 * side + 1])];
                for (pairs, x) in pairs.iter_mut().zip(columns) {
                    let values = _mm256_set1_epi32(i32::from_ne_bytes(x.map(|v| v as u8)));
                    pairs[0] = _mm256_add_epi16(pairs[0], _mm256_maddubs_epi16(rows[0], values));
                    pairs[1] = _mm256_add_epi16(pairs[1], _mm256_maddubs_epi16(rows[1], values));
                }
            }
            let pairs = pairs.as_flattened().iter();
            for (sum, pairs) in sums.as_flattened_mut().iter_mut().zip(pairs) {
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(*pairs, _mm256_set1_epi16(1)));
            }
        }
        put(first, side, &sums, out);
    }
}

#[target_feature(enable = "avx2,fma")]
fn tile_words(panel: &[[u8; 32]], x: &TileAvx2<i16>, first: usize, out: &mut Sums<'_>) {
    let panel = &panel.as_chunks::<4>().0[..2 * QUADS];
    for side in 0..2 {
        // The offset is in the panel, so that there is nothing to begin with.
        let mut sums = [[_mm256_setzero_si256(); 2]; TOKENS];
        for (pairs, columns) in panel.as_chunks::<2>().0.iter().zip(&x.codes) {
            for (pair, rows) in pairs.iter().enumerate() {
                let rows = [load_half(&rows[2 * side]), load_half(&rows[2 * side + 1])];
                for (sums, x) in sums.iter_mut().zip(columns) {
                    let [a, b] = x.as_chunks().0[pair];
                    let both = u32::from(a as u16) | u32::from(b as u16) << 16;
                    let values = _mm256_set1_epi32(both as i32);
                    sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(rows[0], values));
                    sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(rows[1], values));
                }
            }
        }
        put(first, side, &sums, out);
    }
}

/// Adds sixteen rows' dots with the tokens of a tile, the first of which is number `first` of the batch.
#[inline]
#[target_feature(enable = "avx2")]
fn put(first: usize, side: usize, dots: &[[__m256i; 2]; TOKENS], out: &mut Sums<'_>) {
    debug_assert!(out.scales.is_none(), "block formats have `groups.rs`");
    for (RowSums(place), dots) in out.values[first..].iter_mut().zip(dots) {
        let place = &mut place.as_chunks_mut::<8>().0[2 * side..];
        for (place, dots) in place.iter_mut().zip(dots) {
            let old = if out.first_unit { _mm256_setzero_si256() } else { load_half(place) };
            store_half(place, _mm256_add_epi32(old, *dots));
        }
    }
}
