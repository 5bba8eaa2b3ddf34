//! The 256-element formats with scales of scales, encoded. The layouts are in `kquants.rs`, the searches in `search.rs`.

use crate::float::store_f16;
use crate::search::{AffineBlock, Grid, Integers, Levels, SymmetricBlock};
use crate::search::{best_affine, best_affine_weighted, best_symmetric, best_symmetric_weighted};

/// Weights of a block's elements; `None` weighs all alike and searches less.
type Weights<'a> = Option<&'a [f32; 256]>;

pub(crate) fn encode_q2_k(x: &[f32; 256], w: Weights, block: &mut [u8; 84]) -> Option<()> {
    let best = affine::<16, 16>(x, w, Levels { code: 3.0, scale: 15.0 });
    for (byte, (scale, min)) in block.iter_mut().zip(best.scales.iter().zip(best.mins)) {
        *byte = scale | (min << 4);
    }
    block[16..80].copy_from_slice(&pack_two_bits(&best.codes));
    store_f16(block, 80, best.d)?;
    store_f16(block, 82, best.dmin)
}

pub(crate) fn encode_q3_k(x: &[f32; 256], w: Weights, block: &mut [u8; 110]) -> Option<()> {
    let best = symmetric::<16, 16>(x, w, &Integers::<4>, -32);
    block[..32].copy_from_slice(&pack_top_bits(&best.codes, 2));
    block[32..96].copy_from_slice(&pack_two_bits(&best.codes.map(|code| code & 3)));
    block[96..108].fill(0);
    for (j, scale) in best.scales.iter().enumerate() {
        let six_bits = (scale + 32) as u8;
        block[96 + j % 8] |= (six_bits & 15) << (4 * (j / 8));
        block[104 + j % 4] |= (six_bits >> 4) << (2 * (j / 4));
    }
    store_f16(block, 108, best.d)
}

pub(crate) fn encode_q4_k(x: &[f32; 256], w: Weights, block: &mut [u8; 144]) -> Option<()> {
    let best = affine::<8, 32>(x, w, Levels { code: 15.0, scale: 63.0 });
    block[4..16].copy_from_slice(&pack_k_scales_and_mins(&best.scales, &best.mins));
    block[16..].copy_from_slice(&pack_nibbles(&best.codes));
    store_f16(block, 0, best.d)?;
    store_f16(block, 2, best.dmin)
}

pub(crate) fn encode_q5_k(x: &[f32; 256], w: Weights, block: &mut [u8; 176]) -> Option<()> {
    let best = affine::<8, 32>(x, w, Levels { code: 31.0, scale: 63.0 });
    block[4..16].copy_from_slice(&pack_k_scales_and_mins(&best.scales, &best.mins));
    block[16..48].copy_from_slice(&pack_top_bits(&best.codes, 4));
    block[48..].copy_from_slice(&pack_nibbles(&best.codes.map(|code| code & 15)));
    store_f16(block, 0, best.d)?;
    store_f16(block, 2, best.dmin)
}

pub(crate) fn encode_q6_k(x: &[f32; 256], w: Weights, block: &mut [u8; 210]) -> Option<()> {
    let best = symmetric::<16, 16>(x, w, &Integers::<32>, -128);
    for (i, byte) in block[..128].iter_mut().enumerate() {
        let at = i / 64 * 128 + i % 64;
        *byte = (best.codes[at] & 15) | (best.codes[at + 64] << 4);
    }
    block[128..192].copy_from_slice(&pack_two_bits(&best.codes.map(|code| code >> 4)));
    for (byte, &scale) in block[192..208].iter_mut().zip(&best.scales) {
        *byte = scale as i8 as u8;
    }
    store_f16(block, 208, best.d)
}

fn affine<const S: usize, const N: usize>(x: &[f32; 256], w: Weights, levels: Levels) -> AffineBlock<S> {
    w.map_or_else(|| best_affine::<S, N>(x, levels), |w| best_affine_weighted::<S, N>(x, w, levels))
}

pub(super) fn symmetric<const S: usize, const N: usize>(
    x: &[f32; 256],
    w: Weights,
    grid: &impl Grid,
    lowest: i32,
) -> SymmetricBlock<S> {
    w.map_or_else(
        || best_symmetric::<S, N>(x, grid, lowest),
        |w| best_symmetric_weighted::<S, N>(x, w, grid, lowest),
    )
}

/// Inverse of [`k_scales_and_mins`](super::kquants::k_scales_and_mins).
fn pack_k_scales_and_mins(scales: &[u8; 8], mins: &[u8; 8]) -> [u8; 12] {
    let mut packed = [0; 12];
    for j in 0..4 {
        packed[j] = scales[j] | ((scales[j + 4] >> 4) << 6);
        packed[j + 4] = mins[j] | ((mins[j + 4] >> 4) << 6);
        packed[j + 8] = (scales[j + 4] & 15) | (mins[j + 4] << 4);
    }
    packed
}

/// Bit `bit` of element `32r + j` becomes bit `r` of byte `j`.
pub(crate) fn pack_top_bits(codes: &[u8; 256], bit: u32) -> [u8; 32] {
    std::array::from_fn(|j| (0..8).fold(0, |byte, r| byte | (((codes[32 * r + j] >> bit) & 1) << r)))
}

/// Two-bit elements `128h + 32k + j` become bits `2k` and `2k + 1` of byte `32h + j`.
pub(crate) fn pack_two_bits(codes: &[u8; 256]) -> [u8; 64] {
    std::array::from_fn(|i| {
        let at = i / 32 * 128 + i % 32;
        (0..4).fold(0, |byte, k| byte | (codes[at + 32 * k] << (2 * k)))
    })
}

/// Four-bit elements `64g + j` and `64g + 32 + j` become the nibbles of byte `32g + j`.
pub(crate) fn pack_nibbles(codes: &[u8; 256]) -> [u8; 128] {
    std::array::from_fn(|i| {
        let at = i / 32 * 64 + i % 32;
        codes[at] | (codes[at + 32] << 4)
    })
}
