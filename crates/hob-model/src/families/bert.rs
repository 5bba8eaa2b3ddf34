//! BERT encoders (bge, e5, MiniLM): learned positions, norms on each sum, biases everywhere, exact gelu, no mask.
//!
//! Source: Devlin et al., arXiv:1810.04805; pooling as the embedding models' cards say.

use crate::config::Key;
use crate::names::HfNames;
use crate::spec::{
    AttentionSpec, EmbeddingSpec, Ffn, Fused, LayerNorms, LayerSpec, ModelSpec, Norm, NormKind, OutputSpec,
    Pooling,
};
use crate::{Config, Error};
use hob_kernels::{Activation, Mask, RopeLayout};

pub(super) static NAMES: HfNames = HfNames {
    top: &[
        ("token_embd", "embeddings.word_embeddings"),
        ("position_embd", "embeddings.position_embeddings"),
        ("token_types", "embeddings.token_type_embeddings"),
        ("token_embd_norm", "embeddings.LayerNorm"),
    ],
    layers: "encoder.layer.",
    layer: &[
        ("attn_q", "attention.self.query"),
        ("attn_k", "attention.self.key"),
        ("attn_v", "attention.self.value"),
        ("attn_output", "attention.output.dense"),
        ("attn_output_norm", "attention.output.LayerNorm"),
        ("ffn_up", "intermediate.dense"),
        ("ffn_down", "output.dense"),
        ("layer_output_norm", "output.LayerNorm"),
    ],
    ignore: &["pooler.", "cls.", "embeddings.position_ids"],
};

pub(super) fn spec(c: &Config<'_>) -> Result<ModelSpec, Error> {
    let b = c.base_layer()?;
    let eps = c.f32(Key("attention.layer_norm_epsilon", "layer_norm_eps"))?;
    let norm = Norm { kind: NormKind::Layer { bias: true }, eps, weight_offset: 0.0 };
    let layer = |i: usize| LayerSpec {
        attention: AttentionSpec {
            mask: Mask::Bidirectional { reach: None },
            rope: None,
            qkv_bias: true,
            output_bias: true,
            ..b.attention(i)
        },
        ffn: Ffn::Plain { width: b.ffn[i], act: Activation::GeluErf, bias: true },
        norms: LayerNorms::residual(norm),
        output_scale: false,
    };
    let context = c.context()?;
    let types = match c.tensors().get("token_types.weight") {
        Some(t) => t.shape.first().copied(),
        None => c.opt_usize(Key("", "type_vocab_size"))?,
    };
    Ok(ModelSpec {
        vocab: c.vocab()?,
        hidden: b.hidden,
        context,
        embedding: EmbeddingSpec {
            positions: Some(context),
            token_types: types,
            norm: Some(norm),
            ..EmbeddingSpec::plain(1.0)
        },
        ropes: Vec::new(),
        rope_layout: RopeLayout::Halves,
        layers: (0..b.layers).map(layer).collect(),
        final_norm: None,
        output: OutputSpec::Embedding { pooling: c.pooling()?.unwrap_or(Pooling::First) },
        per_layer: None,
        fused: Fused::default(),
    })
}
