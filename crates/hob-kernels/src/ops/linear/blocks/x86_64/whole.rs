//! One token against a unit of the formats whose halves have whole scales, with AVX2.
//!
//! Codes lie in [`Order::Mixed`](crate::ops::linear::activations::Order): sums of a group's first half and of its second take
//! turns in a vector, so that one instruction gives both their scales and adds them. What it adds up to is exact, and only
//! then scaled by what is no integer, as in `groups.rs`.

use super::Unit;
use super::type_of;
use super::unpack_avx2::{at, bits, high_nibbles, load16, low_nibbles, q3_k_scales, splat_f16, two_halves};
use crate::ops::linear::x86_64::{load_half, pin};
use hob_quant::TensorType;
use std::arch::x86_64::*;

/// Sums of products, 16 bits each: a vector for groups `n` and `n + 4`. At most `4 * 63 * 128` for Q6_K, which fits.
pub(super) type Products = [__m256i; 4];

/// The products of a unit of the type number `F`, zero points not taken.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn products<const F: usize>(bytes: &[u8], x: &Unit) -> Products {
    let codes = match const { type_of::<F>() } {
        TensorType::Q2_K => q2_k(bytes),
        TensorType::Q3_K => q3_k(bytes),
        TensorType::Q6_K => q6_k(bytes),
        _ => unreachable!("scales of other formats are no whole multiples"),
    };
    let (x, mut products) = (x.codes.as_chunks::<32>().0, [_mm256_setzero_si256(); 4]);
    for (n, product) in products.iter_mut().enumerate() {
        let (first, second) = (load_half(&x[2 * n]), load_half(&x[2 * n + 1]));
        *product = _mm256_add_epi16(
            _mm256_maddubs_epi16(codes[n][0], first),
            _mm256_maddubs_epi16(codes[n][1], second),
        );
    }
    products
}

/// What they come to, by group, but for the steps of the token.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn sum<const F: usize>(products: &Products, bytes: &[u8], x: &Unit) -> __m256 {
    let runs = runs::<F>(bytes);
    let [a, b, c, d] = products;
    let (a, b) = (_mm256_madd_epi16(*a, runs.of::<0x00>()), _mm256_madd_epi16(*b, runs.of::<0x55>()));
    let (c, d) = (_mm256_madd_epi16(*c, runs.of::<0xaa>()), _mm256_madd_epi16(*d, runs.of::<0xff>()));
    let ab = _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let cd = _mm256_add_epi32(_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
    let mut dots = _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
    let negative = load_half(&x.negative_pairs);
    if let Some(offset_bits) = runs.offset_bits {
        let minus_x = _mm256_madd_epi16(runs.scales, negative);
        dots = _mm256_add_epi32(dots, _mm256_sllv_epi32(minus_x, offset_bits));
    }
    let product = _mm256_mul_ps(_mm256_cvtepi32_ps(dots), runs.base);
    match runs.mins {
        None => product,
        Some((mins, base)) => {
            let mins = _mm256_cvtepi32_ps(_mm256_madd_epi16(mins, negative));
            _mm256_fmadd_ps(mins, base, product)
        }
    }
}

/// Whole scales, and minima if there are any, of the sixteen runs of a unit.
struct Runs {
    /// By run, 16 bits each.
    scales: __m256i,
    /// What scales are multiples of; less where codes have not been moved to the lowest bits.
    base: __m256,
    /// The same of minima.
    mins: Option<(__m256i, __m256)>,
    /// The zero point as a power of two, where codes are.
    offset_bits: Option<__m256i>,
}

impl Runs {
    /// The scales of groups `n` and `n + 4`, those of both halves by turns; `WHICH` is four times `n`, in two bits each.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    fn of<const WHICH: i32>(&self) -> __m256i {
        _mm256_shuffle_epi32::<WHICH>(self.scales)
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn runs<const F: usize>(bytes: &[u8]) -> Runs {
    match const { type_of::<F>() } {
        TensorType::Q2_K => {
            // A nibble of the scale and one of the minimum. Widened once, not each by itself.
            let mut runs = _mm256_cvtepu8_epi16(load16(at(bytes, 0)));
            pin(&mut runs);
            let [base, base_of_mins] = two_halves(at(bytes, 80));
            let mins = Some((_mm256_srli_epi16::<4>(runs), base_of_mins));
            let base = _mm256_mul_ps(base, of_groups(1.0, 0.25, 0.0625, 1.0));
            Runs { scales: _mm256_and_si256(runs, _mm256_set1_epi16(15)), base, mins, offset_bits: None }
        }
        TensorType::Q3_K => {
            let scales = _mm256_cvtepi8_epi16(q3_k_scales(at(bytes, 96)));
            let base = _mm256_mul_ps(splat_f16(at(bytes, 108)), of_groups(1.0, 1.0, 0.25, 0.25));
            let offset_bits = Some(_mm256_setr_epi32(2, 2, 4, 4, 2, 2, 4, 4));
            Runs { scales, base, mins: None, offset_bits }
        }
        _ => {
            let scales = _mm256_cvtepi8_epi16(load16(at(bytes, 192)));
            let offset_bits = Some(_mm256_set1_epi32(5));
            Runs { scales, base: splat_f16(at(bytes, 208)), mins: None, offset_bits }
        }
    }
}

/// A number for groups `n` and `n + 4` each.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn of_groups(a: f32, b: f32, c: f32, d: f32) -> __m256 {
    _mm256_setr_ps(a, b, c, d, a, b, c, d)
}

/// Codes of groups `n` and `n + 4`: the first eight columns of each half, then the others.
type Codes = [[__m256i; 2]; 4];

/// What is stored of the same groups of both chunks of 128 columns, as mixed as their codes.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn mixed(bytes: &[u8], first: usize, second: usize) -> [__m256i; 2] {
    let both =
        |start: usize| _mm256_set_m128i(load16(at(bytes, second + start)), load16(at(bytes, first + start)));
    let (a, b) = (both(0), both(16));
    [_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)]
}

/// Those of the second groups four times as large, and of the third sixteen times, which spares moving them.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q2_k(bytes: &[u8]) -> Codes {
    let packed = mixed(bytes, 16, 48);
    let codes = |from: i32, to: i32| packed.map(|packed| bits(packed, from, to, 3 << to));
    [codes(0, 0), codes(2, 2), codes(4, 4), codes(6, 0)]
}

/// Those of the third and fourth groups four times as large: they share moves with the others.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q3_k(bytes: &[u8]) -> Codes {
    let packed = mixed(bytes, 32, 64);
    // Bits of groups 4 to 7 become those of groups 0 to 3.
    let thirds = mixed(bytes, 0, 0).map(|bits| _mm256_srlv_epi64(bits, _mm256_setr_epi64x(0, 0, 4, 4)));
    let codes = |n: i32, to: i32| {
        [0, 1].map(|i: usize| {
            let third = bits(thirds[i], n, to + 2, 4 << to);
            _mm256_or_si256(bits(packed[i], 2 * n, to, 3 << to), third)
        })
    };
    [codes(0, 0), codes(1, 0), codes(2, 2), codes(3, 2)]
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn q6_k(bytes: &[u8]) -> Codes {
    let nibbles = [mixed(bytes, 0, 64), mixed(bytes, 32, 96)];
    let tops = mixed(bytes, 128, 160);
    [0, 1, 2, 3].map(|n: usize| {
        [0, 1].map(|i: usize| {
            let nibbles = nibbles[n % 2][i];
            let low = if n < 2 { low_nibbles(nibbles) } else { high_nibbles(nibbles) };
            _mm256_or_si256(low, bits(tops[i], 2 * n as i32, 4, 0x30))
        })
    })
}
