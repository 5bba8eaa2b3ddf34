//! The panel kernels. AVX-512 VNNI: bytes, 12 tokens x 32 rows in 24 sums. AVX2: 16-bit pairs, 4 tokens x 16 rows in 8.
#![allow(unsafe_code)]

use super::pack::{Form, TokenUnit};
use super::{Packed, Panel, ROWS, Sums};
use crate::isa::{Avx2, Avx512};
use crate::ops::linear::activations::x86_64::unit_codes;
use crate::ops::linear::activations::{UNIT, Unit, quantise_unit};
use crate::ops::linear::x86_64::{load_bytes, load_ints, store_ints, transpose8, transpose16};
use crate::scratch::Plain;
use std::arch::x86_64::*;
use std::ops::Range;

/// One unit of `T` tokens, as one kernel walks it.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Tile<C: Plain, const T: usize> {
    /// `[quad of columns][token]`.
    codes: [[[C; 4]; T]; QUADS],
    pub steps: [f32; T],
    /// What sums of products with codes stored above their values begin with: minus the sum of the token's codes times
    /// the offset.
    starts: [i32; T],
}

impl<C: Plain, const T: usize> Tile<C, T> {
    pub(super) const TOKENS: usize = T;
}

// SAFETY: arrays of numbers; the alignment is a cache line's.
unsafe impl<C: Plain, const T: usize> Plain for Tile<C, T> {}

/// With two vectors of rows, 24 of the 32 registers hold sums.
pub(super) type TileAvx512 = Tile<i8, 12>;

/// With two vectors of rows, 8 of the 16 registers. Codes are widened: the kernel multiplies pairs of them.
pub(super) type TileAvx2 = Tile<i16, 4>;

const TOKENS: usize = TileAvx512::TOKENS;
const TOKENS_AVX2: usize = TileAvx2::TOKENS;

/// Quads of columns in a unit.
const QUADS: usize = UNIT / 4;

/// Quantises the tokens of one tile; those it lacks become zeros.
pub(super) fn quantise_avx512(rows: &[TokenUnit<'_>], form: Form, tile: &mut TileAvx512) {
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
    fn body(rows: &[TokenUnit<'_>], form: Form, tile: &mut TileAvx512) {
        (tile.steps, tile.starts) = ([0.0; TOKENS], [0; TOKENS]);
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
                // SAFETY: twelve lanes are the 48 writable bytes of a quad's tokens; the store needs no alignment.
                unsafe { _mm512_mask_storeu_epi32(quad.as_mut_ptr().cast(), 0xfff, column) }
            }
        }
    }
    let _proof = Avx512::detect().expect("the level was checked when the Cpu was made");
    // SAFETY: `Avx512` exists only where these features do.
    unsafe { body(rows, form, tile) }
}

/// As [`quantise_avx512`].
pub(super) fn quantise_avx2(rows: &[TokenUnit<'_>], form: Form, tile: &mut TileAvx2) {
    #[target_feature(enable = "avx2,fma")]
    fn body(rows: &[TokenUnit<'_>], form: Form, tile: &mut TileAvx2) {
        let mut units = [Unit::ZERO; TOKENS_AVX2];
        (tile.steps, tile.starts) = ([0.0; TOKENS_AVX2], [0; TOKENS_AVX2]);
        for (t, &(x, shared)) in rows.iter().enumerate() {
            quantise_unit(x, form.steps, shared, form.order, &mut units[t]);
            tile.steps[t] = units[t].step();
            tile.starts[t] = form.offset.wrapping_mul(units[t].negative_sum());
        }
        for (quad, tokens) in tile.codes.iter_mut().enumerate() {
            for (codes, unit) in tokens.iter_mut().zip(&units) {
                *codes = unit.codes.as_chunks().0[quad].map(i16::from);
            }
        }
    }
    let _proof = Avx2::detect().expect("the level was checked when the Cpu was made");
    // SAFETY: `Avx2` exists only where these features do.
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

pub(super) fn lay_out_avx2(offset: i32, codes: &[[u8; UNIT]; ROWS], Panel(panel): &mut Panel) {
    let _proof = Avx2::detect().expect("the level was checked when the Cpu was made");
    // SAFETY: `Avx2` exists only where this feature does.
    unsafe { widen(offset, codes, panel.as_chunks_mut::<32>().0) }
}

pub(super) fn avx2(Panel(panel): &Panel, x: &Packed, unit: usize, tiles: Range<usize>, out: &mut Sums<'_>) {
    let _proof = Avx2::detect().expect("the level was checked when the Cpu was made");
    let panel = panel.as_chunks::<32>().0;
    let all = x.avx2(unit);
    for (index, tile) in tiles.enumerate() {
        // SAFETY: `Avx2` exists only where AVX2 and FMA do.
        unsafe { tile_avx2(panel, &all[tile], index * TOKENS_AVX2, out) }
    }
}

/// `panel[4 * pair + part]` holds columns `2 * pair ..` of rows `8 * part ..` as signed 16-bit values: 8-bit products of
/// unsigned codes would saturate when added in pairs.
#[target_feature(enable = "avx2")]
fn widen(offset: i32, codes: &[[u8; UNIT]; ROWS], panel: &mut [[u8; 32]]) {
    let offset = _mm256_set1_epi16(offset as i16);
    for (part, rows) in codes.as_chunks::<8>().0.iter().enumerate() {
        for run in 0..UNIT / 16 {
            let widened = std::array::from_fn(|r| {
                // SAFETY: 16 readable bytes; the load needs no alignment.
                let codes = unsafe { _mm_loadu_si128(rows[r].as_chunks::<16>().0[run].as_ptr().cast()) };
                _mm256_sub_epi16(_mm256_cvtepu8_epi16(codes), offset)
            });
            for (pair, column) in transpose8(widened).into_iter().enumerate() {
                let place = &mut panel[4 * (8 * run + pair) + part];
                // SAFETY: 32 writable bytes; the store needs no alignment.
                unsafe { _mm256_storeu_si256(place.as_mut_ptr().cast(), column) }
            }
        }
    }
}

#[target_feature(enable = "avx2,fma")]
fn tile_avx2(panel: &[[u8; 32]], x: &TileAvx2, first: usize, out: &mut Sums<'_>) {
    let panel = &panel.as_chunks::<4>().0[..2 * QUADS];
    for side in 0..2 {
        let mut sums = [[_mm256_setzero_si256(); 2]; TOKENS_AVX2];
        for quad in 0..QUADS {
            for pair in 0..2 {
                let rows = &panel[2 * quad + pair];
                let rows = [load32(&rows[2 * side]), load32(&rows[2 * side + 1])];
                for (sums, x) in sums.iter_mut().zip(&x.codes[quad]) {
                    let [a, b] = x.as_chunks().0[pair];
                    let both = u32::from(a as u16) | u32::from(b as u16) << 16;
                    let values = _mm256_set1_epi32(both as i32);
                    sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(rows[0], values));
                    sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(rows[1], values));
                }
            }
        }
        for (t, sums) in sums.into_iter().enumerate() {
            for (part, sum) in sums.into_iter().enumerate() {
                add_avx2(out, first + t, 16 * side + 8 * part, x.steps[t], sum);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load32(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: 32 readable bytes; the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// Adds eight rows' dots from `row` on to the sums of token `index`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_avx2(out: &mut Sums<'_>, index: usize, row: usize, step: f32, dots: __m256i) {
    let place: &mut [i32; 8] = out.values[index].0[row..].first_chunk_mut().expect("eight rows of a panel");
    // SAFETY: 32 readable bytes; the load needs no alignment.
    let stored = unsafe { _mm256_loadu_si256(place.as_ptr().cast()) };
    let old = if out.first_unit { _mm256_setzero_si256() } else { stored };
    let total = match out.scales {
        None => _mm256_add_epi32(old, dots),
        Some(scales) => {
            let scales: &[f32; 8] = scales[row..].first_chunk().expect("eight rows of a panel");
            // SAFETY: 32 readable bytes; the load needs no alignment.
            let scale = unsafe { _mm256_mul_ps(_mm256_loadu_ps(scales.as_ptr()), _mm256_set1_ps(step)) };
            _mm256_castps_si256(_mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), scale, _mm256_castsi256_ps(old)))
        }
    };
    // SAFETY: 32 writable bytes; the store needs no alignment.
    unsafe { _mm256_storeu_si256(place.as_mut_ptr().cast(), total) }
}
