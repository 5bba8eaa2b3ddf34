//! The scalar twin: the definition, one product at a time.

use super::{Packed, Panel, ROWS, Sums};
use crate::ops::linear::activations::UNIT;
use std::ops::Range;

/// The panel is `[row][column]`, as signed bytes: codes less their offset fit.
pub(super) fn lay_out(offset: i32, codes: &[[u8; UNIT]; ROWS], Panel(panel): &mut Panel) {
    let signed = codes.as_flattened().iter().map(|code| code.wrapping_sub(offset as u8));
    panel.iter_mut().zip(signed).for_each(|(to, code)| *to = code);
}

pub(super) fn multiply(
    Panel(panel): &Panel,
    x: &Packed,
    unit: usize,
    tiles: Range<usize>,
    out: &mut Sums<'_>,
) {
    let rows: &[[u8; UNIT]; ROWS] = panel.as_chunks().0[..ROWS].try_into().expect("a panel's rows");
    for (index, tile) in tiles.enumerate() {
        // A tile of the scalar twin is one token.
        let (values, step) = x.unit(tile, unit);
        let dots = rows.each_ref().map(|codes| {
            codes.iter().zip(values).map(|(&w, &x)| i32::from(w as i8) * i32::from(x)).sum::<i32>()
        });
        out.add(index, step, &dots);
    }
}
