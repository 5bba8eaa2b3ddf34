//! Gemma 4: E2B, E4B, 12B, 31B and the mixture 26B-A4B (text).
//!
//! Beyond Gemma 3: plain norm weights, a weightless norm on values, scores unscaled, full layers with heads of another width
//! and a partly turning ("proportional") rotary embedding, late layers that read earlier layers' keys and values, embeddings
//! per layer gated into the stream, values that are keys, and experts beside the dense part.
//! Source: the published checkpoints' configuration and code; `config.json` in both generations, GGUF architecture `gemma4`.

use crate::config::Key;
use crate::names::{HfNames, LLAMA_NAMES};
use crate::rope::{RopeScaling, RopeSpec};
use crate::spec::{
    AttentionSpec, EmbeddingSpec, Experts, Ffn, KvSource, LayerNorms, ModelSpec, OutputSpec, PerLayerSpec,
    QkNorm,
};
use crate::{Config, Error};
use hob_kernels::{Activation, Mask};

mod settings;

pub(super) use settings::settings;

pub(super) static NAMES: HfNames = HfNames {
    top: &[
        ("per_layer_token_embd", "embed_tokens_per_layer"),
        ("per_layer_model_proj", "per_layer_model_projection"),
        ("per_layer_proj_norm", "per_layer_projection_norm"),
    ],
    layer: &[
        ("ffn_norm", "pre_feedforward_layernorm"),
        ("post_attention_norm", "post_attention_layernorm"),
        ("post_ffw_norm", "post_feedforward_layernorm"),
        ("post_ffw_norm_1", "post_feedforward_layernorm_1"),
        ("pre_ffw_norm_2", "pre_feedforward_layernorm_2"),
        ("post_ffw_norm_2", "post_feedforward_layernorm_2"),
        ("inp_gate", "per_layer_input_gate"),
        ("proj", "per_layer_projection"),
        ("post_norm", "post_per_layer_input_norm"),
        ("layer_output_scale.weight", "layer_scalar"),
        ("ffn_gate_inp.scale", "router.scale"),
        ("ffn_gate_inp", "router.proj"),
        ("ffn_gate_up_exps.weight", "experts.gate_up_proj"),
        ("ffn_down_exps.scale", "router.per_expert_scale"),
        ("ffn_down_exps.weight", "experts.down_proj"),
    ],
    // Encoders of images and sound, and weights that layers with borrowed keys and values no longer need.
    ignore: &[
        "vision_tower.",
        "audio_tower.",
        "embed_vision.",
        "embed_audio.",
        "vision_embedder.",
        ".k_cache_scale",
        ".v_cache_scale",
    ],
    ..LLAMA_NAMES
};

pub(super) fn spec(c: &Config<'_>) -> Result<ModelSpec, Error> {
    let base = c.base_layer()?;
    let layers = base.layers;
    let norm = c.rms_norm(0.0)?;
    // A sixth layer sees everything, unless the file says which do; the last always does.
    let sliding = c
        .sliding_layers(layers)?
        .unwrap_or((0..layers).map(|i| (i + 1) % 6 != 0 && i + 1 != layers).collect());
    let shared = c.opt_usize(Key("attention.shared_kv_layers", "num_kv_shared_layers"))?.unwrap_or(0);
    let heads = HeadWidths::read(c, &base.kv_heads, base.head_dim, &sliding)?;
    let window = c.usize(Key("attention.sliding_window", "sliding_window"))?;
    if let Some(bad) = heads.kv.iter().find(|&&k| !base.heads.is_multiple_of(k)) {
        let expected = format!("a divisor of the {} query heads", base.heads);
        return Err(wrong("num_global_key_value_heads", &expected, bad));
    }
    if shared >= layers {
        return Err(wrong("shared key-value layers", &format!("fewer than {layers}"), shared));
    }
    let own = layers - shared;
    let mut s = c.base()?;
    s.ropes = ropes(c, heads.full)?;
    s.embedding = EmbeddingSpec {
        placeholders: placeholders(c, s.vocab),
        ..EmbeddingSpec::plain((s.hidden as f32).sqrt())
    };
    s.output = OutputSpec::Logits {
        tied: c.tied()?,
        softcap: c.opt_f32(Key("final_logit_softcapping", "final_logit_softcapping"))?,
    };
    s.per_layer = per_layer_width(c)?.map(|width| PerLayerSpec { width, norm });
    let doubled = c.opt_bool(Key("", "use_double_wide_mlp"))?.unwrap_or(false);
    let experts = experts(c)?;
    for (i, layer) in s.layers.iter_mut().enumerate() {
        let kv = kv_source(i, own, &sliding)?;
        layer.attention = AttentionSpec {
            // Who reads another layer's cache reads as many heads as are in it.
            kv_heads: heads.kv[if let KvSource::Layer(owner) = kv { owner } else { i }],
            head_dim: if sliding[i] { heads.sliding } else { heads.full },
            scale: 1.0,
            mask: Mask::Causal { window: sliding[i].then_some(window) },
            rope: Some(usize::from(!sliding[i])),
            qk_norm: Some(QkNorm::PerHead(norm)),
            value_norm: Some(norm.eps),
            kv,
            value_is_key: !sliding[i] && kv == KvSource::Own && value_is_key(c, i)?,
            ..layer.attention.clone()
        };
        layer.norms = LayerNorms::sandwich(norm);
        layer.output_scale = true;
        let width = if doubled && i >= own { 2 * base.ffn[i] } else { base.ffn[i] };
        let act = Activation::GeluTanh;
        layer.ffn = match experts {
            Some(experts) => Ffn::DenseAndExperts { width, act, experts, norm },
            None => Ffn::Gated { width, act },
        };
    }
    Ok(s)
}

fn wrong(key: &str, expected: &str, found: impl ToString) -> Error {
    Error::Setting { key: key.into(), expected: expected.into(), found: found.to_string() }
}

/// Where images, sound and video go. Checkpoints list the ids beside the language model's settings, GGUF files only have the
/// tokens' texts. Their embedding is that of token 0, the padding, as in the published code.
fn placeholders(c: &Config<'_>, vocab: usize) -> Vec<u32> {
    let inside = |id: u64| u32::try_from(id).ok().filter(|&id| (id as usize) < vocab);
    match c.hf() {
        Some(hf) => ["image_token_id", "audio_token_id", "video_token_id"]
            .iter()
            .filter_map(|field| inside(hf.config.get(field)?.as_u64()?))
            .collect(),
        None => ["<|image|>", "<|audio|>", "<|video|>"].iter().filter_map(|text| c.token_id(text)).collect(),
    }
}

/// The last layers read the keys and values of the last own-KV layer of their kind.
fn kv_source(layer: usize, own: usize, sliding: &[bool]) -> Result<KvSource, Error> {
    if layer < own {
        return Ok(KvSource::Own);
    }
    let owner = (0..own).rfind(|&i| sliding[i] == sliding[layer]);
    owner
        .map(KvSource::Layer)
        .ok_or_else(|| wrong("layer_types", "a layer of each kind that owns its keys", "none"))
}

/// GGUF files show it by the missing matrix.
fn value_is_key(c: &Config<'_>, layer: usize) -> Result<bool, Error> {
    if c.is_gguf() {
        return Ok(c.tensors().get(&format!("blk.{layer}.attn_v.weight")).is_none());
    }
    Ok(c.opt_bool(Key("", "attention_k_eq_v"))?.unwrap_or(false))
}

fn per_layer_width(c: &Config<'_>) -> Result<Option<usize>, Error> {
    let width = c.opt_usize(Key("embedding_length_per_layer_input", "hidden_size_per_layer_input"))?;
    // The encoder-free 12B has no such key and no such layers; the others default to 256.
    let implied = if c.is_gguf() || c.architecture().starts_with("gemma4_unified") { 0 } else { 256 };
    Ok(Some(width.unwrap_or(implied)).filter(|&p| p > 0))
}

fn experts(c: &Config<'_>) -> Result<Option<Experts>, Error> {
    let count = c.opt_usize(Key("expert_count", "num_experts"))?.unwrap_or(0);
    if count == 0 || c.opt_bool(Key("", "enable_moe_block"))? == Some(false) {
        return Ok(None);
    }
    let active = c.usize(Key("expert_used_count", "top_k_experts"))?;
    if active > count {
        return Err(wrong("experts per token", &format!("at most {count}"), active));
    }
    Ok(Some(Experts {
        count,
        active,
        width: c.usize(Key("expert_feed_forward_length", "moe_intermediate_size"))?,
    }))
}

/// Head widths and key-value heads, which differ between sliding and full layers.
struct HeadWidths {
    sliding: usize,
    full: usize,
    kv: Vec<usize>,
}

impl HeadWidths {
    fn read(c: &Config<'_>, kv_heads: &[usize], head_dim: usize, sliding: &[bool]) -> Result<Self, Error> {
        let mut kv = kv_heads.to_vec();
        if c.is_gguf() {
            let small =
                c.opt_usize(Key("attention.key_length_swa", ""))?.filter(|&n| n > 0).unwrap_or(head_dim);
            return Ok(Self { sliding: small, full: head_dim, kv });
        }
        let mut full = c.opt_usize(Key("", "global_head_dim"))?.filter(|&n| n > 0);
        let global_kv = c.opt_usize(Key("", "num_global_key_value_heads"))?.filter(|&n| n > 0);
        let k_eq_v = c.opt_bool(Key("", "attention_k_eq_v"))?.unwrap_or(false);
        for (i, kv) in kv.iter_mut().enumerate().filter(|(i, _)| !sliding[*i]) {
            // Newer files list the layers that differ instead.
            if let Some(layer) = c.json(&format!("per_layer_config.{i}")) {
                let number = |field| {
                    layer
                        .get(field)
                        .and_then(|v| v.as_u64())
                        .map(|n| n as usize)
                        .filter(|&n| n > 0 && n < 1 << 16)
                };
                full = number("head_dim").or(full);
                *kv = number("num_key_value_heads").unwrap_or(*kv);
            } else if let (Some(n), true) = (global_kv, k_eq_v) {
                *kv = n;
            }
        }
        Ok(Self { sliding: head_dim, full: full.unwrap_or(512), kv })
    }
}

/// Sliding layers first, full layers second.
fn ropes(c: &Config<'_>, full: usize) -> Result<Vec<RopeSpec>, Error> {
    let base = c.base_layer()?;
    let plain = |theta, width| RopeSpec { theta, width, scaling: RopeScaling::None };
    if c.is_gguf() {
        let width =
            c.opt_usize(Key("attention.key_length_swa", ""))?.filter(|&n| n > 0).unwrap_or(base.head_dim);
        let local = c.opt_f32(Key("rope.freq_base_swa", ""))?.unwrap_or(10_000.0);
        let global = c.opt_f32(Key("rope.freq_base", ""))?.unwrap_or(1_000_000.0);
        return Ok(vec![plain(local, width), crate::rope::gguf_scaling(c, plain(global, full))?]);
    }
    let proportional = RopeScaling::Proportional { pairs: full / 8 };
    let default = |kind| match kind {
        "sliding_attention" => plain(10_000.0, base.head_dim),
        _ => RopeSpec { scaling: proportional.clone(), ..plain(1_000_000.0, full) },
    };
    ["sliding_attention", "full_attention"]
        .into_iter()
        .map(|kind| match c.json(&format!("rope_parameters.{kind}")) {
            Some(block) => crate::rope::hf_scaling(c, block, default(kind)),
            None => Ok(default(kind)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use hob_format::{HfModel, ModelFiles, TensorTable};
    use serde_json::{Value, json};

    use super::*;

    fn spec_with(changes: Value) -> Result<ModelSpec, Error> {
        let mut config = json!({
            "model_type": "gemma4_text", "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4,
            "num_key_value_heads": 2, "head_dim": 8, "global_head_dim": 16, "intermediate_size": 48,
            "vocab_size": 24, "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "sliding_window": 16,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
        });
        for (key, value) in changes.as_object().unwrap() {
            config[key] = value.clone();
        }
        let files = ModelFiles::Hf(HfModel::from_parts(config, TensorTable::default()));
        spec(&Config::new(&files)?)
    }

    #[test]
    fn query_heads_share_key_heads_evenly_in_every_layer() {
        for (global, fits) in [(1, true), (3, false), (8, false)] {
            let read = spec_with(json!({"attention_k_eq_v": true, "num_global_key_value_heads": global}));
            assert_eq!(read.is_ok(), fits, "{global}");
        }
        assert!(spec_with(json!({"per_layer_config": {"1": {"num_key_value_heads": 3}}})).is_err());
    }

    #[test]
    fn a_layer_reads_as_many_heads_as_the_cache_it_borrows_has() {
        let spec =
            spec_with(json!({"num_kv_shared_layers": 2, "num_key_value_heads": [2, 1, 4, 4]})).unwrap();
        assert_eq!(spec.layers[2].attention.kv, KvSource::Layer(0));
        let heads: Vec<usize> = spec.layers.iter().map(|l| l.attention.kv_heads).collect();
        assert_eq!(heads, [2, 1, 2, 1]);
    }
}
