//! The codebook formats of 256 elements below 4 bits, decoded: IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S.
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
use crate::TensorType;
use crate::float::f16_to_f32;

/// The 256 elements of a block of a codebook type as sixteen runs: `put(run, step, codes)`, an element being
/// `step * code`. Codes are at most 62 in magnitude.
///
/// # Panics
/// When `ty` is none of IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS and IQ3_S, or `block` is not one block of it.
#[inline(always)]
pub fn codebook_runs(ty: TensorType, block: &[u8], put: impl FnMut(usize, f32, [[i8; 8]; 2])) {
    match ty {
        TensorType::IQ2_XXS => iq2_xxs(sized(block), put),
        TensorType::IQ2_XS => iq2_xs(sized(block), put),
        TensorType::IQ2_S => iq2_s(sized(block), put),
        TensorType::IQ3_XXS => iq3_xxs(sized(block), put),
        TensorType::IQ3_S => iq3_s(sized(block), put),
        TensorType::IQ1_S => iq1_s(sized(block), put),
        TensorType::IQ1_M => iq1_m(sized(block), put),
        _ => panic!("{ty} has no codebook"),
    }
}

#[inline(always)]
fn sized<const N: usize>(block: &[u8]) -> &[u8; N] {
    block.try_into().expect("one block of its type")
}

/// Decodes one block.
#[inline(always)]
pub(crate) fn decode<const BYTES: usize>(ty: TensorType, block: &[u8; BYTES], out: &mut [f32; 256]) {
    let runs = out.as_chunks_mut::<16>().0;
    codebook_runs(ty, block, |run, step, codes| {
        for (x, code) in runs[run].iter_mut().zip(codes.as_flattened()) {
            *x = step * f32::from(*code);
        }
    });
}

#[inline(always)]
fn iq2_xxs(block: &[u8; 66], mut put: impl FnMut(usize, f32, [[i8; 8]; 2])) {
    let d = f16_at::<0>(block);
    for (group, bytes) in field::<2, 64>(block).as_chunks::<8>().0.iter().enumerate() {
        let word = u32::from_le_bytes(*field::<4, 4>(bytes));
        let step = d * (0.5 + (word >> 28) as f32) * 0.25;
        for half in 0..2 {
            let eight = |i: usize| signed(books::IQ2_XXS[usize::from(bytes[i])], even_signs(word >> (7 * i)));
            put(2 * group + half, step, [eight(2 * half), eight(2 * half + 1)]);
        }
    }
}

#[inline(always)]
fn iq2_xs(block: &[u8; 74], mut put: impl FnMut(usize, f32, [[i8; 8]; 2])) {
    let d = f16_at::<0>(block);
    let scales = field::<66, 8>(block);
    for (run, bytes) in field::<2, 64>(block).as_chunks::<4>().0.iter().enumerate() {
        let step = d * (0.5 + f32::from(nibble(scales, run))) * 0.25;
        let eight = |low: u8, high: u8| {
            let code = u16::from_le_bytes([low, high]);
            signed(books::IQ2_XS[usize::from(code & 511)], even_signs(u32::from(code >> 9)))
        };
        put(run, step, [eight(bytes[0], bytes[1]), eight(bytes[2], bytes[3])]);
    }
}

#[inline(always)]
fn iq2_s(block: &[u8; 82], mut put: impl FnMut(usize, f32, [[i8; 8]; 2])) {
    let d = f16_at::<0>(block);
    let (codes, signs) = (field::<2, 32>(block), field::<34, 32>(block));
    let (high, scales) = (field::<66, 8>(block), field::<74, 8>(block));
    for run in 0..16 {
        let step = d * (0.5 + f32::from(nibble(scales, run))) * 0.25;
        let eight = |i: usize| {
            let top = (high[i / 4] >> (2 * (i % 4))) & 3;
            signed(books::IQ2_S[index(codes[i], top)], signs[i])
        };
        put(run, step, [eight(2 * run), eight(2 * run + 1)]);
    }
}

#[inline(always)]
fn iq3_xxs(block: &[u8; 98], mut put: impl FnMut(usize, f32, [[i8; 8]; 2])) {
    let d = f16_at::<0>(block);
    let codes = field::<2, 64>(block).as_chunks::<8>().0;
    let words = field::<66, 32>(block).as_chunks::<4>().0;
    for (group, (codes, word)) in codes.iter().zip(words).enumerate() {
        let word = u32::from_le_bytes(*word);
        let step = d * (0.5 + (word >> 28) as f32) * 0.5;
        for half in 0..2 {
            let eight = |i: usize| {
                let entry = |i: usize| books::IQ3_XXS[usize::from(codes[i])];
                signed(pair(entry(2 * i), entry(2 * i + 1)), even_signs(word >> (7 * i)))
            };
            put(2 * group + half, step, [eight(2 * half), eight(2 * half + 1)]);
        }
    }
}

#[inline(always)]
fn iq3_s(block: &[u8; 110], mut put: impl FnMut(usize, f32, [[i8; 8]; 2])) {
    let d = f16_at::<0>(block);
    let (codes, high) = (field::<2, 64>(block), field::<66, 8>(block));
    let (signs, scales) = (field::<74, 32>(block), field::<106, 4>(block));
    for run in 0..16 {
        let step = d * f32::from(1 + 2 * nibble(scales, run / 2));
        let eight = |i: usize| {
            let entry = |i: usize| books::IQ3_S[index(codes[i], (high[i / 8] >> (i % 8)) & 1)];
            signed(pair(entry(2 * i), entry(2 * i + 1)), signs[i])
        };
        put(run, step, [eight(2 * run), eight(2 * run + 1)]);
    }
}

#[inline(always)]
fn iq1_s(block: &[u8; 50], mut put: impl FnMut(usize, f32, [[i8; 8]; 2])) {
    let d = f16_at::<0>(block);
    let (codes, words) = (field::<2, 32>(block), field::<34, 16>(block).as_chunks::<2>().0);
    for run in 0..16 {
        let word = u16::from_le_bytes(words[run / 2]);
        // An eighth, because codes count eighths; no scale is small enough for this to round.
        let step = d * f32::from(2 * ((word >> 12) & 7) + 1) * 0.125;
        let eight = |i: usize| {
            let top = (word >> (3 * (i % 4))) as u8 & 7;
            shifted(books::IQ1[index(codes[i], top)], word & 0x8000 != 0)
        };
        put(run, step, [eight(2 * run), eight(2 * run + 1)]);
    }
}

#[inline(always)]
fn iq1_m(block: &[u8; 56], mut put: impl FnMut(usize, f32, [[i8; 8]; 2])) {
    let (codes, high) = (field::<0, 32>(block), field::<32, 16>(block));
    let words: [u16; 4] = std::array::from_fn(|w| u16::from_le_bytes([block[48 + 2 * w], block[49 + 2 * w]]));
    let d = f16_to_f32((0..4).fold(0, |bits, w| bits | ((words[w] >> 12) << (4 * w))));
    for run in 0..16 {
        let scale = (words[run / 4] >> (3 * (run % 4))) & 7;
        let step = d * f32::from(2 * scale + 1) * 0.125;
        let eight = |i: usize| {
            let top = nibble(high, i);
            shifted(books::IQ1[index(codes[i], top & 7)], top & 8 != 0)
        };
        put(run, step, [eight(2 * run), eight(2 * run + 1)]);
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

/// Two entries of four.
#[inline(always)]
fn pair(a: [i8; 4], b: [i8; 4]) -> [i8; 8] {
    let (a, b) = (u32::from_le_bytes(a.map(|v| v as u8)), u32::from_le_bytes(b.map(|v| v as u8)));
    (u64::from(a) | u64::from(b) << 32).to_le_bytes().map(|v| v as i8)
}

/// The low seven bits, with an eighth that makes their number even.
#[inline(always)]
fn even_signs(bits: u32) -> u8 {
    EVEN[(bits & 127) as usize]
}

static EVEN: [u8; 128] = {
    let mut signs = [0; 128];
    let mut i = 0;
    while i < 128 {
        signs[i] = i as u8 | ((i.count_ones() as u8 & 1) << 7);
        i += 1;
    }
    signs
};

/// A byte of ones for each bit.
static SPREAD: [u64; 256] = {
    let mut masks = [0; 256];
    let mut i = 0;
    while i < 8 * 256 {
        if (i / 8) >> (i % 8) & 1 == 1 {
            masks[i / 8] |= 0xff << (8 * (i % 8));
        }
        i += 1;
    }
    masks
};

const ONES: u64 = 0x0101_0101_0101_0101;

#[inline(always)]
fn together(entry: [i8; 8]) -> u64 {
    u64::from_le_bytes(entry.map(|v| v as u8))
}

#[inline(always)]
fn apart(codes: u64) -> [i8; 8] {
    codes.to_le_bytes().map(|v| v as i8)
}

/// The entry, negative where the bit of `signs` is set. Entries are at least one, so that no byte carries into the next.
#[inline(always)]
fn signed(entry: [i8; 8], signs: u8) -> [i8; 8] {
    let mask = SPREAD[usize::from(signs)];
    apart((together(entry) ^ mask) + (mask & ONES))
}

/// The entry moved by an eighth; both count eighths. Raised by 128, no byte carries or borrows.
#[inline(always)]
fn shifted(entry: [i8; 8], down: bool) -> [i8; 8] {
    const RAISED: u64 = 128 * ONES;
    let raised = together(entry) ^ RAISED;
    apart((if down { raised - ONES } else { raised + ONES }) ^ RAISED)
}
