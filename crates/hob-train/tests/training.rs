//! Whole runs of a tiny model: it learns, and a run that was interrupted ends with the same bits.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests read and damage checkpoints")]

use hob_format::Metadata;
use hob_kernels::{Compute, Cpu, Precision};
use hob_quant::TensorType;
use hob_train::data::{Corpus, Packing};
use hob_train::recipe::{Shape, Training};
use hob_train::{Error, Network, Recipe, Storage, Teacher, Trainer, describe};

const VOCAB: usize = 32;

fn network() -> Network {
    let shape = Shape {
        name: "tiny".into(),
        architecture: "qwen3".into(),
        layers: 2,
        hidden: 32,
        ffn: 48,
        heads: 4,
        kv_heads: 2,
        head_dim: 8,
        context: 64,
        rope_base: 10_000.0,
        tied: true,
        induction: false,
    };
    let mut metadata = Metadata::new("tiny");
    shape.describe(&mut metadata);
    Network::new(&describe(&metadata, VOCAB, true).unwrap(), Precision::Bf16).unwrap()
}

/// Documents in which every token follows from the one before it.
fn data() -> Packing {
    let mut corpus = Corpus::default();
    for document in 0..40usize {
        let start = corpus.tokens.len();
        let mut token = document % VOCAB;
        for _ in 0..20 + document % 7 {
            corpus.tokens.push(token as u32);
            token = (5 * token + 3) % VOCAB;
        }
        corpus.documents.push(start..corpus.tokens.len());
    }
    corpus.learn = vec![true; corpus.tokens.len()];
    Packing::new(vec![(corpus, 1.5)], 16, Some(3))
}

fn training(optimizer: &str) -> Training {
    let rate = if optimizer == "sign" { 0.003 } else { 0.02 };
    let text = format!(
        "out = 'x'\n[model]\nfrom = 'x'\n[[data]]\nfiles = []\n[training]\ntokens = 7680\nsequence = 16\nbatch = 128\nmicro = 48\n\
         rate = {rate}\nwarmup = 5\noptimizer = '{optimizer}'"
    );
    Recipe::parse(&text).unwrap().training
}

fn trainer(optimizer: &str, threads: usize) -> Trainer {
    let network = network();
    let params = network.fresh(1);
    Trainer::new(Cpu::new(threads, Compute::Fast), network, params, data(), &training(optimizer)).unwrap()
}

#[test]
fn every_rule_learns_the_pattern() {
    for (optimizer, bar) in [("adamw", 0.2), ("muon", 0.2), ("sign", 1.5)] {
        let mut trainer = trainer(optimizer, 2);
        let first = trainer.step().unwrap().loss;
        assert!((first - (VOCAB as f64).ln()).abs() < 0.2, "{optimizer}: {first}");
        let last = (1..60).map(|_| trainer.step().unwrap().loss).last().unwrap();
        assert!(last < bar, "{optimizer}: {last}");
        let valid = data().sequences(0, 4);
        let measured = trainer.validate(&valid).unwrap();
        assert!(measured < bar * 1.2, "{optimizer}: {measured}");
        assert_eq!(trainer.points().last().unwrap().valid, Some(measured));
    }
}

#[test]
fn an_interrupted_run_ends_with_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint.safetensors");
    for optimizer in ["adamw", "muon"] {
        let mut whole = trainer(optimizer, 1);
        let mut part = trainer(optimizer, 2);
        for i in 0..20 {
            whole.step().unwrap();
            if i < 9 {
                part.step().unwrap();
            }
        }
        part.save(&path).unwrap();
        // What is done after the checkpoint is lost with the process.
        part.step().unwrap();
        let mut resumed = trainer(optimizer, 2);
        resumed.resume(&path).unwrap();
        assert_eq!(resumed.step_count(), 9);
        (9..20).for_each(|_| _ = resumed.step().unwrap());
        assert!(
            resumed.params().iter().zip(whole.params()).all(|(a, b)| a.to_bits() == b.to_bits()),
            "{optimizer}"
        );
        assert_eq!(resumed.points(), whole.points());
    }
}

#[test]
fn damaged_and_foreign_checkpoints_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint.safetensors");
    let mut trainer = trainer("adamw", 1);
    trainer.save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(trainer.resume(&path), Err(Error::Format(_))));
    let text = String::from_utf8_lossy(&bytes[..8000]).find("attn_q").unwrap();
    let mut other = bytes.clone();
    other[text] = b'x';
    std::fs::write(&path, other).unwrap();
    let error = trainer.resume(&path).unwrap_err().to_string();
    assert!(error.contains("another") || error.contains("other tensors"), "{error}");
    std::fs::write(&path, &bytes).unwrap();
    trainer.resume(&path).unwrap();
}

#[test]
fn a_rate_beyond_reason_and_too_little_text_are_said() {
    let network = network();
    let params = vec![f32::NAN; network.layout().len()];
    let cpu = || Cpu::new(1, Compute::Fast);
    let mut broken = Trainer::new(cpu(), network.clone(), params, data(), &training("adamw")).unwrap();
    assert!(matches!(broken.step(), Err(Error::Diverged { step: 1, .. })));
    let params = network.fresh(1);
    let empty = Packing::new(Vec::new(), 16, None);
    assert!(matches!(
        Trainer::new(cpu(), network, params, empty, &training("adamw")),
        Err(Error::Recipe { .. })
    ));
}

#[test]
fn a_model_trained_with_its_file_s_numbers_is_nearer_to_its_teacher_than_one_rounded_at_the_end() {
    // Strong opinions of all kinds, so that rounding changes something.
    let parent: Vec<f32> =
        network().fresh(1).iter().map(|w| if *w == 1.0 { 1.0 } else { 12.0 * w }).collect();
    let storage = Storage::uniform(network().layout(), TensorType::Q4_0);
    let mut child = Trainer::new(
        Cpu::new(2, Compute::Fast),
        network(),
        parent.clone(),
        data(),
        &Training { rate: 0.003, ..training("adamw") },
    )
    .unwrap();
    child.store_as(storage, 2);
    child.learn_from(Teacher { network: network(), params: parent }).unwrap();
    let text = data().sequences(100, 8);
    let rounded = child.validate(&text).unwrap();
    (0..30).for_each(|_| _ = child.step().unwrap());
    let trained = child.validate(&text).unwrap();
    assert!(rounded > 0.001 && trained < 0.7 * rounded, "{rounded} to {trained}");
}

#[test]
fn a_teacher_of_another_vocabulary_is_refused() {
    let mut trainer = trainer("adamw", 1);
    let mut spec = network().spec().clone();
    spec.vocab = 40;
    let network = Network::new(&spec, Precision::F32).unwrap();
    let params = network.fresh(1);
    let error = trainer.learn_from(Teacher { network, params }).unwrap_err().to_string();
    assert!(error.contains("32 tokens, found 40 tokens"), "{error}");
}
