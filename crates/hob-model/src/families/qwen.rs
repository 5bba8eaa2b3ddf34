//! Qwen2.5 (biases on query, key and value) and Qwen3 (a norm on each query and key head instead).
//!
//! Sources: Qwen2.5 technical report, arXiv:2412.15115; Qwen3 technical report, arXiv:2505.09388.

use crate::spec::{ModelSpec, QkNorm};
use crate::{Config, Error};
use serde_json::{Value, json};

pub(super) fn spec(c: &Config<'_>) -> Result<ModelSpec, Error> {
    let norm = c.rms_norm(0.0)?;
    let third = c.architecture() == "qwen3";
    Ok(c.base()?.each_attention(|_, a| {
        a.qkv_bias = !third;
        a.qk_norm = third.then_some(QkNorm::PerHead(norm));
    }))
}

pub(super) fn settings(s: &ModelSpec, config: &mut Value) {
    let third = s.layers[0].attention.qk_norm.is_some();
    config["model_type"] = if third { "qwen3" } else { "qwen2" }.into();
    config["architectures"] = json!([if third { "Qwen3ForCausalLM" } else { "Qwen2ForCausalLM" }]);
    config["hidden_act"] = "silu".into();
    config["use_sliding_window"] = false.into();
    if third {
        config["attention_bias"] = false.into();
    }
}
