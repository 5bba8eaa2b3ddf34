//! The same with the dots of AVX-VNNI, which take unsigned bytes of any size and add four products in 32 bits.
//!
//! Few machines on which this is written have them, so that the tests also run it with other instructions for the same dots.
#![allow(unsafe_code)]

use super::whole::scaled_halves;
use super::{
    Dots, OF_GROUPS, OF_HALVES, Place, Products, STEPS, WHOLE, added, begin_with, fold, halves, put,
    scales_of, tile, unpack_bytes,
};
use crate::isa::{Avx2, AvxVnni, ByteDot};
use crate::ops::linear::blocks::format::{Form, Format, WeightUnit};
use crate::ops::linear::finish::Finish;
use crate::ops::linear::groups::x86_64::{Buffers, EncodedUnit, Kernel, Work, first};
use crate::ops::linear::groups::{Panel, ROWS, Scratch, Sums, TOKENS, Tile, Totals};
use crate::ops::linear::x86_64::{Ahead, ask_behind, broadcast, load_half, pin};
use std::arch::x86_64::*;
use std::ops::Range;

/// Codes of eight bits, four of which are multiplied at a time.
#[derive(Clone, Copy)]
pub(in crate::ops::linear::groups) struct Quads {
    level: Avx2,
    dot: Dot,
}

/// What makes dots.
#[derive(Clone, Copy)]
enum Dot {
    Native(AvxVnni),
    #[cfg(test)]
    Emulated,
}

impl Quads {
    /// The kernel, if there are these dots.
    pub(in crate::ops::linear::groups) fn new(dot: ByteDot) -> Option<Self> {
        let dot = match dot {
            ByteDot::Absent => None,
            ByteDot::Native => AvxVnni::detect().map(Dot::Native),
            #[cfg(test)]
            ByteDot::Emulated => Some(Dot::Emulated),
        };
        Some(Self { level: Avx2::detect()?, dot: dot? })
    }
}

impl Kernel for Quads {
    const STEPS: usize = STEPS;
    type Weight = u8;
    type Value = i8;
    type Sums = Totals;

    fn quantise(self, rows: &[&[f32]], form: Form, tile: &mut Tile<i8>) {
        tile::bytes(self.level, rows, form, tile);
    }

    fn buffers(scratch: &mut Scratch, slab: usize, tiles: usize) -> Buffers<'_, Self> {
        Buffers {
            units: &mut scratch.units,
            slab: first(&mut scratch.bytes, slab, Panel::zero),
            sums: first(&mut scratch.totals, tiles, || Totals([[0.0; ROWS]; TOKENS])),
        }
    }

    fn unpack(self, from: EncodedUnit<'_>, units: &mut [WeightUnit; ROWS], panel: &mut Panel<u8>) {
        unpack_bytes::<false>(self.level, from, units, panel);
    }

    fn multiply(self, format: Format, work: Work<'_, Self>, ahead: &mut Ahead<'_>, totals: &mut Totals) {
        macro_rules! multiply {
            ($module:ident) => {
                match (format.mins, scales_of(format)) {
                    (_, OF_HALVES) => $module::multiply::<false, OF_HALVES, false>(work, ahead, totals),
                    (false, WHOLE) => $module::multiply::<false, WHOLE, false>(work, ahead, totals),
                    (true, WHOLE) => $module::multiply::<true, WHOLE, false>(work, ahead, totals),
                    (false, _) => $module::multiply::<false, OF_GROUPS, false>(work, ahead, totals),
                    (true, _) => $module::multiply::<true, OF_GROUPS, false>(work, ahead, totals),
                }
            };
        }
        match self.dot {
            // SAFETY: the proof exists only where these features do.
            Dot::Native(_proof) => unsafe { multiply!(native) },
            #[cfg(test)]
            // SAFETY: `self.level` exists only where these features do.
            Dot::Emulated => unsafe { multiply!(emulated) },
        }
    }

    fn put(self, totals: &Totals, tokens: Range<usize>, rows: Range<usize>, finish: &Finish<'_>) {
        put(totals, tokens, rows, finish);
    }
}

/// Dots of some quads with one instruction, and the kernel of these.
macro_rules! quads_kernel {
    ($module:ident, $dots:ident, $scaled:ident, $features:literal, $dot:ident) => {
        #[inline]
        #[target_feature(enable = $features)]
        fn $dots<const MINS: bool, const T: usize, const QUADS: usize>(
            rows: &[[[u8; 64]; 2]; QUADS],
            columns: &[[[i8; 4]; TOKENS]; QUADS],
            starts: &[i32; TOKENS],
            side: usize,
        ) -> Dots<T> {
            let mut sums = begin_with::<MINS, T>(starts);
            for (rows, columns) in rows.iter().zip(columns) {
                let rows = rows[side].as_chunks::<32>().0;
                let rows = [load_half(&rows[0]), load_half(&rows[1])];
                for (sums, x) in sums.iter_mut().zip(columns) {
                    let values = broadcast(x);
                    sums[0] = $dot(sums[0], rows[0], values);
                    sums[1] = $dot(sums[1], rows[1], values);
                }
                for sum in sums.as_flattened_mut() {
                    pin(sum);
                }
            }
            sums
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn $scaled<const MINS: bool, const T: usize, const SPLIT: bool>(
            rows: &[[[u8; 64]; 2]; 8],
            columns: &[[[i8; 4]; TOKENS]; 8],
            starts: [&[i32; TOKENS]; 2],
            side: usize,
            scales: &[[[i16; 2]; 8]; 2],
        ) -> Products<T> {
            let ((r0, r1), (c0, c1)) = (halves(rows), halves(columns));
            let first = $dots::<MINS, T, 4>(r0, c0, starts[0], side);
            scaled_halves(&[first, $dots::<MINS, T, 4>(r1, c1, starts[1], side)], scales)
        }

        panel_kernel!($module, Quads, u8, i8, $features, $dots, $scaled);
    };
}

quads_kernel!(native, native_dots, native_scaled, "avx2,fma,avxvnni", _mm256_dpbusd_avx_epi32);
#[cfg(test)]
quads_kernel!(emulated, emulated_dots, emulated_scaled, "avx2,fma", emulated_dot);

/// What `vpdpbusd` computes: four products of an unsigned and a signed byte, added to each sum.
#[cfg(test)]
#[inline]
#[target_feature(enable = "avx2")]
fn emulated_dot(sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
    // Bytes 0 and 2 of each four, then 1 and 3, as 16-bit numbers.
    let low = _mm256_set1_epi16(0xff);
    let even = _mm256_madd_epi16(_mm256_and_si256(a, low), _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(b)));
    let odd = _mm256_madd_epi16(_mm256_srli_epi16::<8>(a), _mm256_srai_epi16::<8>(b));
    _mm256_add_epi32(sum, _mm256_add_epi32(even, odd))
}
