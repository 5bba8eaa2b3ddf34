//! The 8-bit panel product: many tokens against weights that are unpacked once per panel of rows.
//!
//! A panel is [`ROWS`] rows of one unit (256 columns), unpacked to bytes and laid out for the dot instruction; it stays in
//! the L1 cache while every token of the batch is multiplied with it. Block formats are rounded to one scale per row and
//! unit (its largest magnitude / 127), activations likewise, so the inner loop is dots alone, with one multiply-add per
//! output and unit at its end. Integer codes need no rounding and no scale until the last unit: their sums are the same
//! integers as those of `codes.rs`.
//!
//! Error against exact arithmetic, per product: half a step of the weight times the activation, and the reverse.
//! The i32 sums of a unit are at most `256 * 255 * 128`, below 2^24: exact as integers and as floats.

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod line;
mod pack;
mod scalar;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86_64;

pub(super) use line::{Source, round_to_one_scale};
pub(super) use pack::Packed;

use super::activations::UNIT;
use super::finish::Finish;
use crate::Isa;
use std::cell::RefCell;
use std::ops::Range;

/// Rows of a panel: two vectors of 16 with AVX-512, four of eight with AVX2.
pub(super) const ROWS: usize = 32;

/// Tokens that are multiplied before the next panel is unpacked: whole tiles of every variant, and sums of 126 KiB.
const BATCH: usize = 1008;

/// 256 codes of each row of a panel, stored with an offset, and what each row's codes are multiplied with.
struct Lines {
    codes: [[u8; UNIT]; ROWS],
    scales: [f32; ROWS],
}

/// Buffers of one thread, kept between calls.
struct Scratch {
    lines: Box<Lines>,
    /// The panel in the layout of the kernel, which is its own business.
    panel: Vec<u8>,
    /// `[token][row]`, when the source is integer codes.
    integers: Vec<[i32; ROWS]>,
    /// `[token][row]`, otherwise.
    floats: Vec<[f32; ROWS]>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        lines: Box::new(Lines { codes: [[0; UNIT]; ROWS], scales: [0.0; ROWS] }),
        panel: Vec::new(),
        integers: Vec::new(),
        floats: Vec::new(),
    });
}

/// Multiplies `rows` of `source` with all tokens.
pub(super) fn project(isa: Isa, source: &Source<'_>, rows: Range<usize>, x: &Packed, finish: &Finish<'_>) {
    SCRATCH.with_borrow_mut(|scratch| {
        for start in rows.clone().step_by(ROWS) {
            let panel_rows = start..(start + ROWS).min(rows.end);
            for first in (0..x.tokens()).step_by(BATCH) {
                let tokens = first..(first + BATCH).min(x.tokens());
                panel(isa, source, panel_rows.clone(), x, tokens, scratch, finish);
            }
        }
    });
}

/// One panel of rows against one batch of tokens, unit by unit.
fn panel(
    isa: Isa,
    source: &Source<'_>,
    rows: Range<usize>,
    x: &Packed,
    tokens: Range<usize>,
    scratch: &mut Scratch,
    finish: &Finish<'_>,
) {
    let tiles = x.tiles(tokens.clone());
    let sums = tiles.len() * x.tile_tokens();
    let Scratch { lines, panel, integers, floats } = scratch;
    let exact = source.is_integer();
    if exact {
        integers.clear();
        integers.resize(sums, [0; ROWS]);
        floats.resize(1, [0.0; ROWS]);
    } else {
        floats.clear();
        floats.resize(sums, [0.0; ROWS]);
    }
    for unit in 0..x.units() {
        source.fill(isa, rows.clone(), unit, lines);
        let mut out = match exact {
            true => Sums::Integers(integers),
            false => Sums::Floats(floats, &lines.scales),
        };
        multiply(isa, source.offset(), &lines.codes, panel, x, unit, tiles.clone(), &mut out);
    }
    for (index, token) in tokens.enumerate() {
        if exact {
            let step = x.token(token).step;
            let values =
                integers[index].iter().zip(&lines.scales).map(|(&sum, scale)| sum as f32 * (step * scale));
            floats[0].iter_mut().zip(values).for_each(|(out, value)| *out = value);
            finish.put_run(token, rows.start, &floats[0][..rows.len()]);
        } else {
            finish.put_run(token, rows.start, &floats[index][..rows.len()]);
        }
    }
}

/// Where the products of a unit are added.
enum Sums<'a> {
    Integers(&'a mut [[i32; ROWS]]),
    /// With the scale of each row.
    Floats(&'a mut [[f32; ROWS]], &'a [f32; ROWS]),
}

impl Sums<'_> {
    /// Adds the integer dots of one token of the batch and all rows; `step` is the token's in this unit.
    #[inline(always)]
    fn add(&mut self, index: usize, step: f32, dots: &[i32; ROWS]) {
        match self {
            Sums::Integers(sums) => {
                sums[index].iter_mut().zip(dots).for_each(|(sum, dot)| *sum = sum.wrapping_add(*dot));
            }
            Sums::Floats(sums, scales) => {
                let products = dots.iter().zip(*scales).map(|(&dot, scale)| dot as f32 * (scale * step));
                sums[index].iter_mut().zip(products).for_each(|(sum, product)| *sum += product);
            }
        }
    }
}

/// Lays `codes` out as the kernel's panel and adds its products with the activations of `tiles`.
#[expect(clippy::too_many_arguments, reason = "each is one operand of the product")]
fn multiply(
    isa: Isa,
    offset: i32,
    codes: &[[u8; UNIT]; ROWS],
    panel: &mut Vec<u8>,
    x: &Packed,
    unit: usize,
    tiles: Range<usize>,
    out: &mut Sums<'_>,
) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => x86_64::avx512(offset, codes, panel, x, unit, tiles, out),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => x86_64::avx2(offset, codes, panel, x, unit, tiles, out),
        // A tile of these kernels' activations is one token: they lie as they were quantised.
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => aarch64::neon(offset, codes, panel, x, unit, tiles, out),
        #[cfg(target_arch = "aarch64")]
        Isa::NeonDot => aarch64::dotprod(offset, codes, panel, x, unit, tiles, out),
        #[cfg(target_arch = "aarch64")]
        Isa::NeonI8mm => aarch64::i8mm(offset, codes, panel, x, unit, tiles, out),
        _ => scalar::multiply(offset, codes, x, unit, tiles, out),
    }
}
