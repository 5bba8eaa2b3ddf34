//! Every variant against the f64 reference, over awkward shapes.

use super::scalar;
use crate::{CodeBits, Compute, Cpu, Isa, Linear, Matrix, Projection, ScaleType, Scales};
use hob_quant::TensorType;

/// A small generator of well-spread bits (SplitMix64); the seed is the test's own.
pub(super) struct Random(pub u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Roughly normal, variance 1: a sum of twelve uniforms.
    pub(super) fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.next() as u32 as f32 / u32::MAX as f32).sum::<f32>() - 6.0
    }

    pub(super) fn normals(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.normal()).collect()
    }

    pub(super) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// What `linear` gives for `x` on one variant.
pub(super) fn run(cpu: &Cpu, linear: &Linear, x: &[f32], tokens: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; tokens * linear.weight.rows()];
    cpu.project(x, tokens, &mut [Projection { linear, out: &mut out }]);
    out
}

pub(super) fn reference(linear: &Linear, x: &[f32], tokens: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; tokens * linear.weight.rows()];
    scalar::project(x, tokens, &mut Projection { linear, out: &mut out });
    out
}

/// Sum of the products' magnitudes for each output: what rounding errors of any order are relative to.
pub(super) fn magnitudes(linear: &Linear, x: &[f32], tokens: usize) -> Vec<f32> {
    let weight = &linear.weight;
    let (rows, cols) = (weight.rows(), weight.cols());
    let mut w = vec![0f32; cols];
    let mut out = vec![0f32; tokens * rows];
    for row in 0..rows {
        weight.dequantize_row(row, &mut w);
        for t in 0..tokens {
            let x = &x[t * cols..][..cols];
            out[t * rows + row] = x.iter().zip(&w).map(|(x, w)| (x * w).abs()).sum();
        }
    }
    out
}

pub(super) fn codes(bits: CodeBits, rows: usize, cols: usize, groups: usize, random: &mut Random) -> Matrix {
    let bytes = random.bytes(rows * bits.row_bytes(cols));
    let scales: Vec<u8> =
        (0..rows * groups).flat_map(|_| (0.01 + 0.01 * random.normal().abs()).to_le_bytes()).collect();
    let scales = Scales { bytes: scales.into(), ty: ScaleType::F32, groups };
    Matrix::from_codes(bits, rows, cols, bytes.into(), scales).unwrap()
}

/// A matrix of normal values in the given encoding.
pub(super) fn blocks(ty: TensorType, rows: usize, cols: usize, random: &mut Random) -> Matrix {
    // Writers of codebooks search long, and tests run on emulated machines, too: a few rows are repeated.
    let different = if ty.bits_per_element() < 4.0 { rows.min(3) } else { rows };
    let mut bytes = vec![0u8; different * ty.row_bytes(cols).unwrap()];
    hob_quant::quantize_row(ty, &random.normals(different * cols), &mut bytes).unwrap();
    let bytes: Vec<u8> = bytes.iter().copied().cycle().take(rows * ty.row_bytes(cols).unwrap()).collect();
    Matrix::from_blocks(ty, rows, cols, bytes.into()).unwrap()
}

const SHAPES: [(usize, usize); 9] =
    [(1, 1), (3, 7), (5, 8), (4, 9), (17, 15), (33, 16), (8, 17), (40, 48), (70, 172)];

#[test]
fn exact_mode_is_within_rounding_of_the_reference() {
    let mut random = Random(1);
    for isa in Isa::available() {
        for (rows, cols) in SHAPES {
            let linear = Linear::new(Matrix::from_f32(rows, cols, &random.normals(rows * cols)));
            check_exact(isa, &linear, &mut random);
        }
        for ty in [TensorType::F16, TensorType::BF16] {
            for (rows, cols) in SHAPES {
                check_exact(isa, &Linear::new(blocks(ty, rows, cols, &mut random)), &mut random);
            }
        }
        for ty in [TensorType::F16, TensorType::BF16, TensorType::Q4_0, TensorType::Q6_K] {
            check_exact(isa, &Linear::new(blocks(ty, 37, 512, &mut random)), &mut random);
        }
        let mut linear = Linear::new(codes(CodeBits::Four, 9, 96, 3, &mut random));
        linear.bias = Some(random.normals(9));
        check_exact(isa, &linear, &mut random);
    }
}

fn check_exact(isa: Isa, linear: &Linear, random: &mut Random) {
    let (rows, cols) = (linear.weight.rows(), linear.weight.cols());
    for tokens in [0, 1, 2, 7, 16, 33] {
        let x = random.normals(tokens * cols + 1);
        // One element off, so that no vector load is aligned.
        let x = &x[1..];
        let expected = reference(linear, x, tokens);
        let one = run(&Cpu::with_isa(1, Compute::Exact, isa), linear, x, tokens);
        let magnitude = magnitudes(linear, x, tokens);
        for (i, (y, e)) in one.iter().zip(&expected).enumerate() {
            // Every product and sum rounds once; no more than `cols` roundings meet in one output, and the bias.
            let bound = f32::EPSILON * (cols as f32).sqrt() * (magnitude[i] + e.abs() + 1.0);
            assert!((y - e).abs() <= bound, "{isa} {rows}x{cols} T={tokens}: {y} for {e}");
        }
        assert_eq!(one, run(&Cpu::with_isa(3, Compute::Exact, isa), linear, x, tokens), "threads");
        for t in 0..tokens {
            let alone = run(&Cpu::with_isa(1, Compute::Exact, isa), linear, &x[t * cols..][..cols], 1);
            assert_eq!(alone, one[t * rows..][..rows], "a token alone and in a batch");
        }
    }
}

#[test]
fn up_to_a_number_of_tokens_a_batch_is_its_members() {
    let mut random = Random(7);
    let (rows, cols) = (37, 512);
    let mut layers: Vec<Linear> = [TensorType::Q4_0, TensorType::Q8_0, TensorType::Q4_K, TensorType::Q6_K]
        .into_iter()
        .chain([TensorType::F16, TensorType::BF16, TensorType::F32])
        .map(|ty| Linear::new(blocks(ty, rows, cols, &mut random)))
        .collect();
    for bits in [CodeBits::Two, CodeBits::Four, CodeBits::Eight] {
        layers.push(Linear::new(codes(bits, rows, cols, 1, &mut random)));
    }
    for (isa, compute) in Isa::available().into_iter().flat_map(|i| [(i, Compute::Fast), (i, Compute::Exact)])
    {
        let cpu = Cpu::with_isa(2, compute, isa);
        let tokens = cpu.alike_tokens_max();
        let x = random.normals(tokens * cols);
        for (at, linear) in layers.iter().enumerate() {
            let alone: Vec<f32> = x.chunks_exact(cols).flat_map(|x| run(&cpu, linear, x, 1)).collect();
            let bits = |y: &[f32]| y.iter().map(|y| y.to_bits()).collect::<Vec<u32>>();
            let together = run(&cpu, linear, &x, tokens);
            assert_eq!(bits(&together), bits(&alone), "{isa} {compute:?}, layer {at}");
        }
    }
}

#[test]
fn rows_of_codes_decode_in_pieces() {
    let mut random = Random(14);
    for bits in [CodeBits::Two, CodeBits::Four, CodeBits::Eight] {
        for (cols, groups) in [(1, 1), (5, 5), (1023, 1), (1024, 4), (5000, 8), (8960, 35)] {
            let matrix = codes(bits, 3, cols, groups, &mut random);
            let crate::matrix::Storage::Codes { scales, .. } = matrix.storage() else {
                panic!("made of codes")
            };
            let (mut row, mut whole) = (vec![f32::NAN; cols], vec![0i8; cols]);
            for index in 0..3 {
                matrix.dequantize_row(index, &mut row);
                bits.unpack_row(matrix.row_bytes(index), &mut whole);
                for (column, value) in row.iter().enumerate() {
                    let scale = scales.get(index, column / (cols / groups));
                    assert_eq!(
                        *value,
                        f32::from(whole[column]) * scale,
                        "{bits:?} {cols}/{groups} [{column}]"
                    );
                }
            }
        }
    }
}
