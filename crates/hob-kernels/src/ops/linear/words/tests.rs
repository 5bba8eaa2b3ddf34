//! The panel product of floats against exact arithmetic, with and without pairs of bf16.

use super::WORDS_TOKENS;
use crate::ops::linear::tests::{Random, blocks, magnitudes, reference, run};
use crate::{Compute, Cpu, Isa, Linear};
use half::bf16;
use hob_quant::TensorType;

const TYPES: [TensorType; 3] = [TensorType::F32, TensorType::F16, TensorType::BF16];

/// Rows and columns: parts of panels, of units, of vectors and of pairs.
const SHAPES: [(usize, usize); 9] =
    [(1, 1), (3, 7), (31, 128), (33, 129), (32, 256), (40, 255), (65, 31), (70, 300), (17, 1030)];

/// Every level that has the kernel, with `threads` threads; where there are bf16 pairs, also without.
fn cpus(threads: usize) -> Vec<Cpu> {
    let levels = Isa::available().into_iter().filter(|isa| matches!(isa, Isa::Avx512 | Isa::Avx2));
    let variants = levels.flat_map(|isa| [true, false].map(|bf16| (isa, bf16)));
    let cpus: Vec<Cpu> = variants
        .filter(|(isa, bf16)| !bf16 || isa.has_bf16())
        .map(|(isa, bf16)| Cpu { bf16, ..Cpu::with_isa(threads, Compute::Fast, isa) })
        .collect();
    if cpus.is_empty() {
        eprintln!("skipped: this machine has no level with panels of words");
    }
    cpus
}

/// Whether the layer's activations are rounded to bf16.
fn rounds(cpu: &Cpu, ty: TensorType, linear: &Linear) -> bool {
    cpu.bf16 && ty == TensorType::BF16 && linear.input_scale.is_none()
}

#[test]
fn sums_are_within_rounding_of_the_reference() {
    let mut random = Random(20);
    for ty in TYPES {
        for (place, (rows, cols)) in SHAPES.into_iter().enumerate() {
            let mut linear = Linear::new(blocks(ty, rows, cols, &mut random));
            linear.bias = (place % 2 == 0).then(|| random.normals(rows));
            linear.input_scale = (place % 3 == 2).then_some(0.02);
            for tokens in [WORDS_TOKENS, WORDS_TOKENS + 1, 57, 67] {
                // One element off, so that no vector load is aligned.
                let x = &random.normals(tokens * cols + 1)[1..];
                check(&linear, x, tokens, ty);
            }
        }
    }
}

fn check(linear: &Linear, x: &[f32], tokens: usize, ty: TensorType) {
    let (rows, cols) = (linear.weight.rows(), linear.weight.cols());
    let magnitude = magnitudes(linear, x, tokens);
    let exact = reference(linear, x, tokens);
    let near: Vec<f32> = x.iter().map(|&x| bf16::from_f32(x).to_f32()).collect();
    for (cpu, threaded) in cpus(1).iter().zip(cpus(3)) {
        let found = run(cpu, linear, x, tokens);
        assert_eq!(found, run(&threaded, linear, x, tokens), "{ty}: threads");
        let is_rounded = rounds(cpu, ty, linear);
        let expected = if is_rounded { reference(linear, &near, tokens) } else { exact.clone() };
        for (i, (y, e)) in found.iter().zip(&expected).enumerate() {
            // Every product and sum rounds once, and the bias.
            let order = f32::EPSILON * (cols as f32).sqrt() * (magnitude[i] + e.abs() + 1.0);
            let shape = format!("{ty} {rows}x{cols} T={tokens} token {}", i / rows);
            assert!((y - e).abs() <= order, "{shape}: {y} for {e}");
            // bf16 keeps eight bits, so activations are off by at most a 256th.
            let rounding = if is_rounded { magnitude[i] / 256.0 } else { 0.0 };
            assert!((y - exact[i]).abs() <= rounding + order, "{shape}: {y} for the exact {}", exact[i]);
        }
    }
}

#[test]
fn a_token_does_not_depend_on_its_batch() {
    let mut random = Random(21);
    // More than one batch of sums, and not whole tiles.
    let (rows, cols, tokens) = (35, 70, 1030);
    for ty in TYPES {
        let linear = Linear::new(blocks(ty, rows, cols, &mut random));
        let x = random.normals(tokens * cols);
        for cpu in cpus(2) {
            let all = run(&cpu, &linear, &x, tokens);
            for (first, count) in [(0, WORDS_TOKENS), (5, 49), (500, 53), (tokens - 60, 60)] {
                let some = run(&cpu, &linear, &x[first * cols..][..count * cols], count);
                assert_eq!(some, all[first * rows..][..count * rows], "{ty} {first}..");
            }
        }
    }
}

#[test]
fn a_few_tokens_have_the_bits_of_single_ones() {
    let mut random = Random(22);
    let (rows, cols, tokens) = (33, 300, WORDS_TOKENS - 1);
    for ty in TYPES {
        let linear = Linear::new(blocks(ty, rows, cols, &mut random));
        let x = random.normals(tokens * cols);
        for cpu in cpus(1) {
            let all = run(&cpu, &linear, &x, tokens);
            for (x, found) in x.chunks_exact(cols).zip(all.chunks_exact(rows)) {
                assert_eq!(run(&cpu, &linear, x, 1), found, "{ty}");
            }
        }
    }
}

#[test]
fn layers_of_one_call_keep_their_own_activations() {
    let mut random = Random(23);
    let (cols, tokens) = (260, WORDS_TOKENS);
    let layers: Vec<Linear> = TYPES
        .into_iter()
        .flat_map(|ty| [None, Some(0.02), Some(0.05)].map(|scale| (ty, scale)))
        .map(|(ty, input_scale)| Linear { input_scale, ..Linear::new(blocks(ty, 5, cols, &mut random)) })
        .collect();
    let x = random.normals(tokens * cols);
    for cpu in cpus(2) {
        let mut outs = vec![vec![f32::NAN; tokens * 5]; layers.len()];
        let jobs = layers.iter().zip(&mut outs).map(|(linear, out)| crate::Projection { linear, out });
        cpu.project(&x, tokens, &mut jobs.collect::<Vec<_>>());
        for (linear, out) in layers.iter().zip(&outs) {
            assert_eq!(
                *out,
                run(&cpu, linear, &x, tokens),
                "{} {:?}",
                linear.weight.encoding(),
                linear.input_scale
            );
        }
    }
}

#[test]
fn bad_numbers_stay_visible_and_alone() {
    let mut random = Random(24);
    let (tokens, cols) = (WORDS_TOKENS + 3, 301);
    for ty in TYPES {
        let linear = Linear::new(blocks(ty, 5, cols, &mut random));
        for cpu in cpus(1) {
            // A NaN whose upper half alone would be an infinity: rounding must not lose it.
            let small_nan = f32::from_bits(0x7f80_0001);
            for bad in [f32::NAN, small_nan, f32::INFINITY, f32::NEG_INFINITY] {
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
}
