//! Tokens as the kernels' broadcasts walk them.
#![allow(unsafe_code)]

use crate::isa::Avx2;
use crate::ops::linear::activations::{Order, Step, Steps, UNIT, Unit, quantise_unit};
use crate::ops::linear::blocks::format::{Form, Lanes};
use crate::ops::linear::groups::Tile;
use crate::ops::linear::x86_64::{load_quarter, store_half};
use std::arch::x86_64::*;

/// The tokens of one tile in bytes.
pub(in crate::ops::linear) fn bytes<const T: usize>(
    _proof: Avx2,
    rows: &[&[f32]],
    form: Form,
    tile: &mut Tile<i8, T>,
) {
    // SAFETY: the proof exists only where these features do.
    unsafe { quantise(rows, form, tile, |code| code) }
}

/// The same in words, whose products need no start.
pub(super) fn words(_proof: Avx2, rows: &[&[f32]], form: Form, tile: &mut Tile<i16>) {
    // SAFETY: the proof exists only where these features do.
    unsafe { quantise(rows, form, tile, i16::from) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn quantise<C: Copy, const T: usize>(
    rows: &[&[f32]],
    form: Form,
    tile: &mut Tile<C, T>,
    code: impl Fn(i8) -> C + Copy,
) {
    let mut unit = Unit::ZERO;
    let shared = match form.steps {
        Steps::Fixed(step) => Step { step, inverse: 0.0 },
        _ => Step::of(0),
    };
    // What a tile lacks is multiplied all the same, and must not be numbers that are slow.
    for t in rows.len()..T {
        let Tile { starts, minus_x, negative_pairs, steps, .. } = &mut *tile;
        negative_pairs.iter_mut().for_each(|of_group| of_group[t] = [0; 2]);
        starts.as_flattened_mut().iter_mut().for_each(|of_group| of_group[t] = 0);
        minus_x.as_flattened_mut().iter_mut().chain(steps).for_each(|of_group| of_group[t] = 0.0);
    }
    for (t, x) in rows.iter().enumerate() {
        quantise_unit(x, form.steps, shared, Order::Natural, &mut unit);
        if form.mixes_halves() {
            mix_halves(&mut unit.codes);
        }
        for (quad, codes) in tile.codes.as_flattened_mut().iter_mut().zip(unit.codes.as_chunks::<4>().0) {
            quad[t] = codes.map(code);
        }
        let of_pairs = starts(&unit, form);
        for (group, step) in unit.steps.into_iter().enumerate() {
            tile.steps[group][t] = step;
            let mut minus_x = unit.negative_sums.map(|sums| sums[group]);
            tile.negative_pairs[group][t] = unit.negative_pairs[group];
            if !form.halves {
                minus_x[0] += minus_x[1];
            }
            for half in 0..2 {
                tile.starts[half][group][t] = match form.lanes {
                    Lanes::Quads(_) => minus_x[half] * i32::from(form.offset),
                    _ => of_pairs[group][half],
                };
                tile.minus_x[half][group][t] = minus_x[half] as f32 * step;
            }
        }
    }
}

/// By turns two codes of a group's first half and two of its second.
#[inline]
#[target_feature(enable = "avx2")]
fn mix_halves(codes: &mut [i8; UNIT]) {
    for group in codes.as_chunks_mut::<32>().0 {
        let [first, second] = group.as_chunks::<16>().0 else { unreachable!("a group") };
        let (a, b) = (load_quarter(first), load_quarter(second));
        store_half(group, _mm256_set_m128i(_mm_unpackhi_epi16(a, b), _mm_unpacklo_epi16(a, b)));
    }
}

/// What the sums of pairs begin with: `[group][half]`, of the first two columns of all quads and of the last two.
#[inline]
#[target_feature(enable = "avx2")]
fn starts(unit: &Unit, form: Form) -> [[i32; 2]; 8] {
    let minus_offset = _mm256_set1_epi16(-i16::from(form.offset));
    let has_one_dot = form.lanes == Lanes::Pairs && (form.whole || !form.halves);
    let mut starts = [[0; 2]; 8];
    for (starts, codes) in starts.iter_mut().zip(unit.codes.as_chunks::<32>().0) {
        // SAFETY: 32 readable bytes; the load needs no alignment.
        let codes = unsafe { _mm256_loadu_si256(codes.as_ptr().cast()) };
        let mut sums = _mm256_maddubs_epi16(_mm256_set1_epi8(1), codes);
        sums = _mm256_add_epi16(sums, _mm256_shuffle_epi32::<0b01_00_11_10>(sums));
        sums = _mm256_add_epi16(sums, _mm256_shuffle_epi32::<0b10_11_00_01>(sums));
        if has_one_dot {
            sums = _mm256_add_epi16(sums, _mm256_permute4x64_epi64::<0b01_00_11_10>(sums));
        }
        let shares = _mm256_mullo_epi16(sums, minus_offset);
        *starts = [_mm256_extract_epi32::<0>(shares), _mm256_extract_epi32::<4>(shares)];
    }
    starts
}
