//! What the kernels need to know about a block format: codes, zero point, scales.

use crate::ops::linear::activations::largest_bits;
#[cfg(target_arch = "x86_64")]
use crate::{Cpu, Isa, isa::ByteDot, ops::linear::activations::Steps};
use hob_quant::TensorType;

/// Columns of a weight unit; 1 to 8 blocks of a format.
pub(in crate::ops::linear) use crate::ops::linear::activations::UNIT;

/// 256 columns of one row: `value = scale * (code - offset) - min`, the offset being the format's.
///
/// Codes lie in `Order::Halves`. `scales[h][g]` and `mins[h][g]` belong to half `h` (16 columns) of group `g` (32);
/// formats with one scale per group leave `[1]` alone.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(in crate::ops::linear) struct WeightUnit {
    pub codes: [u8; UNIT],
    pub scales: [[f32; 8]; 2],
    pub mins: [[f32; 8]; 2],
}

impl WeightUnit {
    pub(in crate::ops::linear) const ZERO: WeightUnit =
        WeightUnit { codes: [0; UNIT], scales: [[0.0; 8]; 2], mins: [[0.0; 8]; 2] };

    /// The largest magnitude that codes from 0 to 15 can stand for, as the bits of an f32.
    #[inline(always)]
    pub(in crate::ops::linear) fn largest_nibble(&self, format: Format) -> u32 {
        let (low, high) = (-f32::from(format.offset), f32::from(15 - i16::from(format.offset)));
        let mut ends = [0.0; 16];
        for (group, (scale, min)) in self.scales[0].iter().zip(&self.mins[0]).enumerate() {
            ends[group] = low * scale - min;
            ends[8 + group] = high * scale - min;
        }
        largest_bits(&ends)
    }

    /// Stores the 16 codes of columns `16 * run ..`.
    #[inline(always)]
    pub(in crate::ops::linear) fn put_run(&mut self, run: usize, codes: [u8; 16]) {
        self.codes.as_chunks_mut::<16>().0[place(run)] = codes;
    }

    /// The same from two halves.
    #[inline(always)]
    pub(in crate::ops::linear) fn put_eights(&mut self, run: usize, codes: [[u8; 8]; 2]) {
        let eights = self.codes.as_chunks_mut::<8>().0;
        [eights[2 * place(run)], eights[2 * place(run) + 1]] = codes;
    }
}

/// Where the codes of columns `16 * run ..` lie, counted in sixteens.
#[inline(always)]
fn place(run: usize) -> usize {
    4 * (run / 8 * 2 + run % 2) + run % 8 / 2
}

/// Bytes of the largest unit (Q8_0).
pub(in crate::ops::linear) const MAX_UNIT_BYTES: usize = 272;

/// The shape of a format's units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops::linear) struct Format {
    /// What is taken from each code; a power of two or zero.
    pub offset: u8,
    /// Scales (and minima) belong to 16 columns rather than 32.
    pub halves: bool,
    /// There are minima.
    pub mins: bool,
    /// Scales (and minima) of halves are whole multiples of one number of the unit.
    pub whole: bool,
    /// The largest code.
    pub largest: u8,
    /// All codes from 0 to 15 occur, so that rounding to one scale is sixteen roundings per group and a look-up.
    pub nibbles: bool,
    /// Bytes of a unit.
    pub bytes: usize,
}

impl Format {
    /// Pairs of products of 8 bits need not fit 16.
    #[cfg(target_arch = "x86_64")]
    pub(in crate::ops::linear) const fn is_wide(self) -> bool {
        self.largest > 127
    }
}

/// How a batch is quantised for several tokens of a format at once.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::ops::linear) struct Form {
    pub steps: Steps,
    /// What the format's codes are stored above their values.
    pub offset: u8,
    /// The format's scales belong to half groups.
    pub halves: bool,
    /// They are whole multiples.
    pub whole: bool,
    /// Where products are added up. AVX-512 does so in 32 bits and has no need to ask.
    pub lanes: Lanes,
}

/// In what AVX2 adds up products, which it multiplies by pairs in 16 bits.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops::linear) enum Lanes {
    /// In 16 bits, for all columns that share a scale.
    Pairs,
    /// In 16 bits, for each half of these columns.
    HalfPairs,
    /// In 32 bits, from the first product on.
    Words,
    /// In 32 bits, by the dot instruction of AVX-VNNI or what stands for it.
    Quads(ByteDot),
}

#[cfg(target_arch = "x86_64")]
impl Form {
    /// Whether two columns of a group's first half take turns with two of its second: sums of pairs then meet the scales of
    /// both halves in one instruction.
    pub(in crate::ops::linear) fn mixes_halves(self) -> bool {
        self.whole && matches!(self.lanes, Lanes::Pairs | Lanes::HalfPairs)
    }

    pub(in crate::ops::linear) fn new(cpu: &Cpu, steps: Steps, format: Format) -> Self {
        let lanes = match (cpu.isa, cpu.byte_dot) {
            (Isa::Avx512, _) => Lanes::Pairs,
            (_, ByteDot::Absent) => Lanes::new(steps, format),
            (_, dot) => Lanes::Quads(dot),
        };
        Self { steps, offset: format.offset, halves: format.halves, whole: format.whole, lanes }
    }
}

#[cfg(target_arch = "x86_64")]
impl Lanes {
    /// The fewest instructions that cannot overflow. Sums may wrap on their way, since what they come to fits.
    fn new(steps: Steps, format: Format) -> Self {
        let x = if let Steps::Fixed(_) = steps { 128 } else { 127 };
        let most = i32::from(i16::MAX);
        let (largest, offset) = (i32::from(format.largest), i32::from(format.offset));
        let value = offset.max(largest - offset);
        // A lane has half of the columns: every other pair. Where scales are whole, these are the sixteen of one scale.
        let (eight, sixteen) = (8 * value * x, 16 * value * x);
        if 2 * largest * x > most || eight > most {
            Self::Words
        } else if sixteen <= most || format.halves && !format.whole {
            Self::Pairs
        } else {
            Self::HalfPairs
        }
    }
}

/// The format of `ty`'s units; `None` for plain floats and integers.
pub(in crate::ops::linear) const fn format(ty: TensorType) -> Option<Format> {
    use TensorType as T;
    let (offset, halves, mins) = match ty {
        T::Q4_0 => (8, false, false),
        T::Q4_1 | T::Q5_1 | T::Q4_K | T::Q5_K => (0, false, true),
        T::Q5_0 | T::MXFP4 => (16, false, false),
        T::Q8_0 | T::IQ4_NL | T::IQ4_XS | T::IQ1_S | T::IQ2_XXS | T::IQ3_XXS | T::IQ3_S => {
            (128, false, false)
        }
        T::IQ1_M | T::IQ2_XS | T::IQ2_S => (128, true, false),
        T::Q2_K => (0, true, true),
        T::Q3_K => (4, true, false),
        T::Q6_K => (32, true, false),
        T::TQ1_0 | T::TQ2_0 => (1, false, false),
        T::NVFP4 => (16, true, false),
        _ => return None,
    };
    let bytes = UNIT / block_size(ty) * block_bytes(ty);
    let whole = matches!(ty, T::Q2_K | T::Q3_K | T::Q6_K);
    let nibbles = matches!(ty, T::Q4_0 | T::Q4_1 | T::Q4_K);
    let largest = match ty {
        T::Q4_0 | T::Q4_1 | T::Q4_K => 15,
        T::Q5_0 | T::Q5_1 | T::Q5_K => 31,
        // Twice the values of FP4, of which 6 is the largest.
        T::MXFP4 | T::NVFP4 => 16 + 12,
        // TQ2_0 has no use for its fourth code, which a file may have all the same.
        T::Q2_K | T::TQ2_0 => 3,
        T::Q3_K => 7,
        T::Q6_K => 63,
        T::TQ1_0 => 2,
        _ => 255,
    };
    Some(Format { offset, halves, mins, whole, largest, nibbles, bytes })
}

/// As [`TensorType::block_size`], in constants.
const fn block_size(ty: TensorType) -> usize {
    use TensorType as T;
    match ty {
        T::Q4_0 | T::Q4_1 | T::Q5_0 | T::Q5_1 | T::Q8_0 | T::IQ4_NL | T::MXFP4 => 32,
        T::NVFP4 => 64,
        _ => 256,
    }
}

const fn block_bytes(ty: TensorType) -> usize {
    use TensorType as T;
    match ty {
        T::MXFP4 => 17,
        T::Q4_0 | T::IQ4_NL => 18,
        T::Q4_1 => 20,
        T::Q5_0 => 22,
        T::Q5_1 => 24,
        T::Q8_0 => 34,
        T::NVFP4 => 36,
        T::Q2_K => 84,
        T::Q3_K | T::IQ3_S => 110,
        T::Q4_K => 144,
        T::Q5_K => 176,
        T::Q6_K => 210,
        T::IQ4_XS => 136,
        T::TQ1_0 => 54,
        T::IQ1_S => 50,
        T::IQ1_M => 56,
        T::IQ2_XS => 74,
        T::IQ2_S => 82,
        T::IQ3_XXS => 98,
        T::TQ2_0 | T::IQ2_XXS => 66,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_whole_blocks_of_the_right_size() {
        for &ty in TensorType::ALL {
            match format(ty) {
                Some(format) => assert_eq!(Some(format.bytes), ty.row_bytes(UNIT), "{ty}"),
                None => assert!(!ty.can_dequantize() || !ty.is_quantized(), "{ty} has no kernel"),
            }
        }
    }
}
