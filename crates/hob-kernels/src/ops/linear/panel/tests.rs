//! The panel product against exact arithmetic and against its scalar twin.

use super::line::round_to_one_scale;
use crate::matrix::EncodedRows;
use crate::ops::linear::activations::UNIT;
use crate::ops::linear::blocks::format::{WeightUnit, format};
use crate::ops::linear::blocks::{round_rows, unpack_rows};
use crate::ops::linear::task::{PANEL_TOKENS_MAX, panel_tokens_of};
use crate::ops::linear::tests::{Random, blocks, magnitudes, reference, run};
use crate::{Compute, Cpu, Isa, Linear};
use hob_quant::{TensorType, has_codebook};

fn types() -> impl Iterator<Item = TensorType> {
    TensorType::ALL.iter().copied().filter(|&ty| format(ty).is_some() && ty.can_quantize())
}

#[test]
fn variants_agree_and_stay_within_the_rounding_of_both_sides() {
    let mut random = Random(10);
    for ty in types() {
        for (rows, cols) in [(1, 256), (31, 256), (33, 512), (70, 1024), (40, 64), (65, 288)] {
            // Beyond their unpacking, which two shapes show, codebook types share everything; emulated machines are slow.
            let seldom = has_codebook(ty) && ![1, 33].contains(&rows);
            if cols % ty.block_size() != 0 || seldom {
                continue;
            }
            let linear = Linear::new(blocks(ty, rows, cols, &mut random));
            check(&linear, &random.normals(TOKENS_MOST * cols + 1)[1..], ty);
        }
    }
}

const TOKENS_MOST: usize = 61;

/// The first tokens of `x` by every variant. What they are compared with is computed once: emulated machines are slow.
fn check(linear: &Linear, x: &[f32], ty: TensorType) {
    let (rows, cols) = (linear.weight.rows(), linear.weight.cols());
    let exact = reference(linear, x, TOKENS_MOST);
    let magnitude = magnitudes(linear, x, TOKENS_MOST);
    let bounds = rounding_bounds(linear, x);
    for tokens in [PANEL_TOKENS_MAX, PANEL_TOKENS_MAX + 1, TOKENS_MOST] {
        let x = &x[..tokens * cols];
        let twin = run(&Cpu::with_isa(1, Compute::Fast, Isa::Scalar), linear, x, tokens);
        for isa in Isa::available() {
            let found = run(&Cpu::with_isa(1, Compute::Fast, isa), linear, x, tokens);
            assert_eq!(
                found,
                run(&Cpu::with_isa(3, Compute::Fast, isa), linear, x, tokens),
                "{isa}: threads"
            );
            for (i, (y, e)) in found.iter().zip(&exact).enumerate() {
                // Integers are equal; each unit's product is rounded twice, and each sum once.
                let order = f32::EPSILON * 4.0 * (cols as f32 / 256.0) * (magnitude[i] + e.abs());
                if tokens >= panel_tokens_of(isa, ty) {
                    assert!((y - twin[i]).abs() <= order, "{isa} {ty}: {y} for the twin's {}", twin[i]);
                }
                let is_near = (y - e).abs() <= bounds[i] + order;
                assert!(is_near, "{isa} {ty} {rows}x{cols} T={tokens}: {y} for {e}");
            }
        }
    }
}

/// `|w| dx + |x| dw + dw dx` summed over the columns, `d` being half a step: a 254th of the unit's largest magnitude. `[T, rows]`.
fn rounding_bounds(linear: &Linear, x: &[f32]) -> Vec<f32> {
    let (rows, cols) = (linear.weight.rows(), linear.weight.cols());
    let mut weights = vec![0.0; rows * cols];
    weights.chunks_exact_mut(cols).enumerate().for_each(|(row, w)| linear.weight.dequantize_row(row, w));
    let largest = |v: &[f32]| v.iter().fold(0f32, |m, v| m.max(v.abs()));
    let unit = |(w, x): (&[f32], &[f32])| {
        let (dw, dx) = (largest(w) / 254.0, largest(x) / 254.0);
        w.iter().zip(x).map(|(w, x)| w.abs() * dx + x.abs() * dw + dw * dx).sum::<f32>()
    };
    let bound = |x: &[f32], w: &[f32]| w.chunks(UNIT).zip(x.chunks(UNIT)).map(unit).sum::<f32>() * 1.001;
    let tokens = x.chunks_exact(cols);
    tokens.flat_map(|x| weights.chunks_exact(cols).map(move |w| bound(x, w))).collect()
}

#[test]
fn every_variant_rounds_units_alike() {
    let mut random = Random(11);
    for ty in types() {
        for _ in 0..20 {
            let mut bytes = vec![0; ty.row_bytes(UNIT).unwrap()];
            hob_quant::quantize_row(ty, &random.normals(UNIT), &mut bytes).unwrap();
            let row = EncodedRows { bytes: &bytes, row_bytes: bytes.len() };
            let mut unit = [WeightUnit::ZERO];
            unpack_rows(Isa::Scalar, ty, row, 0..1, 0, &mut unit);
            let mut expected = [0; UNIT];
            let scale = round_to_one_scale(format(ty).unwrap(), &unit[0], &mut expected);
            for isa in Isa::available() {
                let (mut found, mut scales) = ([[0; UNIT]], [0.0]);
                round_rows(isa, ty, row, 0..1, 0, &mut found, &mut scales);
                assert_eq!((found, scales), ([expected], [scale]), "{isa} {ty}");
            }
        }
    }
}

#[test]
fn bad_numbers_stay_visible_and_alone() {
    let mut random = Random(12);
    let tokens = PANEL_TOKENS_MAX + 3;
    for isa in Isa::available() {
        for ty in [TensorType::Q4_0, TensorType::Q6_K] {
            let linear = Linear::new(blocks(ty, 5, 512, &mut random));
            let cpu = Cpu::with_isa(1, Compute::Fast, isa);
            for bad in [f32::NAN, f32::INFINITY] {
                let mut x = random.normals(tokens * 512);
                x[512 + 300] = bad;
                let found = run(&cpu, &linear, &x, tokens);
                // What has no step of its own stays an infinity.
                assert!(found[5..10].iter().all(|y| !y.is_finite()), "{isa} {ty} {bad}");
                assert!(found[..5].iter().chain(&found[10..]).all(|y| y.is_finite()), "{isa} {ty} {bad}");
            }
        }
    }
}

/// Relative RMS error of products with normal weights and activations; printed with `--nocapture` for the report.
#[test]
fn error_on_normal_values_is_about_one_percent() {
    let mut random = Random(13);
    let (rows, cols, tokens) = (64, 1024, PANEL_TOKENS_MAX);
    let cpu = Cpu::new(1, Compute::Fast);
    for ty in types() {
        let linear = Linear::new(blocks(ty, rows, cols, &mut random));
        let x = random.normals(tokens * cols);
        let exact = reference(&linear, &x, tokens);
        let power: f64 = exact.iter().map(|e| f64::from(*e).powi(2)).sum();
        let error_of = |found: &[f32]| {
            let error: f64 = found.iter().zip(&exact).map(|(y, e)| f64::from(y - e).powi(2)).sum();
            100.0 * (error / power).sqrt()
        };
        let many = error_of(&run(&cpu, &linear, &x, tokens));
        let mut few = Vec::new();
        x.chunks(cols).for_each(|x| few.extend(run(&cpu, &linear, x, 1)));
        println!("{ty}: many tokens {many:.2} %, one token {:.2} %", error_of(&few));
        // Uniform rounding errors of both sides: step^2 / 12 with steps of 1/127 of a largest value near 3.5 sigma.
        assert!(many < 1.6 && error_of(&few) < 0.8, "{ty}");
    }
}
