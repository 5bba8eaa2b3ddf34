//! The CPU as the decoder sees it: coarse operations over slices, spread over the pool.

use crate::isa::ByteDot;
use crate::scratch::{Buffer, Shelf};
use crate::{Isa, Pool};
use std::sync::Arc;

/// How activations are represented in matrix products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Compute {
    /// f32 activations against exactly decoded weights: the reference for tests.
    Exact,
    /// 8-bit activations, quantised per block; with AMX many tokens of block formats are bf16 on both sides instead. Weights that are floats in the file meet f32 activations, or, if bf16 and many
    /// tokens, bf16 ones; what attention sums is bf16: both where the CPU multiplies bf16 faster than f32. Attention over
    /// cached codes rounds to 16 bits where the CPU multiplies those faster.
    #[default]
    Fast,
}

/// A thread pool, an instruction-set level and a compute mode; the operations are methods, each beside its contract in `ops`.
///
/// Every result is the same, bit for bit, whatever the number of threads: no output element is summed by two of them.
pub struct Cpu {
    pub(crate) pool: Pool,
    /// The level of vectors.
    pub(crate) isa: Isa,
    /// Whether tiles are there and may be used; implies [`Isa::Amx`].
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "only x86-64 has tiles"))]
    pub(crate) amx: bool,
    pub(crate) compute: Compute,
    /// Whether vectors of bf16 pairs are there and to be multiplied; implies [`Isa::has_bf16`].
    pub(crate) bf16: bool,
    /// Which dots of bytes may be used beside AVX2; implies what [`Isa::byte_dot`] says.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "only x86-64 has such dots"))]
    pub(crate) byte_dot: ByteDot,
    pub(crate) shelf: Arc<Shelf>,
}

impl Cpu {
    /// `threads` threads with the best instructions this machine has.
    pub fn new(threads: usize, compute: Compute) -> Self {
        Self::with_isa(threads, compute, Isa::detect())
    }

    /// As [`Cpu::new`], at a given instruction-set level.
    ///
    /// # Panics
    /// When this machine does not have that level.
    pub fn with_isa(threads: usize, compute: Compute, isa: Isa) -> Self {
        assert!(isa.is_available(), "this machine has no {isa}");
        let (bf16, byte_dot) = (isa.has_fast_bf16(), isa.byte_dot());
        let (isa, amx) = (isa.vectors(), isa == Isa::Amx);
        Self { pool: Pool::new(threads), isa, amx, compute, bf16, byte_dot, shelf: Arc::default() }
    }

    /// `len` numbers to work in, of unspecified value: what earlier work left there.
    pub fn buffer(&self, len: usize) -> Buffer<f32> {
        self.shelf.take(len)
    }

    /// A copy of `x` to work on.
    pub fn copy(&self, x: &[f32]) -> Buffer<f32> {
        let mut copy = self.buffer(x.len());
        copy.copy_from_slice(x);
        copy
    }

    /// The compute mode.
    pub fn compute(&self) -> Compute {
        self.compute
    }

    /// The instruction-set level.
    pub fn isa(&self) -> Isa {
        if self.amx { Isa::Amx } else { self.isa }
    }

    /// Threads that take part in an operation.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }
}
