//! Descriptions as `config.json` states them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use hob_format::{HfModel, ModelFiles, TensorTable};
use hob_kernels::{Mask, RopeLayout};
use hob_model::spec::{Ffn, OutputSpec};
use hob_model::{Change, Config, Error, ModelSpec, families, to_hf};
use serde_json::{Value, json};

fn spec_of(config: &Value) -> ModelSpec {
    let files = ModelFiles::Hf(HfModel::from_parts(config.clone(), TensorTable::default()));
    let config = Config::new(&files).unwrap();
    (families::find(&config).unwrap().spec)(&config).unwrap()
}

fn config(kind: &str, more: Value) -> Value {
    let mut config = json!({
        "model_type": kind, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 48, "vocab_size": 24,
        "max_position_embeddings": 256, "rms_norm_eps": 1e-5,
    });
    for (key, value) in more.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

fn gemma4(more: Value) -> ModelSpec {
    let mut config = config("gemma4_text", more);
    config["global_head_dim"] = 16.into();
    config["sliding_window"] = 16.into();
    config["layer_types"] =
        json!(["sliding_attention", "full_attention", "sliding_attention", "full_attention"]);
    spec_of(&config)
}

fn set_width(spec: &mut ModelSpec, layer: usize, new: usize) {
    let Ffn::Gated { width, .. } = &mut spec.layers[layer].ffn else { panic!("a gated layer") };
    *width = new;
}

fn reason(spec: &ModelSpec, architecture: &str) -> String {
    match to_hf(spec, architecture).unwrap_err() {
        Error::NotInHf { what } => what,
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_written_is_read_as_the_same() {
    let scaled = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64});
    let yarn = json!({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64});
    for (kind, more) in [
        ("llama", json!({"rope_theta": 5e5, "rope_scaling": scaled, "attention_bias": true})),
        ("llama", json!({"partial_rotary_factor": 0.5})),
        ("mistral", json!({"sliding_window": 12})),
        ("qwen2", json!({"rope_theta": 1e6})),
        ("qwen3", json!({"rope_theta": 1e6, "rope_scaling": yarn})),
        ("smollm3", json!({})),
        ("olmo2", json!({})),
        ("gemma2", json!({"final_logit_softcapping": 30.0, "attn_logit_softcapping": 50.0})),
        ("gemma3_text", json!({"sliding_window": 12, "query_pre_attn_scalar": 168})),
    ] {
        let spec = spec_of(&config(kind, more));
        let written = to_hf(&spec, kind).unwrap();
        assert_eq!(spec_of(&written.config), spec, "{kind}");
        assert_eq!(written.config["model_type"], kind);
        assert!(written.tensors.iter().all(|t| t.change == Change::Nothing), "{kind}");
        assert_eq!(written.tensors.len(), spec.tensors().len());
    }
}

#[test]
fn gemma_4_has_widths_and_heads_of_layers() {
    let shared = json!({"num_kv_shared_layers": 2, "use_double_wide_mlp": true, "final_logit_softcapping": 30.0,
        "image_token_id": 5, "audio_token_id": 6});
    let mut spec = gemma4(shared);
    let written = to_hf(&spec, "gemma4").unwrap().config;
    assert_eq!(spec_of(&written), spec);
    assert_eq!((&written["use_double_wide_mlp"], &written["intermediate_size"]), (&true.into(), &48.into()));
    assert_eq!((&written["num_kv_shared_layers"], &written["image_token_id"]), (&2.into(), &5.into()));
    // Narrowed layers are a list.
    set_width(&mut spec, 3, 80);
    let written = to_hf(&spec, "gemma4").unwrap().config;
    assert_eq!(spec_of(&written), spec);
    assert_eq!(written["intermediate_size"], json!([48, 48, 96, 80]));
    let equal = gemma4(json!({"attention_k_eq_v": true, "num_global_key_value_heads": 1}));
    let written = to_hf(&equal, "gemma4").unwrap().config;
    assert_eq!((spec_of(&written), &written["num_global_key_value_heads"]), (equal.clone(), &1.into()));
    let lists = gemma4(json!({"num_key_value_heads": [2, 1, 2, 4]}));
    assert_eq!(spec_of(&to_hf(&lists, "gemma4").unwrap().config), lists);
    // Values that are keys in some full layers only have no words.
    let mut mixed = equal;
    mixed.layers[1].attention.value_is_key = false;
    assert!(reason(&mixed, "gemma4").contains("layer 1"));
}

#[test]
fn what_settings_cannot_say_is_refused() {
    let plain = || spec_of(&config("qwen3", json!({})));
    let mut narrowed = plain();
    set_width(&mut narrowed, 2, 40);
    assert!(reason(&narrowed, "qwen3").contains("layer 2"));
    let mut windowed = plain();
    windowed.layers[0].attention.mask = Mask::Causal { window: Some(3) };
    assert!(reason(&windowed, "qwen3").contains("layer 0"));
    let mut capped = plain();
    capped.output = OutputSpec::Logits { tied: true, softcap: Some(9.0) };
    assert!(reason(&capped, "qwen3").contains("head"));
    let mut empty = plain();
    empty.layers.clear();
    assert!(reason(&empty, "qwen3").contains("layers"));
    assert!(reason(&plain(), "bert").contains("text"));
    assert!(matches!(to_hf(&plain(), "rwkv"), Err(Error::UnknownArchitecture { .. })));
    let mut untied = plain();
    untied.output = OutputSpec::Logits { tied: false, softcap: None };
    let written = to_hf(&untied, "qwen3").unwrap();
    assert_eq!(written.config["tie_word_embeddings"], false);
    assert!(written.tensors.iter().any(|tensor| tensor.name == "lm_head.weight"));
}

#[test]
fn conventions_of_files_become_changes() {
    let mut llama = spec_of(&config("llama", json!({"attention_bias": true})));
    llama.rope_layout = RopeLayout::Adjacent;
    let tensors = to_hf(&llama, "llama").unwrap().tensors;
    for tensor in &tensors {
        let heads = if tensor.ours.contains("attn_q.") { 4 } else { 2 };
        let turns = tensor.ours.contains("attn_q.") || tensor.ours.contains("attn_k.");
        let change = if turns { Change::PairsToHalves { heads, turning: 8 } } else { Change::Nothing };
        assert_eq!(tensor.change, change, "{}", tensor.ours);
    }
    let mut qwen = spec_of(&config("qwen3", json!({})));
    qwen.rope_layout = RopeLayout::Adjacent;
    assert!(reason(&qwen, "qwen3").contains("norms of heads"));
}
