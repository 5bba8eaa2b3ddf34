//! The panel kernel with AVX-512 VNNI: bytes, 12 tokens x 32 rows in 24 sums.
#![allow(unsafe_code)]

mod avx2;

pub(super) use avx2::{BYTES_OFFSET, avx2, lay_out_avx2, quantise_avx2_bytes, quantise_avx2_words};

use super::pack::{Form, TokenUnit};
use super::{Packed, Panel, ROWS, Sums};
use crate::isa::Avx512;
use crate::ops::linear::activations::UNIT;
use crate::ops::linear::activations::x86_64::unit_codes;
use crate::ops::linear::x86_64::{ask_behind, load_bytes, load_ints, store_ints, transpose16};
use crate::scratch::Plain;
use std::arch::x86_64::*;
use std::ops::Range;

/// One unit of `T` tokens, as one kernel walks it.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(in crate::ops::linear) struct Tile<C: Plain, const T: usize> {
    /// `[quad of columns][token]`.
    pub codes: [[[C; 4]; T]; QUADS],
    pub steps: [f32; T],
    /// What sums of products with codes stored above their values begin with: minus the sum of the token's codes times
    /// the offset.
    pub starts: [i32; T],
}

impl<C: Plain, const T: usize> Tile<C, T> {
    pub(in crate::ops::linear) const TOKENS: usize = T;
}

// SAFETY: arrays of numbers; the alignment is a cache line's.
unsafe impl<C: Plain, const T: usize> Plain for Tile<C, T> {}

/// With AMX, a register of sums has as many columns.
pub(in crate::ops::linear) type TileAmx = Tile<i8, 16>;

/// With two vectors of rows, 24 of the 32 registers hold sums.
pub(super) type TileAvx512 = Tile<i8, 12>;

/// With two vectors of rows, 12 of the 16 registers.
pub(super) type TileAvx2<C> = Tile<C, 6>;

const TOKENS: usize = TileAvx512::TOKENS;

/// Quads of columns in a unit.
const QUADS: usize = UNIT / 4;

/// Quantises the tokens of one tile; those it lacks become zeros.
pub(super) fn quantise_avx512<const T: usize>(rows: &[TokenUnit<'_>], form: Form, tile: &mut Tile<i8, T>) {
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
    fn body<const T: usize>(rows: &[TokenUnit<'_>], form: Form, tile: &mut Tile<i8, T>) {
        const { assert!(T <= 16, "a lane of a vector for each token") };
        (tile.steps, tile.starts) = ([0.0; T], [0; T]);
        // `[part][token]`; transposed, a vector is one quad of all tokens.
        let mut parts = [[_mm512_setzero_si512(); 16]; 4];
        for (t, &(x, shared)) in rows.iter().enumerate() {
            let mut padded = [0.0; UNIT];
            let x = x.as_array().unwrap_or_else(|| {
                padded[..x.len()].copy_from_slice(x);
                &padded
            });
            let unit = unit_codes(x, form.steps, shared, form.order);
            tile.steps[t] = unit.step;
            tile.starts[t] = form.offset.wrapping_mul(unit.negative_sum);
            for (part, codes) in parts.iter_mut().zip(unit.codes) {
                part[t] = codes;
            }
        }
        for (quads, part) in tile.codes.as_chunks_mut::<16>().0.iter_mut().zip(parts) {
            for (quad, column) in quads.iter_mut().zip(transpose16(part)) {
                let tokens = const { u16::MAX >> (16 - T) };
                // SAFETY: these lanes are the writable bytes of a quad's tokens; the store needs no alignment.
                unsafe { _mm512_mask_storeu_epi32(quad.as_mut_ptr().cast(), tokens, column) }
            }
        }
    }
    let _proof = Avx512::detect().expect("the level was checked when the Cpu was made");
    // SAFETY: `Avx512` exists only where these features do.
    unsafe { body(rows, form, tile) }
}

pub(super) fn lay_out_avx512(codes: &[[u8; UNIT]; ROWS], Panel(panel): &mut Panel) {
    let _proof = Avx512::detect().expect("the level was checked when the Cpu was made");
    // SAFETY: `Avx512` exists only where this feature does.
    unsafe { transpose(codes, panel.as_chunks_mut::<64>().0) }
}

pub(super) fn avx512(Panel(panel): &Panel, x: &Packed, unit: usize, tiles: Range<usize>, out: &mut Sums<'_>) {
    let _proof = Avx512::detect().expect("the level was checked when the Cpu was made");
    let panel = panel.as_chunks::<64>().0;
    let all = x.avx512(unit);
    for (index, tile) in tiles.enumerate() {
        // SAFETY: `Avx512` exists only where these features do.
        unsafe {
            match x.tokens() - tile * TOKENS {
                9.. => tile_avx512::<12>(panel, &all[tile], index * TOKENS, out),
                5..9 => tile_avx512::<8>(panel, &all[tile], index * TOKENS, out),
                _ => tile_avx512::<4>(panel, &all[tile], index * TOKENS, out),
            }
        }
    }
}

/// `panel[2 * quad + half]` holds quad `quad` of rows `16 * half ..`, so that a dot instruction meets 16 rows at once.
#[target_feature(enable = "avx512f")]
fn transpose(codes: &[[u8; UNIT]; ROWS], panel: &mut [[u8; 64]]) {
    for half in 0..2 {
        for part in 0..4 {
            let mut rows = [_mm512_setzero_si512(); 16];
            for (row, codes) in rows.iter_mut().zip(&codes[16 * half..]) {
                *row = load_bytes(&codes.as_chunks::<64>().0[part]);
            }
            for (quad, column) in transpose16(rows).into_iter().enumerate() {
                let place = &mut panel[2 * (16 * part + quad) + half];
                // SAFETY: 64 writable bytes; the store needs no alignment.
                unsafe { _mm512_storeu_si512(place.as_mut_ptr().cast(), column) }
            }
        }
    }
}

/// The first `N` tokens of a tile.
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn tile_avx512<const N: usize>(panel: &[[u8; 64]], x: &TileAvx512, first: usize, out: &mut Sums<'_>) {
    let panel = &panel[..2 * QUADS];
    // Starting from the zero point's share makes the sums those of signed codes.
    let mut sums = [[_mm512_setzero_si512(); 2]; N];
    for (sums, start) in sums.iter_mut().zip(x.starts) {
        *sums = [_mm512_set1_epi32(start); 2];
    }
    for quad in 0..QUADS {
        ask_behind(x, quad, QUADS);
        let rows = [load_bytes(&panel[2 * quad]), load_bytes(&panel[2 * quad + 1])];
        for (sums, x) in sums.iter_mut().zip(&x.codes[quad]) {
            let values = _mm512_set1_epi32(i32::from_ne_bytes(x.map(|v| v as u8)));
            sums[0] = _mm512_dpbusd_epi32(sums[0], rows[0], values);
            sums[1] = _mm512_dpbusd_epi32(sums[1], rows[1], values);
        }
    }
    let places = &mut out.values[first..first + N];
    let Some(scales) = out.scales else {
        for (place, sums) in places.iter_mut().zip(sums) {
            for (place, sum) in place.0.as_chunks_mut::<16>().0.iter_mut().zip(sums) {
                let old = if out.first_unit { _mm512_setzero_si512() } else { load_ints(place) };
                store_ints(place, _mm512_add_epi32(old, sum));
            }
        }
        return;
    };
    let [low, high] = scales.as_chunks::<16>().0 else { unreachable!("two vectors of rows") };
    // SAFETY: 64 readable bytes each; the loads need no alignment.
    let scales = unsafe { [_mm512_loadu_ps(low.as_ptr()), _mm512_loadu_ps(high.as_ptr())] };
    for ((place, &step), sums) in places.iter_mut().zip(&x.steps).zip(sums) {
        let step = _mm512_set1_ps(step);
        for ((place, scale), sum) in place.0.as_chunks_mut::<16>().0.iter_mut().zip(scales).zip(sums) {
            let old = if out.first_unit { _mm512_setzero_si512() } else { load_ints(place) };
            let scale = _mm512_mul_ps(scale, step);
            let total = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, _mm512_castsi512_ps(old));
            store_ints(place, _mm512_castps_si512(total));
        }
    }
}
