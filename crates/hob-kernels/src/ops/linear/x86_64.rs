//! What several kernels do with whole registers.
#![allow(unsafe_code)]

use crate::scratch::Plain;
use std::arch::asm;
use std::arch::x86_64::*;
use std::marker::PhantomData;

/// Bytes that are asked for while others are multiplied, a share at each of so many steps: memory would stand idle while
/// instructions set the pace, and the other way round.
pub(super) struct Ahead<'a> {
    next: *const u8,
    /// Lines from there on, without what is left of a last one: whoever reads on finds it soon enough.
    rest: usize,
    share: usize,
    what: PhantomData<&'a u8>,
}

/// Bytes of a cache line.
const LINE: usize = 64;

impl<'a> Ahead<'a> {
    pub(super) fn new<T>(what: &'a [T], steps: usize) -> Self {
        let rest = size_of_val(what) / LINE;
        Self { next: what.as_ptr().cast(), rest, share: rest.div_ceil(steps.max(1)), what: PhantomData }
    }

    /// Asks for the next share.
    #[inline(always)]
    pub(super) fn ask(&mut self) {
        let now = self.share.min(self.rest);
        for line in 0..now {
            // SAFETY: a prefetch reads nothing and does not fault.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(self.next.wrapping_add(LINE * line).cast()) };
        }
        (self.next, self.rest) = (self.next.wrapping_add(LINE * now), self.rest - now);
    }
}

/// Asks for a share of what lies behind `value` in an array, where it is walked in so many parts. Many tokens do not fit the L2
/// cache, and where others use the L3 cache too, lines come too late by themselves.
#[inline(always)]
pub(super) fn ask_behind<T>(value: &T, part: usize, parts: usize) {
    let share = size_of::<T>().div_ceil(LINE).div_ceil(parts);
    let next = std::ptr::from_ref(value).wrapping_add(1).cast::<i8>();
    for line in part * share..(part + 1) * share {
        // SAFETY: a prefetch is a hint about an address, which need not be readable.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(LINE * line)) };
    }
}

/// 32 bytes of numbers.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load_half<T: Plain, const N: usize>(values: &[T; N]) -> __m256i {
    const { assert!(size_of::<[T; N]>() == 32, "a vector") };
    // SAFETY: 32 readable bytes; the load needs no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

/// 16 bytes of numbers.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load_quarter<T: Plain, const N: usize>(values: &[T; N]) -> __m128i {
    const { assert!(size_of::<[T; N]>() == 16, "half a vector") };
    // SAFETY: 16 readable bytes; the load needs no alignment.
    unsafe { _mm_loadu_si128(values.as_ptr().cast()) }
}

/// Eight floats.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load_eight(values: &[f32; 8]) -> __m256 {
    _mm256_castsi256_ps(load_half(values))
}

/// Four bytes, eight times.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn broadcast(bytes: &[i8; 4]) -> __m256i {
    // SAFETY: four readable bytes; the load needs no alignment.
    _mm256_broadcastd_epi32(unsafe { _mm_loadu_si32(bytes.as_ptr().cast()) })
}

/// Two numbers of 16 bits, eight times.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn broadcast_pair([a, b]: [i16; 2]) -> __m256i {
    _mm256_set1_epi32((u32::from(a as u16) | u32::from(b as u16) << 16) as i32)
}

/// Has `sum` in a register here. Without such a place after each quad the compiler reorders them all until few of many sums
/// are in registers.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn pin(sum: &mut __m256i) {
    let mut value = *sum;
    // SAFETY: no instruction, and no memory, flag or register beyond `value` is touched.
    unsafe { asm!("/* {0} */", inout(ymm_reg) value, options(nomem, nostack, preserves_flags)) };
    *sum = value;
}

/// Stores 32 bytes of numbers.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store_half<T: Plain, const N: usize>(to: &mut [T; N], values: __m256i) {
    const { assert!(size_of::<[T; N]>() == 32, "a vector") };
    // SAFETY: 32 writable bytes, of a type for which all bits are values; the store needs no alignment.
    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), values) }
}

/// Stores eight floats.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store_eight(to: &mut [f32; 8], values: __m256) {
    store_half(to, _mm256_castps_si256(values));
}

/// 64 bytes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load_bytes(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: 64 readable bytes; the load needs no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

/// Sixteen integers.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load_ints(values: &[i32; 16]) -> __m512i {
    // SAFETY: 64 readable bytes; the load needs no alignment.
    unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
}

/// Sixteen floats.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load(values: &[f32; 16]) -> __m512 {
    // SAFETY: 64 readable bytes; the load needs no alignment.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}

/// Values `16 * run ..` of `row`; those that are not there are 0.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load_run(row: &[f32], run: usize) -> __m512 {
    let values = &row[(16 * run).min(row.len())..];
    match values.first_chunk() {
        Some(values) => load(values),
        None => {
            let mut padded = [0.0; 16];
            padded[..values.len()].copy_from_slice(values);
            load(&padded)
        }
    }
}

/// Pairs `16 * run ..` of `row`, rounded to bf16; those that are not there are 0.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn rounded_pairs(row: &[f32], run: usize) -> __m512i {
    let rounded = _mm512_cvtne2ps_pbh(load_run(row, 2 * run + 1), load_run(row, 2 * run));
    // SAFETY: both are 64 bytes of any value.
    unsafe { std::mem::transmute(rounded) }
}

/// Stores sixteen integers.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store_ints(to: &mut [i32; 16], values: __m512i) {
    // SAFETY: 64 writable bytes; the store needs no alignment.
    unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), values) }
}

/// Stores sixteen floats.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store(to: &mut [f32; 16], values: __m512) {
    // SAFETY: 64 writable bytes; the store needs no alignment.
    unsafe { _mm512_storeu_ps(to.as_mut_ptr(), values) }
}

/// Transposes an 8 x 8 matrix of 32-bit elements: pairs, then quads within 128-bit lanes, then the lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn transpose8(r: [__m256i; 8]) -> [__m256i; 8] {
    // `quads[4 * g + c]`: rows 4g.. in each lane, column 4 * lane + c.
    let mut quads = r;
    for g in 0..2 {
        let [a, b, c, d] = [r[4 * g], r[4 * g + 1], r[4 * g + 2], r[4 * g + 3]];
        let (low_ab, high_ab) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
        let (low_cd, high_cd) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
        quads[4 * g] = _mm256_unpacklo_epi64(low_ab, low_cd);
        quads[4 * g + 1] = _mm256_unpackhi_epi64(low_ab, low_cd);
        quads[4 * g + 2] = _mm256_unpacklo_epi64(high_ab, high_cd);
        quads[4 * g + 3] = _mm256_unpackhi_epi64(high_ab, high_cd);
    }
    let mut out = quads;
    for c in 0..4 {
        out[c] = _mm256_permute2x128_si256::<0x20>(quads[c], quads[4 + c]);
        out[4 + c] = _mm256_permute2x128_si256::<0x31>(quads[c], quads[4 + c]);
    }
    out
}

/// Transposes a 16 x 16 matrix of 32-bit elements: pairs, then quads within 128-bit lanes, then the lanes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn transpose16(r: [__m512i; 16]) -> [__m512i; 16] {
    let mut pairs = r;
    for i in 0..8 {
        pairs[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        pairs[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    // `quads[4 * g + c]`: rows 4g.. in each lane, column 4 * lane + c.
    let mut quads = pairs;
    for g in 0..4 {
        let [a, b, c, d] = [pairs[4 * g], pairs[4 * g + 1], pairs[4 * g + 2], pairs[4 * g + 3]];
        quads[4 * g] = _mm512_unpacklo_epi64(a, c);
        quads[4 * g + 1] = _mm512_unpackhi_epi64(a, c);
        quads[4 * g + 2] = _mm512_unpacklo_epi64(b, d);
        quads[4 * g + 3] = _mm512_unpackhi_epi64(b, d);
    }
    let mut out = quads;
    for c in 0..4 {
        let [a, b, d, e] = [quads[c], quads[4 + c], quads[8 + c], quads[12 + c]];
        let low_ab = _mm512_shuffle_i32x4::<0b01_00_01_00>(a, b);
        let high_ab = _mm512_shuffle_i32x4::<0b11_10_11_10>(a, b);
        let low_de = _mm512_shuffle_i32x4::<0b01_00_01_00>(d, e);
        let high_de = _mm512_shuffle_i32x4::<0b11_10_11_10>(d, e);
        out[c] = _mm512_shuffle_i32x4::<0b10_00_10_00>(low_ab, low_de);
        out[4 + c] = _mm512_shuffle_i32x4::<0b11_01_11_01>(low_ab, low_de);
        out[8 + c] = _mm512_shuffle_i32x4::<0b10_00_10_00>(high_ab, high_de);
        out[12 + c] = _mm512_shuffle_i32x4::<0b11_01_11_01>(high_ab, high_de);
    }
    out
}
