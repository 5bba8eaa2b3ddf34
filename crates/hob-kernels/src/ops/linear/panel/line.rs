//! Where a panel's bytes come from: 256 codes of a row, rounded to one scale if the format has several.

use super::Lines;
use crate::matrix::EncodedRows;
use crate::ops::linear::activations::{ROUND, Step, UNIT, largest_bits};
use crate::ops::linear::blocks::format::{Format, WeightUnit};
use crate::ops::linear::blocks::{self, with_unit};
use crate::ops::linear::codes::{self, Weights};
use crate::{CodeBits, Isa};
use hob_quant::TensorType;
use std::ops::Range;

/// What is in the middle of the range of rounded codes.
const OFFSET: i32 = 128;

/// Weights that can be made into panels.
pub(in crate::ops::linear) enum Source<'a> {
    /// A block format with an unpacker; activations are in its order.
    Blocks(TensorType, EncodedRows<'a>),
    /// Channel-wise integers; activations are in their order.
    Codes(Weights<'a>),
}

impl Source<'_> {
    /// Whether sums stay integers to the end.
    pub(super) fn is_integer(&self) -> bool {
        matches!(self, Source::Codes(_))
    }

    /// What panel codes are above their values.
    pub(in crate::ops::linear) fn offset(&self) -> i32 {
        match self {
            Source::Blocks(..) => OFFSET,
            Source::Codes(w) => codes::offset(w.bits),
        }
    }

    /// Unpacks unit `unit` of `rows`; rows that a panel lacks become zeros.
    #[inline(always)]
    pub(in crate::ops::linear) fn fill(
        &self,
        isa: Isa,
        rows: Range<usize>,
        unit: usize,
        lines: &mut Lines,
        prefetch: &impl Fn(*const u8),
    ) {
        let (codes, missing) = lines.codes.split_at_mut(rows.len());
        missing.as_flattened_mut().fill(self.offset() as u8);
        let (scales, missing) = lines.scales.split_at_mut(rows.len());
        missing.fill(0.0);
        match self {
            Source::Blocks(ty, weight) => blocks::round_rows(isa, *ty, *weight, rows, unit, codes, scales),
            Source::Codes(w) => {
                let bytes = UNIT * w.bits.bits() / 8;
                for (row, (codes, scale)) in rows.zip(codes.iter_mut().zip(scales)) {
                    let bytes_of_row = w.row(row);
                    // The row's next unit is needed after all tokens have been multiplied with this one.
                    for line in (0..bytes).step_by(64) {
                        prefetch(bytes_of_row.as_ptr().wrapping_add((unit + 1) * bytes + line));
                    }
                    with_unit(
                        bytes_of_row,
                        bytes,
                        unit,
                        #[inline(always)]
                        |bytes| unpack_codes(w.bits, bytes, codes),
                    );
                    *scale = w.scale(row);
                }
            }
        }
    }
}

/// Stored codes with their offset, in the order of `codes::order`, which makes each field of bytes a run.
#[inline(always)]
fn unpack_codes(bits: CodeBits, bytes: &[u8], out: &mut [u8; UNIT]) {
    debug_assert_eq!(codes::order(bits).place(0), 0);
    match bits {
        CodeBits::Eight => out.iter_mut().zip(bytes).for_each(|(code, byte)| *code = byte ^ 0x80),
        CodeBits::Four => {
            for (out, bytes) in out.as_chunks_mut::<128>().0.iter_mut().zip(bytes.as_chunks::<64>().0) {
                for i in 0..64 {
                    out[i] = bytes[i] & 15;
                    out[64 + i] = bytes[i] >> 4;
                }
            }
        }
        CodeBits::Two => {
            for (field, out) in out.as_chunks_mut::<64>().0.iter_mut().enumerate() {
                out.iter_mut().zip(bytes).for_each(|(code, byte)| *code = (byte >> (2 * field)) & 3);
            }
        }
    }
}

/// Rounds an unpacked unit to one scale, which is returned; codes are stored with [`OFFSET`].
///
/// The scale is a 127th of the unit's largest magnitude; of formats with sixteen values to a group, of the largest that a
/// code could stand for.
#[inline(always)]
pub(in crate::ops::linear) fn round_to_one_scale(
    format: Format,
    unit: &WeightUnit,
    out: &mut [u8; UNIT],
) -> f32 {
    let mut values = [0f32; UNIT];
    let runs = values.as_chunks_mut::<16>().0.iter_mut().zip(unit.codes.as_chunks::<16>().0);
    for (place, (values, codes)) in runs.enumerate() {
        let (group, half) = (place / 8 * 4 + place % 4, if format.halves { place / 4 % 2 } else { 0 });
        let (scale, min) = (unit.scales[half][group], unit.mins[half][group]);
        for (value, code) in values.iter_mut().zip(codes) {
            *value = scale * f32::from(i16::from(*code) - i16::from(format.offset)) - min;
        }
    }
    let largest = if format.nibbles { unit.largest_nibble(format) } else { largest_bits(&values) };
    let step = Step::of(largest);
    for (code, value) in out.iter_mut().zip(&values) {
        *code = ((value * step.inverse + ROUND).to_bits() as u8).wrapping_add(OFFSET as u8);
    }
    if step.step.is_nan() {
        out.fill(OFFSET as u8);
    }
    step.step
}
