//! The factors of a form: small ones in f64, a column at a time; large ones in f32, blocks of columns at a time, so that nearly
//! all of the work is products of matrices.

use crate::Feedback;
use hob_kernels::{Cpu, MatrixMut, MatrixView, Precision, Sum};

/// Columns up to which a form is factored in f64.
const SMALL: usize = 1024;

/// Columns of a block.
const BLOCK: usize = 128;

/// Rows of the rest that are updated together; what lies left of them is not needed.
const ROWS: usize = 1024;

/// `form + damping = m diag(d) m^T`, `m` upper triangular with ones on its diagonal. `None` when the form is not positive.
pub(crate) fn factor(cpu: &Cpu, form: &[f32], n: usize, damping: f32) -> Option<Feedback> {
    if n <= SMALL {
        let form: Vec<f64> = form.iter().map(|x| f64::from(*x)).collect();
        by_columns(&form, n, f64::from(damping))
    } else {
        by_blocks(cpu, form.to_vec(), n, damping, BLOCK)
    }
}

/// From the last column to the first.
fn by_columns(form: &[f64], n: usize, damping: f64) -> Option<Feedback> {
    // `r[j]` holds row j of the transposed factor R^T, R upper triangular: R[i, j] at r[j][i].
    let mut r: Vec<Vec<f64>> = (0..n).map(|j| form[j * n..j * n + j + 1].to_vec()).collect();
    for j in (0..n).rev() {
        let (before, rest) = r.split_at_mut(j);
        let column = &mut rest[0];
        let pivot = column[j] + damping;
        if !(pivot > 0.0 && pivot.is_finite()) {
            return None;
        }
        column[j] = pivot;
        // Eliminates column j: form[i, k] -= form[i, j] form[k, j] / pivot for i <= k < j.
        for (k, row) in before.iter_mut().enumerate() {
            let factor = column[k] / pivot;
            if factor != 0.0 {
                row.iter_mut().zip(column.iter()).for_each(|(x, c)| *x -= factor * c);
            }
        }
    }
    let mut feedback = Feedback { transposed: vec![0.0; n * n], weights: vec![0.0; n] };
    for (j, column) in r.iter().enumerate() {
        feedback.weights[j] = column[j] as f32;
        for (to, x) in feedback.transposed[j * n..].iter_mut().zip(&column[..j]) {
            *to = (x / column[j]) as f32;
        }
    }
    Some(feedback)
}

/// From the last block of columns `J` to the first, with `I` the columns before it:
/// `form[I, J] = m[I, J] d[J] m[J, J]^T`, and `m[I, J] d[J] m[I, J]^T` is taken from `form[I, I]`.
fn by_blocks(cpu: &Cpu, mut form: Vec<f32>, n: usize, damping: f32, block: usize) -> Option<Feedback> {
    (0..n).for_each(|i| form[i * n + i] += damping);
    let mut feedback = Feedback { transposed: vec![0.0; n * n], weights: vec![0.0; n] };
    for start in (0..n).step_by(block).rev() {
        let b = block.min(n - start);
        let corner: Vec<f64> =
            (0..b * b).map(|i| f64::from(form[(start + i / b) * n + start + i % b])).collect();
        // Only what is above the diagonal was kept up to date.
        let corner: Vec<f64> =
            (0..b * b).map(|i| corner[(i / b).min(i % b) * b + (i / b).max(i % b)]).collect();
        let own = by_columns(&corner, b, 0.0)?;
        feedback.weights[start..start + b].copy_from_slice(&own.weights);
        for (j, row) in own.transposed.chunks_exact(b).enumerate() {
            feedback.transposed[(start + j) * n + start..][..j].copy_from_slice(&row[..j]);
        }
        if start == 0 {
            break;
        }
        let inverse = inverse_transposed(&own.transposed, b);
        // m[I, J] d[J], `[start, b]`.
        let mut scaled = vec![0.0; start * b];
        let across = MatrixView::of_wider(&form[start..], start, b, n);
        let to = MatrixMut::new(&mut scaled, start, b);
        cpu.gemm(across, MatrixView::new(&inverse, b, b), to, Sum::Replace, Precision::F32);
        let mut m = scaled.clone();
        m.chunks_exact_mut(b).for_each(|row| row.iter_mut().zip(&own.weights).for_each(|(x, d)| *x /= d));
        for (i, row) in m.chunks_exact(b).enumerate() {
            row.iter().enumerate().for_each(|(j, x)| feedback.transposed[(start + j) * n + i] = *x);
        }
        scaled.iter_mut().for_each(|x| *x = -*x);
        for first in (0..start).step_by(ROWS) {
            let rows = ROWS.min(start - first);
            let left = MatrixView::new(&scaled[first * b..][..rows * b], rows, b);
            let right = MatrixView::new(&m[first * b..], start - first, b).transposed();
            let to = MatrixMut::of_wider(&mut form[first * n + first..], rows, start - first, n);
            cpu.gemm(left, right, to, Sum::Add, Precision::F32);
        }
    }
    feedback.weights.iter().all(|w| w.is_finite()).then_some(feedback)
}

/// `(m^-1)^T`, `[b, b]`, of an upper triangular `m` with ones on its diagonal, which is given transposed.
fn inverse_transposed(transposed: &[f32], b: usize) -> Vec<f32> {
    let mut inverse = vec![0f64; b * b];
    // Row j of (m^-1)^T is column j of m^-1: x with m x = e_j, from its last element to its first.
    for (j, x) in inverse.chunks_exact_mut(b).enumerate() {
        x[j] = 1.0;
        for i in (0..j).rev() {
            let sum: f64 = (i + 1..=j).map(|k| f64::from(transposed[k * b + i]) * x[k]).sum();
            x[i] = -sum;
        }
    }
    inverse.iter().map(|x| *x as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hob_base::Random;
    use hob_kernels::Compute;

    /// Squares of what `2 n` random rows hold.
    fn form(n: usize) -> Vec<f64> {
        let mut random = Random::new(1, n as u64);
        let x: Vec<f64> = (0..2 * n * n).map(|_| f64::from(random.normal())).collect();
        let mut form = vec![0.0; n * n];
        for row in x.chunks_exact(n) {
            (0..n * n).for_each(|i| form[i] += row[i / n] * row[i % n]);
        }
        form
    }

    #[test]
    fn factors_multiply_to_the_form() {
        let (n, form) = (7, form(7));
        let f = by_columns(&form, n, 0.5).expect("a positive form");
        let m = |i: usize, j: usize| match i.cmp(&j) {
            std::cmp::Ordering::Less => f64::from(f.transposed[j * n + i]),
            std::cmp::Ordering::Equal => 1.0,
            std::cmp::Ordering::Greater => 0.0,
        };
        for i in 0..n {
            for j in 0..n {
                let product: f64 = (0..n).map(|k| m(i, k) * f64::from(f.weights[k]) * m(j, k)).sum();
                let expected = form[i * n + j] + if i == j { 0.5 } else { 0.0 };
                assert!((product - expected).abs() < 1e-4, "{i} {j}: {product} for {expected}");
            }
        }
        assert!(by_columns(&[f64::NAN], 1, 1.0).is_none());
    }

    #[test]
    fn blocks_give_what_columns_give() {
        let cpu = Cpu::new(2, Compute::Exact);
        for (n, block) in [(40, 16), (64, 16), (33, 64)] {
            let form = form(n);
            let exact = by_columns(&form, n, 2.0).expect("a positive form");
            let f32s: Vec<f32> = form.iter().map(|x| *x as f32).collect();
            let blocks = by_blocks(&cpu, f32s, n, 2.0, block).expect("a positive form");
            for (a, b) in exact.weights.iter().zip(&blocks.weights) {
                assert!((a - b).abs() < 1e-3 * a, "{n}: {a} {b}");
            }
            for (a, b) in exact.transposed.iter().zip(&blocks.transposed) {
                assert!((a - b).abs() < 1e-4, "{n}: {a} {b}");
            }
        }
        let mut broken = vec![1.0; 64 * 64];
        broken[5] = f32::NAN;
        assert!(by_blocks(&cpu, broken, 64, 1.0, 16).is_none());
        assert!(by_blocks(&cpu, vec![-1.0; 64 * 64], 64, 0.5, 16).is_none());
    }
}
