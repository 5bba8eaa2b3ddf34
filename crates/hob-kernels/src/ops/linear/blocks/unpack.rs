//! One unpacker per block format, in plain Rust: the reference, and the only one where no faster one is worth its lines.
//!
//! Runs of 16 codes are handled as arrays, which the compiler turns into vector instructions. The layouts are those of
//! the GGUF format description (`../shared/reference/gguf.md`).

use super::format::{WeightUnit, format};
use hob_quant::{FP4_VALUES, IQ4_NL_VALUES, TensorType, e8m0_half_to_f32, f16_to_f32, ue4m3_half_to_f32};
use hob_quant::{iq4_xs_scales, k_scales_and_mins, q3_k_scales};

/// Unpacks the blocks of one unit. `bytes` has the unit's length, blocks past the row's end being zero.
#[inline(always)]
pub(super) fn unpack(ty: TensorType, bytes: &[u8], unit: &mut WeightUnit) {
    use TensorType as T;
    match ty {
        T::Q4_0 => each_block::<18>(bytes, unit, q4_0),
        T::Q4_1 => each_block::<20>(bytes, unit, q4_1),
        T::Q5_0 => each_block::<22>(bytes, unit, q5_0),
        T::Q5_1 => each_block::<24>(bytes, unit, q5_1),
        T::Q8_0 => each_block::<34>(bytes, unit, q8_0),
        T::IQ4_NL => each_block::<18>(bytes, unit, iq4_nl),
        T::MXFP4 => each_block::<17>(bytes, unit, mxfp4),
        T::NVFP4 => each_block::<36>(bytes, unit, nvfp4),
        T::Q2_K => each_block::<84>(bytes, unit, q2_k),
        T::Q3_K => each_block::<110>(bytes, unit, q3_k),
        T::Q4_K => each_block::<144>(bytes, unit, q4_k),
        T::Q5_K => each_block::<176>(bytes, unit, q5_k),
        T::Q6_K => each_block::<210>(bytes, unit, q6_k),
        T::IQ4_XS => each_block::<136>(bytes, unit, iq4_xs),
        T::TQ1_0 => each_block::<54>(bytes, unit, tq1_0),
        T::TQ2_0 => each_block::<66>(bytes, unit, tq2_0),
        T::IQ1_S | T::IQ1_M | T::IQ2_XXS | T::IQ2_XS | T::IQ2_S | T::IQ3_XXS | T::IQ3_S => {
            codebook(ty, bytes, unit);
        }
        _ => unreachable!("only types with a `Format` get here"),
    }
}

#[inline(always)]
fn each_block<const N: usize>(
    bytes: &[u8],
    unit: &mut WeightUnit,
    decode: impl Fn(&[u8; N], usize, &mut WeightUnit),
) {
    for (index, block) in bytes.as_chunks::<N>().0.iter().enumerate() {
        decode(block, index, unit);
    }
}

/// `N` bytes of a block.
#[inline(always)]
pub(super) fn field<const AT: usize, const N: usize, const BLOCK: usize>(block: &[u8; BLOCK]) -> &[u8; N] {
    const { assert!(AT + N <= BLOCK) }
    block[AT..].first_chunk().expect("checked above, when compiling")
}

#[inline(always)]
pub(super) fn f16_at<const AT: usize, const BLOCK: usize>(block: &[u8; BLOCK]) -> f32 {
    f16_to_f32(u16::from_le_bytes(*field::<AT, 2, BLOCK>(block)))
}

/// The nibbles of 16 bytes, low ones first, as the two halves of a group of 32.
#[inline(always)]
fn put_nibbles(unit: &mut WeightUnit, group: usize, bytes: &[u8; 16], map: impl Fn(u8, usize) -> u8) {
    unit.put_run(2 * group, std::array::from_fn(|i| map(bytes[i] & 15, i)));
    unit.put_run(2 * group + 1, std::array::from_fn(|i| map(bytes[i] >> 4, 16 + i)));
}

#[inline(always)]
fn q4_0(block: &[u8; 18], group: usize, unit: &mut WeightUnit) {
    unit.scales[0][group] = f16_at::<0, 18>(block);
    put_nibbles(unit, group, field::<2, 16, 18>(block), |q, _| q);
}

#[inline(always)]
fn q4_1(block: &[u8; 20], group: usize, unit: &mut WeightUnit) {
    unit.scales[0][group] = f16_at::<0, 20>(block);
    unit.mins[0][group] = -f16_at::<2, 20>(block);
    put_nibbles(unit, group, field::<4, 16, 20>(block), |q, _| q);
}

#[inline(always)]
fn q5_0(block: &[u8; 22], group: usize, unit: &mut WeightUnit) {
    unit.scales[0][group] = f16_at::<0, 22>(block);
    let fifth = u32::from_le_bytes(*field::<2, 4, 22>(block));
    put_nibbles(unit, group, field::<6, 16, 22>(block), |q, i| q | ((fifth >> i) as u8 & 1) << 4);
}

#[inline(always)]
fn q5_1(block: &[u8; 24], group: usize, unit: &mut WeightUnit) {
    unit.scales[0][group] = f16_at::<0, 24>(block);
    unit.mins[0][group] = -f16_at::<2, 24>(block);
    let fifth = u32::from_le_bytes(*field::<4, 4, 24>(block));
    put_nibbles(unit, group, field::<8, 16, 24>(block), |q, i| q | ((fifth >> i) as u8 & 1) << 4);
}

#[inline(always)]
fn q8_0(block: &[u8; 34], group: usize, unit: &mut WeightUnit) {
    unit.scales[0][group] = f16_at::<0, 34>(block);
    unit.put_run(2 * group, field::<2, 16, 34>(block).map(|q| q ^ 0x80));
    unit.put_run(2 * group + 1, field::<18, 16, 34>(block).map(|q| q ^ 0x80));
}

#[inline(always)]
fn iq4_nl(block: &[u8; 18], group: usize, unit: &mut WeightUnit) {
    unit.scales[0][group] = f16_at::<0, 18>(block);
    put_nibbles(unit, group, field::<2, 16, 18>(block), |q, _| IQ4_CODES[usize::from(q)]);
}

/// The IQ4 table, raised by the formats' offset.
pub(super) const IQ4_CODES: [u8; 16] = raised(&IQ4_NL_VALUES, 128);

/// The doubled FP4 values, raised by the formats' offset.
pub(super) const FP4_CODES: [u8; 16] = raised(&FP4_VALUES, 16);

const fn raised(values: &[i8; 16], by: i16) -> [u8; 16] {
    let mut codes = [0; 16];
    let mut i = 0;
    while i < 16 {
        codes[i] = (values[i] as i16 + by) as u8;
        i += 1;
    }
    codes
}

#[inline(always)]
fn mxfp4(block: &[u8; 17], group: usize, unit: &mut WeightUnit) {
    unit.scales[0][group] = e8m0_half_to_f32(block[0]);
    put_nibbles(unit, group, field::<1, 16, 17>(block), |q, _| FP4_CODES[usize::from(q)]);
}

#[inline(always)]
fn nvfp4(block: &[u8; 36], index: usize, unit: &mut WeightUnit) {
    let runs = field::<4, 32, 36>(block).as_chunks::<8>().0;
    for (i, (bytes, &scale)) in runs.iter().zip(field::<0, 4, 36>(block)).enumerate() {
        let run = 4 * index + i;
        unit.scales[run % 2][run / 2] = ue4m3_half_to_f32(scale);
        unit.put_run(
            run,
            std::array::from_fn(|i| FP4_CODES[usize::from(bytes[i % 8] >> (4 * (i / 8)) & 15)]),
        );
    }
}

/// Two-bit fields of 32 bytes as four groups of 32.
#[inline(always)]
fn put_pairs(
    unit: &mut WeightUnit,
    first_group: usize,
    bytes: &[u8; 32],
    map: impl Fn(u8, usize, usize) -> u8,
) {
    for field in 0..4 {
        for half in 0..2 {
            let run = 2 * (first_group + field) + half;
            let codes = |i: usize| map((bytes[16 * half + i] >> (2 * field)) & 3, field, 16 * half + i);
            unit.put_run(run, std::array::from_fn(codes));
        }
    }
}

#[inline(always)]
fn q2_k(block: &[u8; 84], _: usize, unit: &mut WeightUnit) {
    let (d, dmin) = (f16_at::<80, 84>(block), f16_at::<82, 84>(block));
    for (run, s) in field::<0, 16, 84>(block).iter().enumerate() {
        unit.scales[run % 2][run / 2] = d * f32::from(s & 15);
        unit.mins[run % 2][run / 2] = dmin * f32::from(s >> 4);
    }
    put_pairs(unit, 0, field::<16, 32, 84>(block), |q, _, _| q);
    put_pairs(unit, 4, field::<48, 32, 84>(block), |q, _, _| q);
}

#[inline(always)]
fn q3_k(block: &[u8; 110], _: usize, unit: &mut WeightUnit) {
    let d = f16_at::<108, 110>(block);
    for (run, s) in q3_k_scales(field::<96, 12, 110>(block)).into_iter().enumerate() {
        unit.scales[run % 2][run / 2] = d * f32::from(s);
    }
    let high = field::<0, 32, 110>(block);
    put_pairs(unit, 0, field::<32, 32, 110>(block), |q, k, i| q | (high[i] >> k & 1) << 2);
    put_pairs(unit, 4, field::<64, 32, 110>(block), |q, k, i| q | (high[i] >> (4 + k) & 1) << 2);
}

/// Scales and minima of Q4_K and Q5_K.
#[inline(always)]
pub(super) fn k_steps<const BLOCK: usize>(block: &[u8; BLOCK], unit: &mut WeightUnit) {
    let (d, dmin) = (f16_at::<0, BLOCK>(block), f16_at::<2, BLOCK>(block));
    let (scales, mins) = k_scales_and_mins(field::<4, 12, BLOCK>(block));
    unit.scales[0] = scales.map(|s| d * f32::from(s));
    unit.mins[0] = mins.map(|m| dmin * f32::from(m));
}

#[inline(always)]
fn q4_k(block: &[u8; 144], _: usize, unit: &mut WeightUnit) {
    k_steps(block, unit);
    for (i, bytes) in field::<16, 128, 144>(block).as_chunks::<16>().0.iter().enumerate() {
        let run = 4 * (i / 2) + i % 2;
        unit.put_run(run, bytes.map(|b| b & 15));
        unit.put_run(run + 2, bytes.map(|b| b >> 4));
    }
}

#[inline(always)]
fn q5_k(block: &[u8; 176], _: usize, unit: &mut WeightUnit) {
    k_steps(block, unit);
    let fifth = field::<16, 32, 176>(block).as_chunks::<16>().0;
    for (i, bytes) in field::<48, 128, 176>(block).as_chunks::<16>().0.iter().enumerate() {
        let (pair, half) = (i / 2, i % 2);
        let high = |j: usize, group: usize| (fifth[half][j] >> group & 1) << 4;
        unit.put_run(4 * pair + half, std::array::from_fn(|j| bytes[j] & 15 | high(j, 2 * pair)));
        unit.put_run(4 * pair + half + 2, std::array::from_fn(|j| bytes[j] >> 4 | high(j, 2 * pair + 1)));
    }
}

#[inline(always)]
fn q6_k(block: &[u8; 210], _: usize, unit: &mut WeightUnit) {
    let d = f16_at::<208, 210>(block);
    for (run, &s) in field::<192, 16, 210>(block).iter().enumerate() {
        unit.scales[run % 2][run / 2] = d * f32::from(s as i8);
    }
    let (low, high) = (field::<0, 128, 210>(block), field::<128, 64, 210>(block));
    for (h, (low, high)) in low.as_chunks::<64>().0.iter().zip(high.as_chunks::<32>().0).enumerate() {
        put_pairs(unit, 4 * h, high, |top, k, i| (low[32 * (k % 2) + i] >> (4 * (k / 2))) & 15 | top << 4);
    }
}

#[inline(always)]
fn iq4_xs(block: &[u8; 136], _: usize, unit: &mut WeightUnit) {
    let d = f16_at::<0, 136>(block);
    let scales = iq4_xs_scales(field::<2, 2, 136>(block), field::<4, 4, 136>(block));
    unit.scales[0] = scales.map(|s| d * f32::from(s));
    for (group, bytes) in field::<8, 128, 136>(block).as_chunks::<16>().0.iter().enumerate() {
        put_nibbles(unit, group, bytes, |q, _| IQ4_CODES[usize::from(q)]);
    }
}

#[inline(always)]
fn tq1_0(block: &[u8; 54], _: usize, unit: &mut WeightUnit) {
    unit.scales[0] = [f16_at::<52, 54>(block); 8];
    const POWERS: [u8; 5] = [1, 3, 9, 27, 81];
    let digit = |byte: u8, n: usize| ((u16::from(byte.wrapping_mul(POWERS[n])) * 3) >> 8) as u8;
    let (most, rest) = (field::<0, 32, 54>(block), field::<32, 16, 54>(block));
    let last = field::<48, 4, 54>(block);
    for n in 0..5 {
        unit.put_run(2 * n, std::array::from_fn(|i| digit(most[i], n)));
        unit.put_run(2 * n + 1, std::array::from_fn(|i| digit(most[16 + i], n)));
        unit.put_run(10 + n, rest.map(|byte| digit(byte, n)));
    }
    unit.put_run(15, std::array::from_fn(|i| digit(last[i % 4], i / 4)));
}

#[inline(always)]
fn tq2_0(block: &[u8; 66], _: usize, unit: &mut WeightUnit) {
    unit.scales[0] = [f16_at::<64, 66>(block); 8];
    put_pairs(unit, 0, field::<0, 32, 66>(block), |q, _, _| q);
    put_pairs(unit, 4, field::<32, 32, 66>(block), |q, _, _| q);
}

/// Types whose codes are entries of a codebook. A scale of 32 columns is written by both of its runs.
#[inline(always)]
fn codebook(ty: TensorType, block: &[u8], unit: &mut WeightUnit) {
    let halves = format(ty).is_some_and(|format| format.halves);
    hob_quant::codebook_runs(
        ty,
        block,
        #[inline(always)]
        |run, step, codes| {
            unit.scales[if halves { run % 2 } else { 0 }][run / 2] = step;
            unit.put_eights(run, codes.map(|eight| eight.map(|code| code as u8 ^ 0x80)));
        },
    );
}
