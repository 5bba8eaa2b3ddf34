//! Rows of block formats against a few tokens: integer dots per group, straight from the file's blocks. The scalar twin.
//!
//! No i32 can overflow: a code is at most 255 and an activation at most 128 in magnitude, so 32 columns stay below 2^21.

use super::format::{Format, MAX_UNIT_BYTES, WeightUnit, format};
use super::unpack::unpack;
use crate::ops::linear::activations::{Activations, Unit};
use hob_quant::TensorType;

/// The integer dot of every half group: `[half][group]`.
pub(super) fn integer_dots(format: Format, w: &WeightUnit, x: &Unit) -> [[i32; 8]; 2] {
    let mut dots = [[0; 8]; 2];
    let codes = w.codes.as_chunks::<16>().0.iter().zip(x.codes.as_chunks::<16>().0);
    for (place, (w, x)) in codes.enumerate() {
        let (group, half) = (place / 8 * 4 + place % 4, place / 4 % 2);
        let products =
            w.iter().zip(x).map(|(&w, &x)| (i32::from(w) - i32::from(format.offset)) * i32::from(x));
        dots[half][group] = products.sum();
    }
    dots
}

/// The dot of one unit: integers per group (or half group), then scales.
pub(super) fn dot_unit(format: Format, w: &WeightUnit, x: &Unit) -> f32 {
    let dots = integer_dots(format, w, x);
    let mut sum = 0.0;
    for (group, step) in x.steps.iter().enumerate() {
        let mut add = |half: usize, dot: i32, negative_sum: i32| {
            sum += dot as f32 * (w.scales[half][group] * step);
            if format.mins {
                sum += w.mins[half][group] * (negative_sum as f32 * step);
            }
        };
        let of_x = x.negative_sums.map(|sums| sums[group]);
        let of_both = dots.map(|dots| dots[group]);
        if format.halves {
            add(0, of_both[0], of_x[0]);
            add(1, of_both[1], of_x[1]);
        } else {
            add(0, of_both[0] + of_both[1], of_x[0] + of_x[1]);
        }
    }
    sum
}

/// `out[t] = row . x[t]`.
pub(super) fn dot_row(ty: TensorType, row: &[u8], x: &Activations, out: &mut [f32]) {
    let format = format(ty).expect("callers dispatch on it");
    out.fill(0.0);
    let mut unit = WeightUnit::ZERO;
    for (index, bytes) in row.chunks(format.bytes).enumerate() {
        let mut padded = [0u8; MAX_UNIT_BYTES];
        padded[..bytes.len()].copy_from_slice(bytes);
        unpack(ty, &padded[..format.bytes], &mut unit);
        for (token, out) in out.iter_mut().enumerate() {
            *out += dot_unit(format, &unit, &x.token(token)[index]);
        }
    }
}
