//! The product of training at the shapes of a small model: `cargo bench -p hob-kernels --bench gemm [-- THREADS]`.
//!
//! Prints GFLOP/s (two per multiplication) for the three products of a linear layer: forward, gradient of the input, gradient
//! of the weight.
#![allow(clippy::disallowed_methods, missing_docs, reason = "a benchmark reads the clock and its arguments")]

use hob_kernels::{Compute, Cpu, MatrixMut, MatrixView, Precision, Sum};
use std::time::Instant;

const TOKENS: usize = 1024;

fn main() {
    let threads = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(1);
    let cpu = Cpu::new(threads, Compute::Fast);
    for (inputs, outputs) in [(256, 256), (256, 768), (768, 256), (512, 1536), (256, 8192)] {
        let (x, w, mut y) = (numbers(TOKENS * inputs), numbers(outputs * inputs), numbers(TOKENS * outputs));
        let (mut dx, mut dw) = (numbers(TOKENS * inputs), numbers(outputs * inputs));
        for how in [Precision::F32, Precision::Bf16] {
            let (xs, ws) = (MatrixView::new(&x, TOKENS, inputs), MatrixView::new(&w, outputs, inputs));
            let forward = rate(inputs * outputs, || {
                cpu.gemm(xs, ws.transposed(), MatrixMut::new(&mut y, TOKENS, outputs), Sum::Replace, how);
            });
            let ys = MatrixView::new(&y, TOKENS, outputs);
            let input = rate(inputs * outputs, || {
                cpu.gemm(ys, ws, MatrixMut::new(&mut dx, TOKENS, inputs), Sum::Replace, how);
            });
            let weight = rate(inputs * outputs, || {
                cpu.gemm(ys.transposed(), xs, MatrixMut::new(&mut dw, outputs, inputs), Sum::Add, how);
            });
            println!(
                "{inputs:>5} -> {outputs:<5} {how:?}: forward {forward:.0}, dx {input:.0}, dw {weight:.0} GFLOP/s"
            );
        }
    }
}

fn numbers(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919) % 1009) as f32 / 504.0 - 1.0).collect()
}

fn rate(weights: usize, mut work: impl FnMut()) -> f64 {
    let mut times = Vec::new();
    let begin = Instant::now();
    while times.len() < 5 || begin.elapsed().as_millis() < 300 {
        let start = Instant::now();
        work();
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    2e-9 * (TOKENS * weights) as f64 / times[times.len() / 2]
}
