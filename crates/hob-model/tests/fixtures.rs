//! Every family against an independent implementation, in both containers, and against itself.
//!
//! The full suites run in `cargo xtask fixtures`; these are the invariants that belong to the decoder.

#![allow(clippy::unwrap_used, reason = "a test stops where its set-up fails")]
#![allow(clippy::disallowed_methods, reason = "tests read fixtures")]

use hob_format::{ModelFiles, SafeTensors};
use hob_kernels::{Compute, Cpu, KvType};
use hob_model::{Model, SequenceKv, Step, Wanted};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What the fixtures' README asks of f32 runs.
const LOGIT_TOLERANCE: f32 = 2e-3;

fn fixtures() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/models");
    if !root.is_dir() {
        eprintln!("SKIPPED: no fixtures at {}", root.display());
        return None;
    }
    Some(root)
}

struct Family {
    name: String,
    model: Model,
    expected: Value,
    tensors: SafeTensors,
}

/// Every generative family, from its Hugging Face directory (`gguf` false) or its unquantised GGUF.
fn families(gguf: bool) -> Vec<Family> {
    let Some(root) = fixtures() else { return Vec::new() };
    let mut dirs: Vec<_> =
        std::fs::read_dir(root).unwrap().map(|d| d.unwrap().path()).filter(|p| p.is_dir()).collect();
    dirs.sort();
    let load = |dir: &PathBuf| -> Option<Family> {
        let name = dir.file_name()?.to_str()?.to_string();
        let expected: Value =
            serde_json::from_slice(&std::fs::read(dir.join("expected.json")).unwrap()).unwrap();
        if expected["kind"] != "lm" {
            return None;
        }
        let path = if gguf {
            ["F32", "BF16"].iter().map(|t| dir.join(format!("{name}-{t}.gguf"))).find(|p| p.exists())?
        } else {
            dir.clone()
        };
        let files: ModelFiles = hob_format::open(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        let model = Model::load(&files).unwrap_or_else(|e| panic!("{name}: {e}"));
        let tensors = SafeTensors::open(&dir.join("expected.safetensors")).unwrap();
        Some(Family { name, model, expected, tensors })
    };
    dirs.iter().filter_map(load).collect()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect()
}

fn floats(tensors: &SafeTensors, name: &str) -> Vec<f32> {
    let tensor = tensors.tensors.get(name).unwrap_or_else(|| panic!("expected tensor {name}"));
    tensor.bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

fn empty(model: &Model, tokens: usize) -> SequenceKv {
    let long = model.switch_length().is_some_and(|n| tokens > n);
    SequenceKv::new(model.spec(), KvType::F32, long)
}

fn all_logits(cpu: &Cpu, model: &Model, ids: &[u32]) -> Vec<f32> {
    let mut kv = empty(model, ids.len());
    let step = Step { tokens: ids, kv: &mut kv, wanted: Wanted::All };
    let hidden = model.forward(cpu, &mut [step], None).unwrap();
    model.logits(cpu, &hidden)
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn logits_agree_with_an_independent_implementation() {
    let cpu = Cpu::new(2, Compute::Exact);
    let mut failures = Vec::new();
    for family in families(false).into_iter().chain(families(true)) {
        for prompt in family.expected["prompts"].as_array().unwrap() {
            let tokens = ids(&prompt["ids"]);
            let found = all_logits(&cpu, &family.model, &tokens);
            let vocab = family.model.spec().vocab;
            let expected = floats(&family.tensors, prompt["logits_key"].as_str().unwrap());
            for (i, position) in ids(&prompt["positions"]).into_iter().enumerate() {
                let found = &found[position as usize * vocab..][..vocab];
                let difference = largest_difference(found, &expected[i * vocab..][..vocab]);
                if difference.is_nan() || difference > LOGIT_TOLERANCE {
                    failures.push(format!(
                        "{} {} position {position}: {difference}",
                        family.name, prompt["name"]
                    ));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn prefill_equals_token_by_token_decode() {
    let cpu = Cpu::new(1, Compute::Exact);
    for family in families(false) {
        let tokens = ids(&family.expected["prompts"][1]["ids"]);
        let whole = all_logits(&cpu, &family.model, &tokens);
        let mut kv = empty(&family.model, tokens.len());
        let mut single = Vec::new();
        for token in &tokens {
            let step = Step { tokens: &[*token], kv: &mut kv, wanted: Wanted::Last };
            let hidden = family.model.forward(&cpu, &mut [step], None).unwrap();
            single.extend(family.model.logits(&cpu, &hidden));
        }
        let difference = largest_difference(&whole, &single);
        assert!(difference < 1e-4, "{}: {difference}", family.name);
    }
}

#[test]
fn a_batch_equals_its_members_and_chunks_equal_the_whole() {
    let cpu = Cpu::new(2, Compute::Exact);
    for family in families(false) {
        let model = &family.model;
        let (a, b) = (ids(&family.expected["prompts"][0]["ids"]), ids(&family.expected["prompts"][1]["ids"]));
        let vocab = model.spec().vocab;
        let last = |ids: &[u32]| all_logits(&cpu, model, ids)[(ids.len() - 1) * vocab..].to_vec();
        let (mut kv_a, mut kv_b) = (empty(model, a.len()), empty(model, b.len()));
        let cut = b.len() / 2;
        let first = Step { tokens: &b[..cut], kv: &mut kv_b, wanted: Wanted::Nothing };
        assert!(model.forward(&cpu, &mut [first], None).unwrap().is_empty());
        let mut steps = [
            Step { tokens: &a, kv: &mut kv_a, wanted: Wanted::Last },
            Step { tokens: &b[cut..], kv: &mut kv_b, wanted: Wanted::Last },
        ];
        let logits = model.logits(&cpu, &model.forward(&cpu, &mut steps, None).unwrap());
        let expected = [last(&a), last(&b)].concat();
        let difference = largest_difference(&logits, &expected);
        assert!(difference < 1e-4, "{}: {difference}", family.name);
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for compute in [Compute::Exact, Compute::Fast] {
        for family in
            families(true).into_iter().filter(|f| ["llama3_2", "gemma4_e2b"].contains(&f.name.as_str()))
        {
            let tokens = ids(&family.expected["prompts"][1]["ids"]);
            let run = |threads| all_logits(&Cpu::new(threads, compute), &family.model, &tokens);
            let one = run(1);
            assert!(one == run(2) && one == run(4), "{} {compute:?}", family.name);
        }
    }
}

/// Every quantised copy of `name`.
fn quantised_copies(name: &str) -> Vec<(String, Model)> {
    let Some(root) = fixtures() else { return Vec::new() };
    let mut paths: Vec<_> = std::fs::read_dir(root.join(name)).unwrap().map(|d| d.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "gguf"));
    paths.sort();
    let load = |path: PathBuf| {
        let model = Model::load(&hob_format::open(&path).unwrap()).unwrap();
        (path.file_stem().unwrap().to_string_lossy().into_owned(), model)
    };
    paths.into_iter().map(load).collect()
}

/// These nets are small and chaotic under 8-bit activations, so the bound only catches blunders (a wrong scale, a swapped
/// nibble): the fixtures' README calls 0.05 to 0.1 of the standard deviation normal.
#[test]
fn eight_bit_activations_stay_near_exact_ones_in_every_format() {
    for (name, model) in quantised_copies("llama_kquant").into_iter().chain(quantised_copies("qwen3")) {
        let tokens: Vec<u32> = (0..40).map(|i| (i * 37 + 11) % model.spec().vocab as u32).collect();
        let exact = all_logits(&Cpu::new(1, Compute::Exact), &model, &tokens);
        let fast = all_logits(&Cpu::new(1, Compute::Fast), &model, &tokens);
        let rms =
            |x: &mut dyn Iterator<Item = f32>| (x.map(|v| v * v).sum::<f32>() / exact.len() as f32).sqrt();
        let spread = rms(&mut exact.iter().copied());
        let error = rms(&mut exact.iter().zip(&fast).map(|(a, b)| a - b)) / spread;
        assert!(error < 0.2, "{name}: {error} of the logits' spread");
        eprintln!("{name}: {error:.4} of the logits' spread");
    }
}
