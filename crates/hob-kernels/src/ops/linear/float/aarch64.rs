//! NEON: a register tile of rows and tokens, two vectors of four lanes per sum, which hides the additions' latency where
//! there is one token. Half-precision weights are widened as they are loaded.
#![allow(unsafe_code)]

use super::tile::{BF16, F16, F32, Tile, each_tile, element_bytes, padded, put_all};
use super::{Rows, TILE_ROWS};
use crate::isa::Neon;
use crate::ops::linear::aarch64::load_f32;
use std::arch::aarch64::*;

/// Tokens of a tile: 16 of the 32 registers hold sums.
const TOKENS: usize = 2;

/// Columns of a step: the two vectors.
const LANES: usize = 8;

pub(super) fn multiply(w: Rows<'_>, x: &[f32], cols: usize, put: &mut dyn FnMut(usize, usize, f32)) {
    let _proof = Neon::detect().expect("the level was checked when the Cpu was made");
    // SAFETY: the token exists only where these features do.
    unsafe {
        match w {
            Rows::F32(w) => all::<F32>(bytes_of(w), x, cols, put),
            Rows::F32Bytes(w) => all::<F32>(w, x, cols, put),
            Rows::F16(w) => all::<F16>(w, x, cols, put),
            Rows::BF16(w) => all::<BF16>(w, x, cols, put),
        }
    }
}

/// The bytes of decoded values.
fn bytes_of(values: &[f32]) -> &[u8] {
    // SAFETY: floats are plain bytes without padding, and bytes may lie anywhere.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

#[target_feature(enable = "neon")]
fn all<const E: u8>(w: &[u8], x: &[f32], cols: usize, put: &mut dyn FnMut(usize, usize, f32)) {
    let rows = w.len() / (cols * element_bytes(E));
    each_tile(rows, x.len() / cols, TILE_ROWS, TOKENS, |at: Tile| match (at.tall, at.wide) {
        (true, true) => put_all(&at, tile::<E, TILE_ROWS, TOKENS>(w, x, cols, &at), put),
        (true, false) => put_all(&at, tile::<E, TILE_ROWS, 1>(w, x, cols, &at), put),
        (false, true) => put_all(&at, tile::<E, 1, TOKENS>(w, x, cols, &at), put),
        (false, false) => put_all(&at, tile::<E, 1, 1>(w, x, cols, &at), put),
    });
}

/// Eight columns of one row.
type Eight = [float32x4_t; 2];

// A function of its own, so that the sums have the registers to themselves.
#[inline(never)]
#[target_feature(enable = "neon")]
fn tile<const E: u8, const R: usize, const T: usize>(
    w: &[u8],
    x: &[f32],
    cols: usize,
    at: &Tile,
) -> [[f32; T]; R] {
    let (steps, size) = (cols / LANES, const { element_bytes(E) });
    let w: [&[u8]; R] = std::array::from_fn(|r| &w[(at.row + r) * cols * size..][..cols * size]);
    let x: [&[f32]; T] = std::array::from_fn(|t| &x[(at.token + t) * cols..][..cols]);
    let whole = x.map(|x| &x.as_chunks::<LANES>().0[..steps]);
    let mut sums = [[[vdupq_n_f32(0.0); 2]; T]; R];
    for i in 0..steps {
        let mut values = [[vdupq_n_f32(0.0); 2]; T];
        for t in 0..T {
            values[t] = load8(&whole[t][i]);
        }
        for r in 0..R {
            let weights = weights8::<E>(&w[r][i * LANES * size..][..LANES * size]);
            for t in 0..T {
                sums[r][t] = multiply_add(sums[r][t], weights, values[t]);
            }
        }
    }
    let rest = steps * LANES;
    if rest < cols {
        for t in 0..T {
            let values = load8(&padded::<F32, LANES>(bytes_of(&x[t][rest..])));
            for r in 0..R {
                let weights = load8(&padded::<E, LANES>(&w[r][rest * size..]));
                sums[r][t] = multiply_add(sums[r][t], weights, values);
            }
        }
    }
    let mut totals = [[0f32; T]; R];
    for r in 0..R {
        for t in 0..T {
            totals[r][t] = vaddvq_f32(vaddq_f32(sums[r][t][0], sums[r][t][1]));
        }
    }
    totals
}

#[inline]
#[target_feature(enable = "neon")]
fn multiply_add(sums: Eight, a: Eight, b: Eight) -> Eight {
    [vfmaq_f32(sums[0], a[0], b[0]), vfmaq_f32(sums[1], a[1], b[1])]
}

#[inline]
#[target_feature(enable = "neon")]
fn load8(values: &[f32; LANES]) -> Eight {
    let [low, high] = values.as_chunks().0 else { unreachable!("eight values are two vectors") };
    [load_f32(low), load_f32(high)]
}

#[inline]
#[target_feature(enable = "neon")]
fn weights8<const E: u8>(stored: &[u8]) -> Eight {
    assert_eq!(stored.len(), LANES * const { element_bytes(E) });
    if E == F32 {
        // SAFETY: 32 readable bytes, as asserted; the loads are of bytes and need no alignment.
        let [a, b] = unsafe { [vld1q_u8(stored.as_ptr()), vld1q_u8(stored.as_ptr().add(16))] };
        return [vreinterpretq_f32_u8(a), vreinterpretq_f32_u8(b)];
    }
    // SAFETY: 16 readable bytes, as asserted; the load is of bytes and needs no alignment.
    let halves = vreinterpretq_u16_u8(unsafe { vld1q_u8(stored.as_ptr()) });
    [vget_low_u16(halves), vget_high_u16(halves)].map(|half| match E {
        F16 => vcvt_f32_f16(vreinterpret_f16_u16(half)),
        _ => vreinterpretq_f32_u32(vshlq_n_u32::<16>(vmovl_u16(half))),
    })
}
