//! The 256-element formats with scales of scales, decoded: Q2_K, Q3_K, Q4_K, Q5_K, Q6_K.
//!
//! ```text
//! Q2_K  scales[16], qs[64], d, dmin            x = d * (s & 15) * q - dmin * (s >> 4)   s = scales[i / 16], q 2 bits
//! Q3_K  hmask[32], qs[64], scales[12], d       x = d * sc[i / 16] * (q + 4 * h - 4)     q 2 bits, h bit of hmask
//! Q4_K  d, dmin, scales[12], qs[128]           x = d * sc[i / 32] * q - dmin * mn[i / 32]   q 4 bits
//! Q5_K  d, dmin, scales[12], qh[32], qs[128]   the same, q 4 bits | bit of qh << 4
//! Q6_K  ql[128], qh[64], scales[16], d         x = d * scales[i / 16] * (q - 32)        q 4 bits of ql | 2 bits of qh << 4
//! ```
//!
//! Where the bits are, with `h = i / 128`, `k = i % 128 / 32`, `j = i % 32`:
//! Q2_K and Q3_K have q in bits 2k, 2k+1 of `qs[32h + j]`, the hmask bit is bit `4h + k` of `hmask[j]`;
//! Q4_K and Q5_K have q in the low (even `i / 32`) or high nibble of `qs[32 * (i / 64) + j]`, the qh bit is bit `i / 32` of `qh[j]`;
//! Q6_K has the low four bits in the low (k < 2) or high nibble of `ql[64h + 32 * (k % 2) + j]` and the high two in
//! bits 2k, 2k+1 of `qh[32h + j]`. Source: the GGUF format description (`../shared/reference/gguf.md`).

use super::{f16_at, field};

/// The eight 6-bit scales and eight 6-bit minima packed in the `scales` field of a Q4_K or Q5_K block.
///
/// Bytes 0..4 hold scales 0..4, bytes 4..8 minima 0..4; bytes 8..12 hold the low nibbles of scales (low) and minima
/// (high) 4..8, whose top two bits sit above the first eight values.
#[inline]
pub fn k_scales_and_mins(packed: &[u8; 12]) -> ([u8; 8], [u8; 8]) {
    let (mut scales, mut mins) = ([0; 8], [0; 8]);
    for j in 0..4 {
        let (scale, min, nibbles) = (packed[j], packed[j + 4], packed[j + 8]);
        scales[j] = scale & 63;
        mins[j] = min & 63;
        scales[j + 4] = (nibbles & 15) | ((scale >> 6) << 4);
        mins[j + 4] = (nibbles >> 4) | ((min >> 6) << 4);
    }
    (scales, mins)
}

/// The sixteen signed scales (-32..=31) packed in the `scales` field of a Q3_K block.
#[inline]
pub fn q3_k_scales(packed: &[u8; 12]) -> [i8; 16] {
    std::array::from_fn(|j| {
        let low = (packed[j % 8] >> (4 * (j / 8))) & 15;
        let top = (packed[8 + j % 4] >> (2 * (j / 4))) & 3;
        (low | (top << 4)) as i8 - 32
    })
}

pub(crate) fn decode_q2_k(block: &[u8; 84], out: &mut [f32; 256]) {
    let (d, dmin) = (f16_at::<80>(block), f16_at::<82>(block));
    let steps = field::<0, 16>(block).map(|s| d * f32::from(s & 15));
    let mins = field::<0, 16>(block).map(|s| dmin * f32::from(s >> 4));
    let halves = field::<16, 64>(block).as_chunks::<32>().0;
    for (run, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let shift = 2 * (run % 4);
        let codes = halves[run / 4].map(|byte| (byte >> shift) & 3);
        for (half, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let (step, min) = (steps[2 * run + half], mins[2 * run + half]);
            for (x, code) in out.iter_mut().zip(&codes[16 * half..]) {
                *x = step * f32::from(*code) - min;
            }
        }
    }
}

pub(crate) fn decode_q3_k(block: &[u8; 110], out: &mut [f32; 256]) {
    let d = f16_at::<108>(block);
    let steps = q3_k_scales(field::<96, 12>(block)).map(|scale| d * f32::from(scale));
    let high = field::<0, 32>(block);
    let halves = field::<32, 64>(block).as_chunks::<32>().0;
    for (run, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let low = &halves[run / 4];
        let shift = 2 * (run % 4);
        let mut codes = [0; 32];
        for (j, code) in codes.iter_mut().enumerate() {
            // A set high bit means "do not subtract 4".
            *code = (((low[j] >> shift) & 3) | (((high[j] >> run) & 1) << 2)) as i8 - 4;
        }
        scale_halves(&codes, &steps[2 * run..2 * run + 2], out);
    }
}

pub(crate) fn decode_q4_k(block: &[u8; 144], out: &mut [f32; 256]) {
    let (steps, mins) = affine_steps(block);
    let groups = field::<16, 128>(block).as_chunks::<32>().0;
    for (g, (out, bytes)) in out.as_chunks_mut::<64>().0.iter_mut().zip(groups).enumerate() {
        let (low, high) = out.split_at_mut(32);
        for (x, byte) in low.iter_mut().zip(bytes) {
            *x = steps[2 * g] * f32::from(byte & 15) - mins[2 * g];
        }
        for (x, byte) in high.iter_mut().zip(bytes) {
            *x = steps[2 * g + 1] * f32::from(byte >> 4) - mins[2 * g + 1];
        }
    }
}

pub(crate) fn decode_q5_k(block: &[u8; 176], out: &mut [f32; 256]) {
    let (steps, mins) = affine_steps(block);
    let top = field::<16, 32>(block);
    let groups = field::<48, 128>(block).as_chunks::<32>().0;
    for (run, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let shift = 4 * (run % 2);
        for (j, x) in out.iter_mut().enumerate() {
            let code = ((groups[run / 2][j] >> shift) & 15) | (((top[j] >> run) & 1) << 4);
            *x = steps[run] * f32::from(code) - mins[run];
        }
    }
}

/// Steps and minima of a Q4_K or Q5_K block, whose first sixteen bytes are alike.
#[inline(always)]
fn affine_steps(block: &[u8]) -> ([f32; 8], [f32; 8]) {
    let (d, dmin) = (f16_at::<0>(block), f16_at::<2>(block));
    let (scales, mins) = k_scales_and_mins(field::<4, 12>(block));
    (scales.map(|scale| d * f32::from(scale)), mins.map(|min| dmin * f32::from(min)))
}

pub(crate) fn decode_q6_k(block: &[u8; 210], out: &mut [f32; 256]) {
    let d = f16_at::<208>(block);
    let steps = field::<192, 16>(block).map(|scale| d * f32::from(scale as i8));
    let low = field::<0, 128>(block).as_chunks::<32>().0;
    let high = field::<128, 64>(block).as_chunks::<32>().0;
    for (run, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (half, k) = (run / 4, run % 4);
        let (low, high) = (&low[2 * half + k % 2], &high[half]);
        let (low_shift, high_shift) = (4 * (k / 2), 2 * k);
        let codes: [i8; 32] = std::array::from_fn(|j| {
            (((low[j] >> low_shift) & 15) | (((high[j] >> high_shift) & 3) << 4)) as i8 - 32
        });
        scale_halves(&codes, &steps[2 * run..2 * run + 2], out);
    }
}

/// Multiplies each half of a run of 32 codes by its own step.
#[inline(always)]
fn scale_halves(codes: &[i8; 32], steps: &[f32], out: &mut [f32; 32]) {
    let (codes, out) = (codes.as_chunks::<16>().0, out.as_chunks_mut::<16>().0);
    for ((out, codes), step) in out.iter_mut().zip(codes).zip(steps) {
        for (x, &code) in out.iter_mut().zip(codes) {
            *x = step * f32::from(code);
        }
    }
}
