//! NEON vectors.
#![allow(unsafe_code, reason = "vector instructions; see the parent module")]

use super::{Kernel, Simd};
use crate::Cpu;
use half::f16;
use std::arch::aarch64::*;

/// Permission to use NEON.
#[derive(Clone, Copy)]
pub(super) struct Neon(());

#[inline]
pub(super) fn run_neon<K: Kernel>(_cpu: &Cpu, kernel: K) -> K::Output {
    // SAFETY: `dispatch` comes here for a `Cpu` at a NEON level only, and a `Cpu` is made only when detection finds its level.
    unsafe { neon(kernel) }
}

#[cfg_attr(debug_assertions, inline(never))]
#[target_feature(enable = "neon")]
fn neon<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Neon(()))
}

/// Methods that are an expression over register operands.
macro_rules! instructions {
    ($($name:ident($($x:ident: $ty:ty),*) -> $out:ty $body:block)*) => {$(
        #[inline(always)]
        fn $name(self, $($x: $ty),*) -> $out {
            // SAFETY: `self` exists only on a CPU that has these instructions, and they touch registers only.
            unsafe { $body }
        }
    )*};
}

impl Simd for Neon {
    type F = float32x4_t;
    const LANES: usize = 4;
    const TILE: (usize, usize) = (4, 5);

    #[inline(always)]
    fn call<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: `self` exists only on a CPU that has NEON.
        unsafe { neon(kernel) }
    }

    #[inline(always)]
    fn load(self, from: &[f32]) -> float32x4_t {
        // SAFETY: the slice has 4 elements.
        unsafe { vld1q_f32(from[..4].as_ptr()) }
    }

    #[inline(always)]
    fn load_f16(self, from: &[f16]) -> float32x4_t {
        // SAFETY: the slice has 8 bytes of f16 bit patterns.
        unsafe { vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from[..4].as_ptr().cast()))) }
    }

    #[inline(always)]
    fn load_i8(self, from: &[i8]) -> float32x4_t {
        let bytes = u32::from_ne_bytes([from[0] as u8, from[1] as u8, from[2] as u8, from[3] as u8]);
        // SAFETY: `self` exists only on a CPU that has these instructions, and they touch registers only.
        unsafe {
            let wide = vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(bytes)));
            vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)))
        }
    }

    #[inline(always)]
    fn store(self, x: float32x4_t, to: &mut [f32]) {
        // SAFETY: the slice has 4 elements.
        unsafe { vst1q_f32(to[..4].as_mut_ptr(), x) }
    }

    /// The intrinsic is not stable yet, and these cores' own prefetchers follow a page's layout.
    #[inline(always)]
    fn prefetch(self, _address: *const u8) {}

    instructions! {
        splat(x: f32) -> float32x4_t { vdupq_n_f32(x) }
        add(a: float32x4_t, b: float32x4_t) -> float32x4_t { vaddq_f32(a, b) }
        sub(a: float32x4_t, b: float32x4_t) -> float32x4_t { vsubq_f32(a, b) }
        mul(a: float32x4_t, b: float32x4_t) -> float32x4_t { vmulq_f32(a, b) }
        div(a: float32x4_t, b: float32x4_t) -> float32x4_t { vdivq_f32(a, b) }
        mul_add(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t { vfmaq_f32(c, a, b) }
        sqrt(x: float32x4_t) -> float32x4_t { vsqrtq_f32(x) }
        max(a: float32x4_t, b: float32x4_t) -> float32x4_t { vbslq_f32(vcgtq_f32(a, b), a, b) }
        min(a: float32x4_t, b: float32x4_t) -> float32x4_t { vbslq_f32(vcltq_f32(a, b), a, b) }
        select_less(a: float32x4_t, b: float32x4_t, yes: float32x4_t, no: float32x4_t) -> float32x4_t {
            vbslq_f32(vcltq_f32(a, b), yes, no)
        }
        round(x: float32x4_t) -> float32x4_t { vrndnq_f32(x) }
        exp2_integer(n: float32x4_t) -> float32x4_t {
            vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127))))
        }
        sum(x: float32x4_t) -> f32 { vaddvq_f32(x) }
        unzip(a: float32x4_t, b: float32x4_t) -> (float32x4_t, float32x4_t) { (vuzp1q_f32(a, b), vuzp2q_f32(a, b)) }
        zip(even: float32x4_t, odd: float32x4_t) -> (float32x4_t, float32x4_t) {
            (vzip1q_f32(even, odd), vzip2q_f32(even, odd))
        }
    }
}
