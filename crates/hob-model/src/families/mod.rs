//! The registry of model families. Each family is a description built from a file's settings; no other file names one.

mod bert;
mod gemma;
mod gemma4;
mod llama;
mod modern_bert;
mod olmo2;
mod phi3;
mod qwen;
mod smollm3;

use crate::config::Key;
use crate::names::{HfNames, LLAMA_NAMES};
use crate::spec::{
    AttentionSpec, EmbeddingSpec, Ffn, Fused, LayerNorms, LayerSpec, ModelSpec, Norm, NormKind, OutputSpec,
};
use crate::{Config, Error};
use hob_kernels::{Activation, RopeLayout};
use serde_json::Value;

/// One family: what files call it, how to describe it, and how its checkpoints name tensors.
pub struct Family {
    /// Name in errors and listings: one, that of the architecture. SmolLM2 is a Llama, Phi-4-mini a Phi-3, EmbeddingGemma
    /// a Gemma 3.
    pub name: &'static str,
    /// `general.architecture` of GGUF files.
    pub gguf: &'static [&'static str],
    /// `model_type` of `config.json`.
    pub hf: &'static [&'static str],
    /// Settings to description.
    pub spec: fn(&Config<'_>) -> Result<ModelSpec, Error>,
    /// Names of tensors in Hugging Face checkpoints.
    pub names: &'static HfNames,
    /// Description to settings: completes what all `config.json` have in common. `None` where Hob writes no checkpoints.
    pub settings: Option<fn(&ModelSpec, &mut Value)>,
}

/// Every family Hob runs.
pub static FAMILIES: &[Family] = &[
    Family {
        name: "Llama",
        gguf: &["llama"],
        hf: &["llama"],
        spec: llama::spec,
        names: &LLAMA_NAMES,
        settings: Some(llama::settings),
    },
    Family {
        name: "Mistral",
        gguf: &[],
        hf: &["mistral"],
        spec: llama::spec,
        names: &LLAMA_NAMES,
        settings: Some(llama::settings),
    },
    Family {
        name: "Phi-3",
        gguf: &["phi3"],
        hf: &["phi3"],
        spec: phi3::spec,
        names: &phi3::NAMES,
        settings: Some(phi3::settings),
    },
    Family {
        name: "Qwen2.5",
        gguf: &["qwen2"],
        hf: &["qwen2"],
        spec: qwen::spec,
        names: &LLAMA_NAMES,
        settings: Some(qwen::settings),
    },
    Family {
        name: "Qwen3",
        gguf: &["qwen3"],
        hf: &["qwen3"],
        spec: qwen::spec,
        names: &LLAMA_NAMES,
        settings: Some(qwen::settings),
    },
    Family {
        name: "SmolLM3",
        gguf: &["smollm3"],
        hf: &["smollm3"],
        spec: smollm3::spec,
        names: &LLAMA_NAMES,
        settings: Some(smollm3::settings),
    },
    Family {
        name: "OLMo 2",
        gguf: &["olmo2"],
        hf: &["olmo2"],
        spec: olmo2::spec,
        names: &olmo2::NAMES,
        settings: Some(olmo2::settings),
    },
    Family {
        name: "Gemma 2",
        gguf: &["gemma2"],
        hf: &["gemma2"],
        spec: gemma::gemma2,
        names: &gemma::NAMES,
        settings: Some(gemma::settings),
    },
    Family {
        name: "Gemma 3",
        gguf: &["gemma3", "gemma-embedding"],
        hf: &["gemma3_text", "gemma3"],
        spec: gemma::gemma3,
        names: &gemma::NAMES,
        settings: Some(gemma::settings),
    },
    Family {
        name: "Gemma 4",
        gguf: &["gemma4"],
        hf: &["gemma4", "gemma4_text", "gemma4_unified", "gemma4_unified_text"],
        spec: gemma4::spec,
        names: &gemma4::NAMES,
        settings: Some(gemma4::settings),
    },
    Family {
        name: "BERT",
        gguf: &["bert"],
        hf: &["bert"],
        spec: bert::spec,
        names: &bert::NAMES,
        settings: None,
    },
    Family {
        name: "ModernBERT",
        gguf: &["modern-bert"],
        hf: &["modernbert"],
        spec: modern_bert::spec,
        names: &modern_bert::NAMES,
        settings: None,
    },
];

/// The family of a model file.
pub fn find(c: &Config<'_>) -> Result<&'static Family, Error> {
    let wanted = c.architecture();
    let known = |f: &&Family| if c.is_gguf() { f.gguf.contains(&wanted) } else { f.hf.contains(&wanted) };
    FAMILIES.iter().find(known).ok_or_else(|| unknown(wanted))
}

/// The family that GGUF files or checkpoints call `architecture`.
pub fn named(architecture: &str) -> Result<&'static Family, Error> {
    let known = |f: &&Family| f.gguf.contains(&architecture) || f.hf.contains(&architecture);
    FAMILIES.iter().find(known).ok_or_else(|| unknown(architecture))
}

fn unknown(architecture: &str) -> Error {
    Error::UnknownArchitecture {
        found: architecture.to_string(),
        supported: FAMILIES.iter().map(|f| f.name).collect::<Vec<_>>().join(", "),
    }
}

impl Config<'_> {
    /// The family's RMS norm; `weight_offset` applies to checkpoints, since GGUF files hold the sum.
    pub(crate) fn rms_norm(&self, weight_offset: f32) -> Result<Norm, Error> {
        let eps = self.f32(Key("attention.layer_norm_rms_epsilon", "rms_norm_eps"))?;
        let weight_offset = if self.is_gguf() { 0.0 } else { weight_offset };
        Ok(Norm { kind: NormKind::Rms, eps, weight_offset })
    }

    /// Whether the head is the embedding matrix: said so, or no other is there.
    pub(crate) fn tied(&self) -> Result<bool, Error> {
        let tensors = self.tensors();
        let own_head =
            ["output.weight", "lm_head.weight", "lm_head.weight_packed", "language_model.lm_head.weight"]
                .iter()
                .any(|name| tensors.get(name).is_some());
        Ok(!own_head || self.opt_bool(Key("", "tie_word_embeddings"))?.unwrap_or(false))
    }

    /// A plain pre-norm decoder: rotary attention with grouped heads, a gated silu layer, no biases.
    ///
    /// Families are described by their differences from this.
    pub(crate) fn base(&self) -> Result<ModelSpec, Error> {
        let b = self.base_layer()?;
        let norm = self.rms_norm(0.0)?;
        let layers: Vec<LayerSpec> = (0..b.layers)
            .map(|i| LayerSpec {
                attention: b.attention(i),
                ffn: Ffn::Gated { width: b.ffn[i], act: Activation::Silu },
                norms: LayerNorms::pre(norm),
                output_scale: false,
            })
            .collect();
        Ok(ModelSpec {
            vocab: self.vocab()?,
            hidden: b.hidden,
            context: self.context()?,
            embedding: EmbeddingSpec::plain(1.0),
            ropes: vec![self.rope(&layers[0].attention)?],
            rope_layout: RopeLayout::Halves,
            layers,
            final_norm: Some(norm),
            output: OutputSpec::Logits { tied: self.tied()?, softcap: None },
            per_layer: None,
            fused: Fused::default(),
        })
    }
}

impl ModelSpec {
    /// Changes every layer's attention.
    pub(crate) fn each_attention(mut self, mut change: impl FnMut(usize, &mut AttentionSpec)) -> Self {
        for (i, layer) in self.layers.iter_mut().enumerate() {
            change(i, &mut layer.attention);
        }
        self
    }
}
