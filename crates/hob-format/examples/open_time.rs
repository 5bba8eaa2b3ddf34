//! Times opening a GGUF: `cargo run --release -p hob-format --example open_time [FILE.gguf]`.
//!
//! Without a file, writes one with a vocabulary of 262,144 tokens, as Gemma's have, and 2,000 small tensors.

#![allow(clippy::disallowed_methods, reason = "measures wall time and writes a temporary file")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use hob_format::{ArrayView, Error, Gguf, GgufLayout, GgufWriter, Metadata};
use hob_quant::TensorType;

const TOKENS: u32 = 262_144;
const MERGES: u32 = 514_906;
const RUNS: usize = 21;

fn main() -> Result<(), Error> {
    let given = std::env::args_os().nth(1).map(PathBuf::from);
    let path = given.clone().unwrap_or_else(|| std::env::temp_dir().join("hob-open-time.gguf"));
    if given.is_none() {
        write_model(&path)?;
    }
    let mut millis = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        let gguf = Gguf::open(&path)?;
        millis.push(start.elapsed().as_secs_f64() * 1e3);
        drop(gguf);
    }
    let first = millis[0];
    millis.sort_by(f64::total_cmp);
    println!("open: first {first:.2} ms, median of {RUNS} {:.2} ms", millis[RUNS / 2]);
    if given.is_none() {
        std::fs::remove_file(&path).map_err(|source| Error::Io { path, action: "remove", source })?;
    }
    Ok(())
}

fn write_model(path: &Path) -> Result<(), Error> {
    let mut metadata = Metadata::new("example");
    metadata.set("general.architecture", "llama");
    metadata.set("tokenizer.ggml.tokens", (0..TOKENS).map(|i| format!("token{i}")).collect::<ArrayView>());
    metadata.set("tokenizer.ggml.merges", (0..MERGES).map(|i| format!("le{i} ft")).collect::<ArrayView>());
    metadata.set("tokenizer.ggml.scores", ArrayView::from(vec![0.5f32; TOKENS as usize].as_slice()));
    metadata.set("tokenizer.ggml.token_type", ArrayView::from(vec![1i32; TOKENS as usize].as_slice()));
    let mut layout = GgufLayout::new(metadata);
    let names: Vec<String> = (0..2000).map(|i| format!("blk.{i}.attn_q.weight")).collect();
    for name in &names {
        layout.tensor(name, TensorType::Q4_0, &[32, 64]);
    }
    let mut writer = GgufWriter::create(path, &layout)?;
    for name in &names {
        writer.begin(name)?;
        writer.write(&[0; 32 * 36])?;
    }
    writer.finish()
}
