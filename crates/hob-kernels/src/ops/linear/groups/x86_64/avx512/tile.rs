//! Tokens as the kernel's broadcasts walk them, quantised in registers.
#![allow(unsafe_code)]

use crate::isa::Avx512;
use crate::ops::linear::activations::UNIT;
use crate::ops::linear::activations::x86_64::{GroupCodes, codes_of};
use crate::ops::linear::blocks::format::Form;
use crate::ops::linear::groups::{TOKENS, Tile};
use crate::ops::linear::x86_64::transpose16;
use std::arch::x86_64::*;

/// The tokens of one tile; rows that are short end in zeros.
pub(super) fn quantise(_proof: Avx512, rows: &[&[f32]], form: Form, tile: &mut Tile<i8>) {
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
    fn body(rows: &[&[f32]], form: Form, tile: &mut Tile<i8>) {
        // `[part][token]`; transposed, a vector is one quad, or one group, of all tokens.
        let mut parts = [[_mm512_setzero_si512(); 16]; 4];
        let (mut steps, mut sums) = ([_mm512_setzero_si512(); 16], [_mm512_setzero_si512(); 16]);
        for (t, x) in rows.iter().enumerate() {
            let mut padded = [0.0; UNIT];
            let x = x.as_array().unwrap_or_else(|| {
                padded[..x.len()].copy_from_slice(x);
                &padded
            });
            let GroupCodes { codes, steps: of_groups, negative_sums } = codes_of(x, form.steps);
            for (part, codes) in parts.iter_mut().zip(codes) {
                part[t] = codes;
            }
            steps[t] = _mm512_castps_si512(of_groups);
            sums[t] = negative_sums;
            if !form.halves {
                let swapped = _mm512_shuffle_i64x2::<0b01_00_11_10>(negative_sums, negative_sums);
                sums[t] = _mm512_add_epi32(negative_sums, swapped);
            }
        }
        for (quads, part) in tile.codes.as_flattened_mut().as_chunks_mut::<16>().0.iter_mut().zip(parts) {
            for (quad, column) in quads.iter_mut().zip(transpose16(part)) {
                put(quad, column);
            }
        }
        let (steps, sums) = (transpose16(steps), transpose16(sums));
        let offset = _mm512_set1_epi32(form.offset.into());
        for (place, (step, sum)) in steps.into_iter().zip(sums).enumerate() {
            let (half, group) = (place / 8, place % 8);
            let minus_x = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_castsi512_ps(step));
            put(&mut tile.steps[group], step);
            put(&mut tile.minus_x[half][group], _mm512_castps_si512(minus_x));
            put(&mut tile.starts[half][group], _mm512_mullo_epi32(sum, offset));
        }
    }
    // SAFETY: the proof exists only where these features do.
    unsafe { body(rows, form, tile) }
}

/// Stores the first lanes, one for each token of a tile.
#[inline]
#[target_feature(enable = "avx512f")]
fn put<T: Copy>(to: &mut [T; TOKENS], lanes: __m512i) {
    const { assert!(size_of::<T>() == 4 && TOKENS <= 16, "a lane is 32 bits") };
    // SAFETY: the lanes of the mask are the writable bytes of `to`; the store needs no alignment.
    unsafe { _mm512_mask_storeu_epi32(to.as_mut_ptr().cast(), (1 << TOKENS) - 1, lanes) }
}
