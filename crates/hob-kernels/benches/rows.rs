//! Row-wise operations at the sizes of a decode step and of a prefill chunk: `cargo bench -p hob-kernels --bench rows [-- FILTER]`.
//!
//! Prints the median and the best of many rounds in microseconds, at every instruction-set level on one thread.
#![allow(clippy::disallowed_methods, missing_docs, reason = "a benchmark reads the clock and its arguments")]

use hob_kernels::{Activation, Compute, Cpu, Isa, KvPage, KvShape, KvType, RopeLayout, RopeTable};
use std::hint::black_box;
use std::time::Instant;

const D: usize = 2048;
const F: usize = 8192;
const V: usize = 262_144;

fn main() {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with("--")).unwrap_or_default();
    let run = |name: String, work: &mut dyn FnMut()| {
        if name.contains(&filter) {
            measure(&name, work);
        }
    };
    for isa in Isa::available() {
        let cpu = Cpu::with_isa(1, Compute::Fast, isa);
        let (weight, up) = (numbers(D), numbers(64 * F));
        let (mut x, mut gate, mut logits) = (numbers(64 * D), numbers(64 * F), numbers(V));
        let table = RopeTable { frequencies: numbers(32), amplitude: 1.0 };
        for tokens in [1, 64] {
            let angles = table.angles(&(0..tokens).collect::<Vec<_>>());
            let (x, gate, up) = (&mut x[..tokens * D], &mut gate[..tokens * F], &up[..tokens * F]);
            run(format!("{isa} rms_norm {tokens}x{D}"), &mut || cpu.rms_norm(x, D, Some(&weight), 1e-5));
            run(format!("{isa} layer_norm {tokens}x{D}"), &mut || cpu.layer_norm(x, &weight, None, 1e-5));
            run(format!("{isa} rope {tokens}x32x64"), &mut || {
                cpu.rope(x, 32, 64, RopeLayout::Adjacent, &angles)
            });
            run(format!("{isa} add {tokens}x{D}"), &mut || cpu.add_scaled(x, 1e-3, &up[..tokens * D]));
            for act in [Activation::Silu, Activation::GeluTanh, Activation::GeluErf] {
                run(format!("{isa} gated {act:?} {tokens}x{F}"), &mut || cpu.gated(act, gate, up));
            }
        }
        run(format!("{isa} softcap {V}"), &mut || cpu.softcap(&mut logits, 30.0));
        run(format!("{isa} argmax {V}"), &mut || _ = black_box(cpu.argmax(&logits)));
        run(format!("{isa} log_sum_exp {V}"), &mut || _ = black_box(cpu.log_sum_exp(&logits)));
    }
    for ty in [KvType::F32, KvType::F16, KvType::Q8] {
        let mut page = KvPage::new(KvShape { ty, kv_heads: 8, head_dim: 64 });
        let x = numbers(64 * 8 * 64);
        run(format!("write {ty:?} 1x8x64"), &mut || page.write(3, &x[..512], &x[..512]));
        run(format!("write {ty:?} 64x8x64"), &mut || page.write_rows(0, 64, &x, &x));
    }
}

fn numbers(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919) % 1009) as f32 / 504.0 - 1.0).collect()
}

fn measure(name: &str, work: &mut dyn FnMut()) {
    let mut times = Vec::new();
    let begin = Instant::now();
    while times.len() < 20 || begin.elapsed().as_millis() < 100 {
        let start = Instant::now();
        work();
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    println!("{name:<32} {:>10.2} us, best {:>10.2} us", times[times.len() / 2], times[0]);
}
