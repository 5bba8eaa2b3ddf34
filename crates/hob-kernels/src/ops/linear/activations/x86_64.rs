//! The portable body, compiled for wider vectors; and whole units with one step in registers.
#![allow(unsafe_code)]

use super::{Order, Step, Steps, UNIT, Unit, quantise_unit, row};
use crate::isa::{Avx2, Avx512};
use std::arch::x86_64::*;

pub(super) fn row_avx2(x: &[f32], steps: Steps, order: Order, units: &mut [Unit]) {
    #[target_feature(enable = "avx2")]
    fn body(x: &[f32], steps: Steps, order: Order, units: &mut [Unit]) {
        row(x, steps, order, units);
    }
    let _proof = Avx2::detect().expect("the level was checked when the Cpu was made");
    // SAFETY: `Avx2` exists only where AVX2 does.
    unsafe { body(x, steps, order, units) }
}

pub(super) fn row_avx512(x: &[f32], steps: Steps, order: Order, units: &mut [Unit]) {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
    fn body(x: &[f32], steps: Steps, order: Order, units: &mut [Unit]) {
        row(x, steps, order, units);
    }
    let _proof = Avx512::detect().expect("the level was checked when the Cpu was made");
    // SAFETY: `Avx512` exists only where these four extensions do.
    unsafe { body(x, steps, order, units) }
}

/// 256 codes in the order asked for, their step (NaN if a column is), and minus their sum.
pub(in crate::ops::linear) struct UnitCodes {
    pub codes: [__m512i; 4],
    pub step: f32,
    pub negative_sum: i32,
}

/// What `quantise_unit` computes, for steps that a whole unit shares. `shared` is the step of the row.
#[inline]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
pub(in crate::ops::linear) fn unit_codes(
    x: &[f32; UNIT],
    steps: Steps,
    shared: Step,
    order: Order,
) -> UnitCodes {
    // Loops rather than closures, which the compiler does not always inline where these instructions are allowed.
    let (mut values, mut largest) = ([_mm512_setzero_ps(); 16], _mm512_setzero_si512());
    for (value, x) in values.iter_mut().zip(x.as_chunks::<16>().0) {
        // SAFETY: 64 readable bytes; the load needs no alignment.
        *value = unsafe { _mm512_loadu_ps(x.as_ptr()) };
        largest = _mm512_max_epu32(largest, _mm512_castps_si512(_mm512_abs_ps(*value)));
    }
    let largest = _mm512_reduce_max_epu32(largest);
    let Step { mut step, inverse } = if steps == Steps::Unit { Step::of(largest) } else { shared };
    if let Steps::Fixed(_) = steps {
        let (low, high, by) = (_mm512_set1_ps(-128.0), _mm512_set1_ps(127.0), _mm512_set1_ps(step));
        // Infinities clamp; a NaN has no place in the range.
        if largest > f32::INFINITY.to_bits() {
            step = f32::NAN;
        }
        for value in &mut values {
            *value = _mm512_min_ps(_mm512_max_ps(_mm512_div_ps(*value, by), low), high);
        }
    } else {
        let inverse = _mm512_set1_ps(inverse);
        for value in &mut values {
            *value = _mm512_mul_ps(*value, inverse);
        }
    }
    let natural = to_codes(&values);
    let ones = _mm512_set1_epi8(1);
    let mut sums = _mm512_setzero_si512();
    for codes in natural {
        sums = _mm512_dpbusd_epi32(sums, ones, codes);
    }
    let negative_sum = _mm512_reduce_add_epi32(sums).wrapping_neg();
    UnitCodes { codes: in_order(natural, order), step, negative_sum }
}

/// 256 codes by column, with a step for every 32 (NaN if a column is).
pub(in crate::ops::linear) struct GroupCodes {
    pub codes: [__m512i; 4],
    /// `[group]`, twice.
    pub steps: __m512,
    /// Minus the sum of each half group: `[half][group]`.
    pub negative_sums: __m512i,
}

/// What `quantise_unit` computes in the order of columns, for steps that each group has for itself.
#[inline]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn group_codes(x: &[f32; UNIT]) -> GroupCodes {
    let (mut values, mut largest) = ([_mm512_setzero_ps(); 16], [_mm512_setzero_si512(); 8]);
    for (i, (value, x)) in values.iter_mut().zip(x.as_chunks::<16>().0).enumerate() {
        // SAFETY: 64 readable bytes; the load needs no alignment.
        *value = unsafe { _mm512_loadu_ps(x.as_ptr()) };
        largest[i / 2] = _mm512_max_epu32(largest[i / 2], _mm512_castps_si512(_mm512_abs_ps(*value)));
    }
    let bits = largest_of_each(largest);
    let (largest, most) = (_mm512_castsi512_ps(bits), _mm512_set1_ps(127.0));
    // As `Step::of`.
    let is_bad = _mm512_cmpge_epu32_mask(bits, _mm512_set1_epi32(f32::INFINITY.to_bits() as i32));
    let is_small = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(largest, _mm512_set1_ps(1e-30));
    let steps = _mm512_maskz_div_ps(!is_small, largest, most);
    let steps = _mm512_mask_mov_ps(steps, is_bad, _mm512_set1_ps(f32::NAN));
    let inverses = _mm512_maskz_div_ps(!is_small & !is_bad, most, largest);
    for (i, value) in values.iter_mut().enumerate() {
        let inverse = _mm512_permutexvar_ps(_mm512_set1_epi32(i as i32 / 2), inverses);
        *value = _mm512_mul_ps(*value, inverse);
    }
    let codes = to_codes(&values);
    GroupCodes {
        codes,
        steps,
        negative_sums: _mm512_sub_epi32(_mm512_setzero_si512(), sums_of_sixteen(codes)),
    }
}

/// [`group_codes`], or the same with the trained step of the layer's input range.
#[inline]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
pub(in crate::ops::linear) fn codes_of(x: &[f32; UNIT], steps: Steps) -> GroupCodes {
    match steps {
        Steps::Fixed(step) => fixed_codes(x, step),
        _ => group_codes(x),
    }
}

/// What [`group_codes`] makes, with the trained step of the layer's input range.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn fixed_codes(x: &[f32; UNIT], step: f32) -> GroupCodes {
    let mut unit = Unit::ZERO;
    let shared = Step { step, inverse: 0.0 };
    quantise_unit(x, Steps::Fixed(step), shared, Order::Natural, &mut unit);
    // SAFETY: as many readable bytes as are loaded; the loads need no alignment.
    unsafe {
        GroupCodes {
            codes: std::array::from_fn(|i| _mm512_loadu_si512(unit.codes[64 * i..].as_ptr().cast())),
            steps: _mm512_broadcast_f32x8(_mm256_loadu_ps(unit.steps.as_ptr())),
            negative_sums: _mm512_loadu_si512(unit.negative_sums.as_ptr().cast()),
        }
    }
}

/// Bytes of values that are at most 127 in magnitude. Conversion rounds half to even, as the portable addition does, and
/// makes zeros of what is no number.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn to_codes(values: &[__m512; 16]) -> [__m512i; 4] {
    let mut codes = [_mm512_setzero_si512(); 4];
    for (codes, values) in codes.iter_mut().zip(values.as_chunks::<4>().0) {
        let [a, b, c, d] = values;
        *codes = _mm512_castsi128_si512(_mm512_cvtepi32_epi8(_mm512_cvtps_epi32(*a)));
        *codes = _mm512_inserti32x4::<1>(*codes, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(*b)));
        *codes = _mm512_inserti32x4::<2>(*codes, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(*c)));
        *codes = _mm512_inserti32x4::<3>(*codes, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(*d)));
    }
    codes
}

/// The largest element of each of eight vectors, twice.
#[inline]
#[target_feature(enable = "avx512f")]
fn largest_of_each([a, b, c, d, e, f, g, h]: [__m512i; 8]) -> __m512i {
    let (low, high) = (four_largest(a, b, c, d), four_largest(e, f, g, h));
    let halves = _mm512_max_epu32(
        _mm512_shuffle_i32x4::<0b01_00_01_00>(low, high),
        _mm512_shuffle_i32x4::<0b11_10_11_10>(low, high),
    );
    let all = _mm512_max_epu32(halves, _mm512_shuffle_i32x4::<0b10_11_00_01>(halves, halves));
    _mm512_shuffle_i32x4::<0b10_00_10_00>(all, all)
}

/// In each lane of 128 bits: the largest element of each vector's lane.
#[inline]
#[target_feature(enable = "avx512f")]
fn four_largest(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> __m512i {
    let ab = _mm512_max_epu32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let cd = _mm512_max_epu32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    _mm512_max_epu32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd))
}

/// Sums of the first sixteen columns of each 32, then of the second ones.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn sums_of_sixteen(codes: [__m512i; 4]) -> __m512i {
    let (ones, zero) = (_mm512_set1_epi8(1), _mm512_setzero_si512());
    let [a, b, c, d] = codes;
    let (a, b) = (_mm512_dpbusd_epi32(zero, ones, a), _mm512_dpbusd_epi32(zero, ones, b));
    let (c, d) = (_mm512_dpbusd_epi32(zero, ones, c), _mm512_dpbusd_epi32(zero, ones, d));
    let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    // Lane by lane, the four vectors' sums of sixteen.
    let sums = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    let order = _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    _mm512_permutexvar_epi32(order, sums)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(in crate::ops::linear) fn in_order([a, b, c, d]: [__m512i; 4], order: Order) -> [__m512i; 4] {
    let (even, odd) =
        (_mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15));
    let pair = _mm512_permutex2var_epi64;
    match order {
        Order::Natural => [a, b, c, d],
        Order::Halves => {
            let first = _mm512_setr_epi64(0, 1, 4, 5, 8, 9, 12, 13);
            let second = _mm512_setr_epi64(2, 3, 6, 7, 10, 11, 14, 15);
            [pair(a, first, b), pair(a, second, b), pair(c, first, d), pair(c, second, d)]
        }
        Order::Mixed => unreachable!("no kernel of AVX-512 reads it"),
        Order::EvenOdd => {
            let split = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
            let split = _mm512_broadcast_i32x4(split);
            let (a, b) = (_mm512_shuffle_epi8(a, split), _mm512_shuffle_epi8(b, split));
            let (c, d) = (_mm512_shuffle_epi8(c, split), _mm512_shuffle_epi8(d, split));
            [pair(a, even, b), pair(a, odd, b), pair(c, even, d), pair(c, odd, d)]
        }
        Order::Quarters => {
            let (a, b, c, d) = (by_remainder(a), by_remainder(b), by_remainder(c), by_remainder(d));
            // Four vectors are transposed in pieces of 128 bits.
            let ab = _mm512_shuffle_i32x4::<0b01_00_01_00>(a, b);
            let cd = _mm512_shuffle_i32x4::<0b01_00_01_00>(c, d);
            let ab_high = _mm512_shuffle_i32x4::<0b11_10_11_10>(a, b);
            let cd_high = _mm512_shuffle_i32x4::<0b11_10_11_10>(c, d);
            [
                _mm512_shuffle_i32x4::<0b10_00_10_00>(ab, cd),
                _mm512_shuffle_i32x4::<0b11_01_11_01>(ab, cd),
                _mm512_shuffle_i32x4::<0b10_00_10_00>(ab_high, cd_high),
                _mm512_shuffle_i32x4::<0b11_01_11_01>(ab_high, cd_high),
            ]
        }
    }
}

/// 64 columns by their remainder modulo 4, sixteen each.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn by_remainder(columns: __m512i) -> __m512i {
    let split = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    let places = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_permutexvar_epi32(places, _mm512_shuffle_epi8(columns, _mm512_broadcast_i32x4(split)))
}

#[cfg(test)]
mod tests {
    use super::super::shared_step;
    use super::*;
    use crate::ops::linear::tests::Random;

    #[test]
    fn units_in_registers_are_the_portable_ones() {
        if Avx512::detect().is_none() {
            eprintln!("skipped: this machine has no AVX-512");
            return;
        }
        let mut random = Random(21);
        for round in 0..200 {
            let mut x: [f32; UNIT] = std::array::from_fn(|_| random.normal());
            match round % 10 {
                0 => x[random.next() as usize % UNIT] = f32::NAN,
                1 => x[random.next() as usize % UNIT] = f32::NEG_INFINITY,
                2 => x = [0.0; UNIT],
                3 => x = x.map(|x| (x * 4.0).round() / 4.0),
                _ => {}
            }
            check_groups(&x);
            for steps in [Steps::Unit, Steps::Row, Steps::Fixed(0.02)] {
                for order in [Order::Natural, Order::Halves, Order::EvenOdd, Order::Quarters] {
                    check(&x, steps, order);
                }
            }
        }
    }

    fn check(x: &[f32; UNIT], steps: Steps, order: Order) {
        let shared = shared_step(x, steps);
        let mut expected = Unit::ZERO;
        quantise_unit(x, steps, shared, order, &mut expected);
        // SAFETY: the caller has found AVX-512.
        let found = unsafe { unit_codes(x, steps, shared, order) };
        assert_eq!(found.step.to_bits(), expected.step().to_bits(), "{steps:?}");
        if !found.step.is_nan() {
            // SAFETY: any bits are an array of integers.
            let codes = unsafe { std::mem::transmute::<[__m512i; 4], [i8; UNIT]>(found.codes) };
            assert_eq!(codes, expected.codes, "{steps:?} {order:?}");
            assert_eq!(found.negative_sum, expected.negative_sum(), "{steps:?}");
        }
    }

    fn check_groups(x: &[f32; UNIT]) {
        let mut expected = Unit::ZERO;
        quantise_unit(x, Steps::Group, Step::of(0), Order::Natural, &mut expected);
        // SAFETY: the caller has found AVX-512.
        let found = unsafe { group_codes(x) };
        // SAFETY: any bits are arrays of integers, and of floats.
        let (codes, steps, sums) = unsafe {
            let codes = std::mem::transmute::<[__m512i; 4], [i8; UNIT]>(found.codes);
            let steps = std::mem::transmute::<__m512, [[f32; 8]; 2]>(found.steps);
            (codes, steps, std::mem::transmute::<__m512i, [[i32; 8]; 2]>(found.negative_sums))
        };
        assert_eq!(codes, expected.codes);
        assert_eq!(steps.map(|s| s.map(f32::to_bits)), [expected.steps.map(f32::to_bits); 2]);
        assert_eq!(sums, expected.negative_sums);
    }
}
