//! The ternary formats of 256 elements with one f16 scale: TQ1_0 (five digits to a byte) and TQ2_0 (four).
//!
//! ```text
//! TQ1_0  qs[48], qh[4], d   x = d * (t - 1)   t = (b * 3^n mod 256) * 3 >> 8, digit n of byte b
//!        elements 32n + j: qs[j], j < 32, n < 5; then 160 + 16n + j: qs[32 + j], j < 16, n < 5;
//!        then 240 + 4n + j: qh[j], n < 4
//! TQ2_0  qs[64], d          x = d * (t - 1)   t = 2 bits k of qs[32h + j], element 128h + 32k + j
//! ```
//!
//! A TQ1_0 byte holds its base-3 digits as the fixed-point fraction `ceil(256 * value / 243)`: multiplying by 3
//! moves the next digit above the point. Source: the GGUF format description (`../shared/reference/gguf.md`); the
//! encoders equal the PyPI package `gguf` 0.19 bit for bit.

use super::{f16_at, field};
use crate::float::store_f16;
use crate::search::{Grid, fit_scale_weighted, inverse, round_away, round_small, signed_extreme};

const POWERS_OF_3: [u8; 5] = [1, 3, 9, 27, 81];

pub(crate) fn decode_tq1_0(block: &[u8; 54], out: &mut [f32; 256]) {
    let d = f16_at::<52>(block);
    let (first, rest) = out.split_at_mut(160);
    let (second, third) = rest.split_at_mut(80);
    decode_digits(d, field::<0, 32>(block), first);
    decode_digits(d, field::<32, 16>(block), second);
    decode_digits(d, field::<48, 4>(block), third);
}

/// Digit `n` of all bytes, for as many digits as `out` has room for.
#[inline(always)]
fn decode_digits<const N: usize>(d: f32, bytes: &[u8; N], out: &mut [f32]) {
    for (digits, power) in out.as_chunks_mut::<N>().0.iter_mut().zip(POWERS_OF_3) {
        for (x, byte) in digits.iter_mut().zip(bytes) {
            let digit = (u16::from(byte.wrapping_mul(power)) * 3) >> 8;
            *x = d * (i32::from(digit) - 1) as f32;
        }
    }
}

pub(crate) fn decode_tq2_0(block: &[u8; 66], out: &mut [f32; 256]) {
    let d = f16_at::<64>(block);
    let halves = field::<0, 64>(block).as_chunks::<32>().0;
    for (out, bytes) in out.as_chunks_mut::<128>().0.iter_mut().zip(halves) {
        for (k, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            for (x, byte) in out.iter_mut().zip(bytes) {
                *x = d * (i32::from((byte >> (2 * k)) & 3) - 1) as f32;
            }
        }
    }
}

pub(crate) fn encode_tq1_0(x: &[f32; 256], w: Option<&[f32; 256]>, block: &mut [u8; 54]) -> Option<()> {
    let (d, digits) = ternary_digits(x, w);
    let (first, rest) = digits.split_at(160);
    let (second, third) = rest.split_at(80);
    pack_digits(first, &mut block[..32]);
    pack_digits(second, &mut block[32..48]);
    pack_digits(third, &mut block[48..52]);
    store_f16(block, 52, d)
}

pub(crate) fn encode_tq2_0(x: &[f32; 256], w: Option<&[f32; 256]>, block: &mut [u8; 66]) -> Option<()> {
    let (d, digits) = ternary_digits(x, w);
    for (i, byte) in block[..64].iter_mut().enumerate() {
        let at = i / 32 * 128 + i % 32;
        *byte = (0..4).fold(0, |packed, k| packed | (digits[at + 32 * k] << (2 * k)));
    }
    store_f16(block, 64, d)
}

/// The values -1, 0, 1.
struct Signs;

impl Grid for Signs {
    const EXTREME: f32 = 1.0;
    // Long tails may reach far beyond the best scale, which is near the mean magnitude.
    const SWEEP: [f32; 2] = [0.9, 20.0];

    #[inline(always)]
    fn nearest(&self, y: f32) -> (u8, f32) {
        let value = round_small(y.clamp(-1.0, 1.0));
        ((value + 1.0) as i32 as u8, value)
    }
}

/// Scale (the largest magnitude, or the best under weights) and digits 0, 1, 2 for -d, 0, +d.
fn ternary_digits(x: &[f32; 256], w: Option<&[f32; 256]>) -> (f32, [u8; 256]) {
    let d = w.map_or_else(|| signed_extreme(x).abs(), |w| fit_scale_weighted(x, w, &Signs));
    let inverse = inverse(d);
    (d, x.map(|x| (round_away((x * inverse).clamp(-1.0, 1.0)) + 1) as u8))
}

/// Packs `digits`, laid out `[digit, byte]`, most significant first.
fn pack_digits(digits: &[u8], bytes: &mut [u8]) {
    let row = bytes.len();
    for (j, byte) in bytes.iter_mut().enumerate() {
        let value: u16 = (0..digits.len() / row)
            .map(|n| u16::from(digits[n * row + j]) * u16::from(POWERS_OF_3[4 - n]))
            .sum();
        *byte = (value * 256).div_ceil(243) as u8;
    }
}
