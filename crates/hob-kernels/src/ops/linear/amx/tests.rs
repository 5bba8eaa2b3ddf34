//! Many tokens with AMX against what the same rounded operands come to, and against the other levels.

use crate::ops::linear::blocks;
use crate::ops::linear::task::PANEL_TOKENS_MAX;
use crate::ops::linear::tests::{Random, blocks as matrix, codes, magnitudes, reference, run};
use crate::{CodeBits, Compute, Cpu, Isa, Linear, Matrix};
use half::bf16;
use hob_quant::TensorType;

/// With `threads` threads, if this machine has AMX.
fn cpu(threads: usize) -> Option<Cpu> {
    if !Isa::Amx.is_available() {
        eprintln!("skipped: this machine has no AMX");
        return None;
    }
    Some(Cpu::with_isa(threads, Compute::Fast, Isa::Amx))
}

fn types() -> impl Iterator<Item = TensorType> {
    let is_one = |ty: &TensorType| *ty == TensorType::BF16 || blocks::is_supported(*ty);
    TensorType::ALL.iter().copied().filter(is_one).filter(|ty| ty.can_quantize())
}

fn rounded(values: &[f32]) -> Vec<f32> {
    values.iter().map(|&value| bf16::from_f32(value).to_f32()).collect()
}

/// Fails unless `found` is within the rounding of `f32` sums of what `linear` and `x` come to once both are rounded to bf16.
fn check(linear: &Linear, x: &[f32], found: &[f32], what: &str) {
    let (rows, cols) = (linear.weight.rows(), linear.weight.cols());
    let mut weights = vec![0.0; rows * cols];
    weights.chunks_exact_mut(cols).enumerate().for_each(|(row, w)| linear.weight.dequantize_row(row, w));
    let near = Linear { weight: Matrix::from_f32(rows, cols, &rounded(&weights)), ..linear.clone() };
    let (x, tokens) = (rounded(x), x.len() / cols);
    let (expected, magnitude) = (reference(&near, &x, tokens), magnitudes(&near, &x, tokens));
    // A weight that is halfway between two of bf16 may be a last bit of f32 away from there: scales are multiplied in another order.
    let ties = magnitude.iter().map(|m| m / 256.0 * 2.0 / cols as f32);
    for (i, ((y, e), tie)) in found.iter().zip(&expected).zip(ties).enumerate() {
        let order = f32::EPSILON * (cols as f32).sqrt() * (magnitude[i] + e.abs() + 1.0);
        assert!((y - e).abs() <= order + tie, "{what} token {} row {}: {y} for {e}", i / rows, i % rows);
    }
}

#[test]
fn sums_are_those_of_operands_in_bf16() {
    let Some(cpu) = cpu(1) else { return };
    let mut random = Random(40);
    for ty in types() {
        for (place, (rows, cols)) in
            [(1, 256), (33, 512), (70, 64), (65, 288), (31, 2304)].into_iter().enumerate()
        {
            if cols % ty.block_size() != 0 {
                continue;
            }
            let mut linear = Linear::new(matrix(ty, rows, cols, &mut random));
            linear.bias = (place % 2 == 0).then(|| random.normals(rows));
            for tokens in [PANEL_TOKENS_MAX, 57, 65] {
                // One element off, so that no vector load is aligned.
                let x = &random.normals(tokens * cols + 1)[1..];
                let found = run(&cpu, &linear, x, tokens);
                check(&linear, x, &found, &format!("{ty} {rows}x{cols} T={tokens}"));
            }
        }
    }
}

/// More tokens than a batch, more rows than are unpacked at a time, more columns than a slab; and any width of BF16.
#[test]
fn a_token_depends_neither_on_its_batch_nor_on_threads() {
    let (Some(one), Some(three)) = (cpu(1), cpu(3)) else { return };
    let mut random = Random(41);
    for (ty, rows, cols) in
        [(TensorType::Q4_K, 300, 2304), (TensorType::BF16, 35, 2100), (TensorType::BF16, 5, 7)]
    {
        let tokens = 525;
        let linear = Linear::new(matrix(ty, rows, cols, &mut random));
        let x = random.normals(tokens * cols);
        let all = run(&one, &linear, &x, tokens);
        assert_eq!(all, run(&three, &linear, &x, tokens), "{ty}: threads");
        for (first, count) in [(0, PANEL_TOKENS_MAX), (5, 49), (470, 55)] {
            let some = run(&three, &linear, &x[first * cols..][..count * cols], count);
            assert_eq!(some, all[first * rows..][..count * rows], "{ty} {first}..");
        }
        check(&linear, &x[..60 * cols], &all[..60 * rows], &format!("{ty}"));
    }
}

#[test]
fn integer_codes_have_the_bits_of_other_levels() {
    let Some(cpu) = cpu(2) else { return };
    let mut random = Random(42);
    let other = Cpu::with_isa(2, Compute::Fast, Isa::Avx512);
    for bits in [CodeBits::Two, CodeBits::Four, CodeBits::Eight] {
        for (rows, cols, tokens) in [(1, 256, 16), (33, 300, 12), (70, 2400, 49), (300, 520, 530)] {
            let mut linear = Linear::new(codes(bits, rows, cols, 1, &mut random));
            let mut x = random.normals(tokens * cols);
            x[3 * cols + 5] = f32::NAN;
            for step in [None, Some(0.02)] {
                linear.input_scale = step;
                let bits_of = |y: &[f32]| y.iter().map(|y| y.to_bits()).collect::<Vec<u32>>();
                let (found, expected) = (run(&cpu, &linear, &x, tokens), run(&other, &linear, &x, tokens));
                assert_eq!(bits_of(&found), bits_of(&expected), "{bits:?} {rows}x{cols} T={tokens} {step:?}");
            }
        }
    }
}

#[test]
fn bad_numbers_stay_visible_and_alone() {
    let Some(cpu) = cpu(1) else { return };
    let mut random = Random(43);
    let (tokens, cols) = (PANEL_TOKENS_MAX + 3, 320);
    for ty in [TensorType::BF16, TensorType::Q4_0, TensorType::Q5_1] {
        let linear = Linear::new(matrix(ty, 5, cols, &mut random));
        // A NaN whose upper half alone would be an infinity: rounding must not lose it.
        for bad in [f32::NAN, f32::from_bits(0x7f80_0001), f32::INFINITY, f32::NEG_INFINITY] {
            for place in [0, 150, cols - 1] {
                let mut x = random.normals(tokens * cols);
                x[cols + place] = bad;
                let found = run(&cpu, &linear, &x, tokens);
                let is_bad = |y: &f32| if bad.is_nan() { y.is_nan() } else { !y.is_finite() };
                assert!(found[5..10].iter().all(is_bad), "{ty} {bad}");
                assert!(found[..5].iter().chain(&found[10..]).all(|y| y.is_finite()), "{ty} {bad}");
            }
        }
    }
}

#[test]
fn layers_with_a_trained_range_are_left_to_others() {
    let Some(cpu) = cpu(2) else { return };
    let mut random = Random(44);
    let other = Cpu::with_isa(2, Compute::Fast, Isa::Avx512);
    for ty in [TensorType::BF16, TensorType::Q4_0] {
        let linear = Linear { input_scale: Some(0.02), ..Linear::new(matrix(ty, 33, 512, &mut random)) };
        let x = random.normals(50 * 512);
        assert_eq!(run(&cpu, &linear, &x, 50), run(&other, &linear, &x, 50), "{ty}");
    }
}
