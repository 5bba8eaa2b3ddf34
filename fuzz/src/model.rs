use std::sync::OnceLock;

use hob_format::{Dtype, HfModel, ModelFiles, Tensor, TensorTable};
use hob_kernels::{Compute, Cpu, KvType};
use hob_model::{Config, Model, SequenceKv, Step, Wanted, families};
use hob_quant::TensorType;
use serde_json::Value;

/// A `config.json` for each family, with widths below a hundred. The tensors that a target input is tried on are those of
/// one of them.
pub const BASE_CONFIGS: [&str; 12] = [
    include_str!("configs/llama.json"),
    include_str!("configs/phi3.json"),
    include_str!("configs/qwen2.json"),
    include_str!("configs/qwen3.json"),
    include_str!("configs/smollm3.json"),
    include_str!("configs/olmo2.json"),
    include_str!("configs/gemma2.json"),
    include_str!("configs/gemma3.json"),
    include_str!("configs/gemma4.json"),
    include_str!("configs/gemma4_experts.json"),
    include_str!("configs/bert.json"),
    include_str!("configs/modernbert.json"),
];

/// Loads a model whose settings are the input, over the tensors that its first byte picks, and runs two tokens through
/// whatever loads.
pub fn model_config(bytes: &[u8]) {
    static TABLES: OnceLock<Vec<TensorTable>> = OnceLock::new();
    let tables = TABLES.get_or_init(|| BASE_CONFIGS.iter().map(|config| tensors_of(config)).collect());
    let Some((pick, json)) = bytes.split_first() else { return };
    let Ok(config) = serde_json::from_slice(json) else { return };
    let tensors = tables[usize::from(*pick) % tables.len()].clone();
    if let Ok(model) = Model::load(&files(config, tensors)) {
        run(&model);
    }
}

fn run(model: &Model) {
    static CPU: OnceLock<Cpu> = OnceLock::new();
    let cpu = CPU.get_or_init(|| Cpu::new(1, Compute::Fast));
    let spec = model.spec();
    let mut kv = SequenceKv::new(spec, KvType::F16, false);
    let last = u32::try_from(spec.vocab - 1).expect("as many rows as the table has");
    // The second step reads what the first one stored.
    for tokens in [[0, last].as_slice(), &[last]] {
        let step = Step { tokens, kv: &mut kv, wanted: Wanted::All };
        let Ok(hidden) = model.forward(cpu, &mut [step], None) else { return };
        assert_eq!(hidden.len(), tokens.len() * spec.hidden);
        if !spec.is_generative() {
            return;
        }
        assert_eq!(model.logits(cpu, &hidden).len(), tokens.len() * spec.vocab);
    }
}

fn files(config: Value, tensors: TensorTable) -> ModelFiles {
    ModelFiles::Hf(HfModel {
        dir: "fuzz".into(),
        config,
        tensors,
        tokenizer_json: None,
        tokenizer_model: None,
        tokenizer_config: None,
        generation_config: None,
        special_tokens_map: None,
        chat_template: None,
        named_chat_templates: Default::default(),
        sentence_modules: Vec::new(),
    })
}

/// The tensors of the model that `config` describes, and a head of its own that the settings may or may not tie.
fn tensors_of(config: &str) -> TensorTable {
    let settings: Value = serde_json::from_str(config).expect("written by us");
    let without_tensors = files(settings.clone(), TensorTable::default());
    let config = Config::new(&without_tensors).expect("names an architecture");
    let family = families::find(&config).expect("of a known family");
    let spec = (family.spec)(&config).expect("written by us");
    let mut tensors: Vec<Tensor> =
        spec.tensors().into_iter().map(|t| tensor(family.names.tensor(&t.name, "model."), t.shape)).collect();
    if spec.is_generative() {
        tensors.push(tensor("lm_head.weight".to_owned(), vec![spec.vocab, spec.hidden]));
    }
    let table = TensorTable::new("fuzz", tensors).expect("as many bytes as the shapes need");
    // A table that its own settings do not fit would make a target that only ever sees errors.
    Model::load(&files(settings, table.clone())).map(drop).expect("its own tensors fit");
    table
}

/// Small numbers of both signs.
fn tensor(name: String, shape: Vec<usize>) -> Tensor {
    let count: usize = shape.iter().product();
    let values = (0..count).map(|i| ((i * 37 % 101) as f32 - 50.0) / 64.0);
    let bytes: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
    Tensor { name, dtype: Dtype::Block(TensorType::F32), shape, bytes: bytes.into() }
}
