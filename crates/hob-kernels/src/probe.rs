//! Loops of nothing but multiply-accumulate instructions on registers: the rate at which this CPU could multiply if
//! memory, packing and bookkeeping cost nothing. Kernels are judged as a fraction of it.
//!
//! The loops know no clock; `hob-eval` times them. Each keeps a dozen independent sums, more than any CPU's
//! latency times issue width asks for, and few enough that sums and operands stay in registers.
#![allow(unsafe_code, reason = "instructions beyond the baseline")]

/// Independent sums of a loop.
const ACCUMULATORS: u64 = 12;

/// What is multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// 8-bit integers, summed in 32 bits.
    Int8,
    /// bf16 pairs, summed in f32.
    Bf16,
    /// f32.
    F32,
}

/// One instruction's loop, on a machine that has the instruction.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// What it multiplies.
    pub kind: ProbeKind,
    /// The instruction, as the assembler writes it.
    pub instruction: &'static str,
    macs_per_step: u64,
    body: fn(u64),
}

impl Probe {
    /// Every loop this machine can run; several of one kind where several instructions compete.
    pub fn available() -> Vec<Self> {
        let mut list = Vec::new();
        machine::add(&mut list);
        list
    }

    /// Runs `iterations` rounds of the loop on the calling thread.
    pub fn run(&self, iterations: u64) {
        (self.body)(iterations);
    }

    /// Multiply-accumulates that `iterations` rounds do.
    pub fn macs(&self, iterations: u64) -> u64 {
        iterations * ACCUMULATORS * self.macs_per_step
    }
}

/// Defines `fn $name(iterations)`: the step, on every accumulator in turn, as often as asked.
#[allow(unused_macros, reason = "not every architecture has loops")]
macro_rules! probe_loop {
    ($name:ident, $features:literal, $zero:expr, $operand:expr, |$sum:ident, $a:ident, $b:ident| $step:expr) => {
        fn $name(iterations: u64) {
            #[target_feature(enable = $features)]
            fn run(iterations: u64) {
                let ($a, $b) = std::hint::black_box(($operand, $operand));
                let mut sums = [$zero; super::ACCUMULATORS as usize];
                for _ in 0..iterations {
                    for $sum in &mut sums {
                        *$sum = $step;
                    }
                }
                std::hint::black_box(sums);
            }
            // SAFETY: `add` lists a loop only where detection found its features, and `Probe`s come from nowhere else.
            unsafe { run(iterations) }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod machine {
    use super::{ACCUMULATORS, Probe, ProbeKind};
    use crate::Isa;
    use crate::isa::Amx;
    use crate::ops::linear::Registers;
    use std::arch::asm;
    use std::arch::x86_64::*;

    pub(super) fn add(list: &mut Vec<Probe>) {
        let mut put = |found: bool, kind, instruction, macs_per_step, body| {
            if found {
                list.push(Probe { kind, instruction, macs_per_step, body });
            }
        };
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = is_x86_feature_detected!("avx512f");
        let (vnni, bf16) = (is_x86_feature_detected!("avx512vnni"), is_x86_feature_detected!("avx512bf16"));
        // A pinned level is to be compared with what it could reach itself.
        let amx = Isa::detect() == Isa::Amx;
        put(amx, ProbeKind::Int8, "tdpbusd", 16 * 16 * 64, int8_amx);
        put(amx, ProbeKind::Bf16, "tdpbf16ps", 16 * 16 * 32, bf16_amx);
        put(avx512 && vnni, ProbeKind::Int8, "vpdpbusd zmm", 64, int8_zmm);
        put(is_x86_feature_detected!("avxvnni"), ProbeKind::Int8, "vpdpbusd ymm", 32, int8_ymm);
        put(avx2, ProbeKind::Int8, "vpmaddubsw vpmaddwd vpaddd ymm", 32, int8_avx2);
        put(avx512 && bf16, ProbeKind::Bf16, "vdpbf16ps zmm", 32, bf16_zmm);
        put(avx512, ProbeKind::F32, "vfmadd231ps zmm", 16, f32_zmm);
        put(avx2, ProbeKind::F32, "vfmadd231ps ymm", 8, f32_ymm);
    }

    /// Four sums of what two and two registers hold, as kernels have them.
    fn int8_amx(iterations: u64) {
        let registers = Registers::new(Amx::detect().expect("`add` lists this loop only where AMX is"));
        for _ in 0..iterations * ACCUMULATORS / 4 {
            registers.dot_bytes::<0, 4, 6>();
            registers.dot_bytes::<1, 5, 6>();
            registers.dot_bytes::<2, 4, 7>();
            registers.dot_bytes::<3, 5, 7>();
        }
    }

    fn bf16_amx(iterations: u64) {
        let registers = Registers::new(Amx::detect().expect("`add` lists this loop only where AMX is"));
        for _ in 0..iterations * ACCUMULATORS / 4 {
            registers.dot_pairs::<0, 4, 6>();
            registers.dot_pairs::<1, 5, 6>();
            registers.dot_pairs::<2, 4, 7>();
            registers.dot_pairs::<3, 5, 7>();
        }
    }

    probe_loop!(int8_zmm, "avx512f,avx512vnni", _mm512_setzero_si512(), _mm512_set1_epi8(1), |sum, a, b| {
        _mm512_dpbusd_epi32(*sum, a, b)
    });
    probe_loop!(int8_ymm, "avx2,avxvnni", _mm256_setzero_si256(), _mm256_set1_epi8(1), |sum, a, b| {
        _mm256_dpbusd_avx_epi32(*sum, a, b)
    });
    probe_loop!(int8_avx2, "avx2", _mm256_setzero_si256(), _mm256_set1_epi8(1), |sum, a, b| {
        let pairs = _mm256_maddubs_epi16(unknown(a), b);
        _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, b))
    });
    probe_loop!(
        bf16_zmm,
        "avx512f,avx512bf16",
        _mm512_setzero_ps(),
        _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5), _mm512_set1_ps(0.5)),
        |sum, a, b| _mm512_dpbf16_ps(*sum, a, b)
    );
    probe_loop!(f32_zmm, "avx512f", _mm512_setzero_ps(), _mm512_set1_ps(0.5), |sum, a, b| {
        _mm512_fmadd_ps(a, b, *sum)
    });
    probe_loop!(f32_ymm, "avx2,fma", _mm256_setzero_ps(), _mm256_set1_ps(0.5), |sum, a, b| {
        _mm256_fmadd_ps(a, b, *sum)
    });

    /// `x`, of which the compiler no longer knows that it is the same every time: otherwise it would move the product of
    /// two constants out of the loop.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn unknown(mut x: __m256i) -> __m256i {
        // Not `pure`: then the compiler could take all copies of this for one.
        // SAFETY: no instruction, and no memory, flag or register beyond `x` is touched.
        unsafe { asm!("/* {0} */", inout(ymm_reg) x, options(nomem, nostack, preserves_flags)) };
        x
    }
}

#[cfg(target_arch = "aarch64")]
mod machine {
    use super::{Probe, ProbeKind};
    use std::arch::aarch64::*;
    use std::arch::{asm, is_aarch64_feature_detected};

    pub(super) fn add(list: &mut Vec<Probe>) {
        let mut put = |found: bool, kind, instruction, macs_per_step, body| {
            if found {
                list.push(Probe { kind, instruction, macs_per_step, body });
            }
        };
        put(is_aarch64_feature_detected!("i8mm"), ProbeKind::Int8, "smmla", 32, int8_matrix);
        put(is_aarch64_feature_detected!("dotprod"), ProbeKind::Int8, "sdot", 16, int8_dot);
        put(is_aarch64_feature_detected!("bf16"), ProbeKind::Bf16, "bfmmla", 16, bf16_matrix);
        put(is_aarch64_feature_detected!("neon"), ProbeKind::F32, "fmla", 4, f32_neon);
    }

    /// Instructions whose intrinsics are not stable yet, on registers only.
    macro_rules! instruction {
        ($name:ident, $features:literal, $sum:ty, $operand:ty, $text:literal) => {
            #[inline]
            #[target_feature(enable = $features)]
            fn $name(mut sum: $sum, a: $operand, b: $operand) -> $sum {
                // SAFETY: one instruction of the function's features, which touches the named registers only.
                unsafe {
                    asm!(
                        $text,
                        sum = inout(vreg) sum,
                        a = in(vreg) a,
                        b = in(vreg) b,
                        options(pure, nomem, nostack, preserves_flags)
                    );
                }
                sum
            }
        };
    }

    instruction!(sdot, "neon,dotprod", int32x4_t, int8x16_t, "sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b");
    instruction!(smmla, "neon,i8mm", int32x4_t, int8x16_t, "smmla {sum:v}.4s, {a:v}.16b, {b:v}.16b");
    instruction!(bfmmla, "neon,bf16", float32x4_t, uint16x8_t, "bfmmla {sum:v}.4s, {a:v}.8h, {b:v}.8h");

    probe_loop!(int8_dot, "neon,dotprod", vdupq_n_s32(0), vdupq_n_s8(1), |sum, a, b| sdot(*sum, a, b));
    probe_loop!(int8_matrix, "neon,i8mm", vdupq_n_s32(0), vdupq_n_s8(1), |sum, a, b| smmla(*sum, a, b));
    // 0x3f00 is 0.5 in bf16.
    probe_loop!(bf16_matrix, "neon,bf16", vdupq_n_f32(0.0), vdupq_n_u16(0x3f00), |sum, a, b| {
        bfmmla(*sum, a, b)
    });
    probe_loop!(f32_neon, "neon", vdupq_n_f32(0.0), vdupq_n_f32(0.5), |sum, a, b| vfmaq_f32(*sum, a, b));
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod machine {
    /// No loops for this architecture yet: fractions of its peak are left out.
    pub(super) fn add(_list: &mut Vec<super::Probe>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loop_runs_and_counts() {
        for probe in Probe::available() {
            probe.run(3);
            assert!(probe.macs(3).is_multiple_of(3 * ACCUMULATORS), "{}", probe.instruction);
            assert!(probe.macs(1) > 0);
        }
    }
}
