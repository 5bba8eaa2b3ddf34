//! The panel with AVX2: 6 tokens x 16 rows in twelve sums, a group of 32 (or 16) columns at a time.
//!
//! Its one instruction for bytes multiplies and adds them by pairs, in 16 bits. [`Bytes`] goes on adding there, all columns
//! of a scale if their products fit (`Lanes`), so that widening to 32 bits is one instruction in nine rather than every
//! second. [`Words`] multiplies pairs of 16 bits, half as many at a time, and fits always. [`Quads`] has AVX-VNNI's dots.
#![allow(unsafe_code)]

/// What has a scale, as a constant parameter: a group, half a group, or half a group a whole multiple of the unit's.
const OF_GROUPS: u8 = 0;
const OF_HALVES: u8 = 1;
const WHOLE: u8 = 2;

/// All units of a slab, with `$dots` for the dots of some quads of columns and `$scaled` for those of a group with whole scales.
/// `SPLIT` are groups of which each half is a dot by itself.
///
/// Sides are walked one after the other, not group by group: else the compiler takes what is loaded of tokens for constants of
/// the inner loop, of which there are far more than registers.
macro_rules! panel_kernel {
    ($module:ident, $kernel:ty, $weight:ty, $value:ty, $features:literal, $dots:ident, $scaled:ident) => {
        mod $module {
            use super::*;

            #[target_feature(enable = $features)]
            pub(super) fn multiply<const MINS: bool, const SCALES: u8, const SPLIT: bool>(
                work: Work<'_, $kernel>,
                ahead: &mut Ahead<'_>,
                totals: &mut Totals,
            ) {
                let Work { slab, x, tokens, last_groups, begin } = work;
                let mut sums = Sums::ZERO;
                for (index, (panel, x)) in slab.iter().zip(x).enumerate() {
                    let groups = if index + 1 == slab.len() { last_groups } else { 8 };
                    match tokens {
                        5.. => unit::<MINS, SCALES, SPLIT, TOKENS>(panel, x, groups, ahead, &mut sums),
                        4 => unit::<MINS, SCALES, SPLIT, 4>(panel, x, groups, ahead, &mut sums),
                        3 => unit::<MINS, SCALES, SPLIT, 3>(panel, x, groups, ahead, &mut sums),
                        _ => unit::<MINS, SCALES, SPLIT, 2>(panel, x, groups, ahead, &mut sums),
                    }
                }
                fold(&sums, tokens, begin, totals);
            }

            /// The first groups of one unit against the first `T` tokens of a tile.
            #[inline]
            #[target_feature(enable = $features)]
            fn unit<const MINS: bool, const SCALES: u8, const SPLIT: bool, const T: usize>(
                panel: &Panel<$weight>,
                x: &Tile<$value>,
                groups: usize,
                ahead: &mut Ahead<'_>,
                sums: &mut Sums,
            ) {
                for side in 0..2 {
                    for group in 0..groups {
                        ahead.ask();
                        ask_behind(x, 8 * side + group, STEPS);
                        let (rows, columns) = (&panel.codes[group], &x.codes[group]);
                        let starts = [&x.starts[0][group], &x.starts[1][group]];
                        let mut place = Place { panel, x, group, side, sums };
                        if SCALES == WHOLE {
                            let scales = place.whole_of_rows(&panel.whole_scales);
                            let dots = $scaled::<MINS, T, SPLIT>(rows, columns, starts, side, scales);
                            place.add_whole::<MINS, T>(&dots);
                        } else if SCALES == OF_HALVES || SPLIT {
                            let ((r0, r1), (c0, c1)) = (halves(rows), halves(columns));
                            let first = $dots::<MINS, T, 4>(r0, c0, starts[0], side);
                            // What is left of the first half waits in memory, so all is done with it that can be.
                            if SCALES == OF_HALVES {
                                let first = place.first_halves::<T>(&first);
                                let second = $dots::<MINS, T, 4>(r1, c1, starts[1], side);
                                place.add_halves::<T>(&first, &second);
                            } else {
                                let second = $dots::<MINS, T, 4>(r1, c1, starts[1], side);
                                place.add::<MINS, T>(&added(first, &second));
                            }
                        } else {
                            let dots = $dots::<MINS, T, 8>(rows, columns, starts[0], side);
                            place.add::<MINS, T>(&dots);
                        }
                    }
                }
            }
        }
    };
}

mod eights;
mod quads;
mod tile;
mod whole;

pub(in crate::ops::linear::groups) use quads::Quads;
pub(in crate::ops::linear) use tile::bytes as quantise_bytes;

use super::{Buffers, EncodedUnit, Kernel, Work, first};
use crate::Isa;
use crate::isa::Avx2;
use crate::ops::linear::blocks::format::{Form, Format, Lanes, WeightUnit};
use crate::ops::linear::finish::Finish;
use crate::ops::linear::groups::{Panel, ROWS, Scratch, Sums, TOKENS, Tile, Totals};
use crate::ops::linear::x86_64::{
    Ahead, ask_behind, broadcast, broadcast_pair, load_eight, load_half, pin, store_eight, store_half,
    transpose8,
};
use std::arch::x86_64::*;
use std::ops::Range;
use whole::{scaled_pairs, scaled_words};

/// A step for each group and side of a panel.
const STEPS: usize = 16;

/// Codes of eight bits, whose products are added up in 16.
#[derive(Clone, Copy)]
pub(in crate::ops::linear::groups) struct Bytes(pub Avx2, pub Lanes);

/// Codes of 16 bits.
#[derive(Clone, Copy)]
pub(in crate::ops::linear::groups) struct Words(pub Avx2);

impl Kernel for Bytes {
    const STEPS: usize = STEPS;
    type Weight = u8;
    type Value = i8;
    type Sums = Totals;

    fn quantise(self, rows: &[&[f32]], form: Form, tile: &mut Tile<i8>) {
        tile::bytes(self.0, rows, form, tile);
    }

    fn buffers(scratch: &mut Scratch, slab: usize, tiles: usize) -> Buffers<'_, Self> {
        Buffers {
            units: &mut scratch.units,
            slab: first(&mut scratch.bytes, slab, Panel::zero),
            sums: first(&mut scratch.totals, tiles, || Totals([[0.0; ROWS]; TOKENS])),
        }
    }

    fn unpack(self, from: EncodedUnit<'_>, units: &mut [WeightUnit; ROWS], panel: &mut Panel<u8>) {
        unpack_bytes::<true>(self.0, from, units, panel);
    }

    fn multiply(self, format: Format, work: Work<'_, Self>, ahead: &mut Ahead<'_>, totals: &mut Totals) {
        // SAFETY: `self.0` exists only where these features do.
        unsafe {
            match (format.mins, scales_of(format), self.1) {
                (_, OF_HALVES, _) => bytes::multiply::<false, OF_HALVES, false>(work, ahead, totals),
                (true, WHOLE, _) => bytes::multiply::<true, WHOLE, false>(work, ahead, totals),
                (false, WHOLE, Lanes::Pairs) => bytes::multiply::<false, WHOLE, false>(work, ahead, totals),
                (false, WHOLE, _) => bytes::multiply::<false, WHOLE, true>(work, ahead, totals),
                (false, _, Lanes::Pairs) => bytes::multiply::<false, OF_GROUPS, false>(work, ahead, totals),
                (true, _, Lanes::Pairs) => bytes::multiply::<true, OF_GROUPS, false>(work, ahead, totals),
                (false, ..) => bytes::multiply::<false, OF_GROUPS, true>(work, ahead, totals),
                (true, ..) => bytes::multiply::<true, OF_GROUPS, true>(work, ahead, totals),
            }
        }
    }

    fn put(self, totals: &Totals, tokens: Range<usize>, rows: Range<usize>, finish: &Finish<'_>) {
        put(totals, tokens, rows, finish);
    }
}

impl Kernel for Words {
    const STEPS: usize = STEPS;
    type Weight = i16;
    type Value = i16;
    type Sums = Totals;

    fn quantise(self, rows: &[&[f32]], form: Form, tile: &mut Tile<i16>) {
        tile::words(self.0, rows, form, tile);
    }

    fn buffers(scratch: &mut Scratch, slab: usize, tiles: usize) -> Buffers<'_, Self> {
        Buffers {
            units: &mut scratch.units,
            slab: first(&mut scratch.words, slab, Panel::zero),
            sums: first(&mut scratch.totals, tiles, || Totals([[0.0; ROWS]; TOKENS])),
        }
    }

    fn unpack(self, from: EncodedUnit<'_>, units: &mut [WeightUnit; ROWS], panel: &mut Panel<i16>) {
        from.unpack(Isa::Avx2, units);
        // SAFETY: `self.0` exists only where these features do.
        unsafe { lay_out_words(from.format, units, panel) }
        if from.format.whole {
            eights::unpack_whole_scales(self.0, &from, panel);
        }
    }

    fn multiply(self, format: Format, work: Work<'_, Self>, ahead: &mut Ahead<'_>, totals: &mut Totals) {
        debug_assert!(!format.mins, "codes with minima are of few bits");
        // SAFETY: `self.0` exists only where these features do.
        unsafe {
            match scales_of(format) {
                OF_HALVES => words::multiply::<false, OF_HALVES, false>(work, ahead, totals),
                WHOLE => words::multiply::<false, WHOLE, false>(work, ahead, totals),
                _ => words::multiply::<false, OF_GROUPS, false>(work, ahead, totals),
            }
        }
    }

    fn put(self, totals: &Totals, tokens: Range<usize>, rows: Range<usize>, finish: &Finish<'_>) {
        put(totals, tokens, rows, finish);
    }
}

fn scales_of(format: Format) -> u8 {
    match format {
        Format { whole: true, .. } => WHOLE,
        Format { halves: true, .. } => OF_HALVES,
        _ => OF_GROUPS,
    }
}

fn put(Totals(totals): &Totals, tokens: Range<usize>, rows: Range<usize>, finish: &Finish<'_>) {
    for (token, totals) in tokens.zip(totals) {
        finish.put_panel(token, &rows, totals);
    }
}

/// Adds the sums of a slab in the order of `blocks.rs`. What is kept for the next slab then is an eighth.
#[target_feature(enable = "avx2")]
fn fold(Sums(groups): &Sums, tokens: usize, begin: bool, Totals(totals): &mut Totals) {
    for (t, totals) in totals.iter_mut().take(tokens).enumerate() {
        for (v, total) in totals.as_chunks_mut().0.iter_mut().enumerate() {
            let of = |group: usize| load_eight(&groups[group][t].as_chunks().0[v]);
            let chunks = |group: usize| _mm256_add_ps(of(group), of(group + 4));
            let (a, b) = (_mm256_add_ps(chunks(0), chunks(2)), _mm256_add_ps(chunks(1), chunks(3)));
            let old = if begin { _mm256_setzero_ps() } else { load_eight(total) };
            store_eight(total, _mm256_add_ps(old, _mm256_add_ps(a, b)));
        }
    }
}

fn unpack_bytes<const MIXED: bool>(
    level: Avx2,
    from: EncodedUnit<'_>,
    units: &mut [WeightUnit; ROWS],
    panel: &mut Panel<u8>,
) {
    if !eights::unpack::<MIXED>(level, &from, panel) {
        from.unpack(Isa::Avx2, units);
        // SAFETY: `level` exists only where these features do.
        unsafe { lay_out_bytes(from.format, units, panel) }
    }
}

#[target_feature(enable = "avx2")]
fn lay_out_bytes(format: Format, units: &[WeightUnit; ROWS], panel: &mut Panel<u8>) {
    for (eight, units) in units.as_chunks::<8>().0.iter().enumerate() {
        for part in 0..8 {
            let rows = units.each_ref().map(|unit| load_half(&unit.codes.as_chunks::<32>().0[part]));
            // In storage, the first halves of four groups stand before the second ones.
            let (group, half) = (part / 4 * 4 + part % 2 * 2, part % 4 / 2);
            for (place, column) in transpose8(rows).into_iter().enumerate() {
                let quad = &mut panel.codes[group + place / 4][4 * half + place % 4];
                store_half(&mut quad.as_flattened_mut().as_chunks_mut::<32>().0[eight], column);
            }
        }
        spread_scales(format, units, eight, panel);
    }
}

#[target_feature(enable = "avx2")]
fn lay_out_words(format: Format, units: &[WeightUnit; ROWS], panel: &mut Panel<i16>) {
    let offset = _mm256_set1_epi16(format.offset.into());
    for (eight, units) in units.as_chunks::<8>().0.iter().enumerate() {
        for run in 0..16 {
            let rows = units.each_ref().map(|unit| {
                let codes = &unit.codes.as_chunks::<16>().0[run];
                // SAFETY: 16 readable bytes; the load needs no alignment.
                let codes = unsafe { _mm_loadu_si128(codes.as_ptr().cast()) };
                _mm256_sub_epi16(_mm256_cvtepu8_epi16(codes), offset)
            });
            let (group, half) = (run / 8 * 4 + run % 4, run % 8 / 4);
            for (pair, column) in transpose8(rows).into_iter().enumerate() {
                let to = &mut panel.codes[group][4 * half + pair / 2][pair % 2];
                store_half(&mut to.as_chunks_mut::<16>().0[eight], column);
            }
        }
        spread_scales(format, units, eight, panel);
    }
}

/// Scales and minima of eight rows.
#[inline]
#[target_feature(enable = "avx2")]
fn spread_scales<C>(format: Format, units: &[WeightUnit; 8], eight: usize, panel: &mut Panel<C>) {
    for half in 0..1 + usize::from(format.halves) {
        spread(units.each_ref().map(|unit| &unit.scales[half]), eight, &mut panel.scales[half]);
        if format.mins {
            spread(units.each_ref().map(|unit| &unit.mins[half]), eight, &mut panel.mins[half]);
        }
    }
}

/// From eight floats of each row to eight rows of each float.
#[inline]
#[target_feature(enable = "avx2")]
fn spread(rows: [&[f32; 8]; 8], eight: usize, to: &mut [[f32; ROWS]; 8]) {
    let columns = transpose8(rows.map(|row| _mm256_castps_si256(load_eight(row))));
    for (to, column) in to.iter_mut().zip(columns) {
        store_eight(&mut to.as_chunks_mut().0[eight], _mm256_castsi256_ps(column));
    }
}

panel_kernel!(bytes, Bytes, u8, i8, "avx2,fma", widened_pairs, scaled_pairs);
panel_kernel!(words, Words, i16, i16, "avx2,fma", quads_of_words, scaled_words);

/// The quads of a group's first sixteen columns, and those of its last.
#[inline(always)]
fn halves<Q>(quads: &[Q; 8]) -> (&[Q; 4], &[Q; 4]) {
    let ([first, second], []) = quads.as_chunks() else { unreachable!("twice four quads") };
    (first, second)
}

/// Sums of [`pairs`], each added to its neighbour.
#[inline]
#[target_feature(enable = "avx2")]
fn widened_pairs<const MINS: bool, const T: usize, const QUADS: usize>(
    rows: &[[[u8; 64]; 2]; QUADS],
    columns: &[[[i8; 4]; TOKENS]; QUADS],
    starts: &[i32; TOKENS],
    side: usize,
) -> Dots<T> {
    let mut sums = pairs::<MINS, T, QUADS>(rows, columns, starts, side);
    for sum in sums.as_flattened_mut() {
        *sum = _mm256_madd_epi16(*sum, _mm256_set1_epi16(1));
    }
    sums
}

/// Sums in 16 bits, of the first two columns of all quads and of the last two.
#[inline]
#[target_feature(enable = "avx2")]
fn pairs<const MINS: bool, const T: usize, const QUADS: usize>(
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
            sums[0] = _mm256_add_epi16(sums[0], _mm256_maddubs_epi16(rows[0], values));
            sums[1] = _mm256_add_epi16(sums[1], _mm256_maddubs_epi16(rows[1], values));
        }
        for sum in sums.as_flattened_mut() {
            pin(sum);
        }
    }
    sums
}

/// Sums of products of words. Offsets are taken from the weights already, so that there is nothing to begin with.
#[inline]
#[target_feature(enable = "avx2")]
fn quads_of_words<const MINS: bool, const T: usize, const QUADS: usize>(
    rows: &[[[i16; 64]; 2]; QUADS],
    columns: &[[[i16; 4]; TOKENS]; QUADS],
    _starts: &[i32; TOKENS],
    side: usize,
) -> Dots<T> {
    let mut sums = [[_mm256_setzero_si256(); 2]; T];
    for (pairs, columns) in rows.iter().zip(columns) {
        for (pair, rows) in pairs.iter().enumerate() {
            let rows = &rows.as_chunks::<16>().0[2 * side..];
            let rows = [load_half(&rows[0]), load_half(&rows[1])];
            for (sums, x) in sums.iter_mut().zip(columns) {
                let values = broadcast_pair(x.as_chunks().0[pair]);
                sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(rows[0], values));
                sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(rows[1], values));
            }
        }
    }
    sums
}

/// What dots begin with; formats with minima have no zero point.
#[inline]
#[target_feature(enable = "avx2")]
fn begin_with<const MINS: bool, const T: usize>(starts: &[i32; TOKENS]) -> Dots<T> {
    let mut sums = [[_mm256_setzero_si256(); 2]; T];
    if !MINS {
        for (sums, start) in sums.iter_mut().zip(starts) {
            *sums = [_mm256_set1_epi32(*start); 2];
        }
    }
    sums
}

/// Integers of each token and sixteen rows.
type Dots<const T: usize> = [[__m256i; 2]; T];

/// The same in floats.
type Products<const T: usize> = [[__m256; 2]; T];

#[inline]
#[target_feature(enable = "avx2")]
fn added<const T: usize>(mut dots: Dots<T>, more: &Dots<T>) -> Dots<T> {
    for (dot, more) in dots.as_flattened_mut().iter_mut().zip(more.as_flattened()) {
        *dot = _mm256_add_epi32(*dot, *more);
    }
    dots
}

/// Where the dots of a group and of sixteen rows go.
struct Place<'a, W, X> {
    panel: &'a Panel<W>,
    x: &'a Tile<X>,
    group: usize,
    side: usize,
    sums: &'a mut Sums,
}

impl<W, X> Place<'_, W, X> {
    /// Scales dots and adds them, then the minima.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn add<const MINS: bool, const T: usize>(&mut self, dots: &Dots<T>) {
        let (scales, mins) = (self.of_rows(&self.panel.scales[0]), self.of_rows(&self.panel.mins[0]));
        for (t, dots) in dots.iter().enumerate() {
            let step = _mm256_set1_ps(self.x.steps[self.group][t]);
            let minus_x = _mm256_set1_ps(self.x.minus_x[0][self.group][t]);
            for (v, sum) in self.sums_of(t).iter_mut().enumerate() {
                let scale = _mm256_mul_ps(load_eight(&scales[v]), step);
                let mut total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[v]), scale, load_eight(sum));
                if MINS {
                    total = _mm256_fmadd_ps(load_eight(&mins[v]), minus_x, total);
                }
                store_eight(sum, total);
            }
        }
    }

    /// Scales and adds dots of halves whose scales are any numbers. No such format has minima.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn add_halves<const T: usize>(&mut self, first: &Products<T>, second: &Dots<T>) {
        let scales = self.of_rows(&self.panel.scales[1]);
        for (t, (first, second)) in first.iter().zip(second).enumerate() {
            let step = _mm256_set1_ps(self.x.steps[self.group][t]);
            for (v, sum) in self.sums_of(t).iter_mut().enumerate() {
                let dots = _mm256_fmadd_ps(_mm256_cvtepi32_ps(second[v]), load_eight(&scales[v]), first[v]);
                store_eight(sum, _mm256_fmadd_ps(dots, step, load_eight(sum)));
            }
        }
    }

    /// First halves times their scales.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn first_halves<const T: usize>(&self, dots: &Dots<T>) -> Products<T> {
        let scales = self.of_rows(&self.panel.scales[0]);
        let mut products = [[_mm256_setzero_ps(); 2]; T];
        for (products, dots) in products.iter_mut().zip(dots) {
            for v in 0..2 {
                products[v] = _mm256_mul_ps(_mm256_cvtepi32_ps(dots[v]), load_eight(&scales[v]));
            }
        }
        products
    }

    /// What belongs to the sixteen rows.
    #[inline(always)]
    fn of_rows<'a>(&self, values: &'a [[f32; ROWS]; 8]) -> &'a [[f32; 8]; 2] {
        &values[self.group].as_chunks().0.as_chunks().0[self.side]
    }

    /// Their sums of token `t`.
    #[inline(always)]
    fn sums_of(&mut self, t: usize) -> &mut [[f32; 8]; 2] {
        &mut self.sums.0[self.group][t].as_chunks_mut().0.as_chunks_mut().0[self.side]
    }
}
