//! Attention on the shapes of real models: `cargo bench -p hob-kernels --bench attention [-- FILTER]`.
//!
//! Prints, per case, the median and the best of several rounds in microseconds, and for the best GB/s of keys and values
//! (each counted once, whichever heads share them) and GMAC/s: on a shared machine the best is the one that was not
//! interrupted. The caches of decode cases together exceed the last-level cache, as in a model's layers.
#![allow(clippy::disallowed_methods, missing_docs, reason = "a benchmark reads the clock and its arguments")]

use hob_kernels::{AttentionShape, Compute, Cpu, KvPage, KvShape, KvType, KvView, Mask, PAGE_POSITIONS};
use std::sync::Arc;
use std::time::Instant;

struct Case {
    name: &'static str,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
}

const MODELS: [Case; 3] = [
    Case { name: "llama-1b", heads: 32, kv_heads: 8, head_dim: 64 },
    Case { name: "gemma-4-e2b sliding", heads: 8, kv_heads: 1, head_dim: 256 },
    Case { name: "gemma-4-e2b full", heads: 8, kv_heads: 1, head_dim: 512 },
];

/// Bytes of all layers' caches of a decode case: well above any last-level cache.
const CACHE_BYTES: usize = 256 << 20;

fn main() {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with("--")).unwrap_or_default();
    for threads in [1, std::thread::available_parallelism().map_or(1, usize::from)] {
        let cpu = Cpu::new(threads, Compute::Fast);
        for model in &MODELS {
            for ty in [KvType::F16, KvType::Q8, KvType::F32] {
                for (tokens, end) in [(1, 512), (1, 4096), (1, 16384), (8, 4096), (512, 512), (512, 4096)] {
                    let name = format!("{} {ty:?} T={tokens} S={end} {threads} thr", model.name);
                    if name.contains(&filter) {
                        measure(&cpu, model, ty, (tokens, end), &name);
                    }
                }
            }
        }
    }
}

fn measure(cpu: &Cpu, model: &Case, ty: KvType, (tokens, end): (usize, usize), name: &str) {
    let Case { heads, kv_heads, head_dim, .. } = *model;
    let shape = AttentionShape { heads, kv_heads, head_dim, scale: 0.1, softcap: None };
    let page_shape = KvShape { ty, kv_heads, head_dim };
    let pages = end.div_ceil(PAGE_POSITIONS);
    let layers = if tokens > 8 { 1 } else { (CACHE_BYTES / (pages * page_shape.page_bytes())).max(1) };
    let caches: Vec<Vec<Arc<KvPage>>> =
        (0..layers).map(|_| (0..pages).map(|_| Arc::new(filled(page_shape))).collect()).collect();
    let q: Vec<f32> = (0..tokens * heads * head_dim).map(|i| (i % 17) as f32 * 0.1 - 0.8).collect();
    let mut out = vec![0f32; q.len()];
    let mut times = Vec::new();
    let begin = Instant::now();
    while times.len() < 5 || begin.elapsed().as_millis() < 400 && times.len() < 400 {
        for pages in &caches {
            let start = Instant::now();
            let kv = KvView { pages, first: 0, end };
            cpu.attention(&shape, Mask::Causal { window: None }, &q, end - tokens, kv, &mut out);
            times.push(start.elapsed().as_secs_f64());
        }
    }
    times.sort_by(f64::total_cmp);
    let (seconds, median) = (times[0], times[times.len() / 2]);
    let seen: usize = (end - tokens + 1..=end).sum();
    let gmac = (2 * heads * head_dim * seen) as f64 / seconds / 1e9;
    let gigabytes = (page_shape.page_bytes() * end / PAGE_POSITIONS) as f64 / seconds / 1e9;
    let (best, median) = (seconds * 1e6, median * 1e6);
    println!(
        "{name:<46} {}: {median:>10.1} us, best {best:>10.1} us {gigabytes:>7.1} GB/s {gmac:>7.1} GMAC/s",
        cpu.isa()
    );
}

fn filled(shape: KvShape) -> KvPage {
    let mut page = KvPage::new(shape);
    let row = shape.kv_heads * shape.head_dim;
    let x: Vec<f32> = (0..PAGE_POSITIONS * row).map(|i| ((i * 7919) % 1009) as f32 / 504.0 - 1.0).collect();
    page.write_rows(0, PAGE_POSITIONS, &x, &x);
    page
}
