//! Activations of all tokens side by side.

use super::{TOKENS_MAX, Unit};
use crate::Cpu;
use crate::isa::Avx2;
use crate::ops::linear::activations::UNIT;
use crate::ops::linear::blocks::format::Form;
use crate::ops::linear::groups::quantise_bytes;
use crate::scratch::Buffer;

/// A batch of quantised tokens.
pub(in crate::ops::linear) struct Packed {
    pub(super) units: Units,
    pub(super) tokens: usize,
}

/// Units with room for so many tokens and no more: beside the weights of two eights they have to fit the L1 cache.
pub(super) enum Units {
    Two(Buffer<Unit<2>>),
    Three(Buffer<Unit<3>>),
    Four(Buffer<Unit<4>>),
    Six(Buffer<Unit<6>>),
    Eight(Buffer<Unit<8>>),
}

impl Packed {
    /// Quantises `x` (`[tokens, cols]`) of at most [`TOKENS_MAX`] tokens.
    pub(in crate::ops::linear) fn new(cpu: &Cpu, x: &[f32], tokens: usize, form: Form) -> Self {
        let units = match tokens {
            ..=2 => Units::Two(packed(cpu, x, tokens, form)),
            3 => Units::Three(packed(cpu, x, tokens, form)),
            4 => Units::Four(packed(cpu, x, tokens, form)),
            5 | 6 => Units::Six(packed(cpu, x, tokens, form)),
            _ => Units::Eight(packed(cpu, x, tokens, form)),
        };
        Self { units, tokens }
    }
}

fn packed<const T: usize>(cpu: &Cpu, x: &[f32], tokens: usize, form: Form) -> Buffer<Unit<T>> {
    let level = Avx2::detect().expect("the kernel is chosen from this level on");
    let cols = x.len() / tokens;
    let mut units = cpu.shelf.take(cols.div_ceil(UNIT));
    cpu.pool.for_each_part(&mut units, 1, &|unit, to| {
        let columns = unit * UNIT..((unit + 1) * UNIT).min(cols);
        let mut rows = [&x[..0]; TOKENS_MAX];
        for (row, token) in rows.iter_mut().zip(0..tokens) {
            *row = &x[token * cols..][columns.clone()];
        }
        quantise_bytes(level, &rows[..tokens], form, &mut to[0]);
    });
    units
}
