//! Phi-3, Phi-3.5 and Phi-4-mini: the plain decoder with fused matrices, a partial rotary width and longrope.
//!
//! Source: Abdin et al., arXiv:2404.14219; checkpoint layout as published.

use crate::config::Key;
use crate::names::{HfNames, LLAMA_NAMES};
use crate::spec::{Fused, ModelSpec};
use crate::{Config, Error};
use hob_kernels::Mask;
use serde_json::{Value, json};

pub(super) static NAMES: HfNames = HfNames { layer: &[("ffn_up", "mlp.gate_up_proj")], ..LLAMA_NAMES };

pub(super) fn spec(c: &Config<'_>) -> Result<ModelSpec, Error> {
    let window = c.opt_usize(Key("attention.sliding_window", "sliding_window"))?.filter(|&w| w > 0);
    let mut s = c.base()?.each_attention(|_, a| a.mask = Mask::Causal { window });
    s.fused = Fused { qkv: true, gate_up: true };
    Ok(s)
}

pub(super) fn settings(s: &ModelSpec, config: &mut Value) {
    config["model_type"] = "phi3".into();
    config["architectures"] = json!(["Phi3ForCausalLM"]);
    config["hidden_act"] = "silu".into();
    config["sliding_window"] = json!(s.layers[0].attention.window());
    // Readers of this family's files look for it even where nothing is scaled.
    config["original_max_position_embeddings"] = s.context.into();
}
