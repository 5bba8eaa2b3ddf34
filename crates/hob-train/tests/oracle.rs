//! Loss, every gradient and one optimiser step of six families against PyTorch in f64 (`testdata/oracle.py`).

#![allow(clippy::unwrap_used, reason = "tests read their fixtures")]

use hob_format::{ArrayView, Metadata, SafeTensors, Value};
use hob_kernels::{AdamW, Compute, Cpu, Isa, Precision};
use hob_train::{Batch, Goal, Network, Workspace, describe};
use std::path::Path;

const FAMILIES: [&str; 6] = ["llama", "qwen3", "qwen2", "phi3", "gemma2", "gemma4"];

/// Of the oracle's step.
const RATE: f32 = 0.01;

/// Gradients go up to 100 here.
const NEAR_ZERO: f32 = 1e-6;

struct Oracle {
    file: SafeTensors,
    network: Network,
    sequence: usize,
}

impl Oracle {
    fn open(family: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/{family}.safetensors"));
        let file = SafeTensors::open(&path).unwrap();
        let settings: serde_json::Value = serde_json::from_str(&file.metadata["settings"]).unwrap();
        let mut metadata = Metadata::new("oracle");
        for (key, value) in settings.as_object().unwrap() {
            match value {
                serde_json::Value::String(text) => metadata.set(key, text.as_str()),
                serde_json::Value::Array(values) if values[0].is_boolean() => {
                    let values: Vec<bool> = values.iter().map(|v| v.as_bool().unwrap()).collect();
                    metadata.set(key, Value::Array(ArrayView::from(values.as_slice())));
                }
                serde_json::Value::Array(values) => {
                    let values: Vec<u32> = values.iter().map(|v| v.as_u64().unwrap() as u32).collect();
                    metadata.set(key, Value::Array(ArrayView::from(values.as_slice())));
                }
                number if number.is_u64() => metadata.set(key, number.as_u64().unwrap() as u32),
                number => metadata.set(key, number.as_f64().unwrap() as f32),
            };
        }
        let tied = file.tensors.get("p.output.weight").is_none();
        let vocab = file.tensors.get("p.token_embd.weight").unwrap().shape[0];
        let network = Network::new(&describe(&metadata, vocab, tied).unwrap(), Precision::F32).unwrap();
        let sequence = file.metadata["sequence"].parse().unwrap();
        Self { file, network, sequence }
    }

    fn numbers(&self, name: &str) -> Vec<f32> {
        let tensor = self.file.tensors.get(name).unwrap_or_else(|| panic!("{name}"));
        tensor.bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }

    /// All tensors of one kind (`p` parameters, `g` gradients, `n` parameters after a step) in the network's order.
    fn all(&self, kind: &str) -> Vec<f32> {
        self.network.layout().iter().flat_map(|(t, _)| self.numbers(&format!("{kind}.{}", t.name))).collect()
    }

    /// Fails unless every tensor is within `relative` of the oracle's, by its largest number. What a norm takes out again, such as the
    /// scale of the last layer, has a gradient near zero that is a difference of large numbers.
    fn hold(&self, what: &str, found: &[f32], kind: &str, relative: f32) {
        let (wanted, gradients) = (self.all(kind), self.all("g"));
        for (tensor, range) in self.network.layout().iter() {
            let largest = wanted[range.clone()].iter().fold(0f32, |m, x| m.max(x.abs()));
            let steepest = gradients[range.clone()].iter().fold(0f32, |m, g| m.max(g.abs()));
            for i in range {
                let (f, w) = (found[i], wanted[i]);
                // A step is as long for a small gradient as for a large one, and so are the errors of both.
                let slack = if kind == "n" {
                    RATE * (relative * steepest / gradients[i].abs().max(1e-30)).min(1.0)
                } else {
                    NEAR_ZERO
                };
                assert!(
                    (f - w).abs() <= relative * largest + slack,
                    "{what} {}: {f}, oracle {w}",
                    tensor.name
                );
            }
        }
    }
}

fn ids(x: Vec<f32>) -> Vec<u32> {
    x.into_iter().map(|x| x as u32).collect()
}

#[test]
fn loss_gradients_and_a_step_agree_with_pytorch() {
    for family in FAMILIES {
        let oracle = Oracle::open(family);
        let (tokens, targets) = (ids(oracle.numbers("tokens")), ids(oracle.numbers("targets")));
        let documents: Vec<usize> = oracle.numbers("documents").iter().map(|x| *x as usize).collect();
        let batch = Batch { tokens: &tokens, documents: &documents, sequence: oracle.sequence };
        let (params, weights) = (oracle.all("p"), oracle.numbers("weights"));
        for cpu in Isa::available().into_iter().map(|isa| Cpu::with_isa(2, Compute::Exact, isa)) {
            let mut all = Vec::new();
            for recompute in [false, true] {
                let what = format!("{family} {} recompute {recompute}", cpu.isa());
                let mut work = Workspace::new(recompute);
                let mut grads = vec![0.0; params.len()];
                oracle.network.forward(&cpu, &params, &batch, &mut work);
                let goal = (Goal::Next(&targets), &weights[..]);
                let loss = oracle.network.train(&cpu, &params, &mut grads, &batch, &mut work, goal);
                let wanted = f64::from(oracle.numbers("loss")[0]);
                assert!((loss.sum - wanted).abs() < 1e-5 * wanted, "{what}: {loss:?}, oracle {wanted}");
                assert_eq!(loss.weight, 26.25);
                oracle.hold(&what, &grads, "g", 1e-4);
                let (mut stepped, zeros) = (params.clone(), vec![0.0; params.len()]);
                let how =
                    AdamW { rate: RATE, betas: [0.9, 0.95], eps: 1e-8, decay: 0.1, scale: 1.0, step: 1 };
                cpu.adamw(&how, &mut stepped, &grads, &mut zeros.clone(), &mut zeros.clone());
                oracle.hold(&format!("{what} step"), &stepped, "n", 1e-4);
                all.push(grads);
            }
            assert_eq!(all[0], all[1], "{family}: computing again changes no bit");
        }
    }
}

#[test]
fn a_model_is_its_own_perfect_teacher() {
    let oracle = Oracle::open("gemma2");
    let (tokens, params) = (ids(oracle.numbers("tokens")), oracle.all("p"));
    let documents: Vec<usize> = (0..tokens.len()).map(|t| t / oracle.sequence * oracle.sequence).collect();
    let batch = Batch { tokens: &tokens, documents: &documents, sequence: oracle.sequence };
    let cpu = Cpu::new(1, Compute::Exact);
    let mut work = [Workspace::new(false), Workspace::new(true)];
    for work in &mut work {
        oracle.network.forward(&cpu, &params, &batch, work);
    }
    let [student, teacher] = &mut work;
    let goal = Goal::Teacher { network: &oracle.network, params: &params, work: teacher };
    let mut grads = vec![0.0; params.len()];
    let goal = (goal, &vec![1.0; tokens.len()][..]);
    let loss = oracle.network.train(&cpu, &params, &mut grads, &batch, student, goal);
    assert!(loss.mean().abs() < 1e-6, "{loss:?}");
    assert!(grads.iter().all(|g| g.abs() < 1e-4));
}
