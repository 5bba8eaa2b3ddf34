//! SmolLM3: the plain decoder, with every fourth layer free of rotary positions.
//!
//! GGUF files permute Q and K as for Llama and leave the pattern to the reader.
//! Source: the SmolLM3 model card and configuration (`no_rope_layers`).

use crate::spec::ModelSpec;
use crate::{Config, Error};
use hob_kernels::RopeLayout;
use serde_json::{Value, json};

pub(super) fn spec(c: &Config<'_>) -> Result<ModelSpec, Error> {
    let mut s = c.base()?;
    let listed: Option<Vec<bool>> = c
        .json("no_rope_layers")
        .and_then(|v| v.as_array())
        .filter(|list| list.len() == s.layers.len())
        .map(|list| list.iter().map(|v| v.as_u64() != Some(0)).collect());
    s = s.each_attention(|i, a| {
        let turns = listed.as_ref().map_or((i + 1) % 4 != 0, |list| list[i]);
        a.rope = turns.then_some(0);
    });
    if c.is_gguf() {
        s.rope_layout = RopeLayout::Adjacent;
    }
    Ok(s)
}

pub(super) fn settings(s: &ModelSpec, config: &mut Value) {
    config["model_type"] = "smollm3".into();
    config["architectures"] = json!(["SmolLM3ForCausalLM"]);
    config["hidden_act"] = "silu".into();
    config["attention_bias"] = false.into();
    config["mlp_bias"] = false.into();
    config["use_sliding_window"] = false.into();
    config["no_rope_layers"] = s.layers.iter().map(|l| u8::from(l.attention.rope.is_some())).collect();
}
