//! Linear layers over a batch of tokens: `y[t, o] = sum over i of x[t, i] * W[o, i] + b[o]`.
//!
//! Shapes: `x`: `[T, in]`, `W`: `[out, in]`, `y`: `[T, out]`; several layers that read the same `x` go in one call, so that
//! it is quantised once. Where the layer has a trained input range, `x` is rounded to it and the sums are exact integers in
//! both compute modes. Otherwise *exact* multiplies f32 activations with decoded weights (f32 sums), and *fast* quantises
//! activations to 8 bits. Source of the ranges' rounding: the mobile Gemma 4 checkpoints (half to even).

mod scalar;

use crate::{Cpu, Projection};

impl Cpu {
    /// Applies every layer of `jobs` to `x` (`[T, in]`).
    pub fn project(&self, x: &[f32], tokens: usize, jobs: &mut [Projection<'_>]) {
        for job in jobs {
            let weight = &job.linear.weight;
            assert_eq!(x.len(), tokens * weight.cols(), "x is [T, in]");
            assert_eq!(job.out.len(), tokens * weight.rows(), "out is [T, out]");
            scalar::project(x, tokens, job);
        }
    }
}
