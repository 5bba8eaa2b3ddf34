//! A model as a Hugging Face directory has it: its `config.json`, and where each tensor goes.
//!
//! What all families' settings share is written here, the rest by the family; reading them back has to give the same
//! description. What `config.json` cannot say is an error, never a model that is a little different.
//! Source of keys and conventions: published checkpoints and the configuration classes of transformers.

mod rope;
mod tensors;

pub(crate) use rope::parameters;
pub use tensors::{Change, CheckpointTensor};

use crate::alike::difference;
use crate::spec::{ModelSpec, NormKind, OutputSpec};
use crate::{Config, Error, families};
use hob_format::{Dtype, HfModel, ModelFiles, Tensor, TensorTable};
use hob_quant::TensorType;
use serde_json::{Value, json};

/// A model as a checkpoint: settings, and what becomes of the tensors.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// `config.json` but for the ids of tokens and the type of numbers.
    pub config: Value,
    /// Every tensor of the description in its order. Constants of GGUF files ([`ModelSpec::constants`]) are in the settings.
    pub tensors: Vec<CheckpointTensor>,
}

/// The model that `spec` describes as a checkpoint; `architecture` is what GGUF files or checkpoints call its family.
///
/// # Errors
/// [`Error::UnknownArchitecture`], and [`Error::NotInHf`] for a model whose family's `config.json` cannot describe it.
pub fn to_hf(spec: &ModelSpec, architecture: &str) -> Result<Checkpoint, Error> {
    let family = families::named(architecture)?;
    let settings =
        family.settings.ok_or_else(|| refused("Hob writes checkpoints of models that write text"))?;
    let mut config = common(spec)?;
    settings(spec, &mut config);
    if config.get("rope_parameters").is_none() {
        rope::set_plain(spec, &mut config)?;
    }
    let read = described(&config, spec)?;
    if let Some(what) = difference(spec, &read) {
        return Err(refused(what));
    }
    let tensors = tensors::tensors(spec, &read, family.names)?;
    Ok(Checkpoint { config, tensors })
}

fn refused(what: impl Into<String>) -> Error {
    Error::NotInHf { what: what.into() }
}

/// What nearly every family says. Where layers differ, the first stands for all, and reading back finds it out unless the
/// family says more.
fn common(spec: &ModelSpec) -> Result<Value, Error> {
    let OutputSpec::Logits { tied, .. } = spec.output else {
        return Err(refused("it makes embeddings, not text"));
    };
    let layer = spec.layers.first().ok_or_else(|| refused("it has no layers"))?;
    let norm = spec.final_norm.filter(|norm| norm.kind == NormKind::Rms);
    let norm = norm.ok_or_else(|| refused("its norms are not RMS norms"))?;
    let attention = &layer.attention;
    Ok(json!({
        "hidden_size": spec.hidden,
        "num_hidden_layers": spec.layers.len(),
        "num_attention_heads": attention.heads,
        "num_key_value_heads": attention.kv_heads,
        "head_dim": attention.head_dim,
        "intermediate_size": layer.ffn.width(),
        "vocab_size": spec.vocab,
        "max_position_embeddings": spec.context,
        "rms_norm_eps": json_number(norm.eps),
        "tie_word_embeddings": tied,
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "use_cache": true,
    }))
}

/// What the readers make of the settings.
fn described(config: &Value, spec: &ModelSpec) -> Result<ModelSpec, Error> {
    let tied = matches!(spec.output, OutputSpec::Logits { tied: true, .. });
    // Readers look for a head of its own, not into it.
    let head = Tensor {
        name: "lm_head.weight".into(),
        dtype: Dtype::Block(TensorType::F32),
        shape: vec![0, spec.hidden],
        bytes: Vec::new().into(),
    };
    let tensors = TensorTable::new("checkpoint", if tied { Vec::new() } else { vec![head] })?;
    let files = ModelFiles::Hf(HfModel::from_parts(config.clone(), tensors));
    let config = Config::new(&files)?;
    (families::find(&config)?.spec)(&config)
}

/// A number as people write it: the shortest decimal that is read as the same `f32`.
pub fn json_number(x: f32) -> Value {
    let shortest = x.to_string().parse::<f64>();
    shortest.map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(json_number(1e-6).to_string(), "1e-6");
        assert_eq!(json_number(500_000.0).to_string(), "500000.0");
        assert_eq!(json_number(0.1).as_f64().map(|x| x as f32), Some(0.1));
        assert_eq!(json_number(f32::NAN), Value::Null);
    }
}
