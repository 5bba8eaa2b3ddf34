//! The reference: one sum after the other, in f64.

use super::{MatrixMut, MatrixView, Sum};

pub(super) fn gemm(a: MatrixView<'_>, b: MatrixView<'_>, c: MatrixMut<'_>, sum: Sum) {
    for row in 0..c.rows {
        for (col, place) in c.data[row * c.row_step..][..c.cols].iter_mut().enumerate() {
            let total: f64 = (0..a.cols).map(|k| f64::from(a.at(row, k)) * f64::from(b.at(k, col))).sum();
            match sum {
                Sum::Replace => *place = total as f32,
                Sum::Add => *place += total as f32,
            }
        }
    }
}
