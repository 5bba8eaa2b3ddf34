//! The panel with AVX-512 VNNI: 4 tokens x 32 rows in eight sums, a group of 32 (or 16) columns at a time.
#![allow(unsafe_code)]

use super::{Panel, ROWS, Scratch, Sums};
use crate::Isa;
use crate::isa::Avx512;
use crate::matrix::EncodedRows;
use crate::ops::linear::activations::{Activations, Unit};
use crate::ops::linear::blocks::format::{Format, WeightUnit, format};
use crate::ops::linear::blocks::unpack_rows;
use crate::ops::linear::finish::Finish;
use crate::ops::linear::panel::x86_64::transpose16;
use hob_quant::TensorType;
use std::arch::x86_64::*;
use std::ops::Range;

/// Tokens of a tile.
const TOKENS: usize = 4;

/// One panel of rows against at most `TOKENS_MAX` tokens.
#[expect(clippy::too_many_arguments, reason = "each is one operand of the product")]
pub(super) fn panel(
    _proof: Avx512,
    ty: TensorType,
    weight: EncodedRows<'_>,
    rows: Range<usize>,
    x: &Activations,
    tokens: Range<usize>,
    scratch: &mut Scratch,
    finish: &Finish<'_>,
) {
    let format = format(ty).expect("checked when the kernel was chosen");
    let Scratch { units, panel, sums } = scratch;
    let sums = &mut sums[..tokens.len()];
    sums.fill(Sums([[0.0; ROWS]; 8]));
    // Rows that a panel lacks are zeros or what an earlier panel had; their sums are not used.
    for index in 0..x.width {
        unpack_rows(Isa::Avx512, ty, weight, rows.clone(), index, &mut units[..]);
        // SAFETY: the proof exists only where these features do.
        unsafe {
            lay_out(format, units, panel);
            match (format.offset > 0, format.halves) {
                (false, false) => multiply::<false, false>(format, panel, x, tokens.clone(), index, sums),
                (false, true) => multiply::<false, true>(format, panel, x, tokens.clone(), index, sums),
                (true, false) => multiply::<true, false>(format, panel, x, tokens.clone(), index, sums),
                (true, true) => multiply::<true, true>(format, panel, x, tokens.clone(), index, sums),
            }
        }
    }
    for (token, Sums(groups)) in tokens.zip(&*sums) {
        let chunks = |row: usize, group: usize| groups[group][row] + groups[group + 4][row];
        let sums: [f32; ROWS] =
            std::array::from_fn(|row| (chunks(row, 0) + chunks(row, 2)) + (chunks(row, 1) + chunks(row, 3)));
        finish.put_run(token, rows.start, &sums[..rows.len()]);
    }
}

#[target_feature(enable = "avx512f")]
fn lay_out(format: Format, units: &[WeightUnit; ROWS], panel: &mut Panel) {
    for (half, units) in units.as_chunks::<16>().0.iter().enumerate() {
        for (part, quads) in panel.codes.iter_mut().enumerate() {
            let mut rows = [_mm512_setzero_si512(); 16];
            for (row, unit) in rows.iter_mut().zip(units) {
                *row = load_bytes(&unit.codes.as_chunks().0[part]);
            }
            for (quad, column) in quads.iter_mut().zip(transpose16(rows)) {
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
fn multiply<const OFFSET: bool, const HALVES: bool>(
    format: Format,
    panel: &Panel,
    x: &Activations,
    tokens: Range<usize>,
    index: usize,
    sums: &mut [Sums],
) {
    let mut first = 0;
    while first < sums.len() {
        let (token, sums) = (tokens.start + first, &mut sums[first..]);
        first += match sums.len() {
            TOKENS.. => tile::<OFFSET, HALVES, TOKENS>(format, panel, x, token, index, sums),
            3 => tile::<OFFSET, HALVES, 3>(format, panel, x, token, index, sums),
            2 => tile::<OFFSET, HALVES, 2>(format, panel, x, token, index, sums),
            _ => tile::<OFFSET, HALVES, 1>(format, panel, x, token, index, sums),
        };
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn tile<const OFFSET: bool, const HALVES: bool, const T: usize>(
    format: Format,
    panel: &Panel,
    x: &Activations,
    token: usize,
    index: usize,
    sums: &mut [Sums],
) -> usize {
    let x: [&Unit; T] = std::array::from_fn(|t| &x.token(token + t)[index]);
    for group in 0..8 {
        let first = 2 * (group / 4);
        let mut dots = starts::<OFFSET, HALVES, 0, T>(format, &x, group);
        add_dots(&panel.codes[first], &x, first, group % 4, &mut dots);
        if !HALVES {
            add_dots(&panel.codes[first + 1], &x, first + 1, group % 4, &mut dots);
            for t in 0..T {
                for (half, sum) in sums[t].0[group].as_chunks_mut().0.iter_mut().enumerate() {
                    let scaled = Scaled::<HALVES, 0> { format, panel, x: x[t], group, half };
                    store(
                        sum,
                        scaled.with_min(_mm512_fmadd_ps(
                            _mm512_cvtepi32_ps(dots[t][half]),
                            scaled.scale(),
                            load(sum),
                        )),
                    );
                }
            }
            continue;
        }
        let mut second = starts::<OFFSET, HALVES, 1, T>(format, &x, group);
        add_dots(&panel.codes[first + 1], &x, first + 1, group % 4, &mut second);
        for t in 0..T {
            for (half, sum) in sums[t].0[group].as_chunks_mut().0.iter_mut().enumerate() {
                let scaled = Scaled::<HALVES, 0> { format, panel, x: x[t], group, half };
                let a = scaled.with_min(_mm512_mul_ps(_mm512_cvtepi32_ps(dots[t][half]), scaled.scale()));
                let scaled = Scaled::<HALVES, 1> { format, panel, x: x[t], group, half };
                let b = scaled.with_min(_mm512_mul_ps(_mm512_cvtepi32_ps(second[t][half]), scaled.scale()));
                store(sum, _mm512_add_ps(load(sum), _mm512_add_ps(a, b)));
            }
        }
    }
    T
}

/// Minus the sum of the activations of half `H` of a group, or of both halves.
#[inline(always)]
fn negative_sum<const HALVES: bool, const H: usize>(x: &Unit, group: usize) -> i32 {
    let [first, second] = &x.negative_sums;
    if HALVES { [first, second][H][group] } else { first[group] + second[group] }
}

/// What dots begin with: the zero point's share, `offset * -sum(x)`.
#[inline]
#[target_feature(enable = "avx512f")]
fn starts<const OFFSET: bool, const HALVES: bool, const H: usize, const T: usize>(
    format: Format,
    x: &[&Unit; T],
    group: usize,
) -> [[__m512i; 2]; T] {
    let mut starts = [[_mm512_setzero_si512(); 2]; T];
    if OFFSET {
        for (starts, x) in starts.iter_mut().zip(x) {
            let share = i32::from(format.offset) * negative_sum::<HALVES, H>(x, group);
            *starts = [_mm512_set1_epi32(share); 2];
        }
    }
    starts
}

/// What the dots of sixteen rows with one token are scaled with.
struct Scaled<'a, const HALVES: bool, const H: usize> {
    format: Format,
    panel: &'a Panel,
    x: &'a Unit,
    group: usize,
    /// Which sixteen rows.
    half: usize,
}

impl<const HALVES: bool, const H: usize> Scaled<'_, HALVES, H> {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn scale(&self) -> __m512 {
        let scale = load(&self.panel.scales[H][self.group].as_chunks().0[self.half]);
        _mm512_mul_ps(scale, _mm512_set1_ps(self.x.steps[self.group]))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn with_min(&self, total: __m512) -> __m512 {
        if !self.format.mins {
            return total;
        }
        let min = load(&self.panel.mins[H][self.group].as_chunks().0[self.half]);
        let minus_x = negative_sum::<HALVES, H>(self.x, self.group) as f32 * self.x.steps[self.group];
        _mm512_fmadd_ps(min, _mm512_set1_ps(minus_x), total)
    }
}

/// Adds the products of sixteen columns, the `run`-th of part `part`.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn add_dots<const T: usize>(
    quads: &[[[u8; 64]; 2]; 16],
    x: &[&Unit; T],
    part: usize,
    run: usize,
    dots: &mut [[__m512i; 2]; T],
) {
    for (quad, rows) in quads.iter().enumerate().skip(4 * run).take(4) {
        let rows = [load_bytes(&rows[0]), load_bytes(&rows[1])];
        for (dots, x) in dots.iter_mut().zip(x) {
            let values = x.codes.as_chunks::<4>().0[16 * part + quad];
            let values = _mm512_set1_epi32(i32::from_ne_bytes(values.map(|v| v as u8)));
            dots[0] = _mm512_dpbusd_epi32(dots[0], rows[0], values);
            dots[1] = _mm512_dpbusd_epi32(dots[1], rows[1], values);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_bytes(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: 64 readable bytes; the load needs no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(values: &[f32; 16]) -> __m512 {
    // SAFETY: 64 readable bytes; the load needs no alignment.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(to: &mut [f32; 16], values: __m512) {
    // SAFETY: 64 writable bytes; the store needs no alignment.
    unsafe { _mm512_storeu_ps(to.as_mut_ptr(), values) }
}
