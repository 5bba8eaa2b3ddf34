//! Activations quantised to 8 bits, once for all layers that read them.
//!
//! `code = round_half_even(x / step)`, clamped to a signed byte. How many columns share a step and in which order codes lie
//! inside a unit of 256 columns is the kernel's choice. A range with a NaN or an infinity gets the step NaN, so that
//! bad numbers stay visible in the output instead of turning into plausible ones.

#[cfg(target_arch = "x86_64")]
pub(super) mod x86_64;

use crate::{Isa, Pool};

/// Columns of a unit, the step in which all 8-bit kernels walk a row. Rows are padded with zeros to whole units.
pub(super) const UNIT: usize = 256;

/// Columns of a group, the smallest range with a step of its own.
pub(super) const GROUP: usize = 32;

/// Which columns share a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Steps {
    /// Each 32 columns: the largest magnitude is code 127.
    Group,
    /// Each 256 columns.
    Unit,
    /// All columns of a token.
    Row,
    /// The trained step of the layer's input range.
    Fixed(f32),
}

/// Where column `c` of a unit lies, chosen so that kernels unpack weights without shuffling across lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// By column: 8-bit codes.
    Natural,
    /// In each 128 columns, the first halves (16 columns) of the four groups, then the second halves: block formats.
    Halves,
    /// For groups `n` and `n + 4` side by side, two columns of the first half and two of the second by turns: 64 columns of two
    /// groups, of which the first 32 are the halves' first eight.
    Mixed,
    /// In each 128 columns, the even ones, then the odd ones: 4-bit codes.
    EvenOdd,
    /// Columns by their remainder modulo 4: 2-bit codes.
    Quarters,
}

impl Order {
    /// The place of column `column` of a unit.
    #[inline(always)]
    pub(super) fn place(self, column: usize) -> usize {
        match self {
            Order::Natural => column,
            Order::Halves => {
                let (run, i) = (column / 16, column % 16);
                64 * (run / 8 * 2 + run % 2) + 16 * (run % 8 / 2) + i
            }
            Order::Mixed => {
                let (group, half, i) = (column / 32, column / 16 % 2, column % 16);
                let place = i % 8 / 2 * 4 + half * 2 + i % 2;
                64 * (group % 4) + 32 * (i / 8) + 16 * (group / 4) + place
            }
            Order::EvenOdd => column / 128 * 128 + column % 2 * 64 + column % 128 / 2,
            Order::Quarters => column % 4 * 64 + column / 4,
        }
    }
}

/// 256 columns of one token.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Unit {
    /// In the order asked for.
    pub codes: [i8; UNIT],
    /// Minus the sum of each half group: `[first or second half][group]`. Negated because kernels subtract zero points.
    pub negative_sums: [[i32; 8]; 2],
    /// The same by group, both halves side by side.
    pub negative_pairs: [[i16; 2]; 8],
    /// Step of each group.
    pub steps: [f32; 8],
}

impl Unit {
    pub(super) const ZERO: Unit =
        Unit { codes: [0; UNIT], negative_sums: [[0; 8]; 2], negative_pairs: [[0; 2]; 8], steps: [0.0; 8] };

    /// Minus the sum of all codes.
    #[inline(always)]
    pub(super) fn negative_sum(&self) -> i32 {
        self.negative_sums.iter().flatten().sum()
    }

    /// The step that all groups share; NaN if any of them holds a bad number.
    #[inline(always)]
    pub(super) fn step(&self) -> f32 {
        self.steps.iter().copied().reduce(|a, b| if a.is_nan() { a } else { b }).unwrap_or(0.0)
    }
}

/// A batch of quantised rows: `[T, ceil(in / 256)]` units.
pub(super) struct Activations {
    pub units: Vec<Unit>,
    /// Units of a token.
    pub width: usize,
    pub tokens: usize,
}

impl Activations {
    /// Quantises `x` (`[T, cols]`).
    pub(super) fn quantise(
        isa: Isa,
        pool: &Pool,
        x: &[f32],
        tokens: usize,
        cols: usize,
        steps: Steps,
        order: Order,
    ) -> Self {
        let width = cols.div_ceil(UNIT);
        let mut units = vec![Unit::ZERO; tokens * width];
        if width > 0 {
            // A part of a few thousand values is worth a thread.
            let part_tokens = (8192 / cols).max(1);
            pool.for_each_part(&mut units, width * part_tokens, &|part, units| {
                let x = &x[part * part_tokens * cols..];
                for (x, units) in x.chunks_exact(cols).zip(units.chunks_exact_mut(width)) {
                    quantise_row(isa, x, steps, order, units);
                }
            });
        }
        Self { units, width, tokens }
    }

    /// The units of one token.
    #[inline]
    pub(super) fn token(&self, token: usize) -> &[Unit] {
        &self.units[token * self.width..][..self.width]
    }
}

fn quantise_row(isa: Isa, x: &[f32], steps: Steps, order: Order, units: &mut [Unit]) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => x86_64::row_avx512(x, steps, order, units),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => x86_64::row_avx2(x, steps, order, units),
        _ => row(x, steps, order, units),
    }
}

/// The one body of every variant: element-wise arithmetic that the compiler vectorises, without freedom to reorder.
#[inline(always)]
fn row(x: &[f32], steps: Steps, order: Order, units: &mut [Unit]) {
    let shared = shared_step(x, steps);
    x.chunks(UNIT).zip(units).for_each(|(x, unit)| quantise_unit(x, steps, shared, order, unit));
}

/// The step of a whole row, where it has one.
#[inline(always)]
pub(super) fn shared_step(x: &[f32], steps: Steps) -> Step {
    match steps {
        Steps::Row => Step::of(largest_bits(x)),
        Steps::Fixed(step) => Step { step, inverse: 0.0 },
        Steps::Group | Steps::Unit => Step::of(0),
    }
}

/// Quantises at most 256 columns; `shared` is their row's step.
#[inline(always)]
pub(super) fn quantise_unit(x: &[f32], steps: Steps, shared: Step, order: Order, unit: &mut Unit) {
    let mut padded = [0f32; UNIT];
    padded[..x.len()].copy_from_slice(x);
    let shared = if steps == Steps::Unit { Step::of(largest_bits(&padded)) } else { shared };
    let mut codes = [0i8; UNIT];
    let groups = padded.as_chunks::<GROUP>().0.iter().zip(codes.as_chunks_mut::<GROUP>().0);
    for (group, (x, codes)) in groups.enumerate() {
        let step = if steps == Steps::Group { Step::of(largest_bits(x)) } else { shared };
        unit.steps[group] = match steps {
            Steps::Fixed(_) => step.fixed(x, codes),
            _ => step.scaled(x, codes),
        };
        for half in 0..2 {
            let sum: i32 = codes[16 * half..][..16].iter().map(|&c| i32::from(c)).sum();
            unit.negative_sums[half][group] = -sum;
            unit.negative_pairs[group][half] = -sum as i16;
        }
    }
    arrange(&codes, order, &mut unit.codes);
}

/// The largest magnitude, as the bits of an f32: for non-negative floats, and NaN above all, bits order like values.
#[inline(always)]
pub(super) fn largest_bits(x: &[f32]) -> u32 {
    x.iter().fold(0, |largest, x| largest.max(x.to_bits() & 0x7fff_ffff))
}

/// A step and what to multiply with to count in it.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub step: f32,
    pub inverse: f32,
}

/// Adding this to a float of magnitude below 2^22 rounds it half to even and leaves the integer in the low bits.
pub(super) const ROUND: f32 = 12_582_912.0;

impl Step {
    /// The step that makes the largest magnitude code 127; NaN when that is no number.
    #[inline(always)]
    pub(super) fn of(largest_bits: u32) -> Self {
        let largest = f32::from_bits(largest_bits);
        if largest_bits >= f32::INFINITY.to_bits() {
            Self { step: f32::NAN, inverse: 0.0 }
        } else if largest < 1e-30 {
            // The inverse would overflow; and 127 steps of this size are nothing beside any other number of a model.
            Self { step: 0.0, inverse: 0.0 }
        } else {
            Self { step: largest / 127.0, inverse: 127.0 / largest }
        }
    }

    /// Quantises with the inverse; the step to store.
    #[inline(always)]
    fn scaled(self, x: &[f32; GROUP], codes: &mut [i8; GROUP]) -> f32 {
        for (code, x) in codes.iter_mut().zip(x) {
            *code = (x * self.inverse + ROUND).to_bits() as i8;
        }
        if self.step.is_nan() {
            *codes = [0; GROUP];
        }
        self.step
    }

    /// Quantises to the trained range, by division as its definition says; the step to store.
    #[inline(always)]
    fn fixed(self, x: &[f32; GROUP], codes: &mut [i8; GROUP]) -> f32 {
        for (code, x) in codes.iter_mut().zip(x) {
            *code = ((x / self.step).clamp(-128.0, 127.0) + ROUND).to_bits() as i8;
        }
        // Infinities clamp; a NaN has no place in the range.
        if largest_bits(x) > f32::INFINITY.to_bits() {
            *codes = [0; GROUP];
            return f32::NAN;
        }
        self.step
    }
}

#[inline(always)]
fn arrange(codes: &[i8; UNIT], order: Order, out: &mut [i8; UNIT]) {
    match order {
        Order::Natural => *out = *codes,
        Order::Halves => {
            let runs = out.as_chunks_mut::<16>().0;
            for (run, codes) in codes.as_chunks::<16>().0.iter().enumerate() {
                runs[Order::Halves.place(16 * run) / 16] = *codes;
            }
        }
        Order::Mixed => {
            let pairs = out.as_chunks_mut::<2>().0;
            for (pair, codes) in codes.as_chunks::<2>().0.iter().enumerate() {
                pairs[Order::Mixed.place(2 * pair) / 2] = *codes;
            }
        }
        Order::EvenOdd => {
            for (codes, out) in codes.as_chunks::<128>().0.iter().zip(out.as_chunks_mut::<128>().0) {
                for i in 0..64 {
                    out[i] = codes[2 * i];
                    out[64 + i] = codes[2 * i + 1];
                }
            }
        }
        Order::Quarters => {
            for i in 0..64 {
                for part in 0..4 {
                    out[64 * part + i] = codes[4 * i + part];
                }
            }
        }
    }
}
