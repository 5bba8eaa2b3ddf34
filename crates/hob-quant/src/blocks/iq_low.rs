//! The codebook formats of 256 elements below 4 bits, decode only: IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S.
//!
//! Each run of eight elements is an entry of a codebook `G` (two entries of four for IQ3) with a sign for each element:
//!
//! ```text
//! IQ2_XXS  d, {index[4], u32 w}[8]                        x = d * (0.5 + (w >> 28)) / 4 * G[index] * sign(w)
//! IQ2_XS   d, u16 qs[32], scales[8]                       x = d * (0.5 + s) / 4 * G[q & 511] * sign(q >> 9)
//! IQ2_S    d, qs[32], signs[32], qh[8], scales[8]         x = d * (0.5 + s) / 4 * G[q | qh << 8] * sign(signs)
//! IQ3_XXS  d, qs[64], u32 w[8]                            x = d * (0.5 + (w >> 28)) / 2 * G[q] * sign(w)
//! IQ3_S    d, qs[64], qh[8], signs[32], scales[4]         x = d * (1 + 2s) * G[q | qh << 8] * sign(signs)
//! IQ1_S    d, qs[32], u16 qh[8]                           x = d * (2s + 1) * (G[q | qh << 8] +- 1/8)
//! IQ1_M    qs[32], qh[16], u16 scales[4]                  the same; d is the four top nibbles of `scales`
//! ```
//!
//! A word `w` serves 32 elements: four signs of seven bits from the lowest bit on, then a scale. Seven sign bits are
//! completed to even parity. Nibble scales `s` serve 16 elements in IQ2 and 32 in IQ3_S, low nibble first. In IQ1_S the
//! word `qh` serves 32 elements: three top index bits for each run, three bits `s`, and the sign of the eighth. In IQ1_M
//! a nibble of `qh` serves a run: three top index bits and the sign of the eighth; three-bit scales serve 16 elements.
//! Source: the PyPI package `gguf` 0.19, whose order of roundings is kept.

use super::{f16_at, field, iq_codebooks as books};
use crate::float::f16_to_f32;

pub(crate) fn decode_iq2_xxs(block: &[u8; 66], out: &mut [f32; 256]) {
    let d = f16_at::<0>(block);
    let groups = field::<2, 64>(block).as_chunks::<8>().0;
    for (group, out) in groups.iter().zip(out.as_chunks_mut::<32>().0) {
        let word = u32::from_le_bytes(*field::<4, 4>(group));
        let step = d * (0.5 + (word >> 28) as f32) * 0.25;
        for (run, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            signed(step, &books::IQ2_XXS[usize::from(group[run])], sign_byte(word >> (7 * run)), out);
        }
    }
}

pub(crate) fn decode_iq2_xs(block: &[u8; 74], out: &mut [f32; 256]) {
    let d = f16_at::<0>(block);
    let (codes, scales) = (field::<2, 64>(block).as_chunks::<2>().0, field::<66, 8>(block));
    for (run, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let code = u16::from_le_bytes(codes[run]);
        let step = d * (0.5 + f32::from(nibble(scales, run / 2))) * 0.25;
        signed(step, &books::IQ2_XS[usize::from(code & 511)], sign_byte(u32::from(code >> 9)), out);
    }
}

pub(crate) fn decode_iq2_s(block: &[u8; 82], out: &mut [f32; 256]) {
    let d = f16_at::<0>(block);
    let (codes, signs) = (field::<2, 32>(block), field::<34, 32>(block));
    let (high, scales) = (field::<66, 8>(block), field::<74, 8>(block));
    for (run, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let top = (high[run / 4] >> (2 * (run % 4))) & 3;
        let step = d * (0.5 + f32::from(nibble(scales, run / 2))) * 0.25;
        signed(step, &books::IQ2_S[index(codes[run], top)], signs[run], out);
    }
}

pub(crate) fn decode_iq3_xxs(block: &[u8; 98], out: &mut [f32; 256]) {
    let d = f16_at::<0>(block);
    let codes = field::<2, 64>(block).as_chunks::<8>().0;
    let words = field::<66, 32>(block).as_chunks::<4>().0;
    for ((codes, word), out) in codes.iter().zip(words).zip(out.as_chunks_mut::<32>().0) {
        let word = u32::from_le_bytes(*word);
        let step = d * (0.5 + (word >> 28) as f32) * 0.5;
        for (run, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let entries = [codes[2 * run], codes[2 * run + 1]].map(|code| books::IQ3_XXS[usize::from(code)]);
            signed(step, &joined(entries), sign_byte(word >> (7 * run)), out);
        }
    }
}

pub(crate) fn decode_iq3_s(block: &[u8; 110], out: &mut [f32; 256]) {
    let d = f16_at::<0>(block);
    let (codes, high) = (field::<2, 64>(block), field::<66, 8>(block));
    let (signs, scales) = (field::<74, 32>(block), field::<106, 4>(block));
    for (run, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let step = d * f32::from(1 + 2 * nibble(scales, run / 4));
        let top = high[run / 4] >> (2 * (run % 4));
        let entries = [index(codes[2 * run], top & 1), index(codes[2 * run + 1], (top >> 1) & 1)]
            .map(|i| books::IQ3_S[i]);
        signed(step, &joined(entries), signs[run], out);
    }
}

pub(crate) fn decode_iq1_s(block: &[u8; 50], out: &mut [f32; 256]) {
    let d = f16_at::<0>(block);
    let (codes, words) = (field::<2, 32>(block), field::<34, 16>(block).as_chunks::<2>().0);
    for (run, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let word = u16::from_le_bytes(words[run / 4]);
        let step = d * f32::from(2 * ((word >> 12) & 7) + 1);
        let top = (word >> (3 * (run % 4))) as u8 & 7;
        shifted(step, &books::IQ1[index(codes[run], top)], word & 0x8000 != 0, out);
    }
}

pub(crate) fn decode_iq1_m(block: &[u8; 56], out: &mut [f32; 256]) {
    let (codes, high) = (field::<0, 32>(block), field::<32, 16>(block));
    let words: [u16; 4] = std::array::from_fn(|w| u16::from_le_bytes([block[48 + 2 * w], block[49 + 2 * w]]));
    let d = f16_to_f32((0..4).fold(0, |bits, w| bits | ((words[w] >> 12) << (4 * w))));
    for (run, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let scale = (words[run / 8] >> (3 * (run / 2 % 4))) & 7;
        let step = d * f32::from(2 * scale + 1);
        let top = nibble(high, run);
        shifted(step, &books::IQ1[index(codes[run], top & 7)], top & 8 != 0, out);
    }
}

/// Nibble `i`, low ones first.
#[inline(always)]
fn nibble(bytes: &[u8], i: usize) -> u8 {
    (bytes[i / 2] >> (4 * (i % 2))) & 15
}

#[inline(always)]
fn index(low: u8, high: u8) -> usize {
    usize::from(low) | (usize::from(high) << 8)
}

#[inline(always)]
fn joined([a, b]: [[i8; 4]; 2]) -> [i8; 8] {
    [a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]]
}

/// The low seven bits, with an eighth that makes their number even.
#[inline(always)]
fn sign_byte(bits: u32) -> u8 {
    let seven = (bits & 127) as u8;
    seven | ((seven.count_ones() as u8 & 1) << 7)
}

/// `step * entry`, negative where the bit of `signs` is set.
#[inline(always)]
fn signed(step: f32, entry: &[i8; 8], signs: u8, out: &mut [f32; 8]) {
    for (i, (x, &value)) in out.iter_mut().zip(entry).enumerate() {
        let magnitude = step * f32::from(value);
        *x = if signs & (1 << i) != 0 { -magnitude } else { magnitude };
    }
}

/// `step * (entry +- 1/8)`, for an entry stored times eight.
#[inline(always)]
fn shifted(step: f32, entry: &[i8; 8], down: bool, out: &mut [f32; 8]) {
    let delta = if down { -1 } else { 1 };
    for (x, &value) in out.iter_mut().zip(entry) {
        *x = step * (f32::from(value + delta) * 0.125);
    }
}
