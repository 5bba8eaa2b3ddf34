//! Several tokens against one, and against each number of them.

use crate::ops::linear::blocks::format::format;
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
        for (rows, cols) in [(1, 256), (33, 512), (70, 64), (65, 288), (64, 2048)] {
            if cols % ty.block_size() != 0 {
                continue;
            }
            let linear = Linear::new(blocks(ty, rows, cols, &mut random));
            let mut x = random.normals(23 * cols);
            // A bad number belongs to its token alone.
            x[5 * cols + 3] = f32::NAN;
            let bits = |y: &[f32]| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
            let alone: Vec<u32> = x.chunks(cols).flat_map(|x| bits(&run(&cpu, &linear, x, 1))).collect();
            for tokens in [2, 3, 4, 5, 7, 8, 15, 23] {
                let found = bits(&run(&cpu, &linear, &x[..tokens * cols], tokens));
                assert_eq!(found, alone[..tokens * rows], "{ty} {rows}x{cols} T={tokens}");
            }
        }
    }
}
