//! Whole runs of a tiny model: it learns, and a run that was interrupted ends with the same bits.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests read and damage checkpoints")]

use hob_format::Metadata;
use hob_kernels::{Compute, Cpu, Precision};
use hob_quant::TensorType;
use hob_train::data::{Corpus, Packing};
use hob_train::recipe::{LoraRecipe, Shape, Training};
use hob_train::{
    Adapter, Batch, Due, Error, Goal, Lora, Network, Recipe, Seen, Source, Storage, Sweep, Teacher, Trainer,
    Use, Workspace, describe,
};

const VOCAB: usize = 32;

fn shape() -> Shape {
    Shape {
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
        window: None,
        tied: true,
        ..Default::default()
    }
}

fn network_of(shape: &Shape) -> Network {
    let mut metadata = Metadata::new("tiny");
    shape.describe(&mut metadata);
    Network::new(&describe(&metadata, VOCAB, true).unwrap(), Precision::Bf16).unwrap()
}

fn network() -> Network {
    network_of(&shape())
}

/// Layers with inputs of their own, some of which read the keys and values of others.
fn shape_with_own_inputs() -> Shape {
    Shape {
        architecture: "gemma4".into(),
        layers: 5,
        window: Some(6),
        full_every: Some(2),
        per_layer: Some(8),
        shared_kv_layers: Some(2),
        shared_ffn: Some(64),
        ..shape()
    }
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

/// Parameters with strong opinions of all kinds, so that rounding changes something.
fn opinionated() -> Vec<f32> {
    network().fresh(1).iter().map(|w| if *w == 1.0 { 1.0 } else { 12.0 * w }).collect()
}

#[test]
fn a_model_trained_with_its_file_s_numbers_is_nearer_to_its_teacher_than_one_rounded_at_the_end() {
    let parent = opinionated();
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
fn blocks_that_are_there_are_trained_from_where_they_are() {
    let (network, parent) = (network(), opinionated());
    let layout = network.layout();
    // Q4_1 leaves room for the better: its quantiser spans a block's extremes.
    let mut plain = Storage::uniform(layout, TensorType::Q4_1);
    let mut rounded = vec![0.0; parent.len()];
    plain.round(layout, &parent, &mut rounded, 2, Due::Every).unwrap();
    let first = plain.blocks().to_vec();
    let settled = Storage::settled(plain.formats().iter().copied().zip(first.clone()));
    let how = Training { rate: 0.05, ..training("adamw") };
    let cpu = Cpu::new(2, Compute::Fast);
    let mut child = Trainer::new(cpu, network.clone(), rounded.clone(), data(), &how).unwrap();
    child.store_as(settled, 2);
    child.pace(vec![0.02; layout.iter().count()]);
    child.learn_from(Teacher { network: network.clone(), params: parent }).unwrap();
    let text = data().sequences(100, 8);
    let before = child.validate(&text).unwrap();
    assert_eq!(child.blocks().unwrap(), first, "nothing moves before the first step");
    (0..30).for_each(|_| _ = child.step().unwrap());
    let after = child.validate(&text).unwrap();
    assert!(before > 0.0002 && after < 0.8 * before, "{before} to {after}");
    // What was validated are the blocks: no other step lies between.
    let formats = child.storage().unwrap().formats().to_vec();
    let blocks = child.storage().unwrap().blocks().to_vec();
    for ((format, bytes), (tensor, range)) in formats.iter().zip(&blocks).zip(layout.iter()) {
        format.dequantize(*tensor.shape.last().unwrap(), bytes, &mut rounded[range]);
    }
    let cpu = Cpu::new(2, Compute::Fast);
    let mut stored = Trainer::new(cpu, network.clone(), rounded, data(), &how).unwrap();
    stored.learn_from(Teacher { network, params: opinionated() }).unwrap();
    assert_eq!(stored.validate(&text).unwrap(), after);
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

fn adapted(seed: u64) -> Trainer {
    let mut trainer = trainer("adamw", 2);
    let recipe = LoraRecipe { rank: 3, alpha: Some(6.0), matrices: vec!["attn_q".into(), "ffn_down".into()] };
    let lora = Lora::new(trainer.network(), &recipe).unwrap();
    trainer.adapt(lora, seed);
    trainer
}

#[test]
fn products_are_learned_while_the_model_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint.safetensors");
    let mut whole = adapted(1);
    assert_eq!(whole.lora().unwrap().layout().len(), 2 * (3 * (32 + 32) + 3 * (48 + 32)));
    let losses: Vec<f64> = (0..40).map(|_| whole.step().unwrap().loss).collect();
    assert!(losses[39] < losses[0] - 0.25, "{} to {}", losses[0], losses[39]);
    let mut part = adapted(1);
    (0..15).for_each(|_| _ = part.step().unwrap());
    part.save(&path).unwrap();
    let mut resumed = adapted(9);
    resumed.resume(&path).unwrap();
    (15..40).for_each(|_| _ = resumed.step().unwrap());
    assert_eq!(resumed.params(), whole.params());
    let other = trainer("adamw", 1).resume(&path);
    assert!(matches!(other, Err(Error::Checkpoint { .. })), "{other:?}");

    let file = dir.path().join("adapter.gguf");
    let mut metadata = Metadata::new("x");
    metadata.set("general.architecture", "qwen3");
    whole.lora().unwrap().write(&file, &metadata, whole.params()).unwrap();
    let hob_format::ModelFiles::Gguf(gguf) = hob_format::open(&file).unwrap() else { panic!("a GGUF file") };
    let adapter = Adapter::read(&gguf).unwrap();
    // What the file adds to a matrix is what training computed with.
    let (cpu, network) = (Cpu::new(1, Compute::Exact), network());
    let base = network.fresh(1);
    let mut seen = vec![0.0; base.len()];
    whole.lora().unwrap().apply(&cpu, &base, whole.params(), &mut seen);
    for (tensor, range) in network.layout().iter() {
        let mut merged = base[range.clone()].to_vec();
        if let Some(product) = adapter.products.get(&tensor.name) {
            let half = product.outputs / 2;
            let (first, second) = merged.split_at_mut(half * product.inputs);
            product.add(&cpu, 0..half, first);
            product.add(&cpu, half..product.outputs, second);
            assert_ne!(merged, base[range.clone()]);
        }
        let furthest = merged.iter().zip(&seen[range]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(furthest < 1e-6, "{}: {furthest}", tensor.name);
    }
}

#[test]
fn gradients_of_factors_are_the_slope_of_the_loss() {
    let (cpu, network) = (Cpu::new(1, Compute::Exact), network());
    let base = network.fresh(1);
    let lora = Lora::new(&network, &LoraRecipe { rank: 2, alpha: None, matrices: Vec::new() }).unwrap();
    let mut random = hob_base::Random::new(3, 0);
    let factors: Vec<f32> = (0..lora.layout().len()).map(|_| 0.05 * random.normal()).collect();
    let direction: Vec<f32> = (0..factors.len()).map(|_| random.normal()).collect();
    let all = data().sequences(0, 4);
    let batch = Batch { tokens: &all.tokens, documents: &all.documents, sequence: 16 };
    let goal = || Goal::Next(&all.targets);
    let mut work = Workspace::new(false);
    let mut weights = vec![0.0; base.len()];
    let mut loss = |factors: &[f32], grads: Option<&mut [f32]>| {
        lora.apply(&cpu, &base, factors, &mut weights);
        network.forward(&cpu, &weights, &batch, &mut work);
        match grads {
            Some(grads) => {
                network.train(&cpu, &weights, grads, &batch, &mut work, (goal(), &all.weights)).sum
            }
            None => network.loss(&cpu, &weights, &mut work, goal(), &all.weights).sum,
        }
    };
    let (mut grads, mut by_factor) = (vec![0.0; base.len()], vec![0.0; factors.len()]);
    loss(&factors, Some(&mut grads));
    lora.gradients(&cpu, &grads, &factors, &mut by_factor);
    let at = |h: f32| factors.iter().zip(&direction).map(|(x, d)| x + h * d).collect::<Vec<f32>>();
    let slope = (loss(&at(1e-3), None) - loss(&at(-1e-3), None)) / 2e-3;
    let expected: f64 = by_factor.iter().zip(&direction).map(|(g, d)| f64::from(*g) * f64::from(*d)).sum();
    assert!((slope - expected).abs() < 2e-2 * expected.abs().max(1.0), "{slope} for {expected}");
}

#[test]
fn adapters_that_cannot_be_are_refused() {
    let network = network();
    for (rank, matrices, expected) in
        [(0, "attn_q", "1 to 31"), (32, "attn_q", "1 to 31"), (2, "attn_z", "attn_k, attn_output")]
    {
        let recipe = LoraRecipe { rank, alpha: None, matrices: vec![matrices.to_owned()] };
        let error = Lora::new(&network, &recipe).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// What every matrix saw, by its place, in the order of the batches.
type Heard = std::collections::BTreeMap<usize, Vec<(Vec<f32>, Vec<f32>)>>;

fn hear(heard: &std::cell::RefCell<Heard>, seen: Seen<'_>) {
    let pair = match seen.what {
        Use::Product { x, dy, .. } => (x.to_vec(), dy.to_vec()),
        Use::Rows { tokens, dy, .. } => (tokens.iter().map(|t| *t as f32).collect(), dy.to_vec()),
    };
    heard.borrow_mut().entry(seen.weight.start).or_default().push(pair);
}

#[test]
fn a_sweep_layer_by_layer_sees_what_a_whole_pass_sees() {
    let cpu = Cpu::new(2, Compute::Exact);
    let (sequence, text) = (16, data().sequences(0, 5));
    for (tied, shape, matrices) in
        [(true, shape(), 7), (false, shape(), 7), (true, shape_with_own_inputs(), 10)]
    {
        let mut spec = network_of(&shape).spec().clone();
        spec.output = hob_model::spec::OutputSpec::Logits { tied, softcap: Some(20.0) };
        let network = Network::new(&spec, Precision::F32).unwrap();
        let params = network.fresh(3);
        let (whole, swept) = (std::cell::RefCell::default(), std::cell::RefCell::default());
        let mut work = Workspace::new(false);
        for (number, start) in (0..text.tokens.len()).step_by(2 * sequence).enumerate() {
            let range = start..(start + 2 * sequence).min(text.tokens.len());
            let documents: Vec<usize> = text.documents[range.clone()].iter().map(|d| d - start).collect();
            let batch = Batch { tokens: &text.tokens[range], documents: &documents, sequence };
            let weights = vec![1.0; batch.tokens.len()];
            network.forward(&cpu, &params, &batch, &mut work);
            let goal = (Goal::Own(7 + number as u64), &weights[..]);
            network.watch(&cpu, &params, &batch, &mut work, goal, &|seen| hear(&whole, seen));
        }
        let source = &params[..];
        let numbers = |stretch| source.numbers(stretch).unwrap();
        let layers = spec.layers.len();
        let mut sweep = Sweep::new(&network, &text, sequence, 2);
        sweep.enter(&source).unwrap();
        (0..layers).for_each(|i| sweep.forward(&cpu, i, &numbers(network.layer_stretch(i))));
        let norm = numbers(network.final_norm_stretch().unwrap());
        sweep.turn(&cpu, &norm, &numbers(network.head_stretch()), 7, &|seen| hear(&swept, seen));
        for i in (0..layers).rev() {
            sweep.backward(&cpu, i, &numbers(network.layer_stretch(i)), &|seen| hear(&swept, seen));
        }
        sweep.leave(&cpu, &|seen| hear(&swept, seen));
        // Where head and embedding are one, a pass alternates between both uses and a sweep has one after the other.
        let sorted = |heard: std::cell::RefCell<Heard>| {
            let mut heard = heard.into_inner();
            heard.values_mut().for_each(|uses| uses.sort_by(|a, b| a.partial_cmp(b).unwrap()));
            heard
        };
        let (whole, swept) = (sorted(whole), sorted(swept));
        let borrowers = shape.shared_kv_layers.unwrap_or(0) as usize;
        let table = usize::from(shape.per_layer.is_some());
        let expected = matrices * layers - 2 * borrowers + if tied { 1 } else { 2 } + table;
        assert_eq!(whole.len(), expected);
        assert!(whole == swept, "tied: {tied}");
    }
}
