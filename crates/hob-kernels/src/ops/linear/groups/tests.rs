//! Several tokens against one, and against each number of them.

use crate::isa::ByteDot;
use crate::ops::linear::activations::Steps;
use crate::ops::linear::blocks::format::{Form, Lanes, format};
use crate::ops::linear::blocks::tests::make_scales_ordinary;
use crate::ops::linear::task::panel_tokens_of;
use crate::ops::linear::tests::{Random, blocks, run};
use crate::{Compute, Cpu, Isa, Linear, Matrix};
use hob_quant::TensorType;

/// Every way to multiply panels that this machine has, with `threads` threads; AVX-VNNI's is there in any case, if only with
/// other instructions for its dots.
fn cpus(threads: usize) -> Vec<(String, Cpu)> {
    let ways = [
        (Isa::Avx2, ByteDot::Absent),
        (Isa::Avx2, ByteDot::Emulated),
        (Isa::Avx2, ByteDot::Native),
        (Isa::Avx512, ByteDot::Absent),
    ];
    let mut cpus = Vec::new();
    for (isa, byte_dot) in ways {
        if isa.is_available() && (byte_dot != ByteDot::Native || isa.byte_dot() == ByteDot::Native) {
            let cpu = Cpu { byte_dot, ..Cpu::with_isa(threads, Compute::Fast, isa) };
            cpus.push((format!("{isa} {byte_dot:?}"), cpu));
        } else {
            eprintln!("skipped: this machine has no {isa} with {byte_dot:?} dots of bytes");
        }
    }
    cpus
}

fn bits(y: &[f32]) -> Vec<u32> {
    y.iter().map(|y| y.to_bits()).collect()
}

#[test]
fn a_batch_is_its_members_to_the_bit() {
    for (way, cpu) in cpus(2) {
        let mut random = Random(31);
        for &ty in TensorType::ALL.iter().filter(|&&ty| format(ty).is_some() && ty.can_quantize()) {
            for (rows, cols) in [(1, 256), (33, 512), (70, 64), (65, 288), (64, 2304)] {
                if cols % ty.block_size() != 0 {
                    continue;
                }
                let linear = Linear::new(blocks(ty, rows, cols, &mut random));
                let mut x = random.normals(61 * cols);
                // A bad number belongs to its token alone.
                x[5 * cols + 3] = f32::NAN;
                let alone: Vec<u32> = x.chunks(cols).flat_map(|x| bits(&run(&cpu, &linear, x, 1))).collect();
                let longer = if panel_tokens_of(cpu.isa, ty) > 61 { &[48, 61][..] } else { &[47] };
                for &tokens in [2, 3, 4, 5, 7, 8, 15, 23].iter().chain(longer) {
                    let found = bits(&run(&cpu, &linear, &x[..tokens * cols], tokens));
                    assert_eq!(found, alone[..tokens * rows], "{way} {ty} {rows}x{cols} T={tokens}");
                }
            }
        }
    }
}

/// More tokens than sums are kept for, and more columns than are unpacked at a time.
#[test]
fn a_long_prompt_is_its_members_to_the_bit() {
    for (way, cpu) in cpus(2) {
        let mut random = Random(32);
        let (rows, cols, tokens) = (40, 2304, 521);
        let linear = Linear::new(blocks(TensorType::Q4_1, rows, cols, &mut random));
        let x = random.normals(tokens * cols);
        let together = run(&cpu, &linear, &x, tokens);
        for (token, (x, found)) in x.chunks(cols).zip(together.chunks(rows)).enumerate() {
            assert_eq!(found, run(&cpu, &linear, x, 1), "{way} token {token}");
        }
    }
}

/// The largest sums there can be: every weight at one end of its range, every token too.
#[test]
fn no_sum_overflows() {
    let cols = 512;
    for (way, cpu) in cpus(1) {
        for &ty in TensorType::ALL.iter().filter(|&&ty| format(ty).is_some()) {
            for byte in [0x00, 0x0f, 0xf0, 0x7f, 0x80, 0xff] {
                let mut bytes = vec![byte; 3 * ty.row_bytes(cols).unwrap()];
                make_scales_ordinary(ty, &mut bytes);
                let mut linear = Linear::new(Matrix::from_blocks(ty, 3, cols, bytes.into()).unwrap());
                for step in [None, Some(1.0)] {
                    linear.input_scale = step;
                    for value in [-128.0, 127.0] {
                        let x = vec![value; 8 * cols];
                        let alone = bits(&run(&cpu, &linear, &x[..cols], 1));
                        let together = bits(&run(&cpu, &linear, &x, 8));
                        assert_eq!(together, alone.repeat(8), "{way} {ty} {byte:x} {step:?} {value}");
                    }
                }
            }
        }
    }
}

#[test]
fn formats_get_the_lanes_their_sums_fit() {
    use TensorType as T;
    if !Isa::Avx2.is_available() {
        eprintln!("skipped: this machine has no AVX2");
        return;
    }
    let cpu = Cpu { byte_dot: ByteDot::Absent, ..Cpu::with_isa(1, Compute::Fast, Isa::Avx2) };
    let lanes = |ty, steps| Form::new(&cpu, steps, format(ty).unwrap()).lanes;
    for ty in [T::Q4_0, T::Q4_1, T::Q4_K, T::Q2_K, T::Q3_K, T::NVFP4, T::TQ1_0, T::TQ2_0] {
        assert_eq!([lanes(ty, Steps::Group), lanes(ty, Steps::Fixed(1.0))], [Lanes::Pairs; 2], "{ty}");
    }
    for ty in [T::Q5_1, T::Q5_K] {
        assert_eq!([lanes(ty, Steps::Group), lanes(ty, Steps::Fixed(1.0))], [Lanes::HalfPairs; 2], "{ty}");
    }
    // -128 has no place in steps of their own, and one in trained ranges.
    for ty in [T::Q5_0, T::MXFP4] {
        assert_eq!([lanes(ty, Steps::Group), lanes(ty, Steps::Fixed(1.0))], [Lanes::Pairs, Lanes::HalfPairs]);
    }
    assert_eq!(lanes(T::Q6_K, Steps::Group), Lanes::HalfPairs);
    assert_eq!(lanes(T::Q6_K, Steps::Fixed(1.0)), Lanes::Words);
    for ty in [T::Q8_0, T::IQ4_NL, T::IQ4_XS, T::IQ1_S, T::IQ2_XS, T::IQ3_S] {
        assert_eq!(lanes(ty, Steps::Group), Lanes::Words, "{ty}");
    }
}
