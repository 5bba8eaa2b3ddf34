//! The settings of Gemma 4's text model as published checkpoints state them.

use crate::spec::{Ffn, KvSource, LayerSpec, ModelSpec, OutputSpec};
use crate::to_hf::parameters;
use serde_json::{Value, json};

/// Completes `config`. Where layers differ in ways that no published size does, their numbers are lists, which Hob reads.
pub(in crate::families) fn settings(s: &ModelSpec, config: &mut Value) {
    let slides = |l: &LayerSpec| l.attention.window().is_some();
    let of_kind = |kind: bool| s.layers.iter().filter(move |l| slides(l) == kind);
    let owns = |l: &&LayerSpec| l.attention.kv == KvSource::Own;
    let width = |kind| of_kind(kind).map(|l| l.attention.head_dim).next();
    let kinds = s.layers.iter().map(|l| if slides(l) { "sliding_attention" } else { "full_attention" });
    let OutputSpec::Logits { softcap, .. } = s.output else { return };
    config["model_type"] = "gemma4_text".into();
    config["architectures"] = json!(["Gemma4ForCausalLM"]);
    config["hidden_activation"] = "gelu_pytorch_tanh".into();
    config["attention_bias"] = false.into();
    config["layer_types"] = kinds.collect();
    config["sliding_window"] = json!(s.layers.iter().find_map(|l| l.attention.window()));
    config["head_dim"] = json!(width(true).or(width(false)));
    config["global_head_dim"] = json!(width(false));
    config["num_kv_shared_layers"] = s.layers.iter().filter(|l| !owns(l)).count().into();
    config["attention_k_eq_v"] = s.layers.iter().any(|l| l.attention.value_is_key).into();
    config["final_logit_softcapping"] = softcap.map_or(Value::Null, crate::json_number);
    config["hidden_size_per_layer_input"] = s.per_layer.map_or(0, |p| p.width).into();
    config["vocab_size_per_layer_input"] = s.vocab.into();
    for (kind, rope) in ["sliding_attention", "full_attention"].iter().zip(&s.ropes) {
        config["rope_parameters"][kind] = parameters(rope, s.context);
    }
    let ids = ["image_token_id", "audio_token_id", "video_token_id"];
    for (field, id) in ids.iter().zip(&s.embedding.placeholders) {
        config[field] = (*id).into();
    }
    set_key_heads(s, config, |kind| of_kind(kind).filter(owns).map(|l| l.attention.kv_heads).collect());
    set_widths(s, config);
    set_experts(s, config);
}

/// Layers that borrow keys have those of their owners.
fn set_key_heads(s: &ModelSpec, config: &mut Value, of_kind: impl Fn(bool) -> Vec<usize>) {
    let same = |heads: &[usize]| heads.first().copied().filter(|&n| heads.iter().all(|&m| m == n));
    let (sliding, full) = (of_kind(true), of_kind(false));
    let values_are_keys = s.layers.iter().any(|l| l.attention.value_is_key);
    let global = match (same(&sliding), same(&full)) {
        (Some(a), Some(b)) if a == b => Value::Null,
        (Some(_), Some(b)) if values_are_keys => b.into(),
        _ if sliding.is_empty() || full.is_empty() => Value::Null,
        _ => {
            config["num_key_value_heads"] = s.layers.iter().map(|l| l.attention.kv_heads).collect();
            Value::Null
        }
    };
    if !config["num_key_value_heads"].is_array() {
        config["num_key_value_heads"] = json!(sliding.first().or(full.first()));
    }
    config["num_global_key_value_heads"] = global;
}

/// One width, twice it in layers that borrow keys, or a list.
fn set_widths(s: &ModelSpec, config: &mut Value) {
    let first = s.layers[0].ffn.width();
    let doubled = |l: &LayerSpec| first * if l.attention.kv == KvSource::Own { 1 } else { 2 };
    let all = |wanted: &dyn Fn(&LayerSpec) -> usize| s.layers.iter().all(|l| l.ffn.width() == wanted(l));
    let plain = all(&|_| first);
    config["use_double_wide_mlp"] = (!plain && all(&doubled)).into();
    if !plain && !all(&doubled) {
        config["intermediate_size"] = s.layers.iter().map(|l| l.ffn.width()).collect();
    }
}

fn set_experts(s: &ModelSpec, config: &mut Value) {
    let experts = match s.layers[0].ffn {
        Ffn::DenseAndExperts { experts, .. } => Some(experts),
        Ffn::Gated { .. } | Ffn::Plain { .. } => None,
    };
    config["enable_moe_block"] = experts.is_some().into();
    config["num_experts"] = json!(experts.map(|e| e.count));
    config["top_k_experts"] = json!(experts.map(|e| e.active));
    config["moe_intermediate_size"] = json!(experts.map(|e| e.width));
}
