//! Channel-wise integer codes (2, 4 or 8 bits, one scale per row) against 8-bit activations, for a few tokens.
//!
//! `y = sum(code * q) * (step * scale[row])` with the sum an exact integer: the same number in every variant, for one
//! token and for many. The activations' step is the layer's trained one, or that of the token's largest magnitude.
//!
//! A row of at most [`MAX_COLS`] columns cannot overflow an i32: codes less their offset and activations are at most 128
//! in magnitude, so the sum is at most `2^14 * 2^16`. Sums of unsigned codes, before the zero point is taken away, may
//! wrap; arithmetic modulo 2^32 gives the right difference. Wider rows are summed in 64 bits.
//!
//! Source of the format: the mobile Gemma 4 checkpoints (`../shared/reference/gemma4_mobile.md`).

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use super::activations::{Activations, Order, UNIT};
use super::finish::Finish;
use crate::matrix::Storage;
use crate::{CodeBits, Isa, Matrix, ScaleType};
use std::ops::Range;

/// Columns that are certain not to overflow an i32.
pub(super) const MAX_COLS: usize = 1 << 16;

/// The order in which a kernel for these codes wants activations.
pub(super) fn order(bits: CodeBits) -> Order {
    match bits {
        CodeBits::Two => Order::Quarters,
        CodeBits::Four => Order::EvenOdd,
        CodeBits::Eight => Order::Natural,
    }
}

/// What a stored code is above its value; 8-bit codes are read as if stored with an offset too.
pub(super) const fn offset(bits: CodeBits) -> i32 {
    match bits {
        CodeBits::Two => 2,
        CodeBits::Four => 8,
        CodeBits::Eight => 128,
    }
}

/// Activations with what the kernels need once per token.
pub(super) struct Input {
    pub x: std::sync::Arc<Activations>,
    pub tokens: Vec<Token>,
}

/// One token's step (NaN if it has a NaN) and minus the sum of its codes.
#[derive(Clone, Copy)]
pub(super) struct Token {
    pub step: f32,
    pub negative_sum: i32,
}

impl Input {
    /// `x` must have one step per token.
    pub(super) fn new(x: std::sync::Arc<Activations>) -> Self {
        let token = |t| {
            let units = x.token(t);
            let steps = units.iter().flat_map(|unit| unit.steps);
            let step = steps.reduce(|a, b| if a.is_nan() { a } else { b }).unwrap_or(0.0);
            Token { step, negative_sum: units.iter().map(|unit| unit.negative_sum()).sum() }
        };
        let tokens = (0..x.tokens).map(token).collect();
        Self { x, tokens }
    }
}

/// One layer's weights as this kernel sees them; the bytes are looked up once, since views of a file cost a call.
pub(super) struct Weights<'a> {
    bytes: &'a [u8],
    row_bytes: usize,
    pub cols: usize,
    pub bits: CodeBits,
    scales: &'a [u8],
    scale_type: ScaleType,
}

impl<'a> Weights<'a> {
    /// `None` when the codes have several scales per row.
    pub(super) fn new(matrix: &'a Matrix) -> Option<Self> {
        match matrix.storage() {
            Storage::Codes { bits, bytes, scales } if scales.groups == 1 => Some(Self {
                bytes,
                row_bytes: bits.row_bytes(matrix.cols()),
                cols: matrix.cols(),
                bits: *bits,
                scales: &scales.bytes,
                scale_type: scales.ty,
            }),
            _ => None,
        }
    }

    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> &'a [u8] {
        &self.bytes[row * self.row_bytes..][..self.row_bytes]
    }

    #[inline(always)]
    pub(super) fn scale(&self, row: usize) -> f32 {
        self.scale_type.read(self.scales, row)
    }
}

/// Multiplies `rows` with all tokens.
pub(super) fn project(isa: Isa, w: &Weights<'_>, rows: Range<usize>, input: &Input, finish: &Finish<'_>) {
    match isa {
        _ if w.cols > MAX_COLS => scalar(w, rows, input, finish),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => x86_64::avx512(w, rows, input, finish),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => x86_64::avx2(w, rows, input, finish),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => aarch64::neon(w, rows, input, finish),
        #[cfg(target_arch = "aarch64")]
        Isa::NeonDot | Isa::NeonI8mm => aarch64::dotprod(w, rows, input, finish),
        _ => scalar(w, rows, input, finish),
    }
}

/// The scalar twin, in 64 bits.
fn scalar(w: &Weights<'_>, rows: Range<usize>, input: &Input, finish: &Finish<'_>) {
    let (cols, order) = (w.cols, order(w.bits));
    let mut codes = vec![0i8; cols];
    for row in rows {
        w.bits.unpack_row(w.row(row), &mut codes);
        for (t, token) in input.tokens.iter().enumerate() {
            let units = codes.chunks(UNIT).zip(input.x.token(t));
            let products = units.flat_map(|(codes, x)| {
                let x = move |column| i64::from(x.codes[order.place(column)]);
                codes.iter().enumerate().map(move |(column, &code)| i64::from(code) * x(column))
            });
            let sum: i64 = products.sum();
            finish.put(t, row, sum as f32 * (token.step * w.scale(row)));
        }
    }
}
