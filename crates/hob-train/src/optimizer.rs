//! From gradients to the next parameters: AdamW, Muon or the sign of the gradient.

use crate::Layout;
use hob_kernels::{AdamW, Cpu, MatrixMut, MatrixView, Precision, Sum};
use serde::Deserialize;

/// Which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// AdamW for every tensor.
    AdamW,
    /// Matrices inside layers move by the nearest orthogonal matrix of their momentum, the rest by AdamW.
    ///
    /// Sources: Jordan et al., "Muon" (2024); the factor that gives it AdamW's step size: Liu et al., arXiv:2502.16982.
    #[default]
    Muon,
    /// Every number moves by the learning rate, against its gradient's sign.
    Sign,
}

/// Constants of a run.
#[derive(Clone, Copy, Debug)]
pub struct Constants<'a> {
    /// The rule.
    pub rule: Rule,
    /// AdamW's decay of means.
    pub betas: [f32; 2],
    /// Weight decay of matrices; vectors have none.
    pub decay: f32,
    /// Factors on the learning rate, one for each tensor; all are 1 when there are none.
    pub paces: &'a [f32],
}

/// Decay of Muon's momentum.
const MOMENTUM: f32 = 0.95;

/// Steps of Newton and Schulz, and the polynomial's factors.
const ITERATIONS: usize = 5;
const QUINTIC: [f32; 3] = [3.4445, -4.775, 2.0315];

/// AdamW's epsilon.
const EPS: f32 = 1e-8;

/// What an optimiser remembers, laid out as the parameters are.
#[derive(Clone, Debug, PartialEq)]
pub struct Means {
    /// Mean of gradients, or momentum.
    pub mean: Vec<f32>,
    /// Mean of squares, where the rule has one.
    pub square: Vec<f32>,
}

impl Means {
    /// Nothing seen yet.
    pub fn new(len: usize) -> Self {
        Self { mean: vec![0.0; len], square: vec![0.0; len] }
    }
}

/// One step: `rate` is the learning rate, `scale` a factor on gradients, `step` counts from 1.
#[derive(Clone, Copy, Debug)]
pub struct Stride {
    /// Learning rate.
    pub rate: f32,
    /// Factor on gradients.
    pub scale: f32,
    /// Number of the step, from 1.
    pub step: u64,
}

/// Moves `params`, laid out as `layout` says, by one step.
pub fn update(
    cpu: &Cpu,
    layout: &Layout,
    how: &Constants<'_>,
    at: Stride,
    params: &mut [f32],
    grads: &[f32],
    means: &mut Means,
) {
    for (i, (tensor, range)) in layout.iter().enumerate() {
        let at = Stride { rate: at.rate * how.paces.get(i).unwrap_or(&1.0), ..at };
        let (x, grad) = (&mut params[range.clone()], &grads[range.clone()]);
        let (mean, square) = (&mut means.mean[range.clone()], &mut means.square[range]);
        let is_matrix = tensor.shape.len() > 1;
        let decay = if is_matrix { how.decay } else { 0.0 };
        match how.rule {
            Rule::Sign => {
                for (x, g) in x.iter_mut().zip(grad) {
                    let sign = if *g == 0.0 { 0.0 } else { g.signum() };
                    *x -= at.rate * (sign + decay * *x);
                }
            }
            Rule::Muon if is_matrix && tensor.name.starts_with("blk.") => {
                let shape = [tensor.shape[0], tensor.shape[1]];
                muon(cpu, shape, at, decay, x, grad, mean);
            }
            _ => {
                let Stride { rate, scale, step } = at;
                let step = AdamW { rate, betas: how.betas, eps: EPS, decay, scale, step };
                cpu.adamw(&step, x, grad, mean, square);
            }
        }
    }
}

fn muon(
    cpu: &Cpu,
    [rows, cols]: [usize; 2],
    at: Stride,
    decay: f32,
    x: &mut [f32],
    grad: &[f32],
    mean: &mut [f32],
) {
    let mut step = cpu.buffer(x.len());
    for ((m, g), s) in mean.iter_mut().zip(grad).zip(step.iter_mut()) {
        let g = at.scale * g;
        *m = MOMENTUM * *m + g;
        // Nesterov's look ahead.
        *s = g + MOMENTUM * *m;
    }
    orthogonalise(cpu, &mut step, rows, cols);
    let size = 0.2 * (rows.max(cols) as f32).sqrt();
    for (x, s) in x.iter_mut().zip(step.iter()) {
        *x -= at.rate * (size * s + decay * *x);
    }
}

/// `x` becomes roughly `u v^T` of its singular value decomposition `u s v^T`: all singular values near 1.
fn orthogonalise(cpu: &Cpu, x: &mut [f32], rows: usize, cols: usize) {
    let norm = x.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt() as f32;
    cpu.scale(x, 1.0 / (norm + 1e-7));
    // The product of the shorter side with itself is the smaller square.
    let wide = rows <= cols;
    let n = rows.min(cols);
    let [a, b, c] = QUINTIC;
    let (mut square, mut fourth) = (cpu.buffer(n * n), cpu.buffer(n * n));
    let mut next = cpu.buffer(x.len());
    for _ in 0..ITERATIONS {
        let view = MatrixView::new(x, rows, cols);
        let (left, right) = if wide { (view, view.transposed()) } else { (view.transposed(), view) };
        cpu.gemm(left, right, MatrixMut::new(&mut square, n, n), Sum::Replace, Precision::Bf16);
        let s = MatrixView::new(&square, n, n);
        cpu.gemm(s, s, MatrixMut::new(&mut fourth, n, n), Sum::Replace, Precision::Bf16);
        for (i, (f, s)) in fourth.iter_mut().zip(square.iter()).enumerate() {
            *f = b * s + c * *f + if i % (n + 1) == 0 { a } else { 0.0 };
        }
        let p = MatrixView::new(&fourth, n, n);
        let (left, right) = if wide { (p, view) } else { (view, p) };
        cpu.gemm(left, right, MatrixMut::new(&mut next, rows, cols), Sum::Replace, Precision::Bf16);
        x.copy_from_slice(&next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hob_base::Random;
    use hob_kernels::Compute;

    #[test]
    fn orthogonal_matrices_come_out() {
        let cpu = Cpu::new(1, Compute::Fast);
        let mut random = Random::new(1, 1);
        for [rows, cols] in [[24, 40], [40, 24], [32, 32]] {
            let mut x: Vec<f32> = (0..rows * cols).map(|_| random.normal()).collect();
            let before = x.clone();
            orthogonalise(&cpu, &mut x, rows, cols);
            let n = rows.min(cols);
            let mut square = vec![0.0; n * n];
            let view = MatrixView::new(&x, rows, cols);
            let (left, right) =
                if rows <= cols { (view, view.transposed()) } else { (view.transposed(), view) };
            cpu.gemm(left, right, MatrixMut::new(&mut square, n, n), Sum::Replace, Precision::F32);
            // The published factors bring singular values into about 0.7 to 1.2; a square's diagonal is their mean square.
            let trace: f32 = (0..n).map(|i| square[i * (n + 1)]).sum();
            assert!((0.6..1.3).contains(&(trace / n as f32)), "{rows}x{cols}: {trace}");
            let off = (0..n * n).filter(|i| i % (n + 1) != 0).map(|i| square[i].abs()).fold(0.0, f32::max);
            assert!(off < 0.35, "{rows}x{cols}: {off}");
            // It points the way it came from.
            assert!(x.iter().zip(&before).map(|(a, b)| a * b).sum::<f32>() > 0.0);
        }
    }
}
