//! What the NEON kernels share: 16 products of signed bytes, added to four sums, with and without the dot instruction.
#![allow(unsafe_code)]

use std::arch::aarch64::*;
use std::arch::asm;

/// Adds each four neighbouring products to one of four sums. A product of signed bytes is at most `2^14` and fits the
/// 16 bits that the multiplication makes; sums wrap.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn dot_neon(sums: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    let low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
    let high = vmull_high_s8(a, b);
    vpadalq_s16(vpadalq_s16(sums, low), high)
}

/// Instructions on registers whose intrinsics are not stable yet.
macro_rules! instruction {
    ($(#[$doc:meta])* $name:ident, $features:literal, $text:literal) => {
        $(#[$doc])*
        #[inline]
        #[target_feature(enable = $features)]
        pub(super) fn $name(mut sums: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
            // SAFETY: one instruction of the function's features, which touches the named registers only.
            unsafe {
                asm!(
                    $text,
                    sums = inout(vreg) sums,
                    a = in(vreg) a,
                    b = in(vreg) b,
                    options(pure, nomem, nostack, preserves_flags)
                );
            }
            sums
        }
    };
}

instruction!(
    /// As [`dot_neon`], in one instruction.
    dot_sdot, "neon,dotprod", "sdot {sums:v}.4s, {a:v}.16b, {b:v}.16b"
);
instruction!(
    /// `sums[2 * i + j]` gains the dot of half `i` of `a` with half `j` of `b`, eight bytes each.
    dot_smmla, "neon,i8mm", "smmla {sums:v}.4s, {a:v}.16b, {b:v}.16b"
);

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load_i8(bytes: &[i8; 16]) -> int8x16_t {
    // SAFETY: 16 readable bytes; the load needs no alignment.
    unsafe { vld1q_s8(bytes.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load_u8(bytes: &[u8; 16]) -> uint8x16_t {
    // SAFETY: 16 readable bytes; the load needs no alignment.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load_f32(values: &[f32; 4]) -> float32x4_t {
    // SAFETY: 16 readable bytes; the load needs no alignment.
    unsafe { vld1q_f32(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load_i32(values: &[i32; 4]) -> int32x4_t {
    // SAFETY: 16 readable bytes; the load needs no alignment.
    unsafe { vld1q_s32(values.as_ptr()) }
}

/// The four sums of each of four vectors, in one vector.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn sum_each(v: [int32x4_t; 4]) -> int32x4_t {
    vpaddq_s32(vpaddq_s32(v[0], v[1]), vpaddq_s32(v[2], v[3]))
}
