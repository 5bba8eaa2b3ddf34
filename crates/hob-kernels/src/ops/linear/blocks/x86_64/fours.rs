//! The loop of `fours.rs` over rows, with the format as a constant, so that weights stay in registers.

use super::{WeightUnit, format_of, prefetch, unpack_row_avx512};
use crate::isa::Avx512;
use crate::matrix::EncodedRows;
use crate::ops::linear::fours::{Four, RowSums, add_row};
use hob_quant::TensorType;
use std::arch::x86_64::_MM_HINT_T1;
use std::ops::Range;

/// Adds unit `unit` of `rows`, whose blocks have type `ty`, with the tokens of `x` to `sums` (`[row][four]`).
pub(in crate::ops::linear) fn add_unit(
    _proof: Avx512,
    ty: TensorType,
    weight: EncodedRows<'_>,
    rows: Range<usize>,
    unit: usize,
    x: &[Four],
    sums: &mut [RowSums],
) {
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
    fn all_rows<const F: usize>(
        weight: EncodedRows<'_>,
        rows: Range<usize>,
        unit: usize,
        x: &[Four],
        sums: &mut [RowSums],
    ) {
        let format = const { format_of::<F>() };
        // What the same place holds in the next rows, which come when all units of these are done.
        let ahead = rows.len() * weight.row_bytes;
        for (row, sums) in rows.zip(sums) {
            let row = weight.get(row);
            prefetch::<_MM_HINT_T1>(&row[unit * format.bytes..], ahead, format.bytes);
            let mut unpacked = WeightUnit::ZERO;
            unpack_row_avx512::<F>(row, unit, &mut unpacked);
            match (format.mins, format.halves) {
                (false, false) => add_row::<false, false>(&unpacked, x, sums),
                (false, true) => add_row::<false, true>(&unpacked, x, sums),
                (true, false) => add_row::<true, false>(&unpacked, x, sums),
                (true, true) => add_row::<true, true>(&unpacked, x, sums),
            }
        }
    }
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
    fn dispatch(
        ty: TensorType,
        weight: EncodedRows<'_>,
        rows: Range<usize>,
        unit: usize,
        x: &[Four],
        sums: &mut [RowSums],
    ) {
        with_format!(ty, all_rows(weight, rows, unit, x, sums));
    }
    // SAFETY: the proof exists only where these features do.
    unsafe { dispatch(ty, weight, rows, unit, x, sums) }
}
