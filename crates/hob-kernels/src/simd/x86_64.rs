//! AVX2 (with FMA and F16C) and AVX-512 vectors.
#![allow(unsafe_code, reason = "instructions beyond the baseline; see the parent module")]

use super::{Int16, Int16Kernel, Kernel, PairKernel, Pairs, Simd};
use crate::Cpu;
use crate::isa::Avx512Bf16;
use half::f16;
use std::arch::x86_64::*;

/// Permission to use AVX2, FMA and F16C.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

/// Permission to use AVX-512 F and everything of [`Avx2`].
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

#[inline]
pub(super) fn run_avx2<K: Kernel>(_cpu: &Cpu, kernel: K) -> K::Output {
    // SAFETY: `dispatch` comes here for a `Cpu` at this level only, and a `Cpu` is made only when detection finds its level.
    unsafe { avx2(kernel) }
}

#[inline]
pub(super) fn run_avx512<K: Kernel>(_cpu: &Cpu, kernel: K) -> K::Output {
    // SAFETY: `dispatch` comes here for a `Cpu` at this level only, and a `Cpu` is made only when detection finds its level.
    unsafe { avx512(kernel) }
}

#[inline]
pub(super) fn run_int16<K: Int16Kernel>(_cpu: &Cpu, kernel: K) {
    // SAFETY: `dispatch_int16` comes here for a `Cpu` at this level only, and a `Cpu` is made only when detection finds it.
    unsafe { int16(kernel) }
}

#[inline]
pub(super) fn run_pairs<K: PairKernel>(_cpu: &Cpu, kernel: K) {
    let _proof = Avx512Bf16::detect().expect("a Cpu with bf16 was made where it was detected");
    // SAFETY: the token exists only where these features do.
    unsafe { bf16(kernel) }
}

// Where tests are compiled what counts is the compiler's time; else the inner loops gain from what is known around them.
#[cfg_attr(debug_assertions, inline(never))]
#[target_feature(enable = "avx2,fma,f16c")]
fn avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx2(()))
}

#[cfg_attr(debug_assertions, inline(never))]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq")]
fn avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512(()))
}

#[cfg_attr(debug_assertions, inline(never))]
#[target_feature(enable = "avx2,fma,f16c")]
fn int16<K: Int16Kernel>(kernel: K) {
    kernel.run(Avx2(()));
}

#[cfg_attr(debug_assertions, inline(never))]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
fn bf16<K: PairKernel>(kernel: K) {
    kernel.run(Bf16(Avx512(())));
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

impl Simd for Avx2 {
    type F = __m256;
    const LANES: usize = 8;
    const TILE: (usize, usize) = (2, 6);
    const ROWS_TO_DECODE: usize = 2 * Self::TILE.1 + 1;

    #[inline(always)]
    fn call<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: `self` exists only on a CPU that has these features.
        unsafe { avx2(kernel) }
    }

    #[inline(always)]
    fn load(self, from: &[f32]) -> __m256 {
        // SAFETY: the slice has 8 elements, and this load needs no alignment.
        unsafe { _mm256_loadu_ps(from[..8].as_ptr()) }
    }

    #[inline(always)]
    fn load_f16(self, from: &[f16]) -> __m256 {
        // SAFETY: the slice has 16 bytes of f16 bit patterns, and this load needs no alignment.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from[..8].as_ptr().cast())) }
    }

    #[inline(always)]
    fn load_i8(self, from: &[i8]) -> __m256 {
        // SAFETY: the slice has 8 bytes, and this load needs no alignment.
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from[..8].as_ptr().cast()))) }
    }

    #[inline(always)]
    fn store(self, x: __m256, to: &mut [f32]) {
        // SAFETY: the slice has 8 elements, and this store needs no alignment.
        unsafe { _mm256_storeu_ps(to[..8].as_mut_ptr(), x) }
    }

    #[inline(always)]
    fn prefetch(self, address: *const u8) {
        // SAFETY: a prefetch reads nothing and does not fault, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) }
    }

    instructions! {
        splat(x: f32) -> __m256 { _mm256_set1_ps(x) }
        add(a: __m256, b: __m256) -> __m256 { _mm256_add_ps(a, b) }
        sub(a: __m256, b: __m256) -> __m256 { _mm256_sub_ps(a, b) }
        mul(a: __m256, b: __m256) -> __m256 { _mm256_mul_ps(a, b) }
        div(a: __m256, b: __m256) -> __m256 { _mm256_div_ps(a, b) }
        mul_add(a: __m256, b: __m256, c: __m256) -> __m256 { _mm256_fmadd_ps(a, b, c) }
        sqrt(x: __m256) -> __m256 { _mm256_sqrt_ps(x) }
        max(a: __m256, b: __m256) -> __m256 { _mm256_max_ps(a, b) }
        min(a: __m256, b: __m256) -> __m256 { _mm256_min_ps(a, b) }
        select_less(a: __m256, b: __m256, yes: __m256, no: __m256) -> __m256 {
            _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_LT_OQ>(a, b))
        }
        largest(x: __m256) -> f32 {
            let x = _mm256_max_ps(x, _mm256_set1_ps(f32::NEG_INFINITY));
            let x = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_max_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_max_ss(x, _mm_shuffle_ps::<1>(x, x)))
        }
        round(x: __m256) -> __m256 { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) }
        exp2_integer(n: __m256) -> __m256 {
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127))))
        }
        sum(x: __m256) -> f32 {
            let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps::<1>(x, x)))
        }
        unzip(a: __m256, b: __m256) -> (__m256, __m256) {
            let even = _mm256_castps_pd(_mm256_shuffle_ps::<0b10_00_10_00>(a, b));
            let odd = _mm256_castps_pd(_mm256_shuffle_ps::<0b11_01_11_01>(a, b));
            (
                _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(even)),
                _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(odd)),
            )
        }
        zip(even: __m256, odd: __m256) -> (__m256, __m256) {
            let (low, high) = (_mm256_unpacklo_ps(even, odd), _mm256_unpackhi_ps(even, odd));
            (_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high))
        }
    }
}

impl Int16 for Avx2 {
    type S = Self;
    type I = __m256i;

    #[inline(always)]
    fn floats(self) -> Self {
        self
    }

    #[inline(always)]
    fn call(self, kernel: impl Int16Kernel) {
        // SAFETY: `self` exists only on a CPU that has these features.
        unsafe { int16(kernel) }
    }

    #[inline(always)]
    fn load(self, from: &[u32]) -> __m256i {
        // SAFETY: the slice has 32 bytes, and this load needs no alignment.
        unsafe { _mm256_loadu_si256(from[..8].as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(self, x: __m256i, to: &mut [u32]) {
        // SAFETY: the slice has 32 bytes, and this store needs no alignment.
        unsafe { _mm256_storeu_si256(to[..8].as_mut_ptr().cast(), x) }
    }

    #[inline(always)]
    fn pair(self, first: &[i8], second: &[i8]) -> [__m256i; 2] {
        // SAFETY: the slices have 16 bytes, and these loads need no alignment.
        unsafe {
            let first = _mm_loadu_si128(first[..16].as_ptr().cast());
            let second = _mm_loadu_si128(second[..16].as_ptr().cast());
            [
                _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(first, second)),
                _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(first, second)),
            ]
        }
    }

    instructions! {
        splat(x: u32) -> __m256i { _mm256_set1_epi32(x.cast_signed()) }
        adjacent(a: __m256, b: __m256) -> __m256i {
            let both = _mm256_packs_epi32(_mm256_cvtps_epi32(a), _mm256_cvtps_epi32(b));
            _mm256_permute4x64_epi64::<0b11_01_10_00>(both)
        }
        dot(sum: __m256i, a: __m256i, b: __m256i) -> __m256i { _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)) }
        to_floats(sums: __m256i) -> __m256 { _mm256_cvtepi32_ps(sums) }
    }
}

impl Simd for Avx512 {
    type F = __m512;
    const LANES: usize = 16;
    const TILE: (usize, usize) = (4, 6);

    #[inline(always)]
    fn call<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: `self` exists only on a CPU that has these features.
        unsafe { avx512(kernel) }
    }

    #[inline(always)]
    fn load(self, from: &[f32]) -> __m512 {
        // SAFETY: the slice has 16 elements, and this load needs no alignment.
        unsafe { _mm512_loadu_ps(from[..16].as_ptr()) }
    }

    #[inline(always)]
    fn load_f16(self, from: &[f16]) -> __m512 {
        // SAFETY: the slice has 32 bytes of f16 bit patterns, and this load needs no alignment.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from[..16].as_ptr().cast())) }
    }

    #[inline(always)]
    fn load_i8(self, from: &[i8]) -> __m512 {
        // SAFETY: the slice has 16 bytes, and this load needs no alignment.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from[..16].as_ptr().cast()))) }
    }

    #[inline(always)]
    fn store(self, x: __m512, to: &mut [f32]) {
        // SAFETY: the slice has 16 elements, and this store needs no alignment.
        unsafe { _mm512_storeu_ps(to[..16].as_mut_ptr(), x) }
    }

    #[inline(always)]
    fn prefetch(self, address: *const u8) {
        // SAFETY: a prefetch reads nothing and does not fault, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) }
    }

    instructions! {
        splat(x: f32) -> __m512 { _mm512_set1_ps(x) }
        add(a: __m512, b: __m512) -> __m512 { _mm512_add_ps(a, b) }
        sub(a: __m512, b: __m512) -> __m512 { _mm512_sub_ps(a, b) }
        mul(a: __m512, b: __m512) -> __m512 { _mm512_mul_ps(a, b) }
        div(a: __m512, b: __m512) -> __m512 { _mm512_div_ps(a, b) }
        mul_add(a: __m512, b: __m512, c: __m512) -> __m512 { _mm512_fmadd_ps(a, b, c) }
        sqrt(x: __m512) -> __m512 { _mm512_sqrt_ps(x) }
        max(a: __m512, b: __m512) -> __m512 { _mm512_max_ps(a, b) }
        min(a: __m512, b: __m512) -> __m512 { _mm512_min_ps(a, b) }
        select_less(a: __m512, b: __m512, yes: __m512, no: __m512) -> __m512 {
            _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), no, yes)
        }
        largest(x: __m512) -> f32 { _mm512_reduce_max_ps(_mm512_max_ps(x, _mm512_set1_ps(f32::NEG_INFINITY))) }
        round(x: __m512) -> __m512 { _mm512_roundscale_ps::<0>(x) }
        exp2_integer(n: __m512) -> __m512 { _mm512_scalef_ps(_mm512_set1_ps(1.0), n) }
        sum(x: __m512) -> f32 {
            let high = _mm512_castps_pd(x);
            let x = _mm256_add_ps(_mm512_castps512_ps256(x), _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(high)));
            let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps::<1>(x, x)))
        }
        unzip(a: __m512, b: __m512) -> (__m512, __m512) {
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
            (_mm512_permutex2var_ps(a, even, b), _mm512_permutex2var_ps(a, odd, b))
        }
        zip(even: __m512, odd: __m512) -> (__m512, __m512) {
            let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
            (_mm512_permutex2var_ps(even, low, odd), _mm512_permutex2var_ps(even, high, odd))
        }
    }
}

/// Permission to use AVX-512 BF16 and everything of [`Avx512`].
#[derive(Clone, Copy)]
pub(super) struct Bf16(Avx512);

impl Pairs for Bf16 {
    type S = Avx512;
    type P = __m512i;

    #[inline(always)]
    fn floats(self) -> Avx512 {
        self.0
    }

    #[inline(always)]
    fn call(self, kernel: impl PairKernel) {
        // SAFETY: `self` exists only on a CPU that has these features.
        unsafe { bf16(kernel) }
    }

    #[inline(always)]
    fn load(self, from: &[u32]) -> __m512i {
        // SAFETY: the slice has 64 bytes, and this load needs no alignment.
        unsafe { _mm512_loadu_si512(from[..16].as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(self, x: __m512i, to: &mut [u32]) {
        // SAFETY: the slice has 64 bytes, and this store needs no alignment.
        unsafe { _mm512_storeu_si512(to[..16].as_mut_ptr().cast(), x) }
    }

    instructions! {
        splat(x: u32) -> __m512i { _mm512_set1_epi32(x.cast_signed()) }
        pair(first: __m512, second: __m512) -> __m512i {
            let order = _mm512_add_epi32(
                _mm512_set1_epi32(0x0010_0000),
                _mm512_mullo_epi32(
                    _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                    _mm512_set1_epi32(0x0001_0001),
                ),
            );
            _mm512_permutexvar_epi16(order, halves(_mm512_cvtne2ps_pbh(second, first)))
        }
        adjacent(a: __m512, b: __m512) -> __m512i { halves(_mm512_cvtne2ps_pbh(b, a)) }
        zip(a: __m512i, b: __m512i) -> (__m512i, __m512i) {
            let first = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
            let last = _mm512_set_epi32(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8);
            (_mm512_permutex2var_epi32(a, first, b), _mm512_permutex2var_epi32(a, last, b))
        }
        dot(sum: __m512, a: __m512i, b: __m512i) -> __m512 { _mm512_dpbf16_ps(sum, pairs(a), pairs(b)) }
        scale(x: __m512, n: __m512) -> __m512 { _mm512_scalef_ps(x, n) }
        any_greater(a: __m512, b: __m512) -> bool { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b) != 0 }
    }
}

/// The bits of 32 bf16 numbers.
#[inline(always)]
fn halves(x: __m512bh) -> __m512i {
    // SAFETY: both are 64 bytes of any value.
    unsafe { std::mem::transmute(x) }
}

/// The bf16 numbers of these bits.
#[inline(always)]
fn pairs(x: __m512i) -> __m512bh {
    // SAFETY: both are 64 bytes of any value.
    unsafe { std::mem::transmute(x) }
}
