//! Linear layers over a batch of tokens: `y[t, o] = sum over i of x[t, i] * W[o, i] + b[o]`.
//!
//! Shapes: `x`: `[T, in]`, `W`: `[out, in]`, `y`: `[T, out]`; several layers that read the same `x` go in one call, so that
//! it is quantised once. Where the layer has a trained input range, `x` is rounded to it and the sums are exact integers in
//! both compute modes. Otherwise *exact* multiplies f32 activations with decoded weights (f32 sums), and *fast* quantises
//! activations to 8 bits; weights that are floats in the file meet floats in both. Source of the ranges' rounding: the mobile
//! Gemma 4 checkpoints (half to even).
//!
//! Read `task.rs` for which kernel a layer gets, then the kernel. Floats: `float.rs` (few tokens), `words.rs` (many). Block
//! formats: `blocks.rs` (one, two), `fours.rs` (to 12, AVX-512), `eights.rs` (two to 8 of the most usual ones, AVX2), `groups.rs`
//! (several; with AVX2, and of formats in blocks of 32 columns, also many), `panel.rs` (many). Integer codes: `codes.rs` (few), `panel.rs` (many).
//! With AMX many tokens of all but F16 and F32 go to `amx.rs`.

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod activations;
#[cfg(target_arch = "x86_64")]
mod amx;
mod blocks;
mod codes;
#[cfg(target_arch = "x86_64")]
mod eights;
mod finish;
mod float;
#[cfg(target_arch = "x86_64")]
mod fours;
#[cfg(target_arch = "x86_64")]
mod groups;
mod panel;
mod scalar;
mod task;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod words;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "x86_64")]
pub(crate) use amx::Registers;

use crate::{Cpu, Projection};
use task::{Inputs, Task};

impl Cpu {
    /// Applies every layer of `jobs` to `x` (`[T, in]`).
    ///
    /// # Panics
    /// When a slice has another length than its shape.
    pub fn project(&self, x: &[f32], tokens: usize, jobs: &mut [Projection<'_>]) {
        if tokens == 0 {
            return;
        }
        let mut inputs = Inputs::new(self, x, tokens);
        let tasks: Vec<Task<'_>> = jobs.iter_mut().map(|job| Task::plan(&mut inputs, job)).collect();
        let chunks: usize = tasks.iter().map(Task::chunks).sum();
        self.pool.run(chunks, &|chunk| {
            let (task, chunk) = locate(&tasks, chunk);
            task.run(self, chunk);
        });
    }

    /// The most tokens of one [`Cpu::project`] whose results are, to the bit, those of each token alone. Up to here what is
    /// generated depends neither on a guess that is checked along with it nor on the other sequences of a step.
    pub fn alike_tokens_max(&self) -> usize {
        task::panel_tokens(self.isa) - 1
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
