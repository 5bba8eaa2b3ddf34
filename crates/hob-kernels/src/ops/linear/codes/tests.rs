//! Integers must be equal in every variant, for any number of tokens, in both modes.

use crate::ops::linear::tests::{Random, codes, run};
use crate::{CodeBits, Compute, Cpu, Isa, Linear};

const BITS: [CodeBits; 3] = [CodeBits::Two, CodeBits::Four, CodeBits::Eight];

/// The definition, in integers: unpacked codes, rounded activations, one scaling at the end.
fn expected(linear: &Linear, bits: CodeBits, x: &[f32], tokens: usize, steps: &[f32]) -> Vec<f32> {
    let (rows, cols) = (linear.weight.rows(), linear.weight.cols());
    let mut out = vec![0.0; rows * tokens];
    let mut w = vec![0i8; cols];
    let crate::matrix::Storage::Codes { scales, .. } = linear.weight.storage() else {
        panic!("these tests are about codes")
    };
    for row in 0..rows {
        bits.unpack_row(linear.weight.row_bytes(row), &mut w);
        for t in 0..tokens {
            let q = |x: f32| (x / steps[t]).round_ties_even().clamp(-128.0, 127.0) as i64;
            let x = &x[t * cols..][..cols];
            let sum: i64 = x.iter().zip(&w).map(|(x, w)| q(*x) * i64::from(*w)).sum();
            let y =
                sum as f32 * (steps[t] * scales.get(row, 0)) + linear.bias.as_ref().map_or(0.0, |b| b[row]);
            out[t * rows + row] = match linear.output_scale {
                Some(step) => (y / step).round_ties_even().clamp(-128.0, 127.0) * step,
                None => y,
            };
        }
    }
    out
}

#[test]
fn trained_ranges_give_the_same_integers_everywhere() {
    let mut random = Random(7);
    for bits in BITS {
        for (rows, cols) in [(1, 1), (3, 3), (5, 31), (33, 64), (40, 257), (7, 768), (66, 1030)] {
            let mut linear = Linear::new(codes(bits, rows, cols, 1, &mut random));
            linear.input_scale = Some(0.02);
            linear.bias = Some(random.normals(rows));
            linear.output_scale = Some(0.25);
            for tokens in [1, 2, 7, 16, 33] {
                let x = &random.normals(tokens * cols + 1)[1..];
                let expected = expected(&linear, bits, x, tokens, &vec![0.02; tokens]);
                for isa in Isa::available() {
                    for compute in [Compute::Exact, Compute::Fast] {
                        let found = run(&Cpu::with_isa(2, compute, isa), &linear, x, tokens);
                        assert_eq!(found, expected, "{isa} {bits:?} {rows}x{cols} T={tokens} {compute:?}");
                    }
                }
            }
        }
    }
}

/// The largest codes against the largest activations, at a width where 8-bit products come near the top of an i32.
#[test]
fn extremes_do_not_overflow_or_saturate() {
    for bits in BITS {
        for cols in [4096, (1 << 16) + 300] {
            for (byte, x) in [(0x00u8, -128.0f32), (0xff, -128.0), (0x80, -128.0), (0x7f, 127.0)] {
                let bytes = vec![byte; bits.row_bytes(cols)];
                let scales = crate::Scales {
                    bytes: 1f32.to_le_bytes().to_vec().into(),
                    ty: crate::ScaleType::F32,
                    groups: 1,
                };
                let matrix = crate::Matrix::from_codes(bits, 1, cols, bytes.into(), scales).unwrap();
                let linear = Linear { input_scale: Some(1.0), ..Linear::new(matrix) };
                for tokens in [1, 17] {
                    let x = vec![x; cols * tokens];
                    let expected = expected(&linear, bits, &x, tokens, &vec![1.0; tokens]);
                    for isa in Isa::available() {
                        let found = run(&Cpu::with_isa(1, Compute::Fast, isa), &linear, &x, tokens);
                        assert_eq!(found, expected, "{isa} {bits:?} {byte:#x}");
                    }
                }
            }
        }
    }
}

#[test]
fn without_a_range_each_token_has_its_own_step() {
    let mut random = Random(8);
    for bits in BITS {
        let (rows, cols) = (37, 300);
        let linear = Linear::new(codes(bits, rows, cols, 1, &mut random));
        for tokens in [1, 3, 20] {
            let x = random.normals(tokens * cols);
            let exact = crate::ops::linear::tests::reference(&linear, &x, tokens);
            let mut first = None;
            for isa in Isa::available() {
                let found = run(&Cpu::with_isa(1, Compute::Fast, isa), &linear, &x, tokens);
                let weights: Vec<f32> = (0..rows).map(|row| row_magnitude(&linear, row)).collect();
                for (i, (y, e)) in found.iter().zip(&exact).enumerate() {
                    // Half a step of 1/127 of the token's largest value (below 6) in each product.
                    assert!((y - e).abs() <= weights[i % rows] * 6.0 / 254.0, "{isa} {bits:?}: {y} for {e}");
                }
                assert_eq!(first.get_or_insert_with(|| found.clone()), &found, "{isa}");
            }
        }
    }
}

fn row_magnitude(linear: &Linear, row: usize) -> f32 {
    let mut w = vec![0.0; linear.weight.cols()];
    linear.weight.dequantize_row(row, &mut w);
    w.iter().map(|w| w.abs()).sum()
}

#[test]
fn bad_numbers_are_clamped_or_stay_visible() {
    let mut random = Random(9);
    for isa in Isa::available() {
        for bits in BITS {
            let mut linear = Linear::new(codes(bits, 3, 64, 1, &mut random));
            linear.input_scale = Some(0.02);
            for tokens in [1, 20] {
                let mut x = random.normals(64 * tokens);
                x[5] = f32::INFINITY;
                let cpu = Cpu::with_isa(1, Compute::Fast, isa);
                assert!(run(&cpu, &linear, &x, tokens).iter().all(|y| y.is_finite()), "infinity clamps");
                x[5] = f32::NAN;
                let found = run(&cpu, &linear, &x, tokens);
                assert!(found[..3].iter().all(|y| y.is_nan()), "{isa}: NaN stays");
                assert!(found[3..].iter().all(|y| y.is_finite()), "{isa}: other tokens are untouched");
            }
        }
    }
}
