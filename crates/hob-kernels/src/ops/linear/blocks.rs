//! Block formats (Q4_0, Q4_K, ...) against a few tokens: the decode path of the fast mode.
//!
//! Weights are read once, straight from the file's blocks. A unit of 256 columns is unpacked to codes and scales
//! (`format.rs`), then multiplied with the units of all tokens while it is in registers. A format is one unpacker; the dot
//! loop is the same for all. Read `dot.rs` first: it is the scalar twin.
//!
//! Error against exact arithmetic: activations are rounded by at most half a step of their group, so an output is off by
//! at most `sum over i of |W[o, i]| * step(i) / 2`, and f32 rounding.

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod dot;
pub(super) mod format;
#[cfg(test)]
pub(super) mod tests;
mod unpack;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::fours::add_unit as add_unit_to_fours;
#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::unpack_avx2::{bits, high_nibbles, low_nibbles};
#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::widen_avx512;

use super::activations::{Activations, Order, UNIT};
use super::finish::Finish;
use super::panel::round_to_one_scale;
use crate::matrix::EncodedRows;
use crate::{Isa, Matrix};
use format::{MAX_UNIT_BYTES, WeightUnit};
use hob_quant::TensorType;
use std::ops::Range;

/// Whether `ty` has an unpacker.
pub(super) fn is_supported(ty: TensorType) -> bool {
    format::format(ty).is_some()
}

/// The order in which [`project`] reads activations for blocks of type `ty`.
pub(super) fn order(isa: Isa, ty: TensorType) -> Order {
    match isa {
        Isa::Avx2 if format::format(ty).is_some_and(|format| format.whole) => Order::Mixed,
        _ => Order::Halves,
    }
}

/// Multiplies `rows` of `weight`, whose blocks have type `ty`, with all tokens of `x` (in [`order`]).
pub(super) fn project(
    isa: Isa,
    ty: TensorType,
    weight: &Matrix,
    rows: Range<usize>,
    x: &Activations,
    finish: &Finish<'_>,
) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => x86_64::avx512(ty, weight, rows, x, finish),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => x86_64::avx2(ty, weight, rows, x, finish),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => aarch64::neon(ty, weight, rows, x, finish),
        #[cfg(target_arch = "aarch64")]
        Isa::NeonDot | Isa::NeonI8mm => aarch64::dotprod(ty, weight, rows, x, finish),
        _ => {
            let mut sums = vec![0.0; x.tokens];
            for row in rows {
                dot::dot_row(ty, weight.row_bytes(row), x, &mut sums);
                sums.iter().enumerate().for_each(|(token, &sum)| finish.put(token, row, sum));
            }
        }
    }
}

/// Unpacks unit `unit` of `rows` and rounds each to one scale: the bytes of a panel of `panel.rs`.
pub(super) fn round_rows(
    isa: Isa,
    ty: TensorType,
    weight: EncodedRows<'_>,
    rows: Range<usize>,
    unit: usize,
    codes: &mut [[u8; UNIT]],
    scales: &mut [f32],
) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => x86_64::round_avx512(ty, weight, rows, unit, codes, scales),
        _ => {
            let format = format::format(ty).expect("checked when the kernel was chosen");
            for (row, (codes, scale)) in rows.zip(codes.iter_mut().zip(scales)) {
                let mut unpacked = [WeightUnit::ZERO];
                unpack_rows(isa, ty, weight, row..row + 1, unit, &mut unpacked);
                *scale = round_to_one_scale(format, &unpacked[0], codes);
            }
        }
    }
}

/// Calls `with` for the bytes of unit `unit`, filled up with zeros past the row's end. The activations there are zero.
#[inline(always)]
pub(super) fn with_unit(row: &[u8], bytes: usize, unit: usize, with: impl FnOnce(&[u8])) {
    let stored = &row[unit * bytes..];
    if stored.len() >= bytes {
        with(&stored[..bytes]);
    } else {
        let mut padded = [0u8; MAX_UNIT_BYTES];
        padded[..stored.len()].copy_from_slice(stored);
        with(&padded[..bytes]);
    }
}

/// Unpacks unit `unit` of `rows`.
pub(super) fn unpack_rows(
    isa: Isa,
    ty: TensorType,
    weight: EncodedRows<'_>,
    rows: Range<usize>,
    unit: usize,
    units: &mut [WeightUnit],
) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => x86_64::unpack_rows_avx512(ty, weight, rows, unit, units),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => x86_64::unpack_rows_avx2(ty, weight, rows, unit, units),
        _ => {
            let bytes = format::format(ty).expect("checked when the kernel was chosen").bytes;
            for (row, unpacked) in rows.zip(units) {
                with_unit(weight.get(row), bytes, unit, |bytes| unpack::unpack(ty, bytes, unpacked));
            }
        }
    }
}
