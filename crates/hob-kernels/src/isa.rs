//! Which instruction set the kernels use, found at run time.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::{Neon, NeonDot, NeonI8mm};
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::{Amx, Avx2, Avx512, Avx512Bf16, AvxVnni};

use std::fmt;

/// Dots of four bytes beside a level whose own are of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "only x86-64 has such dots"))]
pub(crate) enum ByteDot {
    Absent,
    /// AVX-VNNI.
    Native,
    /// Other instructions that compute the same, for tests.
    #[cfg(test)]
    Emulated,
}

/// An instruction-set level that kernels are written for, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Plain Rust: the reference.
    Scalar,
    /// x86-64 with AVX2, FMA and F16C.
    Avx2,
    /// x86-64 with AVX-512 F, BW, VL, DQ and VNNI.
    Avx512,
    /// The same with AVX-512 BF16, and AMX for 8-bit integers and bf16, on Linux.
    Amx,
    /// AArch64 with its baseline NEON.
    Neon,
    /// AArch64 with the `dotprod` extension.
    NeonDot,
    /// AArch64 with `dotprod` and `i8mm`.
    NeonI8mm,
}

impl Isa {
    /// Every level, lowest first.
    pub const ALL: [Isa; 7] =
        [Isa::Scalar, Isa::Avx2, Isa::Avx512, Isa::Amx, Isa::Neon, Isa::NeonDot, Isa::NeonI8mm];

    /// The best level this machine has, or the one that the environment variable `HOB_ISA` pins when it is available.
    ///
    /// An unknown or unavailable pin is ignored here; programs check it with [`Isa::from_name`] and say so.
    pub fn detect() -> Self {
        #[allow(clippy::disallowed_methods, reason = "the one switch that must reach every test binary")]
        let pinned = std::env::var("HOB_ISA").ok().and_then(|name| Self::from_name(&name));
        match pinned {
            Some(isa) if isa.is_available() => isa,
            _ => Self::available().last().copied().unwrap_or(Isa::Scalar),
        }
    }

    /// The levels this machine can run, reference first.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_available()).collect()
    }

    /// Whether this machine can run kernels of this level.
    pub fn is_available(self) -> bool {
        match self {
            Isa::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Avx2::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => Avx512::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Isa::Amx => Amx::detect().is_some(),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => Neon::detect().is_some(),
            #[cfg(target_arch = "aarch64")]
            Isa::NeonDot => NeonDot::detect().is_some(),
            #[cfg(target_arch = "aarch64")]
            Isa::NeonI8mm => NeonI8mm::detect().is_some(),
            #[allow(unreachable_patterns, reason = "the levels of other architectures")]
            _ => false,
        }
    }

    /// The level of the vectors beside this level's tiles: itself, where there are no tiles.
    pub(crate) fn vectors(self) -> Self {
        if self == Isa::Amx { Isa::Avx512 } else { self }
    }

    /// Whether this machine has products of bf16 pairs beside this level.
    pub(crate) fn has_bf16(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::Amx => Avx512Bf16::detect().is_some(),
            _ => false,
        }
    }

    /// Whether these are faster than products of f32, too. Intel's are not, by half.
    pub(crate) fn has_fast_bf16(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self.has_bf16() && !x86_64::is_intel();
        #[cfg(not(target_arch = "x86_64"))]
        self.has_bf16()
    }

    /// What this machine has beside this level for products of four bytes at a time.
    pub(crate) fn byte_dot(self) -> ByteDot {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 if AvxVnni::detect().is_some() => ByteDot::Native,
            _ => ByteDot::Absent,
        }
    }

    /// The level called `name` (`scalar`, `avx2`, `avx512`, `amx`, `neon`, `neon-dot`, `neon-i8mm`).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|isa| isa.name() == name)
    }

    /// The name `HOB_ISA` uses.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Amx => "amx",
            Isa::Neon => "neon",
            Isa::NeonDot => "neon-dot",
            Isa::NeonI8mm => "neon-i8mm",
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a run meant for one level would test another and say that all is well.
    #[test]
    #[allow(clippy::disallowed_methods, reason = "the switch that every test binary heeds")]
    fn a_pinned_level_is_one_of_this_machine() {
        if let Ok(name) = std::env::var("HOB_ISA") {
            let isa = Isa::from_name(&name);
            assert!(isa.is_some_and(Isa::is_available), "HOB_ISA={name} is not a level of this CPU");
        }
    }
}
