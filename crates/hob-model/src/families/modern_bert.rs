//! ModernBERT: an encoder with rotary positions, gated gelu, norms before each part, and windows in two layers of three.
//!
//! The first layer has no norm before attention: the embedding's norm serves. Source: Warner et al., arXiv:2412.13663.

use crate::config::Key;
use crate::names::{HfNames, LLAMA_NAMES};
use crate::rope::{RopeScaling, RopeSpec};
use crate::spec::{
    AttentionSpec, EmbeddingSpec, Ffn, Fused, LayerNorms, LayerSpec, ModelSpec, Norm, NormKind, OutputSpec,
    Pooling,
};
use crate::{Config, Error};
use hob_kernels::{Activation, Mask, RopeLayout};

pub(super) static NAMES: HfNames = HfNames {
    top: &[
        ("token_embd", "embeddings.tok_embeddings"),
        ("token_embd_norm", "embeddings.norm"),
        ("output_norm", "final_norm"),
    ],
    layer: &[
        ("attn_norm", "attn_norm"),
        ("attn_qkv", "attn.Wqkv"),
        ("attn_output", "attn.Wo"),
        ("ffn_norm", "mlp_norm"),
        ("ffn_up", "mlp.Wi"),
        ("ffn_down", "mlp.Wo"),
    ],
    ignore: &["head.", "decoder."],
    ..LLAMA_NAMES
};

pub(super) fn spec(c: &Config<'_>) -> Result<ModelSpec, Error> {
    let b = c.base_layer()?;
    let eps = c.opt_f32(Key("attention.layer_norm_epsilon", "norm_eps"))?.unwrap_or(1e-5);
    let norm = Norm { kind: NormKind::Layer { bias: false }, eps, weight_offset: 0.0 };
    let every = c.opt_usize(Key("", "global_attn_every_n_layers"))?.filter(|&n| n > 0).unwrap_or(3);
    let sliding = c.sliding_layers(b.layers)?.unwrap_or((0..b.layers).map(|i| i % every != 0).collect());
    let window = c.opt_usize(Key("attention.sliding_window", "local_attention"))?.unwrap_or(128);
    let layer = |i: usize| LayerSpec {
        attention: AttentionSpec {
            mask: Mask::Bidirectional { reach: sliding[i].then_some(window / 2) },
            rope: Some(usize::from(!sliding[i])),
            ..b.attention(i)
        },
        ffn: Ffn::Gated { width: b.ffn[i], act: Activation::GeluErf },
        norms: LayerNorms { attention_in: (i > 0).then_some(norm), ..LayerNorms::pre(norm) },
        output_scale: false,
    };
    Ok(ModelSpec {
        vocab: c.vocab()?,
        hidden: b.hidden,
        context: c.context()?,
        embedding: EmbeddingSpec { norm: Some(norm), ..EmbeddingSpec::plain(1.0) },
        ropes: ropes(c, b.head_dim)?,
        rope_layout: RopeLayout::Halves,
        layers: (0..b.layers).map(layer).collect(),
        final_norm: Some(norm),
        output: OutputSpec::Embedding { pooling: c.pooling()?.unwrap_or(Pooling::Mean) },
        per_layer: None,
        fused: Fused { qkv: true, gate_up: true },
    })
}

/// Local layers first, global layers second.
fn ropes(c: &Config<'_>, width: usize) -> Result<Vec<RopeSpec>, Error> {
    let read = |kind: &str, key: Key, default: f32| -> Result<RopeSpec, Error> {
        let theta = c.opt_f32(key)?.unwrap_or(default);
        let spec = RopeSpec { theta, width, scaling: RopeScaling::None };
        match c.json(&format!("rope_parameters.{kind}")) {
            Some(block) => crate::rope::hf_scaling(c, block, spec),
            None => Ok(spec),
        }
    };
    Ok(vec![
        read("sliding_attention", Key("rope.freq_base_swa", "local_rope_theta"), 10_000.0)?,
        read("full_attention", Key("rope.freq_base", "global_rope_theta"), 160_000.0)?,
    ])
}
