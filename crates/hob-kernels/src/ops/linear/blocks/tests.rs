//! Unpackers against the dequantiser, variants against the scalar twin, the fast mode against exact arithmetic.

use super::dot::dot_row;
use super::format::{UNIT, WeightUnit, format};
use super::unpack;
use crate::matrix::EncodedRows;
use crate::ops::linear::activations::{Activations, Order, Steps};
use crate::ops::linear::tests::{Random, blocks, magnitudes, reference, run};
use crate::{Compute, Cpu, Isa, Linear, Matrix, Pool};
use hob_quant::TensorType;

fn types() -> impl Iterator<Item = TensorType> {
    TensorType::ALL.iter().copied().filter(|&ty| format(ty).is_some())
}

/// Blocks of random bytes whose f16 and e8m0 scales are ordinary numbers.
fn random_unit(ty: TensorType, random: &mut Random) -> Vec<u8> {
    let mut bytes = random.bytes(ty.row_bytes(UNIT).unwrap());
    make_scales_ordinary(ty, &mut bytes);
    bytes
}

/// Makes the f16 and e8m0 scales of blocks, whatever their bytes, ordinary numbers.
pub(in crate::ops::linear) fn make_scales_ordinary(ty: TensorType, bytes: &mut [u8]) {
    let halves: &[usize] = match ty {
        TensorType::Q4_1 | TensorType::Q5_1 | TensorType::Q4_K | TensorType::Q5_K => &[0, 2],
        TensorType::Q2_K => &[80, 82],
        TensorType::Q3_K => &[108],
        TensorType::Q6_K => &[208],
        TensorType::TQ1_0 => &[52],
        TensorType::TQ2_0 => &[64],
        TensorType::MXFP4 | TensorType::NVFP4 | TensorType::IQ1_M => &[],
        _ => &[0],
    };
    for block in bytes.chunks_mut(ty.block_bytes()) {
        for &at in halves {
            block[at + 1] = (block[at + 1] & 0x83) | 0x30;
        }
        if ty == TensorType::IQ1_M {
            // The scale's nibbles are the top ones of four words, the last of them with sign and exponent.
            block[55] = (block[55] & 15) | 0x30;
        }
        if ty == TensorType::MXFP4 {
            block[0] = 120 + block[0] % 16;
        }
        if ty == TensorType::NVFP4 {
            block[..4].iter_mut().for_each(|s| *s %= 0x7f);
        }
    }
}

#[test]
fn portable_unpackers_mean_what_the_dequantiser_says() {
    let mut random = Random(2);
    for ty in types() {
        let format = format(ty).unwrap();
        for _ in 0..20 {
            let bytes = random_unit(ty, &mut random);
            let mut expected = [0f32; UNIT];
            hob_quant::dequantize_row(ty, &bytes, &mut expected);
            let mut unit = WeightUnit::ZERO;
            unpack::unpack(ty, &bytes, &mut unit);
            for (column, expected) in expected.iter().enumerate() {
                let code = unit.codes[Order::Halves.place(column)];
                let half = if format.halves { column / 16 % 2 } else { 0 };
                let (scale, min) = (unit.scales[half][column / 32], unit.mins[half][column / 32]);
                let value = scale * (f32::from(code) - f32::from(format.offset)) - min;
                // The formula may multiply in another order; each order rounds twice.
                let bound = 2.0 * f32::EPSILON * (expected.abs() + 2.0 * min.abs());
                assert!((value - expected).abs() <= bound, "{ty}[{column}]: {value} for {expected}");
                assert!(code <= format.largest, "{ty}: code {code}");
            }
        }
    }
}

#[test]
fn every_variant_unpacks_alike() {
    let mut random = Random(3);
    for isa in Isa::available() {
        for ty in types() {
            for _ in 0..20 {
                let bytes = random_unit(ty, &mut random);
                let (mut expected, mut unit) = (WeightUnit::ZERO, WeightUnit::ZERO);
                unpack::unpack(ty, &bytes, &mut expected);
                let row = EncodedRows { bytes: &bytes, row_bytes: bytes.len() };
                super::unpack_rows(isa, ty, row, 0..1, 0, std::slice::from_mut(&mut unit));
                assert_eq!(unit.codes, expected.codes, "{isa} {ty}");
                assert_eq!(unit.scales, expected.scales, "{isa} {ty}");
                assert_eq!(unit.mins, expected.mins, "{isa} {ty}");
            }
        }
    }
}

/// Shapes with whole units, partial units and several of both.
fn widths(ty: TensorType) -> Vec<usize> {
    let wanted = [32, 64, 96, 224, 256, 288, 512, 1056];
    wanted.into_iter().filter(|w| w % ty.block_size() == 0).collect()
}

#[test]
fn variants_agree_with_the_scalar_twin_and_with_exact_arithmetic() {
    let mut random = Random(4);
    for ty in types() {
        for cols in widths(ty) {
            let rows = 5;
            let bytes: Vec<u8> = (0..rows * cols.div_ceil(UNIT))
                .flat_map(|_| random_unit(ty, &mut random))
                .take(rows * ty.row_bytes(cols).unwrap())
                .collect();
            let linear = Linear::new(Matrix::from_blocks(ty, rows, cols, bytes.into()).unwrap());
            for tokens in [1, 2, 7, 13] {
                check(&linear, ty, tokens, &mut random);
            }
        }
    }
}

fn check(linear: &Linear, ty: TensorType, tokens: usize, random: &mut Random) {
    let (rows, cols) = (linear.weight.rows(), linear.weight.cols());
    let x = &random.normals(tokens * cols + 1)[1..];
    let pool = Pool::new(1);
    let acts = Activations::quantise(Isa::Scalar, &pool, x, tokens, cols, Steps::Group, Order::Halves);
    let magnitude = magnitudes(linear, x, tokens);
    let exact = reference(linear, x, tokens);
    let mut row_sums = vec![0.0; tokens];
    for isa in Isa::available() {
        let found = run(&Cpu::with_isa(2, Compute::Fast, isa), linear, x, tokens);
        for row in 0..rows {
            dot_row(ty, linear.weight.row_bytes(row), &acts, &mut row_sums);
            for (t, twin) in row_sums.iter().enumerate() {
                let (y, i) = (found[t * rows + row], t * rows + row);
                // The integers are equal; only the order of `cols / 16` f32 sums differs. Codes with a minimum cancel.
                let largest = 8.0 * (magnitude[i] + exact[i].abs());
                let bound = f32::EPSILON * (cols as f32 / 16.0).sqrt() * largest;
                assert!((y - twin).abs() <= bound, "{isa} {ty} {cols} T={tokens}: {y} for {twin}");
                // Half a step of 1/127 of the largest of 32 values, which for normal values is below 6.
                let step_bound = weight_sum(linear, row) * 6.0 / 127.0 / 2.0;
                assert!((y - exact[i]).abs() <= step_bound + bound, "{isa} {ty}: {y} for {}", exact[i]);
            }
        }
    }
}

fn weight_sum(linear: &Linear, row: usize) -> f32 {
    let mut w = vec![0.0; linear.weight.cols()];
    linear.weight.dequantize_row(row, &mut w);
    w.iter().map(|w| w.abs()).sum()
}

/// With all scales 1 and a fixed step of 1 every f32 is an integer below 2^24, so nothing may differ at all.
#[test]
fn integer_parts_are_equal() {
    let mut random = Random(5);
    let one = half::f16::ONE.to_le_bytes();
    for ty in [TensorType::Q4_0, TensorType::Q5_0, TensorType::Q8_0, TensorType::IQ4_NL] {
        let (rows, cols) = (9, 1056);
        let mut bytes = random.bytes(rows * ty.row_bytes(cols).unwrap());
        bytes.chunks_mut(ty.block_bytes()).for_each(|block| block[..2].copy_from_slice(&one));
        let mut linear = Linear::new(Matrix::from_blocks(ty, rows, cols, bytes.into()).unwrap());
        linear.input_scale = Some(1.0);
        for tokens in [1, 3, 12] {
            let mut x: Vec<f32> = (0..tokens * cols).map(|_| (random.next() as i8).into()).collect();
            x[0] = -128.0;
            let expected = reference(&linear, &x, tokens);
            for isa in Isa::available() {
                let found = run(&Cpu::with_isa(1, Compute::Fast, isa), &linear, &x, tokens);
                assert_eq!(found, expected, "{isa} {ty}");
            }
        }
    }
}

#[test]
fn bad_numbers_stay_visible_and_zeros_stay_zero() {
    let mut random = Random(6);
    for isa in Isa::available() {
        for ty in types() {
            let cols = 512;
            let cpu = Cpu::with_isa(1, Compute::Fast, isa);
            let zero = Matrix::from_blocks(ty, 2, cols, vec![0; 2 * ty.row_bytes(cols).unwrap()].into());
            let zero = Linear::new(zero.unwrap());
            assert!(run(&cpu, &zero, &random.normals(cols), 1).iter().all(|y| y.abs() < 1e-30), "{ty}");
            let linear = Linear::new(match ty.can_quantize() {
                true => blocks(ty, 2, cols, &mut random),
                false => continue,
            });
            assert_eq!(run(&cpu, &linear, &vec![0.0; cols], 1), [0.0, 0.0], "{isa} {ty}");
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut x = random.normals(cols);
                x[100] = bad;
                assert!(run(&cpu, &linear, &x, 1).iter().all(|y| y.is_nan()), "{isa} {ty} {bad}");
            }
            let huge = run(&cpu, &linear, &vec![3e38; cols], 1);
            assert_eq!(huge.len(), 2);
        }
    }
}
