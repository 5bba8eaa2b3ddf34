//! Panels of bytes straight from what is stored, eight rows at once: stored bytes are transposed, which are half as many as
//! their codes or little more, and only then unpacked, column by column. So for the formats that are met most often; the
//! others go by way of `WeightUnit`s.
#![allow(unsafe_code)]

use super::EncodedUnit;
use crate::isa::Avx2;
use crate::ops::linear::blocks::{bits, high_nibbles, low_nibbles};
use crate::ops::linear::eights::{
    Rows, Runs, halves, k_steps, mixed_quads, quads, runs_of_q2_k, runs_of_q3_k, runs_of_q6_k, unit_bytes,
};
use crate::ops::linear::groups::Panel;
use crate::ops::linear::x86_64::{store_eight, store_half};
use hob_quant::TensorType;
use std::arch::x86_64::*;

macro_rules! unpackers {
    ($($ty:ident $unpack:ident,)*) => {
        /// Unpacks one unit of some rows. `false` if the format has no such way, or the rows end within the unit.
        /// `MIXED` are the halves of groups whose scales are whole, as in `Form::mixes_halves`.
        pub(super) fn unpack<const MIXED: bool>(_proof: Avx2, from: &EncodedUnit<'_>, panel: &mut Panel<u8>) -> bool {
            #[target_feature(enable = "avx2,fma,f16c")]
            fn all_rows<const MIXED: bool>(from: &EncodedUnit<'_>, panel: &mut Panel<u8>) -> bool {
                match from.ty {
                    $(TensorType::$ty => {
                        const BYTES: usize = unit_bytes(TensorType::$ty);
                        for eight in 0..from.rows.len().div_ceil(8) {
                            let Some(rows) = stored::<BYTES>(from, eight) else { return false };
                            $unpack::<MIXED>(&rows, &mut Columns { panel, eight });
                        }
                        true
                    })*
                    _ => false,
                }
            }
            // SAFETY: the proof exists only where these features do.
            unsafe { all_rows::<MIXED>(from, panel) }
        }
    };
}

unpackers!(Q4_0 q4_0, Q4_K q4_k, Q5_K q5_k, Q2_K q2_k, Q3_K q3_k, Q6_K q6_k,);

/// Scales (and minima) alone, of formats where they are whole.
pub(super) fn unpack_whole_scales<C>(_proof: Avx2, from: &EncodedUnit<'_>, panel: &mut Panel<C>) {
    #[target_feature(enable = "avx2,fma,f16c")]
    fn all_rows<C, const N: usize>(
        from: &EncodedUnit<'_>,
        panel: &mut Panel<C>,
        runs: impl Fn(&Rows<'_, N>) -> Runs,
    ) {
        for eight in 0..from.rows.len().div_ceil(8) {
            let rows = stored(from, eight).expect("such formats have blocks of a unit");
            Columns { panel, eight }.put_whole_scales(&runs(&rows));
        }
    }
    // SAFETY: the proof exists only where these features do.
    unsafe {
        match from.ty {
            TensorType::Q2_K => all_rows(from, panel, |rows| runs_of_q2_k(rows)),
            TensorType::Q3_K => all_rows(from, panel, |rows| runs_of_q3_k(rows)),
            TensorType::Q6_K => all_rows(from, panel, |rows| runs_of_q6_k(rows)),
            _ => unreachable!("scales of other formats are no whole multiples"),
        }
    }
}

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
struct Columns<'a, C> {
    panel: &'a mut Panel<C>,
    eight: usize,
}

impl Columns<'_, u8> {
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

impl<C> Columns<'_, C> {
    /// Stores scales, and minima if there are any.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn put_whole_scales(&mut self, runs: &Runs) {
        let Panel { whole_scales, whole_mins, bases, .. } = &mut *self.panel;
        store_eight(&mut bases[0].as_chunks_mut().0[self.eight], runs.base);
        for (group, to) in whole_scales.iter_mut().enumerate() {
            store_half(&mut to.as_chunks_mut::<8>().0[self.eight], runs.scales(group));
        }
        let Some(base) = runs.base_of_mins else { return };
        store_eight(&mut bases[1].as_chunks_mut().0[self.eight], base);
        for (group, to) in whole_mins.iter_mut().enumerate() {
            store_half(&mut to.as_chunks_mut::<8>().0[self.eight], runs.mins(group));
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q4_0<const MIXED: bool>(rows: &Rows<'_, 144>, to: &mut Columns<'_, u8>) {
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
fn put_k_steps<const N: usize>(rows: &Rows<'_, N>, to: &mut Columns<'_, u8>) {
    let [scales, mins] = k_steps(rows);
    for (group, (scales, mins)) in scales.into_iter().zip(mins).enumerate() {
        to.put_scales(0, group, scales);
        to.put_mins(group, mins);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q4_k<const MIXED: bool>(rows: &Rows<'_, 144>, to: &mut Columns<'_, u8>) {
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
fn q5_k<const MIXED: bool>(rows: &Rows<'_, 176>, to: &mut Columns<'_, u8>) {
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
fn q2_k<const MIXED: bool>(rows: &Rows<'_, 84>, to: &mut Columns<'_, u8>) {
    to.put_whole_scales(&runs_of_q2_k(rows));
    for chunk in 0..2 {
        let packed = runs::<MIXED, 84>(rows, 16 + 32 * chunk);
        for (quad, packed) in packed.into_iter().enumerate() {
            for part in 0..4 {
                to.put(4 * chunk + part, quad, bits(packed, 2 * part as i32, 0, 3));
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q3_k<const MIXED: bool>(rows: &Rows<'_, 110>, to: &mut Columns<'_, u8>) {
    to.put_whole_scales(&runs_of_q3_k(rows));
    let thirds = runs::<MIXED, 110>(rows, 0);
    for chunk in 0..2 {
        let packed = runs::<MIXED, 110>(rows, 32 + 32 * chunk);
        for (quad, (packed, thirds)) in packed.into_iter().zip(thirds).enumerate() {
            for part in 0..4 {
                let third = bits(thirds, (4 * chunk + part) as i32, 2, 4);
                let codes = _mm256_or_si256(bits(packed, 2 * part as i32, 0, 3), third);
                to.put(4 * chunk + part, quad, codes);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q6_k<const MIXED: bool>(rows: &Rows<'_, 210>, to: &mut Columns<'_, u8>) {
    to.put_whole_scales(&runs_of_q6_k(rows));
    for chunk in 0..2 {
        let tops = runs::<MIXED, 210>(rows, 128 + 32 * chunk);
        for pair in 0..2 {
            let nibbles = runs::<MIXED, 210>(rows, 64 * chunk + 32 * pair);
            for (quad, (nibbles, tops)) in nibbles.into_iter().zip(tops).enumerate() {
                let with_top =
                    |low: __m256i, of: usize| _mm256_or_si256(low, bits(tops, 2 * of as i32, 4, 0x30));
                to.put(4 * chunk + pair, quad, with_top(low_nibbles(nibbles), pair));
                to.put(4 * chunk + 2 + pair, quad, with_top(high_nibbles(nibbles), 2 + pair));
            }
        }
    }
}

/// The bytes of a group's two halves, four of each row at a time, or two of each half.
#[inline]
#[target_feature(enable = "avx2")]
fn runs<const MIXED: bool, const N: usize>(rows: &Rows<'_, N>, start: usize) -> [__m256i; 8] {
    if MIXED {
        return mixed_quads(rows, start);
    }
    let ([a, b, c, d], [e, f, g, h]) = (quads(rows, start), quads(rows, start + 16));
    [a, b, c, d, e, f, g, h]
}
