//! Measurements on whole models: synthetic ones, and the trained story model in `../shared` where that is present.

#![allow(clippy::unwrap_used, reason = "a test's failure is a panic")]

use std::path::{Path, PathBuf};

use hob::EncodeOptions;
use hob_engine::{Engine, EngineConfig};
use hob_eval::{
    Bench, Error, LookUp, Together, Traffic, Vectors, Windows, kl_divergence, measure, nll, perplexity,
    synthetic, time_to_first_token,
};
use hob_format::ModelFiles;
use hob_kernels::{Compute, Cpu, KvType};
use hob_model::{Model, SequenceKv, Step, Wanted};

fn open(path: &Path) -> (ModelFiles, Model) {
    let files = hob_format::open(path).unwrap();
    let model = Model::load(&files).unwrap();
    (files, model)
}

/// The smallest shape, quantised in mixed types: its rows of 576 are no whole number of 256-element blocks.
#[test]
fn a_synthetic_model_loads_runs_and_spells() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    let plan = synthetic::plan("smollm2-135m", "Q4_K_M").unwrap();
    let mut last = (0, 0);
    synthetic::write(&plan, &path, 7, &mut |done, all| last = (done, all)).unwrap();
    assert_eq!(last, (plan.tensor_bytes(), plan.tensor_bytes()));

    let (files, model) = open(&path);
    assert_eq!(model.spec(), plan.spec());
    let cpu = Cpu::new(2, Compute::Exact);
    let mut kv = SequenceKv::new(model.spec(), KvType::F32, false);
    let mut steps = [Step { tokens: &[5, 700, 40_000], kv: &mut kv, wanted: Wanted::Last }];
    let hidden = model.forward(&cpu, &mut steps, None).unwrap();
    let logits = model.logits(&cpu, &hidden);
    let mean = logits.iter().sum::<f32>() / logits.len() as f32;
    let spread = (logits.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / logits.len() as f32).sqrt();
    assert!((0.3..3.0).contains(&spread) && mean.abs() < spread, "logits {mean} +- {spread}");

    // Everything but two thirds of the last layer, which prompt tokens skip, is read or multiplied once per token.
    let traffic = Traffic::new(&files, model.spec()).unwrap();
    assert_eq!(traffic.weight_bytes, plan.tensor_bytes());
    let matrices = model.spec().tensors().into_iter().filter(|t| t.shape.len() > 1);
    assert_eq!(traffic.decode_macs, matrices.map(|t| t.shape.iter().product::<usize>() as u64).sum::<u64>());
    let together = vec![Together { sequences: 50, depth: 3, tokens: 2 }];
    let (prompts, decodes, look_ups) = (vec![4], vec![(2, 2)], vec![LookUp { run: 16 }]);
    let bench = Bench { prompts, decodes, together, look_ups, warmups: 0, repeats: 1, ..Bench::default() };
    let engine = Engine::new(model, EngineConfig { threads: 2, ..EngineConfig::default() });
    let report = measure(&engine, &traffic, &bench, None).unwrap();
    assert!(report.prefill[0].tokens_s.median > 0.0 && report.decode[0].tokens_s.median > 0.0);
    assert!(report.together[0].tokens_s.median > 0.0);
    let look_up = &report.look_up[0];
    assert!(look_up.gain > 0.0 && look_up.accepted > 40 && look_up.drafted < 200, "{look_up:?}");

    let tokenizer = hob::open_tokenizer(&path).unwrap();
    assert_eq!(tokenizer.vocab_size(), engine.model().spec().vocab);
    for text in ["Hello, wide world: 123!", "naïve 日本\n\ttabs"] {
        let ids = tokenizer.encode(text, EncodeOptions::default());
        assert_eq!(tokenizer.decode(&ids, false), text);
    }
    let words = tokenizer.encode("the rather long sentence", EncodeOptions::default());
    assert!(words.len() < 20, "words are merged, not spelt: {words:?}");
}

/// A model for vectors is timed at making them, and at nothing else.
#[test]
fn vectors_are_timed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    let plan = synthetic::plan("minilm-l6", "Q8_0").unwrap();
    synthetic::write(&plan, &path, 1, &mut |_, _| {}).unwrap();
    let (files, model) = open(&path);
    let traffic = Traffic::new(&files, model.spec()).unwrap();
    let engine = Engine::new(model, EngineConfig { threads: 2, ..EngineConfig::default() });
    let vectors = vec![Vectors { texts: 1, tokens: 16 }, Vectors { texts: 3, tokens: 16 }];
    let bench = Bench { vectors, warmups: 0, repeats: 1, ..Bench::default() };
    let report = measure(&engine, &traffic, &bench, None).unwrap();
    assert!(report.vectors.iter().all(|v| v.vectors_s.median > 0.0 && v.gmacs > 0.0), "{report:?}");
    let bench = Bench { prompts: vec![4], ..bench };
    assert!(matches!(measure(&engine, &traffic, &bench, None), Err(Error::NotGenerative)));
    let open = || hob_format::open(&path).map_err(Error::from);
    assert!(time_to_first_token(open, engine.cpu(), 4).unwrap().first_token_s > 0.0);
}

/// Equal seeds give equal files, other seeds other weights.
#[test]
fn seeds_decide_the_weights() {
    let dir = tempfile::tempdir().unwrap();
    let plan = synthetic::plan("minilm-l6", "Q8_0").unwrap();
    let bytes = |name: &str, seed| {
        let path = dir.path().join(name);
        synthetic::write(&plan, &path, seed, &mut |_, _| {}).unwrap();
        let files = hob_format::open(&path).unwrap();
        files.tensors().get("blk.3.attn_q.weight").unwrap().bytes.to_vec()
    };
    let first = bytes("a", 1);
    assert_eq!(first, bytes("b", 1));
    assert_ne!(first, bytes("c", 2));
}

fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")).join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: ../shared/{name} is not beside this checkout");
    None
}

const STORY: &str = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. \
    One day, she saw a big, red ball. She wanted to play with it, but it was too high. Lily's mom said, \"Lily, let's go \
    to the park.\" Lily was sad and didn't know what to do.";

#[test]
fn a_trained_model_is_less_surprised_by_its_own_stories() {
    let Some(path) = shared("models/stories260K-f16.gguf") else { return };
    let (_, model) = open(&path);
    let cpu = Cpu::new(2, Compute::Exact);
    let tokenizer = hob::open_tokenizer(&path).unwrap();
    let options = EncodeOptions { add_special: true, parse_special: false };
    let ids = tokenizer.encode(STORY, options);
    let mean = nll(&model, &cpu, KvType::F32, &ids, 1).unwrap() / (ids.len() - 1) as f64;
    // The model wrote the first half itself; a uniform guess would be ln 512 = 6.2.
    assert!((0.1..1.6).contains(&mean), "mean {mean}");

    // One window that scores the same tokens by the definition for files.
    let windows = Windows { length: 64, bos: ids.first().copied(), kv: KvType::F32, ..Windows::default() };
    let found = perplexity(&model, &cpu, ids.iter().copied(), windows, &mut |_| {}).unwrap();
    assert_eq!((found.windows, found.tokens), ((ids.len() / 64) as u64, 31 * (ids.len() / 64) as u64));
    let whole = nll(&model, &cpu, KvType::F32, &ids[..64], 1).unwrap();
    let half = nll(&model, &cpu, KvType::F32, &ids[..33], 1).unwrap();
    let one = Windows { count_max: Some(1), ..windows };
    let first = perplexity(&model, &cpu, ids.iter().copied(), one, &mut |_| {}).unwrap();
    assert!((first.nll * 31.0 - (whole - half)).abs() < 1e-3);
    assert!(perplexity(&model, &cpu, [1, 2, 3], windows, &mut |_| {}).is_err());
}

#[test]
fn divergence_is_zero_from_itself_and_small_from_eight_bits() {
    let (Some(path), Some(quantised)) =
        (shared("models/stories260K-f32.gguf"), shared("models/stories260K-q8_0.gguf"))
    else {
        return;
    };
    let ((_, reference), (_, other)) = (open(&path), open(&quantised));
    let cpu = Cpu::new(2, Compute::Exact);
    let tokenizer = hob::open_tokenizer(&path).unwrap();
    let ids = tokenizer.encode(STORY, EncodeOptions { add_special: true, parse_special: false });
    let windows = Windows { length: 32, bos: ids.first().copied(), ..Windows::default() };
    let run =
        |other| kl_divergence(&reference, other, &cpu, ids.iter().copied(), windows, &mut |_| {}).unwrap();
    let same = run(&reference);
    assert_eq!((same.max, same.same_top), (0.0, 1.0));
    assert_eq!(same.reference, same.other);
    let near = run(&other);
    assert!(near.mean > 0.0 && near.mean < 0.01 && near.max < 0.1, "{near:?}");
    assert!(near.same_top > 0.9 && near.median <= near.p99 && near.p99 <= near.max);
}
