//! The 4-bit float formats: MXFP4 (32 elements, power-of-two scale) and NVFP4 (64 elements, four e4m3 scales).
//!
//! ```text
//! MXFP4  e, qs[16]       x = 2^(e - 127) * V[q]       V = 0 .5 1 1.5 2 3 4 6 and the negatives
//! NVFP4  e[4], qs[32]    x = e4m3(e[i / 16]) * V[q]   times the tensor's own f32 scale, which is not in the block
//! ```
//!
//! MXFP4 has low nibbles in elements 0..16 and high ones in 16..32; NVFP4 does the same inside each run of 16.
//! `V` is stored doubled, so that it is an integer, and the scales halved. Source: OCP Microscaling Formats 1.0;
//! the GGUF format description (`../shared/reference/gguf.md`).

use super::{decode_by_table, field};
use crate::float::{e8m0_half_to_f32, ue4m3_half_to_f32};
use crate::search::signed_extreme;

/// Twice the values of the sixteen e2m1 codes; code 8 is minus zero.
pub const FP4_VALUES: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

pub(crate) fn decode_mxfp4(block: &[u8; 17], out: &mut [f32; 32]) {
    let d = e8m0_half_to_f32(block[0]);
    decode_by_table(d, &FP4_VALUES, field::<1, 16>(block), out);
}

pub(crate) fn decode_nvfp4(block: &[u8; 36], out: &mut [f32; 64]) {
    let scales = field::<0, 4>(block);
    let groups = field::<4, 32>(block).as_chunks::<8>().0;
    for ((out, codes), &scale) in out.as_chunks_mut::<16>().0.iter_mut().zip(groups).zip(scales) {
        decode_by_table(ue4m3_half_to_f32(scale), &FP4_VALUES, codes, out);
    }
}

pub(crate) fn encode_mxfp4(x: &[f32; 32], block: &mut [u8; 17]) -> Option<()> {
    let largest = signed_extreme(x).abs();
    let exponent = if largest > 0.0 {
        // Rounding the logarithm to f32 lets values a hair under a power of two have that power's scale, as `gguf` does.
        let floor = (f64::from(largest).log2() as f32).floor();
        (floor - 2.0 + 127.0) as u8
    } else {
        0
    };
    let d = e8m0_half_to_f32(exponent);
    block[0] = exponent;
    for i in 0..16 {
        block[1 + i] = nearest_code(x[i], d) | (nearest_code(x[i + 16], d) << 4);
    }
    Some(())
}

/// The code whose value is nearest; of two equally near, the smaller magnitude.
fn nearest_code(x: f32, d: f32) -> u8 {
    let (mut best, mut best_error) = (0, x.abs());
    for code in 1..8_u8 {
        let error = (d * f32::from(FP4_VALUES[usize::from(code)]) - x.abs()).abs();
        if error < best_error {
            (best, best_error) = (code, error);
        }
    }
    if best != 0 && x < 0.0 { best + 8 } else { best }
}
