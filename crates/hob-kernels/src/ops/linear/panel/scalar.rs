//! The scalar twin: the definition, one product at a time.

use super::{Packed, ROWS, Sums};
use crate::ops::linear::activations::UNIT;
use std::ops::Range;

pub(super) fn multiply(
    offset: i32,
    codes: &[[u8; UNIT]; ROWS],
    x: &Packed,
    unit: usize,
    tiles: Range<usize>,
    out: &mut Sums<'_>,
) {
    for (index, tile) in tiles.enumerate() {
        // A tile of the scalar twin is one token.
        let values = x.unit(tile, unit);
        let dots = codes.each_ref().map(|codes| {
            let products = codes.iter().zip(values).map(|(&w, &x)| (i32::from(w) - offset) * i32::from(x));
            products.sum::<i32>()
        });
        out.add(index, x.marks(unit, tile)[0].0, &dots);
    }
}
