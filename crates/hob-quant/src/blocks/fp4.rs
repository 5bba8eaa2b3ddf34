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
use crate::search::{Grid, inverse, signed_extreme, symmetric_error};

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

/// The e2m1 values, doubled, as a grid.
struct Fp4Grid;

impl Grid for Fp4Grid {
    const EXTREME: f32 = 12.0;

    #[inline(always)]
    fn nearest(&self, y: f32) -> (u8, f32) {
        let size = y.abs();
        let (mut code, mut value) = (0_i32, 0.0);
        for pair in FP4_VALUES[..8].windows(2) {
            let (low, high) = (f32::from(pair[0]), f32::from(pair[1]));
            let passed = size > (low + high) * 0.5;
            code += i32::from(passed);
            value += if passed { high - low } else { 0.0 };
        }
        let negative = y < 0.0 && code != 0;
        (code as u8 + if negative { 8 } else { 0 }, if negative { -value } else { value })
    }
}

pub(crate) fn encode_mxfp4(x: &[f32; 32], w: Option<&[f32; 32]>, block: &mut [u8; 17]) -> Option<()> {
    let largest = signed_extreme(x).abs();
    let spanning = if largest > 0.0 {
        // Rounding the logarithm to f32 lets values a hair under a power of two have that power's scale, as `gguf` does.
        let floor = (f64::from(largest).log2() as f32).floor();
        (floor - 2.0 + 127.0) as u8
    } else {
        0
    };
    let exponent = w.map_or(spanning, |w| best_exponent(x, w, spanning));
    let d = e8m0_half_to_f32(exponent);
    block[0] = exponent;
    for i in 0..16 {
        block[1 + i] = nearest_code(x[i], d) | (nearest_code(x[i + 16], d) << 4);
    }
    Some(())
}

/// Of the exponents near the one that spans the block, that of least error.
fn best_exponent(x: &[f32; 32], w: &[f32; 32], spanning: u8) -> u8 {
    // Relative to the spanning scale, squares neither over- nor underflow.
    let unit = x.map(|x| x * inverse(e8m0_half_to_f32(spanning)));
    let error = |down: i32| symmetric_error(&unit, w, &Fp4Grid, (-down as f32).exp2());
    let shifts = (-1..=4).filter(|down| (0..=254).contains(&(i32::from(spanning) - down)));
    let best = shifts.min_by(|&a, &b| error(a).total_cmp(&error(b))).unwrap_or(0);
    (i32::from(spanning) - best) as u8
}

pub(crate) fn encode_nvfp4(x: &[f32; 64], w: Option<&[f32; 64]>, block: &mut [u8; 36]) -> Option<()> {
    let w = w.unwrap_or(&[1.0; 64]);
    let (scales, codes) = block.split_at_mut(4);
    let runs = x.as_chunks::<16>().0.iter().zip(w.as_chunks::<16>().0);
    for ((x, w), (scale, codes)) in runs.zip(scales.iter_mut().zip(codes.as_chunks_mut::<8>().0)) {
        *scale = best_e4m3(x, w)?;
        let per_d = inverse(ue4m3_half_to_f32(*scale));
        let code = |x: f32| Fp4Grid.nearest(x * per_d).0;
        *codes = std::array::from_fn(|i| code(x[i]) | (code(x[i + 8]) << 4));
    }
    Some(())
}

/// The e4m3 scale of least error; `None` when the largest value is beyond the largest scale.
fn best_e4m3(x: &[f32; 16], w: &[f32; 16]) -> Option<u8> {
    /// Codes 0x00 to 0x7E are the finite scales, in order of size.
    const LARGEST: u8 = 0x7E;
    /// Eight codes are a factor of two: down to where half of the extreme is clipped, and up to where it is stored as 3,
    /// which a scale of few bits may fit better.
    const REACH: u8 = 8;
    let half_scale = signed_extreme(x).abs() / Fp4Grid::EXTREME;
    if half_scale > ue4m3_half_to_f32(LARGEST) {
        return None;
    }
    let spanning = (0..LARGEST).find(|&code| ue4m3_half_to_f32(code) >= half_scale).unwrap_or(LARGEST);
    let error = |code: u8| symmetric_error(x, w, &Fp4Grid, ue4m3_half_to_f32(code));
    let tried = spanning.saturating_sub(REACH)..=(spanning + REACH).min(LARGEST);
    tried.min_by(|&a, &b| error(a).total_cmp(&error(b)))
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
