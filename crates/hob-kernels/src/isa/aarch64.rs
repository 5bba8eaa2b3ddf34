//! Permission to run AArch64 instructions: values that only detection can make.

use std::arch::is_aarch64_feature_detected;

/// NEON is there.
#[derive(Clone, Copy)]
pub(crate) struct Neon(());

impl Neon {
    /// Asks the CPU (the standard library remembers the answer).
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        is_aarch64_feature_detected!("neon").then_some(Self(()))
    }
}

/// `dotprod` is there, and everything [`Neon`] stands for.
#[derive(Clone, Copy)]
pub(crate) struct NeonDot(());

impl NeonDot {
    /// Asks the CPU (the standard library remembers the answer).
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        (Neon::detect().is_some() && is_aarch64_feature_detected!("dotprod")).then_some(Self(()))
    }
}

/// `i8mm` is there, and everything [`NeonDot`] stands for.
#[derive(Clone, Copy)]
pub(crate) struct NeonI8mm(());

impl NeonI8mm {
    /// Asks the CPU (the standard library remembers the answer).
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        (NeonDot::detect().is_some() && is_aarch64_feature_detected!("i8mm")).then_some(Self(()))
    }
}
