//! Heads that are wired to copy do so after a few steps of training.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

use hob_base::Random;
use hob_format::Metadata;
use hob_kernels::{Compute, Cpu, Precision};
use hob_train::data::{Corpus, Packing};
use hob_train::recipe::Shape;
use hob_train::{Network, Recipe, Trainer, describe};

const VOCAB: usize = 256;
const HALF: usize = 40;

fn network(
    architecture: &str,
    layers: u32,
    [heads, kv_heads, head_dim]: [u32; 3],
    rope_base: f32,
) -> Network {
    let shape = Shape {
        name: "tiny".into(),
        architecture: architecture.into(),
        layers,
        hidden: 160,
        ffn: 64,
        heads,
        kv_heads,
        head_dim,
        context: 128,
        rope_base,
        tied: true,
        induction: true,
        ..Default::default()
    };
    let mut metadata = Metadata::new("tiny");
    shape.describe(&mut metadata);
    Network::new(&describe(&metadata, VOCAB, true).unwrap(), Precision::F32).unwrap()
}

/// Documents of random tokens that come twice, so that half of them can be known.
fn data(seed: u64, documents: usize) -> Packing {
    let (mut random, mut corpus) = (Random::new(seed, 0), Corpus::default());
    for _ in 0..documents {
        let half: Vec<u32> = (0..HALF).map(|_| random.below(VOCAB as u32)).collect();
        let start = corpus.tokens.len();
        corpus.tokens.extend([half.clone(), half].concat());
        corpus.documents.push(start..corpus.tokens.len());
    }
    corpus.learn = vec![true; corpus.tokens.len()];
    Packing::new(vec![(corpus, 1.0)], 2 * HALF, None)
}

/// Loss in nats per token on documents never seen, after 30 steps.
fn learned(network: &Network, params: Vec<f32>) -> f64 {
    let recipe = format!(
        "out = 'x'\n[model]\nfrom = 'x'\n[[data]]\nfiles = []\n[training]\ntokens = {0}\nsequence = {1}\nbatch = {2}\n\
         rate = 0.01\nwarmup = 5",
        30 * 20 * HALF,
        2 * HALF,
        20 * HALF
    );
    let training = Recipe::parse(&recipe).unwrap().training;
    let cpu = Cpu::new(2, Compute::Fast);
    let mut trainer = Trainer::new(cpu, network.clone(), params, data(1, 300), &training).unwrap();
    (0..30).for_each(|_| _ = trainer.step().unwrap());
    trainer.validate(&data(2, 10).sequences(0, 10)).unwrap()
}

#[test]
fn what_was_seen_is_expected_again() {
    // With and without norms on queries and keys, both ways of pairing elements, keys of one and of two queries.
    for (architecture, heads) in [("qwen3", [4, 2, 32]), ("llama", [2, 2, 64])] {
        let network = network(architecture, 2, heads, 100_000.0);
        let plain = network.fresh(1);
        let mut wired = plain.clone();
        network.wire_induction(&mut wired, 1).unwrap();
        let [plain, wired] = [plain, wired].map(|params| learned(&network, params));
        assert!(wired < plain - 0.1, "{architecture}: {plain}, {wired}");
    }
}

#[test]
fn shapes_without_room_are_refused() {
    for (layers, head_dim, expected) in [(1, 32, "fewer than two layers"), (2, 8, "heads this narrow")] {
        let network = network("qwen3", layers, [4, 2, head_dim], 10_000.0);
        let error = network.wire_induction(&mut network.fresh(1), 1).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
