//! The same with the dots of AVX-VNNI, which take unsigned bytes of any size and add four products in 32 bits.
//!
//! Few machines on which this is written have them, so that the tests also run it with other instructions for the same dots.
#![allow(unsafe_code)]

use super::{Dots, Place, fold, halves, lay_out_bytes, load_bytes, opaque, put, tile};
use crate::Isa;
use crate::isa::{Avx2, AvxVnni, ByteDot};
use crate::ops::linear::blocks::format::{Form, Format, WeightUnit};
use crate::ops::linear::finish::Finish;
use crate::ops::linear::groups::x86_64::{Buffers, Kernel, Work, first};
use crate::ops::linear::groups::{Panel, ROWS, Scratch, Sums, TOKENS, Tile, Totals};
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
    const ISA: Isa = Isa::Avx2;
    type Weight = u8;
    type Value = i8;
    type Sums = Totals;

    fn quantise(self, rows: &[&[f32]; TOKENS], form: Form, tile: &mut Tile<i8>) {
        tile::bytes(self.level, rows, form, tile);
    }

    fn buffers(scratch: &mut Scratch, slab: usize, tiles: usize) -> Buffers<'_, Self> {
        Buffers {
            units: &mut scratch.units,
            slab: first(&mut scratch.bytes, slab, Panel::zero),
            sums: first(&mut scratch.totals, tiles, || Totals([[0.0; ROWS]; TOKENS])),
        }
    }

    fn lay_out(self, format: Format, units: &[WeightUnit; ROWS], panel: &mut Panel<u8>) {
        // SAFETY: `self.level` exists only where these features do.
        unsafe { lay_out_bytes(format, units, panel) }
    }

    fn multiply(self, format: Format, work: Work<'_, Self>, totals: &mut Totals) {
        match self.dot {
            // SAFETY: the proof exists only where these features do.
            Dot::Native(_proof) => unsafe { native::multiply(format, work, totals) },
            #[cfg(test)]
            // SAFETY: `self.level` exists only where these features do.
            Dot::Emulated => unsafe { emulated::multiply(format, work, totals) },
        }
    }

    fn put(self, totals: &Totals, tokens: Range<usize>, rows: Range<usize>, finish: &Finish<'_>) {
        put(totals, tokens, rows, finish);
    }
}

/// The kernel with one instruction for dots.
macro_rules! quads_kernel {
    ($module:ident, $features:literal, $dot:path) => {
        mod $module {
            use super::*;

            #[target_feature(enable = $features)]
            pub(super) fn multiply(format: Format, work: Work<'_, Quads>, totals: &mut Totals) {
                match (format.mins, format.halves) {
                    (false, false) => slab::<false, false>(work, totals),
                    (false, true) => slab::<false, true>(work, totals),
                    (true, false) => slab::<true, false>(work, totals),
                    (true, true) => slab::<true, true>(work, totals),
                }
            }

            #[target_feature(enable = $features)]
            fn slab<const MINS: bool, const HALVES: bool>(work: Work<'_, Quads>, totals: &mut Totals) {
                let Work { slab, x, tokens, last_groups, begin } = work;
                let mut sums = Sums::ZERO;
                for (index, (panel, x)) in slab.iter().zip(x).enumerate() {
                    let groups = if index + 1 == slab.len() { last_groups } else { 8 };
                    match tokens {
                        5.. => unit::<MINS, HALVES, TOKENS>(panel, x, groups, &mut sums),
                        4 => unit::<MINS, HALVES, 4>(panel, x, groups, &mut sums),
                        3 => unit::<MINS, HALVES, 3>(panel, x, groups, &mut sums),
                        _ => unit::<MINS, HALVES, 2>(panel, x, groups, &mut sums),
                    }
                }
                fold(&sums, tokens, begin, totals);
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn unit<const MINS: bool, const HALVES: bool, const T: usize>(
                panel: &Panel<u8>,
                x: &Tile<i8>,
                groups: usize,
                sums: &mut Sums,
            ) {
                for side in 0..2 {
                    for group in 0..groups {
                        let (rows, columns) = (&panel.codes[group], &x.codes[group]);
                        let mut place = Place { panel, x, group, side, sums };
                        if HALVES {
                            let (first_rows, second_rows) = halves(rows);
                            let (first_columns, second_columns) = halves(columns);
                            let start = &x.starts[0][group];
                            let first = dots::<MINS, T, 4>(first_rows, first_columns, start, side);
                            let first = place.first_halves::<T>(&first);
                            let start = &x.starts[1][group];
                            let second = dots::<MINS, T, 4>(second_rows, second_columns, start, side);
                            place.add_halves::<MINS, T>(&first, &second);
                        } else {
                            let dots = dots::<MINS, T, 8>(rows, columns, &x.starts[0][group], side);
                            place.add::<MINS, T>(&dots);
                        }
                    }
                }
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn dots<const MINS: bool, const T: usize, const QUADS: usize>(
                rows: &[[[u8; 64]; 2]; QUADS],
                columns: &[[[i8; 4]; TOKENS]; QUADS],
                starts: &[i32; TOKENS],
                side: usize,
            ) -> Dots<T> {
                let mut sums = [[_mm256_setzero_si256(); 2]; T];
                // Formats with minima have no zero point.
                if !MINS {
                    for (sums, start) in sums.iter_mut().zip(starts) {
                        *sums = [_mm256_set1_epi32(*start); 2];
                    }
                }
                for quad in 0..opaque(QUADS) {
                    // SAFETY: there are `QUADS` of both, and `opaque` returns what it is given.
                    let (rows, columns) = unsafe { (rows.get_unchecked(quad), columns.get_unchecked(quad)) };
                    let rows = rows[side].as_chunks().0;
                    let rows = [load_bytes(&rows[0]), load_bytes(&rows[1])];
                    for (sums, x) in sums.iter_mut().zip(columns) {
                        let values = _mm256_set1_epi32(i32::from_ne_bytes(x.map(|v| v as u8)));
                        sums[0] = $dot(sums[0], rows[0], values);
                        sums[1] = $dot(sums[1], rows[1], values);
                    }
                }
                sums
            }
        }
    };
}

quads_kernel!(native, "avx2,fma,avxvnni", _mm256_dpbusd_avx_epi32);
#[cfg(test)]
quads_kernel!(emulated, "avx2,fma", super::emulated_dot);

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
