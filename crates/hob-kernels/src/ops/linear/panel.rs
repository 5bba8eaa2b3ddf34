//! The 8-bit panel product: many tokens against weights that are unpacked once per panel of rows.
//!
//! A panel is [`ROWS`] rows of one unit (256 columns), unpacked to bytes and laid out for the dot instruction; it stays in
//! the L1 cache while every token of the batch is multiplied with it. Block formats (not with AVX2) are rounded to one scale per row and
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
pub(super) mod x86_64;

pub(super) use line::{Source, round_to_one_scale};
pub(super) use pack::{Form, Packed};
#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::TileAmx;

use super::activations::UNIT;
use super::finish::Finish;
use crate::simd::{self, Kernel, Simd};
use crate::{Cpu, Isa};
use std::cell::RefCell;
use std::ops::Range;

/// Rows of a panel: two vectors of 16 with AVX-512, four of eight with AVX2.
pub(super) const ROWS: usize = 32;

/// Tokens that are multiplied before the next panel is unpacked: whole tiles of every variant, and sums of 126 KiB.
const BATCH: usize = 1008;

/// 256 codes of each row of a panel, stored with an offset, and what each row's codes are multiplied with.
#[repr(C, align(64))]
pub(super) struct Lines {
    pub codes: [[u8; UNIT]; ROWS],
    pub scales: [f32; ROWS],
}

impl Lines {
    pub(super) const ZERO: Self = Self { codes: [[0; UNIT]; ROWS], scales: [0.0; ROWS] };
}

/// A panel in the layout of the kernel, which is its own business. The widest has 16 bits for a code.
#[repr(C, align(64))]
struct Panel([u8; 2 * UNIT * ROWS]);

/// What all rows of a panel and one token add up to: integers, or the bits of floats.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct RowSums([i32; ROWS]);

/// Buffers of one thread, kept between calls. Aligned, because a vector that straddles two cache lines costs two accesses.
struct Scratch {
    lines: Box<Lines>,
    panel: Box<Panel>,
    sums: Vec<RowSums>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        lines: Box::new(Lines::ZERO),
        panel: Box::new(Panel([0; _])),
        sums: Vec::new(),
    });
}

/// Multiplies `rows` of `source` with all tokens.
pub(super) fn project(cpu: &Cpu, source: &Source<'_>, rows: Range<usize>, x: &Packed, finish: &Finish<'_>) {
    SCRATCH.with_borrow_mut(|scratch| {
        for start in rows.clone().step_by(ROWS) {
            let rows = start..(start + ROWS).min(rows.end);
            for first in (0..x.tokens()).step_by(BATCH) {
                let tokens = first..(first + BATCH).min(x.tokens());
                let work = Work { isa: cpu.isa, source, rows: rows.clone(), x, tokens, scratch, finish };
                match cpu.isa {
                    Isa::Scalar => work.multiply(|_| {}),
                    // Not for its vectors: for the instruction set in which the plain loops are compiled.
                    _ => simd::dispatch(cpu, work),
                }
            }
        }
    });
}

/// One panel of rows against one batch of tokens.
struct Work<'a> {
    isa: Isa,
    source: &'a Source<'a>,
    rows: Range<usize>,
    x: &'a Packed,
    tokens: Range<usize>,
    scratch: &'a mut Scratch,
    finish: &'a Finish<'a>,
}

impl Kernel for Work<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        self.multiply(
            #[inline(always)]
            |address| simd.prefetch(address),
        );
    }
}

impl Work<'_> {
    /// Unit by unit.
    #[inline(always)]
    fn multiply(self, prefetch: impl Fn(*const u8)) {
        let Work { isa, source, rows, x, tokens, scratch, finish } = self;
        let (tiles, tile_tokens) = (x.tiles(tokens.clone()), x.tile_tokens());
        let Scratch { lines, panel, sums } = scratch;
        let exact = source.is_integer();
        // Old sums are not read: the first unit replaces them.
        sums.resize(sums.len().max(tiles.len() * tile_tokens), RowSums([0; ROWS]));
        for unit in 0..x.units() {
            source.fill(isa, rows.clone(), unit, lines, &prefetch);
            lay_out(isa, source.offset(), &lines.codes, panel);
            let (scales, first_unit) = ((!exact).then_some(&lines.scales), unit == 0);
            if unit + 1 < x.units() {
                multiply(isa, panel, x, unit, tiles.clone(), &mut Sums { values: sums, scales, first_unit });
                continue;
            }
            // The last unit's sums go to their place while they are in the L1 cache.
            for (tile, values) in tiles.clone().zip(sums.chunks_exact_mut(tile_tokens)) {
                multiply(isa, panel, x, unit, tile..tile + 1, &mut Sums { values, scales, first_unit });
                for (token, RowSums(sums)) in (tile * tile_tokens..tokens.end).zip(values) {
                    let mut out = [0.0; ROWS];
                    if exact {
                        let step = x.step(token);
                        let terms = sums.iter().zip(&lines.scales);
                        out.iter_mut()
                            .zip(terms)
                            .for_each(|(y, (sum, scale))| *y = *sum as f32 * (step * scale));
                    } else {
                        out.iter_mut().zip(sums).for_each(|(y, bits)| *y = f32::from_bits(*bits as u32));
                    }
                    finish.put_run(token, rows.start, &out[..rows.len()]);
                }
            }
        }
    }
}

/// Where the products of a unit are added.
struct Sums<'a> {
    /// Of each token; floats if there are scales.
    values: &'a mut [RowSums],
    /// The scale of each row.
    scales: Option<&'a [f32; ROWS]>,
    /// Sums begin here; what `values` holds is of no interest.
    first_unit: bool,
}

impl Sums<'_> {
    /// Adds the integer dots of one token of the batch and all rows; `step` is the token's in this unit.
    #[inline(always)]
    fn add(&mut self, index: usize, step: f32, dots: &[i32; ROWS]) {
        let sums = &mut self.values[index].0;
        if self.first_unit {
            *sums = [0; ROWS];
        }
        match self.scales {
            None => sums.iter_mut().zip(dots).for_each(|(sum, dot)| *sum = sum.wrapping_add(*dot)),
            Some(scales) => {
                let products = dots.iter().zip(scales).map(|(&dot, scale)| dot as f32 * (scale * step));
                for (sum, product) in sums.iter_mut().zip(products) {
                    *sum = (f32::from_bits(*sum as u32) + product).to_bits() as i32;
                }
            }
        }
    }
}

/// Lays `codes` out as the kernel's panel.
fn lay_out(isa: Isa, offset: i32, codes: &[[u8; UNIT]; ROWS], panel: &mut Panel) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => x86_64::lay_out_avx512(codes, panel),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => x86_64::lay_out_avx2(offset, codes, panel),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon | Isa::NeonDot => aarch64::lay_out_rows(offset, codes, panel),
        #[cfg(target_arch = "aarch64")]
        Isa::NeonI8mm => aarch64::lay_out_pairs(offset, codes, panel),
        _ => scalar::lay_out(offset, codes, panel),
    }
}

/// Adds the products of `panel` with the activations of `tiles`.
fn multiply(isa: Isa, panel: &Panel, x: &Packed, unit: usize, tiles: Range<usize>, out: &mut Sums<'_>) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => x86_64::avx512(panel, x, unit, tiles, out),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => x86_64::avx2(panel, x, unit, tiles, out),
        // A tile of these kernels' activations is one token: they lie as they were quantised.
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => aarch64::neon(panel, x, unit, tiles, out),
        #[cfg(target_arch = "aarch64")]
        Isa::NeonDot => aarch64::dotprod(panel, x, unit, tiles, out),
        #[cfg(target_arch = "aarch64")]
        Isa::NeonI8mm => aarch64::i8mm(panel, x, unit, tiles, out),
        _ => scalar::multiply(panel, x, unit, tiles, out),
    }
}
