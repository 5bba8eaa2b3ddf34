//! Linear layers over a batch of tokens: `y[t, o] = sum over i of x[t, i] * W[o, i] + b[o]`.
//!
//! Shapes: `x`: `[T, in]`, `W`: `[out, in]`, `y`: `[T, out]`; several layers that read the same `x` go in one call, so that
//! it is quantised once. Where the layer has a trained input range, `x` is rounded to it and the sums are exact integers in
//! both compute modes. Otherwise *exact* multiplies f32 activations with decoded weights (f32 sums), and *fast* quantises
//! activations to 8 bits. Source of the ranges' rounding: the mobile Gemma 4 checkpoints (half to even).

mod finish;
mod float;
mod scalar;
#[cfg(test)]
mod tests;

use crate::{Cpu, Projection};
use finish::Finish;
use std::borrow::Cow;
use std::ops::Range;

/// Weight bytes of one chunk of work, so that stealing evens out neighbours' load and a claim costs nothing beside the work.
const CHUNK_BYTES: usize = 64 << 10;

/// Rows of a chunk are a multiple of this, so that chunks are whole panels.
const CHUNK_ROWS: usize = 32;

impl Cpu {
    /// Applies every layer of `jobs` to `x` (`[T, in]`).
    ///
    /// # Panics
    /// When a slice has another length than its shape.
    pub fn project(&self, x: &[f32], tokens: usize, jobs: &mut [Projection<'_>]) {
        let tasks: Vec<Task<'_>> = jobs.iter_mut().map(|job| Task::new(x, tokens, job)).collect();
        let chunks: usize = tasks.iter().map(Task::chunks).sum();
        self.pool.run(chunks, &|chunk| {
            let (task, chunk) = locate(&tasks, chunk);
            task.run(self, task.chunk(chunk));
        });
    }
}

/// The task that a chunk of the whole call belongs to, and its number there.
fn locate<'t, 'a>(tasks: &'t [Task<'a>], mut chunk: usize) -> (&'t Task<'a>, usize) {
    for task in tasks {
        if chunk < task.chunks() {
            return (task, chunk);
        }
        chunk -= task.chunks();
    }
    unreachable!("the pool runs only chunks that were counted")
}

/// One layer's share of a call.
struct Task<'a> {
    weight: &'a crate::Matrix,
    x: Cow<'a, [f32]>,
    chunk_rows: usize,
    finish: Finish<'a>,
}

impl<'a> Task<'a> {
    fn new(x: &'a [f32], tokens: usize, job: &'a mut Projection<'_>) -> Self {
        let weight = &job.linear.weight;
        assert_eq!(x.len(), tokens * weight.cols(), "x is [T, in]");
        let x = match job.linear.input_scale {
            Some(scale) => x.iter().map(|&x| scalar::round_to_range(x, scale)).collect(),
            None => Cow::Borrowed(x),
        };
        let row_bytes = (weight.byte_len() / weight.rows().max(1)).max(1);
        let chunk_rows = (CHUNK_BYTES / row_bytes).next_multiple_of(CHUNK_ROWS);
        Self { weight, x, chunk_rows, finish: Finish::new(job.linear, tokens, job.out) }
    }

    fn chunks(&self) -> usize {
        self.weight.rows().div_ceil(self.chunk_rows)
    }

    fn chunk(&self, index: usize) -> Range<usize> {
        index * self.chunk_rows..((index + 1) * self.chunk_rows).min(self.weight.rows())
    }

    fn run(&self, cpu: &Cpu, rows: Range<usize>) {
        float::project(cpu.isa, self.weight, rows, &self.x, &self.finish);
    }
}
