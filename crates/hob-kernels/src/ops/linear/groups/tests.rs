//! Several tokens against one, and against each number of them.

use crate::ops::linear::blocks::format::format;
use crate::ops::linear::task::panel_tokens_of;
use crate::ops::linear::tests::{Random, blocks, run};
use crate::{Compute, Cpu, Isa, Linear};
use hob_quant::TensorType;

#[test]
fn a_batch_is_its_members_to_the_bit() {
    if !Isa::Avx512.is_available() {
        eprintln!("skipped: this machine has no AVX-512");
        return;
    }
    let mut random = Random(31);
    let cpu = Cpu::with_isa(2, Compute::Fast, Isa::Avx512);
    for &ty in TensorType::ALL.iter().filter(|&&ty| format(ty).is_some() && ty.can_quantize()) {
        for (rows, cols) in [(1, 256), (33, 512), (70, 64), (65, 288), (64, 2304)] {
            if cols % ty.block_size() != 0 {
                continue;
            }
            let linear = Linear::new(blocks(ty, rows, cols, &mut random));
            let mut x = random.normals(61 * cols);
            // A bad number belongs to its token alone.
            x[5 * cols + 3] = f32::NAN;
            let bits = |y: &[f32]| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
            let alone: Vec<u32> = x.chunks(cols).flat_map(|x| bits(&run(&cpu, &linear, x, 1))).collect();
            let longer = if panel_tokens_of(Isa::Avx512, ty) > 61 { &[48, 61][..] } else { &[47] };
            for &tokens in [2, 3, 4, 5, 7, 8, 15, 23].iter().chain(longer) {
                let found = bits(&run(&cpu, &linear, &x[..tokens * cols], tokens));
                assert_eq!(found, alone[..tokens * rows], "{ty} {rows}x{cols} T={tokens}");
            }
        }
    }
}

/// More tokens than sums are kept for, and more columns than are unpacked at a time.
#[test]
fn a_long_prompt_is_its_members_to_the_bit() {
    if !Isa::Avx512.is_available() {
        eprintln!("skipped: this machine has no AVX-512");
        return;
    }
    let mut random = Random(32);
    let cpu = Cpu::with_isa(2, Compute::Fast, Isa::Avx512);
    let (rows, cols, tokens) = (40, 2304, 521);
    let linear = Linear::new(blocks(TensorType::Q4_1, rows, cols, &mut random));
    let x = random.normals(tokens * cols);
    let together = run(&cpu, &linear, &x, tokens);
    for (token, (x, found)) in x.chunks(cols).zip(together.chunks(rows)).enumerate() {
        assert_eq!(found, run(&cpu, &linear, x, 1), "token {token}");
    }
}
