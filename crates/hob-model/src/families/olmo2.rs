//! OLMo 2: norms on each part's output only; queries and keys normalised across all heads.
//!
//! Source: the OLMo 2 technical report, arXiv:2501.00656; checkpoint names as in the published safetensors.

use crate::names::{HfNames, LLAMA_NAMES};
use crate::spec::{LayerNorms, ModelSpec, QkNorm};
use crate::{Config, Error};
use serde_json::{Value, json};

pub(super) static NAMES: HfNames = HfNames {
    layer: &[
        ("post_attention_norm", "post_attention_layernorm"),
        ("post_ffw_norm", "post_feedforward_layernorm"),
    ],
    ..LLAMA_NAMES
};

pub(super) fn spec(c: &Config<'_>) -> Result<ModelSpec, Error> {
    let norm = c.rms_norm(0.0)?;
    let mut s = c.base()?.each_attention(|_, a| a.qk_norm = Some(QkNorm::FullDim(norm)));
    for layer in &mut s.layers {
        layer.norms = LayerNorms::post(norm);
    }
    Ok(s)
}

pub(super) fn settings(_: &ModelSpec, config: &mut Value) {
    config["model_type"] = "olmo2".into();
    config["architectures"] = json!(["Olmo2ForCausalLM"]);
    config["hidden_act"] = "silu".into();
    config["attention_bias"] = false.into();
}
