//! Gemma 2, Gemma 3 and EmbeddingGemma: norms on both sides of each part, gelu gates, scaled embeddings, sliding windows.
//!
//! Norm weights of checkpoints are stored minus one. Gemma 2 caps scores and logits; Gemma 3 normalises queries and keys
//! per head and turns sliding layers at a base of their own. EmbeddingGemma sees both directions.
//! Sources: arXiv:2408.00118 (Gemma 2), arXiv:2503.19786 (Gemma 3), arXiv:2509.20354 (EmbeddingGemma).

use crate::config::Key;
use crate::json_number;
use crate::names::{HfNames, LLAMA_NAMES};
use crate::rope::{RopeScaling, RopeSpec};
use crate::spec::{Ffn, LayerNorms, ModelSpec, OutputSpec, Pooling, QkNorm};
use crate::{Config, Error};
use hob_kernels::{Activation, Mask};
use serde_json::{Value, json};

pub(super) static NAMES: HfNames = HfNames {
    layer: &[
        ("ffn_norm", "pre_feedforward_layernorm"),
        ("post_attention_norm", "post_attention_layernorm"),
        ("post_ffw_norm", "post_feedforward_layernorm"),
    ],
    ..LLAMA_NAMES
};

/// What the two generations share; `sliding_by_default` says which layers slide when the file does not.
fn common(c: &Config<'_>, sliding_by_default: fn(usize) -> bool) -> Result<(ModelSpec, Vec<bool>), Error> {
    let mut s = c.base()?;
    let norm = c.rms_norm(1.0)?;
    let sliding =
        c.sliding_layers(s.layers.len())?.unwrap_or((0..s.layers.len()).map(sliding_by_default).collect());
    s.embedding.scale = (s.hidden as f32).sqrt();
    s.final_norm = Some(norm);
    s.output = OutputSpec::Logits {
        tied: c.tied()?,
        softcap: c.opt_f32(Key("final_logit_softcapping", "final_logit_softcapping"))?,
    };
    for layer in &mut s.layers {
        layer.norms = LayerNorms::sandwich(norm);
        if let Ffn::Gated { act, .. } = &mut layer.ffn {
            *act = Activation::GeluTanh;
        }
    }
    // The largest sizes scale by hidden / heads instead; checkpoints state it, GGUF files leave it to the reader.
    let a = &s.layers[0].attention;
    let large = s.layers.len() >= 46 && s.hidden / a.heads < a.head_dim * 2;
    let implied = if large { s.hidden as f32 / a.heads as f32 } else { a.head_dim as f32 };
    let scalar = c.opt_f32(Key("", "query_pre_attn_scalar"))?.unwrap_or(implied);
    s = s.each_attention(|_, a| a.scale = 1.0 / scalar.sqrt());
    Ok((s, sliding))
}

pub(super) fn gemma2(c: &Config<'_>) -> Result<ModelSpec, Error> {
    let (s, sliding) = common(c, |i| i % 2 == 0)?;
    let window = c.opt_usize(Key("attention.sliding_window", "sliding_window"))?.unwrap_or(4096);
    let softcap = c.opt_f32(Key("attn_logit_softcapping", "attn_logit_softcapping"))?;
    Ok(s.each_attention(|i, a| {
        a.softcap = softcap;
        a.mask = Mask::Causal { window: sliding[i].then_some(window) };
    }))
}

pub(super) fn gemma3(c: &Config<'_>) -> Result<ModelSpec, Error> {
    let (mut s, sliding) = common(c, |i| (i + 1) % 6 != 0)?;
    let norm = c.rms_norm(1.0)?;
    let window = c.usize(Key("attention.sliding_window", "sliding_window"))?;
    let embedding = c.architecture() == "gemma-embedding"
        || c.opt_bool(Key("", "use_bidirectional_attention"))?.unwrap_or(false);
    s.ropes = ropes(c, &s)?;
    if embedding {
        s.output = OutputSpec::Embedding { pooling: c.pooling()?.unwrap_or(Pooling::Mean) };
    }
    Ok(s.each_attention(|i, a| {
        a.qk_norm = Some(QkNorm::PerHead(norm));
        a.rope = Some(usize::from(!sliding[i]));
        a.mask = match (embedding, sliding[i]) {
            (true, slides) => Mask::Bidirectional { reach: slides.then_some(window / 2) },
            (false, slides) => Mask::Causal { window: slides.then_some(window) },
        };
    }))
}

/// Sliding layers first, full layers second.
fn ropes(c: &Config<'_>, s: &ModelSpec) -> Result<Vec<RopeSpec>, Error> {
    let width = s.layers[0].attention.head_dim;
    let plain = |theta| RopeSpec { theta, width, scaling: RopeScaling::None };
    if let Some(blocks) = c.json("rope_parameters").filter(|b| b.get("full_attention").is_some()) {
        let read = |kind: &str, theta| match blocks.get(kind) {
            Some(block) => crate::rope::hf_scaling(c, block, plain(theta)),
            None => Ok(plain(theta)),
        };
        return Ok(vec![read("sliding_attention", 10_000.0)?, read("full_attention", 1_000_000.0)?]);
    }
    let local = c.opt_f32(Key("rope.freq_base_swa", "rope_local_base_freq"))?.unwrap_or(10_000.0);
    Ok(vec![plain(local), s.ropes[0].clone()])
}

pub(super) fn settings(s: &ModelSpec, config: &mut Value) {
    let a = &s.layers[0].attention;
    let third = a.qk_norm.is_some();
    let cap = |cap: Option<f32>| cap.map_or(Value::Null, json_number);
    let slides =
        |window: Option<usize>| if window.is_some() { "sliding_attention" } else { "full_attention" };
    // The root is rounded: the number it was taken of is the whole one nearby, if that gives the same.
    let square = 1.0 / (a.scale * a.scale);
    let whole = Some(square.round()).filter(|n| 1.0 / n.sqrt() == a.scale);
    let OutputSpec::Logits { softcap, .. } = s.output else { return };
    config["model_type"] = if third { "gemma3_text" } else { "gemma2" }.into();
    config["architectures"] = json!([if third { "Gemma3ForCausalLM" } else { "Gemma2ForCausalLM" }]);
    config["hidden_activation"] = "gelu_pytorch_tanh".into();
    config["attention_bias"] = false.into();
    config["query_pre_attn_scalar"] = whole.map_or(json_number(square), |n| (n as u64).into());
    config["sliding_window"] = json!(s.layers.iter().find_map(|l| l.attention.window()));
    config["layer_types"] = s.layers.iter().map(|l| slides(l.attention.window())).collect();
    config["attn_logit_softcapping"] = cap(a.softcap);
    config["final_logit_softcapping"] = cap(softcap);
    if third {
        config["rope_local_base_freq"] = s.ropes.first().map_or(Value::Null, |rope| json_number(rope.theta));
    }
}
