//! Llama 2 to 3.3, SmolLM2 and Mistral: the plain decoder.
//!
//! GGUF files of this architecture store the rows of Q and K permuted, so that rotary pairs are adjacent.
//! Sources: Touvron et al., arXiv:2307.09288; Jiang et al., arXiv:2310.06825 (sliding window of Mistral 0.1).

use crate::config::Key;
use crate::spec::ModelSpec;
use crate::{Config, Error};
use hob_kernels::{Mask, RopeLayout};
use serde_json::{Value, json};

pub(super) fn spec(c: &Config<'_>) -> Result<ModelSpec, Error> {
    let window = c.opt_usize(Key("attention.sliding_window", "sliding_window"))?;
    let qkv_bias = c.opt_bool(Key("", "attention_bias"))?.unwrap_or(false);
    let mut s = c.base()?.each_attention(|_, a| {
        a.mask = Mask::Causal { window };
        a.qkv_bias = qkv_bias;
        a.output_bias = qkv_bias;
    });
    if c.is_gguf() {
        s.rope_layout = RopeLayout::Adjacent;
    }
    Ok(s)
}

/// Windows are Mistral's: transformers' Llama has none.
pub(super) fn settings(s: &ModelSpec, config: &mut Value) {
    let a = &s.layers[0].attention;
    let (kind, class) = match a.window() {
        Some(_) => ("mistral", "MistralForCausalLM"),
        None => ("llama", "LlamaForCausalLM"),
    };
    config["model_type"] = kind.into();
    config["architectures"] = json!([class]);
    config["hidden_act"] = "silu".into();
    match a.window() {
        Some(window) => config["sliding_window"] = window.into(),
        None => {
            config["attention_bias"] = a.qkv_bias.into();
            config["mlp_bias"] = false.into();
        }
    }
}
