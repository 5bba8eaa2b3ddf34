//! Activations of four tokens side by side.

use super::TOKENS;
use super::x86_64::{Four, quantise};
use crate::Cpu;
use crate::isa::Avx512;
use crate::ops::linear::activations::UNIT;
use crate::ops::linear::blocks::format::Form;
use crate::scratch::Buffer;

/// A batch of quantised tokens.
pub(in crate::ops::linear) struct Fours {
    /// `[unit][four]`.
    fours: Buffer<Four>,
    width: usize,
    tokens: usize,
}

impl Fours {
    /// Quantises `x` (`[tokens, cols]`).
    pub(in crate::ops::linear) fn new(cpu: &Cpu, x: &[f32], tokens: usize, form: Form) -> Self {
        let cols = x.len() / tokens;
        let (width, count) = (cols.div_ceil(UNIT), tokens.div_ceil(TOKENS));
        let proof = Avx512::detect().expect("the kernel is chosen at this level only");
        let mut fours = cpu.shelf.take(width * count);
        cpu.pool.for_each_part(&mut fours, count, &|unit, fours| {
            let columns = unit * UNIT..((unit + 1) * UNIT).min(cols);
            for (index, four) in fours.iter_mut().enumerate() {
                let mut rows = [&x[..0]; TOKENS];
                for (row, token) in rows.iter_mut().zip(index * TOKENS..tokens) {
                    *row = &x[token * cols..][columns.clone()];
                }
                quantise(proof, &rows, form, four);
            }
        });
        Self { fours, width, tokens }
    }

    pub(super) fn tokens(&self) -> usize {
        self.tokens
    }

    /// Units of a token.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// One unit of all tokens.
    pub(super) fn unit(&self, unit: usize) -> &[Four] {
        let count = self.tokens.div_ceil(TOKENS);
        &self.fours[unit * count..][..count]
    }
}
