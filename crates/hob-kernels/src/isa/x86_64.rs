//! Permission to run x86-64 instructions: values that only detection can make.

mod amx;

use std::arch::x86_64::__cpuid;
use std::sync::OnceLock;

/// AVX2, FMA and F16C are there.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// Asks the CPU (the standard library remembers the answer).
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        found.then_some(Self(()))
    }
}

/// AVX-VNNI is there, and everything [`Avx2`] stands for.
///
/// Not a level of its own: it makes the same integers as AVX2 alone.
#[derive(Clone, Copy)]
pub(crate) struct AvxVnni(());

impl AvxVnni {
    /// Asks the CPU (the standard library remembers the answer).
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        (Avx2::detect().is_some() && is_x86_feature_detected!("avxvnni")).then_some(Self(()))
    }
}

/// AVX-512 F, BW, VL, DQ and VNNI are there, and everything [`Avx2`] stands for.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// Asks the CPU (the standard library remembers the answer).
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        let found = Avx2::detect().is_some()
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vnni");
        found.then_some(Self(()))
    }
}

/// AVX-512 BF16 is there, and everything [`Avx512`] stands for.
///
/// Not a level of its own: the one thing it adds is a product of bf16 pairs, for operations that round to bf16 anyway.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Bf16(());

impl Avx512Bf16 {
    /// Asks the CPU (the standard library remembers the answer).
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        (Avx512::detect().is_some() && is_x86_feature_detected!("avx512bf16")).then_some(Self(()))
    }
}

/// AMX for 8-bit integers and bf16 is there and the system lets this process use it; and everything [`Avx512Bf16`] stands for.
#[derive(Clone, Copy)]
pub(crate) struct Amx(());

impl Amx {
    /// Asks the CPU and the system, once.
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        static FOUND: OnceLock<bool> = OnceLock::new();
        let found =
            FOUND.get_or_init(|| Avx512Bf16::detect().is_some() && amx::is_there() && amx::is_permitted());
        found.then_some(Self(()))
    }
}

/// Whether Intel made this CPU.
pub(super) fn is_intel() -> bool {
    let vendor = __cpuid(0);
    [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).as_flattened() == b"GenuineIntel"
}
