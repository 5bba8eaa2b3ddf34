//! The 32-element formats with one f16 scale: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0.
//!
//! ```text
//! Q4_0  d, qs[16]         x = d * (q - 8)         q = 4 bits
//! Q4_1  d, m, qs[16]      x = d * q + m
//! Q5_0  d, qh, qs[16]     x = d * (q - 16)        q = 4 bits | bit i of the u32 qh << 4
//! Q5_1  d, m, qh, qs[16]  x = d * q + m
//! Q8_0  d, qs[32]         x = d * q               q = i8
//! ```
//!
//! Low nibbles are elements 0..16, high nibbles 16..32. Source: the GGUF format description (`../shared/reference/gguf.md`);
//! without
//! weights the encoders choose the same scales and round the same way as the PyPI package `gguf` 0.19, bit for bit.

use super::{f16_at, field};
use crate::float::store_f16;
use crate::search::{Grid, Integers, fit_affine_weighted, fit_scale_weighted};
use crate::search::{inverse, round_away, round_small, signed_extreme};

pub(crate) fn decode_q4_0(block: &[u8; 18], out: &mut [f32; 32]) {
    let d = f16_at::<0>(block);
    let codes = field::<2, 16>(block);
    for (i, &byte) in codes.iter().enumerate() {
        out[i] = d * (i32::from(byte & 15) - 8) as f32;
        out[i + 16] = d * (i32::from(byte >> 4) - 8) as f32;
    }
}

pub(crate) fn decode_q4_1(block: &[u8; 20], out: &mut [f32; 32]) {
    let (d, m) = (f16_at::<0>(block), f16_at::<2>(block));
    let codes = field::<4, 16>(block);
    for (i, &byte) in codes.iter().enumerate() {
        out[i] = d * f32::from(byte & 15) + m;
        out[i + 16] = d * f32::from(byte >> 4) + m;
    }
}

pub(crate) fn decode_q5_0(block: &[u8; 22], out: &mut [f32; 32]) {
    let d = f16_at::<0>(block);
    let codes = five_bit_codes(field::<2, 4>(block), field::<6, 16>(block));
    for (x, code) in out.iter_mut().zip(codes) {
        *x = d * (i32::from(code) - 16) as f32;
    }
}

pub(crate) fn decode_q5_1(block: &[u8; 24], out: &mut [f32; 32]) {
    let (d, m) = (f16_at::<0>(block), f16_at::<2>(block));
    let codes = five_bit_codes(field::<4, 4>(block), field::<8, 16>(block));
    for (x, code) in out.iter_mut().zip(codes) {
        *x = d * f32::from(code) + m;
    }
}

pub(crate) fn decode_q8_0(block: &[u8; 34], out: &mut [f32; 32]) {
    let d = f16_at::<0>(block);
    for (x, &code) in out.iter_mut().zip(field::<2, 32>(block)) {
        *x = d * f32::from(code as i8);
    }
}

/// Joins the nibbles with their fifth bits.
#[inline(always)]
fn five_bit_codes(high: &[u8; 4], nibbles: &[u8; 16]) -> [u8; 32] {
    let mut codes = [0; 32];
    for i in 0..16 {
        codes[i] = nibbles[i] & 15;
        codes[i + 16] = nibbles[i] >> 4;
    }
    for (codes, &bits) in codes.as_chunks_mut::<8>().0.iter_mut().zip(high) {
        *codes = (u64::from_le_bytes(*codes) | spread_bits(bits)).to_le_bytes();
    }
    codes
}

/// Bit `i` becomes the value 16 in byte `i`, eight at once: baseline SIMD cannot shift each lane by its own count.
#[inline(always)]
fn spread_bits(bits: u8) -> u64 {
    let own_bit = (u64::from(bits) * 0x0101_0101_0101_0101) & 0x8040_2010_0804_0201;
    // Adding 127 carries into a byte's top bit exactly when its own bit was there.
    ((own_bit + 0x7F7F_7F7F_7F7F_7F7F) & 0x8080_8080_8080_8080) >> 3
}

/// Weights of a block's elements; `None` asks for the plain encoding.
type Weights<'a> = Option<&'a [f32; 32]>;

pub(crate) fn encode_q4_0(x: &[f32; 32], w: Weights, block: &mut [u8; 18]) -> Option<()> {
    let d = w.map_or_else(|| signed_extreme(x) / -8.0, |w| fit_scale_weighted(x, w, &Integers::<8>));
    let codes = centred_codes(x, d, 8.5, 15);
    block[2..].copy_from_slice(&pack_nibbles(&codes));
    store_f16(block, 0, d)
}

pub(crate) fn encode_q4_1(x: &[f32; 32], w: Weights, block: &mut [u8; 20]) -> Option<()> {
    let (d, m, codes) = affine_codes(x, w, 15);
    block[4..].copy_from_slice(&pack_nibbles(&codes));
    store_f16(block, 0, d)?;
    store_f16(block, 2, m)
}

pub(crate) fn encode_q5_0(x: &[f32; 32], w: Weights, block: &mut [u8; 22]) -> Option<()> {
    let d = w.map_or_else(|| signed_extreme(x) / -16.0, |w| fit_scale_weighted(x, w, &Integers::<16>));
    let codes = centred_codes(x, d, 16.5, 31);
    block[2..6].copy_from_slice(&pack_fifth_bits(&codes));
    block[6..].copy_from_slice(&pack_nibbles(&codes));
    store_f16(block, 0, d)
}

pub(crate) fn encode_q5_1(x: &[f32; 32], w: Weights, block: &mut [u8; 24]) -> Option<()> {
    let (d, m, codes) = affine_codes(x, w, 31);
    block[4..8].copy_from_slice(&pack_fifth_bits(&codes));
    block[8..].copy_from_slice(&pack_nibbles(&codes));
    store_f16(block, 0, d)?;
    store_f16(block, 2, m)
}

pub(crate) fn encode_q8_0(x: &[f32; 32], w: Weights, block: &mut [u8; 34]) -> Option<()> {
    let d = w.map_or_else(|| signed_extreme(x).abs() / 127.0, |w| fit_scale_weighted(x, w, &SignedBytes));
    let inverse = inverse(d);
    for (code, &x) in block[2..].iter_mut().zip(x) {
        *code = round_away((x * inverse).clamp(-127.0, 127.0)) as i8 as u8;
    }
    store_f16(block, 0, d)
}

/// The codes of Q8_0. Without -128, as programs that multiply magnitudes expect.
struct SignedBytes;

impl Grid for SignedBytes {
    const EXTREME: f32 = 127.0;
    const SWEEP: [f32; 2] = [0.99, 1.05];

    #[inline(always)]
    fn nearest(&self, y: f32) -> (u8, f32) {
        let value = round_small(y.clamp(-127.0, 127.0));
        (value as i32 as u8, value)
    }
}

/// `x / d + offset`, truncated: rounding to nearest with the zero point inside the offset.
fn centred_codes(x: &[f32; 32], d: f32, offset: f32, max: u8) -> [u8; 32] {
    let inverse = inverse(d);
    x.map(|x| ((x * inverse + offset) as u8).min(max))
}

/// Step, minimum and codes: those that spread `0..=max` over the block's range, or the best under weights.
fn affine_codes(x: &[f32; 32], w: Weights, max: u8) -> (f32, f32, [u8; 32]) {
    let (d, low) = if let Some(w) = w {
        fit_affine_weighted(x, w, f32::from(max))
    } else {
        let low = x.iter().copied().fold(f32::INFINITY, f32::min);
        let high = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        ((high - low) / f32::from(max), low)
    };
    let inverse = inverse(d);
    (d, low, x.map(|x| (((x - low) * inverse + 0.5) as u8).min(max)))
}

pub(crate) fn pack_nibbles(codes: &[u8; 32]) -> [u8; 16] {
    std::array::from_fn(|i| (codes[i] & 15) | (codes[i + 16] << 4))
}

pub(crate) fn pack_fifth_bits(codes: &[u8; 32]) -> [u8; 4] {
    let bits = codes.iter().enumerate().fold(0_u32, |bits, (i, &code)| bits | (u32::from(code >> 4) << i));
    bits.to_le_bytes()
}
