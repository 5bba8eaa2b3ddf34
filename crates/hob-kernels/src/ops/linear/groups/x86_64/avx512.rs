//! The panel with AVX-512 VNNI: 6 tokens x 32 rows in twelve sums, a group of 32 (or 16) columns at a time.
#![allow(unsafe_code)]

mod tile;

use super::{Buffers, EncodedUnit, Kernel, Work, first};
use crate::Isa;
use crate::isa::Avx512;
use crate::ops::linear::blocks::format::{Form, Format, WeightUnit};
use crate::ops::linear::finish::Finish;
use crate::ops::linear::groups::{Panel, ROWS, Scratch, Sums, TOKENS, Tile};
use crate::ops::linear::x86_64::{Ahead, ask_behind, load, load_bytes, store, transpose16};
use std::arch::x86_64::*;
use std::ops::Range;

impl Kernel for Avx512 {
    /// Not at all.
    const STEPS: usize = 0;
    type Weight = u8;
    type Value = i8;
    type Sums = Sums;

    fn quantise(self, rows: &[&[f32]], form: Form, tile: &mut Tile<i8>) {
        tile::quantise(self, rows, form, tile);
    }

    fn buffers(scratch: &mut Scratch, slab: usize, tiles: usize) -> Buffers<'_, Self> {
        Buffers {
            units: &mut scratch.units,
            slab: first(&mut scratch.bytes, slab, Panel::zero),
            sums: first(&mut scratch.sums, tiles, || Sums::ZERO),
        }
    }

    fn unpack(self, from: EncodedUnit<'_>, units: &mut [WeightUnit; ROWS], panel: &mut Panel<u8>) {
        from.unpack(Isa::Avx512, units);
        // SAFETY: `self` exists only where these features do.
        unsafe { lay_out(from.format, units, panel) }
    }

    fn multiply(self, format: Format, work: Work<'_, Self>, _ahead: &mut Ahead<'_>, sums: &mut Sums) {
        // SAFETY: `self` exists only where these features do.
        unsafe {
            match (format.mins, format.halves) {
                (false, false) => multiply::<false, false>(work, sums),
                (false, true) => multiply::<false, true>(work, sums),
                (true, false) => multiply::<true, false>(work, sums),
                (true, true) => multiply::<true, true>(work, sums),
            }
        }
    }

    fn put(self, sums: &Sums, tokens: Range<usize>, rows: Range<usize>, finish: &Finish<'_>) {
        // SAFETY: `self` exists only where these features do.
        unsafe { put(sums, tokens, rows, finish) }
    }
}

#[target_feature(enable = "avx512f")]
fn put(Sums(groups): &Sums, tokens: Range<usize>, rows: Range<usize>, finish: &Finish<'_>) {
    for (t, token) in tokens.enumerate() {
        let mut totals = [0.0; ROWS];
        for (v, total) in totals.as_chunks_mut().0.iter_mut().enumerate() {
            let of = |group: usize| load(&groups[group][t].as_chunks().0[v]);
            let chunks = |group: usize| _mm512_add_ps(of(group), of(group + 4));
            let (a, b) = (_mm512_add_ps(chunks(0), chunks(2)), _mm512_add_ps(chunks(1), chunks(3)));
            store(total, _mm512_add_ps(a, b));
        }
        finish.put_panel(token, &rows, &totals);
    }
}

#[target_feature(enable = "avx512f")]
fn lay_out(format: Format, units: &[WeightUnit; ROWS], panel: &mut Panel<u8>) {
    for (half, units) in units.as_chunks::<16>().0.iter().enumerate() {
        for part in 0..4 {
            let mut rows = [_mm512_setzero_si512(); 16];
            for (row, unit) in rows.iter_mut().zip(units) {
                *row = load_bytes(&unit.codes.as_chunks().0[part]);
            }
            // In storage, the first halves of four groups stand before the second ones.
            for (place, column) in transpose16(rows).into_iter().enumerate() {
                let quad = &mut panel.codes[part / 2 * 4 + place / 4][part % 2 * 4 + place % 4];
                // SAFETY: 64 writable bytes; the store needs no alignment.
                unsafe { _mm512_storeu_si512(quad[half].as_mut_ptr().cast(), column) }
            }
        }
        spread(units.each_ref().map(|unit| &unit.scales), half, &mut panel.scales);
        if format.mins {
            spread(units.each_ref().map(|unit| &unit.mins), half, &mut panel.mins);
        }
    }
}

/// From sixteen floats of each row to sixteen rows of each float.
#[inline]
#[target_feature(enable = "avx512f")]
fn spread(rows: [&[[f32; 8]; 2]; 16], half: usize, to: &mut [[[f32; ROWS]; 8]; 2]) {
    let mut values = [_mm512_setzero_si512(); 16];
    for (values, row) in values.iter_mut().zip(rows) {
        *values = _mm512_castps_si512(load(&row.as_flattened().as_chunks().0[0]));
    }
    for (to, column) in to.as_flattened_mut().iter_mut().zip(transpose16(values)) {
        store(&mut to.as_chunks_mut().0[half], _mm512_castsi512_ps(column));
    }
}

#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn multiply<const MINS: bool, const HALVES: bool>(work: Work<'_, Avx512>, sums: &mut Sums) {
    let Work { slab, x, tokens, last_groups, mut begin } = work;
    for (index, (panel, x)) in slab.iter().zip(x).enumerate() {
        // What begins here has to be written for all groups.
        let groups = if index + 1 == slab.len() && !begin { last_groups } else { 8 };
        match (begin, tokens) {
            (false, 5..) => tile::<MINS, HALVES, false, TOKENS>(panel, x, groups, sums),
            (false, 4) => tile::<MINS, HALVES, false, 4>(panel, x, groups, sums),
            (false, 3) => tile::<MINS, HALVES, false, 3>(panel, x, groups, sums),
            (false, _) => tile::<MINS, HALVES, false, 2>(panel, x, groups, sums),
            (true, 5..) => tile::<MINS, HALVES, true, TOKENS>(panel, x, groups, sums),
            (true, 4) => tile::<MINS, HALVES, true, 4>(panel, x, groups, sums),
            (true, 3) => tile::<MINS, HALVES, true, 3>(panel, x, groups, sums),
            (true, _) => tile::<MINS, HALVES, true, 2>(panel, x, groups, sums),
        }
        begin = false;
    }
}

/// The first groups of one unit against the first `T` tokens of a tile.
#[inline]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn tile<const MINS: bool, const HALVES: bool, const BEGIN: bool, const T: usize>(
    panel: &Panel<u8>,
    x: &Tile<i8>,
    groups: usize,
    sums: &mut Sums,
) {
    for group in 0..groups {
        ask_behind(x, group, 8);
        if HALVES {
            halves::<MINS, BEGIN, T>(panel, x, group, sums);
        } else {
            whole::<MINS, BEGIN, T>(panel, x, group, sums);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn whole<const MINS: bool, const BEGIN: bool, const T: usize>(
    panel: &Panel<u8>,
    x: &Tile<i8>,
    group: usize,
    sums: &mut Sums,
) {
    let mut dots = starts::<MINS, T>(&x.starts[0][group]);
    add_dots::<T>(&panel.codes[group], &x.codes[group], &mut dots);
    let scales = panel.scales[0][group].as_chunks().0;
    let mins = panel.mins[0][group].as_chunks().0;
    for (t, dots) in dots.iter().enumerate() {
        let (step, minus_x) = (_mm512_set1_ps(x.steps[group][t]), _mm512_set1_ps(x.minus_x[0][group][t]));
        for (v, sum) in sums.0[group][t].as_chunks_mut().0.iter_mut().enumerate() {
            let scale = _mm512_mul_ps(load(&scales[v]), step);
            let mut total = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[v]), scale, old::<BEGIN>(sum));
            if MINS {
                total = _mm512_fmadd_ps(load(&mins[v]), minus_x, total);
            }
            store(sum, total);
        }
    }
}

/// A group whose halves have scales of their own.
#[inline]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn halves<const MINS: bool, const BEGIN: bool, const T: usize>(
    panel: &Panel<u8>,
    x: &Tile<i8>,
    group: usize,
    sums: &mut Sums,
) {
    let (rows, columns) = (&panel.codes[group], &x.codes[group]);
    let mut dots = [starts::<MINS, T>(&x.starts[0][group]), starts::<MINS, T>(&x.starts[1][group])];
    add_dots::<T>(&rows[..4], &columns[..4], &mut dots[0]);
    add_dots::<T>(&rows[4..], &columns[4..], &mut dots[1]);
    for (t, (first, second)) in dots[0].iter().zip(&dots[1]).enumerate() {
        let step = _mm512_set1_ps(x.steps[group][t]);
        for (v, sum) in sums.0[group][t].as_chunks_mut().0.iter_mut().enumerate() {
            let mut parts = [_mm512_setzero_ps(); 2];
            for (half, part) in parts.iter_mut().enumerate() {
                let dots = [first, second][half][v];
                let scale = _mm512_mul_ps(load(&panel.scales[half][group].as_chunks().0[v]), step);
                *part = _mm512_mul_ps(_mm512_cvtepi32_ps(dots), scale);
                if MINS {
                    let min = load(&panel.mins[half][group].as_chunks().0[v]);
                    *part = _mm512_fmadd_ps(min, _mm512_set1_ps(x.minus_x[half][group][t]), *part);
                }
            }
            store(sum, _mm512_add_ps(old::<BEGIN>(sum), _mm512_add_ps(parts[0], parts[1])));
        }
    }
}

/// What is added to: nothing where sums begin.
#[inline]
#[target_feature(enable = "avx512f")]
fn old<const BEGIN: bool>(sum: &[f32; 16]) -> __m512 {
    if BEGIN { _mm512_setzero_ps() } else { load(sum) }
}

/// What dots begin with; formats with minima have no zero point.
#[inline]
#[target_feature(enable = "avx512f")]
fn starts<const MINS: bool, const T: usize>(shares: &[i32; TOKENS]) -> [[__m512i; 2]; T] {
    let mut starts = [[_mm512_setzero_si512(); 2]; T];
    if !MINS {
        for (starts, share) in starts.iter_mut().zip(shares) {
            *starts = [_mm512_set1_epi32(*share); 2];
        }
    }
    starts
}

/// Adds the products of some quads of columns.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn add_dots<const T: usize>(
    rows: &[[[u8; 64]; 2]],
    columns: &[[[i8; 4]; TOKENS]],
    dots: &mut [[__m512i; 2]; T],
) {
    for (rows, columns) in rows.iter().zip(columns) {
        let rows = [load_bytes(&rows[0]), load_bytes(&rows[1])];
        for (dots, x) in dots.iter_mut().zip(columns) {
            let values = _mm512_set1_epi32(i32::from_ne_bytes(x.map(|v| v as u8)));
            dots[0] = _mm512_dpbusd_epi32(dots[0], rows[0], values);
            dots[1] = _mm512_dpbusd_epi32(dots[1], rows[1], values);
        }
    }
}
