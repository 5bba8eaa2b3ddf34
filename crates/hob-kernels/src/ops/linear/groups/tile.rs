//! The layout of tokens that kernels walk.
#![allow(unsafe_code)]

use super::TOKENS;
use crate::scratch::Plain;

/// One unit of at most `T` tokens. Those that are not there have steps of zero, and any codes. `C` is a code, as in a panel.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(in crate::ops::linear) struct Tile<C, const T: usize = TOKENS> {
    /// `[group][quad of columns][token]`.
    pub codes: [[[[C; 4]; T]; 8]; 8],
    /// What dots begin with, the zero point's share: minus the sum of the codes times the offset. `[half][group][token]`;
    /// where a group has one dot, the first stands for both halves. With AVX2 the sums of the first and of the last two
    /// columns of all quads, 16 bits each; these are the halves where a kernel mixes them.
    pub starts: [[[i32; T]; 8]; 2],
    /// What minima are multiplied with: minus the sum of the quantised activations. As `starts`, by the format's scales.
    pub minus_x: [[[f32; T]; 8]; 2],
    /// The same for minima that are whole multiples, without steps: `[group][token][half]`.
    pub negative_pairs: [[[i16; 2]; T]; 8],
    /// `[group][token]`.
    pub steps: [[f32; T]; 8],
}

// SAFETY: arrays of numbers; the alignment is a cache line's.
unsafe impl<C: Plain, const T: usize> Plain for Tile<C, T> {}
