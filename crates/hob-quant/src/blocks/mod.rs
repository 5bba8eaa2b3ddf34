//! One file per group of block formats: what the bytes mean (`decode_*`) and how they are made (`encode_*`).
//!
//! A decoder takes one block and writes all its elements; an encoder is the reverse and returns `None` when a
//! scale overflows its float format. Sizes are in the types, so the bounds checks vanish and the loops vectorise.

pub(crate) mod fp4;
pub(crate) mod iq4;
pub mod iq_codebooks;
pub(crate) mod iq_encode;
pub(crate) mod iq_low;
pub(crate) mod kquants;
pub(crate) mod kquants_encode;
pub(crate) mod legacy;
pub(crate) mod ternary;

use crate::float::f16_to_f32;

/// The `N` bytes of `block` that start at `AT`.
#[inline(always)]
pub(crate) fn field<const AT: usize, const N: usize>(block: &[u8]) -> &[u8; N] {
    block[AT..].first_chunk().expect("offsets are constants below the block's size")
}

/// The binary16 number at byte `AT`.
#[inline(always)]
pub(crate) fn f16_at<const AT: usize>(block: &[u8]) -> f32 {
    f16_to_f32(u16::from_le_bytes(*field::<AT, 2>(block)))
}

/// Looks up low nibbles into the first half of `out` and high ones into the second, all times `d`.
///
/// Scaling the table once instead of every element leaves only loads and stores in the loop.
#[inline(always)]
pub(crate) fn decode_by_table<const BYTES: usize>(
    d: f32,
    table: &[i8; 16],
    codes: &[u8; BYTES],
    out: &mut [f32],
) {
    let scaled = table.map(|value| d * f32::from(value));
    let (low, high) = out.split_at_mut(BYTES);
    for ((low, high), &byte) in low.iter_mut().zip(high).zip(codes) {
        *low = scaled[usize::from(byte & 15)];
        *high = scaled[usize::from(byte >> 4)];
    }
}
