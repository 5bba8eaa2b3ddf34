//! The dot of one unit with AVX2: four products a lane, then all lanes of a group of 32 columns in one.

use super::{AHEAD_BYTES, Unit, WeightUnit, format_of, prefetch, type_of, unpack_avx2, whole};
use crate::ops::linear::blocks::format::MAX_UNIT_BYTES;
use crate::ops::linear::groups::SLAB;
use hob_quant::TensorType;
use std::arch::x86_64::*;

/// What a row and a token add up to.
#[derive(Clone, Copy)]
pub(super) struct Sums {
    /// By group, since sums were folded.
    groups: __m256,
    total: f32,
}

// SAFETY: vectors of floats have no invalid bit patterns; zero bits are zeros.
pub(super) const ZERO: Sums = unsafe { std::mem::zeroed() };

/// A row against one token.
///
/// From products to a sum it is a long chain of instructions, and the processor looks ahead by less than two units: while
/// it waits for the one's chain it has the next one's products to make.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn dot_row<const F: usize>(row: &[u8], x: &[Unit]) -> f32 {
    let bytes = const { format_of::<F>().bytes };
    let (whole, rest) = (row.len() / bytes, row.len() % bytes);
    let mut sums = ZERO;
    let mut index = 0;
    // Codes are of no more interest here.
    let mut add = |(unit, x): (&[u8], &Unit), products: &Products| {
        add_products::<F>(products, &unpacked::<F>(unit), x, &mut sums);
        index += 1;
        if index % SLAB == 0 {
            fold(&mut sums);
        }
    };
    let mut units = row.chunks_exact(bytes).zip(&x[..whole]);
    if let Some(mut unit) = units.next() {
        let mut products = products_of::<F>(&unpacked::<F>(unit.0), unit.1);
        for next in units {
            prefetch::<_MM_HINT_T0>(next.0, AHEAD_BYTES, bytes);
            let of_next = products_of::<F>(&unpacked::<F>(next.0), next.1);
            add(unit, &products);
            (unit, products) = (next, of_next);
        }
        add(unit, &products);
    }
    if rest > 0 {
        let mut padded = [0u8; MAX_UNIT_BYTES];
        padded[..rest].copy_from_slice(&row[whole * bytes..]);
        add_unit::<F>(&unpacked::<F>(&padded[..bytes]), &x[whole], &mut sums);
    }
    finish(sums)
}

/// Adds the dot of one unit to `sums`. `groups.rs` does the same additions in the same order.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn add_unit<const F: usize>(w: &Weights<'_>, x: &Unit, sums: &mut Sums) {
    add_products::<F>(&products_of::<F>(w, x), w, x, sums);
}

/// A unit as it is stored, and as it is meant, but for formats of `whole.rs`.
pub(super) struct Weights<'a> {
    unit: WeightUnit,
    bytes: &'a [u8],
}

/// Products of one unit that are not yet added up: of the groups, or of their halves.
type Products = [[__m256i; 4]; 2];

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn unpacked<const F: usize>(bytes: &[u8]) -> Weights<'_> {
    let mut unit = WeightUnit::ZERO;
    if !const { format_of::<F>().whole } {
        unpack_avx2::unpack::<F>(bytes, &mut unit);
    }
    Weights { unit, bytes }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn products_of<const F: usize>(weights: &Weights<'_>, x: &Unit) -> Products {
    let format = const { format_of::<F>() };
    let mut of = [[_mm256_setzero_si256(); 4]; 2];
    let w = &weights.unit;
    if format.whole {
        of[0] = whole::products::<F>(weights.bytes, x);
        return of;
    }
    match const { type_of::<F>() } {
        TensorType::Q8_0 => {
            let [a, b, c, d, e, f, g, h] = signed_products(w, x);
            of = [[a, b, c, d], [e, f, g, h]];
        }
        _ => {
            of[0] = unsigned_products::<F>(w, x, 0);
            if format.halves {
                of[1] = unsigned_products::<F>(w, x, 1);
            }
        }
    }
    of
}

/// Adds what they come to.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn add_products<const F: usize>(of: &Products, weights: &Weights<'_>, x: &Unit, sums: &mut Sums) {
    let format = const { format_of::<F>() };
    let (steps, w) = (load8(&x.steps), &weights.unit);
    let negative = [load8i(&x.negative_sums[0]), load8i(&x.negative_sums[1])];
    if format.whole {
        let sum = whole::sum::<F>(&of[0], weights.bytes, x);
        sums.groups = _mm256_fmadd_ps(sum, steps, sums.groups);
    } else if format.halves {
        let dots = |half: usize| _mm256_cvtepi32_ps(dots::<F>(of, half, negative[half]));
        let first = _mm256_mul_ps(dots(0), load8(&w.scales[0]));
        let both = _mm256_fmadd_ps(dots(1), load8(&w.scales[1]), first);
        sums.groups = _mm256_fmadd_ps(both, steps, sums.groups);
    } else {
        let negative = _mm256_add_epi32(negative[0], negative[1]);
        let dots = _mm256_cvtepi32_ps(dots::<F>(of, 0, negative));
        sums.groups = _mm256_fmadd_ps(dots, _mm256_mul_ps(load8(&w.scales[0]), steps), sums.groups);
        if format.mins {
            let minus_x = _mm256_mul_ps(_mm256_cvtepi32_ps(negative), steps);
            sums.groups = _mm256_fmadd_ps(load8(&w.mins[0]), minus_x, sums.groups);
        }
    }
}

/// The dots of all eight groups, or of their halves `h`, whose activations sum up to minus `negative`.
#[inline]
#[target_feature(enable = "avx2")]
fn dots<const F: usize>(of: &Products, h: usize, negative: __m256i) -> __m256i {
    let format = const { format_of::<F>() };
    let dots = match const { type_of::<F>() } {
        TensorType::Q8_0 => {
            let ([a, b, c, d], [e, f, g, h]) = (of[0], of[1]);
            let first = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
            let second = _mm256_hadd_epi32(_mm256_hadd_epi32(e, f), _mm256_hadd_epi32(g, h));
            let (low, high) = (
                _mm256_permute2x128_si256::<0x20>(first, second),
                _mm256_permute2x128_si256::<0x31>(first, second),
            );
            _mm256_add_epi32(low, high)
        }
        _ => {
            let [a, b, c, d] = of[h];
            // Lanes become groups 0 2 4 6 | 1 3 5 7.
            let columns = if format.halves { 4 } else { 8 };
            let groups = joined::<F>(columns * 2, joined::<F>(columns, a, b), joined::<F>(columns, c, d));
            _mm256_permutevar8x32_epi32(groups, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))
        }
    };
    if format.offset == 0 || format.is_wide() {
        return dots;
    }
    let shift = _mm_cvtsi32_si128(format.offset.trailing_zeros() as i32);
    _mm256_add_epi32(dots, _mm256_sll_epi32(negative, shift))
}

/// The products of all eight groups, or of their halves `h`: two groups to a vector, four lanes each.
#[inline]
#[target_feature(enable = "avx2")]
fn unsigned_products<const F: usize>(w: &WeightUnit, x: &Unit, h: usize) -> [__m256i; 4] {
    let format = const { format_of::<F>() };
    let mut pairs = [_mm256_setzero_si256(); 4];
    for (pair, dots) in pairs.iter_mut().enumerate() {
        // Groups 2 * pair and 2 * pair + 1 lie side by side in the first and in the second 64 codes of a chunk.
        let part = pair / 2 * 4 + pair % 2;
        *dots = if format.halves {
            quads(products::<F>(w, x, part + 2 * h))
        } else if format.is_wide() {
            let second = quads(products::<F>(w, x, part + 2));
            _mm256_add_epi32(quads(products::<F>(w, x, part)), second)
        } else {
            // Codes are at most 63, so that four products fit 16 bits: `4 * 63 * 128` is 32256.
            quads(_mm256_add_epi16(products::<F>(w, x, part), products::<F>(w, x, part + 2)))
        };
    }
    pairs
}

/// Neighbours of `a` and of `b` added, which are the products of so many columns each.
#[inline]
#[target_feature(enable = "avx2")]
fn joined<const F: usize>(columns: i32, a: __m256i, b: __m256i) -> __m256i {
    let largest = const { format_of::<F>().largest as i32 };
    if columns * largest * 128 <= i16::MAX.into() {
        // Two instructions instead of three.
        quads(_mm256_packs_epi32(a, b))
    } else {
        _mm256_hadd_epi32(a, b)
    }
}

/// Sums of two products in 16 bits. Wide codes (but those of Q8_0) stand for -127..=127, and a product of magnitudes
/// with the sign moved to the weight stays below `2 * 127 * 128`.
#[inline]
#[target_feature(enable = "avx2")]
fn products<const F: usize>(w: &WeightUnit, x: &Unit, part: usize) -> __m256i {
    let (codes, values) = (codes(w, part), values(x, part));
    if const { format_of::<F>().is_wide() } {
        let codes = _mm256_xor_si256(codes, _mm256_set1_epi8(-128));
        _mm256_maddubs_epi16(_mm256_abs_epi8(values), _mm256_sign_epi8(codes, values))
    } else {
        _mm256_maddubs_epi16(codes, values)
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn quads(pairs: __m256i) -> __m256i {
    _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))
}

/// The products of all eight groups, a vector each, of codes that may stand for -128, which has no counterpart of the other
/// sign: both sides are widened before they are multiplied.
#[inline]
#[target_feature(enable = "avx2")]
fn signed_products(w: &WeightUnit, x: &Unit) -> [__m256i; 8] {
    let mut groups = [_mm256_setzero_si256(); 8];
    let sign = _mm256_set1_epi8(-128);
    for pair in 0..4 {
        let part = pair / 2 * 4 + pair % 2;
        for part in [part, part + 2] {
            let (codes, values) = (_mm256_xor_si256(codes(w, part), sign), values(x, part));
            let (low, high) = (_mm256_castsi256_si128(codes), _mm256_extracti128_si256::<1>(codes));
            let (x_low, x_high) = (_mm256_castsi256_si128(values), _mm256_extracti128_si256::<1>(values));
            let even = _mm256_madd_epi16(_mm256_cvtepi8_epi16(low), _mm256_cvtepi8_epi16(x_low));
            let odd = _mm256_madd_epi16(_mm256_cvtepi8_epi16(high), _mm256_cvtepi8_epi16(x_high));
            groups[2 * pair] = _mm256_add_epi32(groups[2 * pair], even);
            groups[2 * pair + 1] = _mm256_add_epi32(groups[2 * pair + 1], odd);
        }
    }
    groups
}

/// Adds the groups' sums to the total.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn fold(sums: &mut Sums) {
    let quad = _mm_add_ps(_mm256_castps256_ps128(sums.groups), _mm256_extractf128_ps::<1>(sums.groups));
    let pair = _mm_add_ps(quad, _mm_movehl_ps(quad, quad));
    sums.total += _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
    sums.groups = _mm256_setzero_ps();
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn finish(mut sums: Sums) -> f32 {
    fold(&mut sums);
    sums.total
}

#[inline]
#[target_feature(enable = "avx2")]
fn codes(w: &WeightUnit, part: usize) -> __m256i {
    let codes = &w.codes.as_chunks::<32>().0[part];
    // SAFETY: `codes` is 32 readable bytes and this load needs no alignment.
    unsafe { _mm256_loadu_si256(codes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn values(x: &Unit, part: usize) -> __m256i {
    let codes = &x.codes.as_chunks::<32>().0[part];
    // SAFETY: `codes` is 32 readable bytes and this load needs no alignment.
    unsafe { _mm256_loadu_si256(codes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load8(values: &[f32; 8]) -> __m256 {
    // SAFETY: `values` is 32 readable bytes and this load needs no alignment.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load8i(values: &[i32; 8]) -> __m256i {
    // SAFETY: `values` is 32 readable bytes and this load needs no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}
