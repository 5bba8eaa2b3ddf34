//! Panels of bytes straight from what is stored, eight rows at once: stored bytes are transposed, which are half as many as
//! their codes or little more, and only then unpacked, column by column. So for the formats that are met most often; the
//! others go by way of `WeightUnit`s.
#![allow(unsafe_code)]

use super::EncodedUnit;
use crate::isa::Avx2;
use crate::ops::linear::blocks::{bits, high_nibbles, low_nibbles};
use crate::ops::linear::eights::{Rows, halves, k_steps, quads, unit_bytes};
use crate::ops::linear::groups::Panel;
use crate::ops::linear::x86_64::{store_eight, store_half};
use hob_quant::TensorType;
use std::arch::x86_64::*;

macro_rules! unpackers {
    ($($ty:ident $unpack:ident,)*) => {
        /// Unpacks one unit of some rows. `false` if the format has no such way, or the rows end within the unit.
        pub(super) fn unpack(_proof: Avx2, from: &EncodedUnit<'_>, panel: &mut Panel<u8>) -> bool {
            #[target_feature(enable = "avx2,fma,f16c")]
            fn all_rows(from: &EncodedUnit<'_>, panel: &mut Panel<u8>) -> bool {
                match from.ty {
                    $(TensorType::$ty => {
                        const BYTES: usize = unit_bytes(TensorType::$ty);
                        for eight in 0..from.rows.len().div_ceil(8) {
                            let Some(rows) = stored::<BYTES>(from, eight) else { return false };
                            $unpack(&rows, &mut Columns { panel, eight });
                        }
                        true
                    })*
                    _ => false,
                }
            }
            // SAFETY: the proof exists only where these features do.
            unsafe { all_rows(from, panel) }
        }
    };
}

unpackers!(Q4_0 q4_0, Q4_K q4_k, Q5_K q5_k, Q6_K q6_k,);

/// The unit of eight rows. Those that are not there are the last one: their sums are not used.
#[inline(always)]
fn stored<'a, const N: usize>(from: &EncodedUnit<'a>, eight: usize) -> Option<[&'a [u8; N]; 8]> {
    let (weight, start) = (from.weight, from.unit * N);
    if start + N > weight.row_bytes {
        return None;
    }
    let mut stored = [&[0; N]; 8];
    for (i, stored) in stored.iter_mut().enumerate() {
        let row = (from.rows.start + 8 * eight + i).min(from.rows.end - 1);
        *stored = weight.bytes.get(row * weight.row_bytes + start..)?.first_chunk()?;
    }
    Some(stored)
}

/// Where the columns of eight rows go.
struct Columns<'a> {
    panel: &'a mut Panel<u8>,
    eight: usize,
}

impl Columns<'_> {
    /// Stores the codes of four columns.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn put(&mut self, group: usize, quad: usize, codes: __m256i) {
        let quad = self.panel.codes[group][quad].as_flattened_mut();
        store_half(&mut quad.as_chunks_mut::<32>().0[self.eight], codes);
    }

    /// Stores scales.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn put_scales(&mut self, half: usize, group: usize, scales: __m256) {
        store_eight(&mut self.panel.scales[half][group].as_chunks_mut().0[self.eight], scales);
    }

    /// Stores minima.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn put_mins(&mut self, group: usize, mins: __m256) {
        store_eight(&mut self.panel.mins[0][group].as_chunks_mut().0[self.eight], mins);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q4_0(rows: &Rows<'_, 144>, to: &mut Columns<'_>) {
    for group in 0..8 {
        to.put_scales(0, group, halves(rows, 18 * group));
        for (quad, nibbles) in quads(rows, 18 * group + 2).into_iter().enumerate() {
            to.put(group, quad, low_nibbles(nibbles));
            to.put(group, 4 + quad, high_nibbles(nibbles));
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn put_k_steps<const N: usize>(rows: &Rows<'_, N>, to: &mut Columns<'_>) {
    let [scales, mins] = k_steps(rows);
    for (group, (scales, mins)) in scales.into_iter().zip(mins).enumerate() {
        to.put_scales(0, group, scales);
        to.put_mins(group, mins);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q4_k(rows: &Rows<'_, 144>, to: &mut Columns<'_>) {
    put_k_steps(rows, to);
    for sixteen in 0..8 {
        let (even, first) = (sixteen / 2 * 2, sixteen % 2 * 4);
        for (quad, nibbles) in quads(rows, 16 + 16 * sixteen).into_iter().enumerate() {
            to.put(even, first + quad, low_nibbles(nibbles));
            to.put(even + 1, first + quad, high_nibbles(nibbles));
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q5_k(rows: &Rows<'_, 176>, to: &mut Columns<'_>) {
    put_k_steps(rows, to);
    for half in 0..2 {
        let fifths = quads(rows, 16 + 16 * half);
        for even in [0, 2, 4, 6] {
            let nibbles = quads(rows, 48 + 16 * (even + half));
            for (quad, (nibbles, fifths)) in nibbles.into_iter().zip(fifths).enumerate() {
                let with_fifth =
                    |low: __m256i, group: usize| _mm256_or_si256(low, bits(fifths, group as i32, 4, 16));
                to.put(even, 4 * half + quad, with_fifth(low_nibbles(nibbles), even));
                to.put(even + 1, 4 * half + quad, with_fifth(high_nibbles(nibbles), even + 1));
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q6_k(rows: &Rows<'_, 210>, to: &mut Columns<'_>) {
    let scale = halves(rows, 208);
    for (part, scales) in quads(rows, 192).into_iter().enumerate() {
        for byte in 0..4 {
            let up = _mm256_sll_epi32(scales, _mm_cvtsi32_si128(24 - 8 * byte));
            let scales = _mm256_cvtepi32_ps(_mm256_srai_epi32::<24>(up));
            let sixteen = 4 * part + byte as usize;
            to.put_scales(sixteen % 2, sixteen / 2, _mm256_mul_ps(scales, scale));
        }
    }
    for part in 0..4 {
        let (chunk, half) = (part / 2, part % 2);
        let tops = quads(rows, 128 + 16 * part);
        for pair in 0..2 {
            let nibbles = quads(rows, 64 * chunk + 32 * pair + 16 * half);
            for (quad, (nibbles, tops)) in nibbles.into_iter().zip(tops).enumerate() {
                let with_top =
                    |low: __m256i, of: usize| _mm256_or_si256(low, bits(tops, 2 * of as i32, 4, 0x30));
                let quad = 4 * half + quad;
                to.put(4 * chunk + pair, quad, with_top(low_nibbles(nibbles), pair));
                to.put(4 * chunk + 2 + pair, quad, with_top(high_nibbles(nibbles), 2 + pair));
            }
        }
    }
}
