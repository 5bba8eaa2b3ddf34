//! One way to ask a GGUF file or a Hugging Face `config.json` for a model's settings.
//!
//! Every question names both keys, so that a family's description is written once for both containers.

use crate::Error;
use crate::rope::{RopeScaling, RopeSpec};
use crate::spec::{AttentionSpec, BaseLayer, Pooling};
use hob_format::{Gguf, HfModel, ModelFiles, TensorTable};
use serde_json::Value;

/// Layers that a file may announce. The deepest published model under the sizes we serve has 62.
const MAX_LAYERS: usize = 1024;
/// Largest width of anything.
const MAX_WIDTH: usize = 1 << 24;

/// The settings of one model file.
pub struct Config<'a> {
    source: Source<'a>,
    architecture: String,
}

enum Source<'a> {
    Gguf(&'a Gguf),
    Hf { model: &'a HfModel, text: &'a Value },
}

/// A setting's two names: the GGUF key without the architecture prefix, and the path in `config.json` (dots descend).
#[derive(Clone, Copy)]
pub struct Key(pub &'static str, pub &'static str);

impl<'a> Config<'a> {
    /// Reads the architecture's name; the settings themselves are read when asked for.
    pub fn new(files: &'a ModelFiles) -> Result<Self, Error> {
        match files {
            ModelFiles::Gguf(gguf) => {
                let architecture =
                    gguf.metadata.str("general.architecture")?.ok_or_else(|| Error::Setting {
                        key: "general.architecture".into(),
                        expected: "the name of an architecture".into(),
                        found: "nothing".into(),
                    })?;
                Ok(Self { architecture: architecture.to_string(), source: Source::Gguf(gguf) })
            }
            ModelFiles::Hf(model) => {
                // Multimodal wrappers keep the language model's settings apart.
                let text = model.config.get("text_config").unwrap_or(&model.config);
                let named = |v: &Value| v.get("model_type").and_then(Value::as_str).map(str::to_string);
                let architecture =
                    named(text).or_else(|| named(&model.config)).ok_or_else(|| Error::Setting {
                        key: "model_type".into(),
                        expected: "the name of an architecture".into(),
                        found: "nothing".into(),
                    })?;
                Ok(Self { architecture, source: Source::Hf { model, text } })
            }
        }
    }

    /// The file's own name for the architecture.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// Whether the settings come from a GGUF file.
    pub fn is_gguf(&self) -> bool {
        matches!(self.source, Source::Gguf(_))
    }

    /// The file's tensors.
    pub fn tensors(&self) -> &'a TensorTable {
        match self.source {
            Source::Gguf(gguf) => &gguf.tensors,
            Source::Hf { model, .. } => &model.tensors,
        }
    }

    /// The Hugging Face directory, if it is one.
    pub fn hf(&self) -> Option<&'a HfModel> {
        match self.source {
            Source::Gguf(_) => None,
            Source::Hf { model, .. } => Some(model),
        }
    }

    fn key(&self, key: Key) -> String {
        match self.source {
            Source::Gguf(_) => format!("{}.{}", self.architecture, key.0),
            Source::Hf { .. } => key.1.to_string(),
        }
    }

    /// A field of the Hugging Face settings; `null` counts as absent.
    pub fn json(&self, path: &str) -> Option<&'a Value> {
        let Source::Hf { text, .. } = self.source else { return None };
        let mut value = text;
        for part in path.split('.').filter(|p| !p.is_empty()) {
            value = value.get(part)?;
        }
        (!path.is_empty() && !value.is_null()).then_some(value)
    }

    fn wrong(&self, key: Key, expected: &str, found: impl ToString) -> Error {
        Error::Setting { key: self.key(key), expected: expected.into(), found: found.to_string() }
    }

    /// An optional whole number.
    pub fn opt_usize(&self, key: Key) -> Result<Option<usize>, Error> {
        let value = match self.source {
            Source::Gguf(gguf) if !key.0.is_empty() => gguf.metadata.usize(&self.key(key))?,
            Source::Gguf(_) => None,
            Source::Hf { .. } => match self.json(key.1) {
                None => None,
                Some(v) => Some(
                    v.as_u64()
                        .and_then(|n| usize::try_from(n).ok())
                        .ok_or_else(|| self.wrong(key, "a whole number", v))?,
                ),
            },
        };
        match value {
            Some(n) if n > MAX_WIDTH => Err(self.wrong(key, &format!("at most {MAX_WIDTH}"), n)),
            other => Ok(other),
        }
    }

    /// A whole number above zero.
    pub fn usize(&self, key: Key) -> Result<usize, Error> {
        match self.opt_usize(key)? {
            Some(0) => Err(self.wrong(key, "a number above zero", 0)),
            Some(n) => Ok(n),
            None => Err(self.wrong(key, "a whole number", "nothing")),
        }
    }

    /// An optional finite number.
    pub fn opt_f32(&self, key: Key) -> Result<Option<f32>, Error> {
        let value = match self.source {
            Source::Gguf(gguf) if !key.0.is_empty() => gguf.metadata.f32(&self.key(key))?,
            Source::Gguf(_) => None,
            Source::Hf { .. } => match self.json(key.1) {
                None => None,
                Some(v) => Some(v.as_f64().ok_or_else(|| self.wrong(key, "a number", v))? as f32),
            },
        };
        match value {
            Some(x) if !x.is_finite() => Err(self.wrong(key, "a finite number", x)),
            other => Ok(other),
        }
    }

    /// A finite number above zero.
    pub fn f32(&self, key: Key) -> Result<f32, Error> {
        match self.opt_f32(key)? {
            Some(x) if x > 0.0 => Ok(x),
            Some(x) => Err(self.wrong(key, "a number above zero", x)),
            None => Err(self.wrong(key, "a number", "nothing")),
        }
    }

    /// An optional truth value.
    pub fn opt_bool(&self, key: Key) -> Result<Option<bool>, Error> {
        match self.source {
            Source::Gguf(gguf) if !key.0.is_empty() => Ok(gguf.metadata.bool(&self.key(key))?),
            Source::Gguf(_) => Ok(None),
            Source::Hf { .. } => match self.json(key.1) {
                None => Ok(None),
                Some(v) => v.as_bool().map(Some).ok_or_else(|| self.wrong(key, "true or false", v)),
            },
        }
    }

    /// An optional text.
    pub fn opt_str(&self, key: Key) -> Result<Option<&'a str>, Error> {
        match self.source {
            Source::Gguf(gguf) if !key.0.is_empty() => Ok(gguf.metadata.str(&self.key(key))?),
            Source::Gguf(_) => Ok(None),
            Source::Hf { .. } => match self.json(key.1) {
                None => Ok(None),
                Some(v) => v.as_str().map(Some).ok_or_else(|| self.wrong(key, "a text", v)),
            },
        }
    }

    /// One whole number above zero per layer; a single number stands for all layers.
    pub fn per_layer(&self, key: Key, layers: usize) -> Result<Option<Vec<usize>>, Error> {
        let values = match self.source {
            Source::Gguf(gguf) if !key.0.is_empty() => gguf.metadata.usizes(&self.key(key), MAX_LAYERS)?,
            Source::Gguf(_) => None,
            Source::Hf { .. } => match self.json(key.1) {
                Some(Value::Array(list)) => Some(
                    list.iter()
                        .map(|v| v.as_u64().and_then(|n| usize::try_from(n).ok()))
                        .collect::<Option<Vec<_>>>()
                        .ok_or_else(|| self.wrong(key, "whole numbers", "something else"))?,
                ),
                _ => self.opt_usize(key)?.map(|n| vec![n]),
            },
        };
        let Some(mut values) = values else { return Ok(None) };
        if values.len() == 1 {
            values.resize(layers, values[0]);
        }
        if values.len() != layers || values.iter().any(|&n| n == 0 || n > MAX_WIDTH) {
            return Err(self.wrong(
                key,
                &format!("{layers} numbers above zero"),
                format!("{} numbers", values.len()),
            ));
        }
        Ok(Some(values))
    }

    /// Which layers attend through a sliding window, as the file lists them.
    pub fn sliding_layers(&self, layers: usize) -> Result<Option<Vec<bool>>, Error> {
        let key = Key("attention.sliding_window_pattern", "layer_types");
        let list = match self.source {
            // Older files give the pattern's length here, which the families know themselves.
            Source::Gguf(gguf) => gguf.metadata.bools(&self.key(key), MAX_LAYERS).ok().flatten(),
            Source::Hf { .. } => match self.json(key.1) {
                None => None,
                Some(v) => Some(
                    v.as_array()
                        .and_then(|a| {
                            a.iter()
                                .map(|t| match t.as_str()? {
                                    "sliding_attention" => Some(true),
                                    "full_attention" => Some(false),
                                    _ => None,
                                })
                                .collect::<Option<Vec<_>>>()
                        })
                        .ok_or_else(|| {
                            self.wrong(key, "a list of sliding_attention and full_attention", v)
                        })?,
                ),
            },
        };
        match list {
            Some(list) if list.len() != layers => {
                Err(self.wrong(key, &format!("{layers} entries"), list.len()))
            }
            other => Ok(other),
        }
    }

    /// Number of layers.
    pub fn layers(&self) -> Result<usize, Error> {
        let key = Key("block_count", "num_hidden_layers");
        let layers = self.usize(key)?;
        if layers > MAX_LAYERS {
            Err(self.wrong(key, &format!("at most {MAX_LAYERS}"), layers))
        } else {
            Ok(layers)
        }
    }

    /// Size of the vocabulary: stated in `config.json`, implied by the embedding in GGUF files.
    pub fn vocab(&self) -> Result<usize, Error> {
        match self.source {
            Source::Gguf(gguf) => match gguf.tensors.get("token_embd.weight") {
                Some(t) if t.shape.len() == 2 => Ok(t.shape[0]),
                _ => Err(Error::MissingTensor { name: "token_embd.weight".into() }),
            },
            Source::Hf { .. } => self.usize(Key("", "vocab_size")),
        }
    }

    /// What every attention layer of a plain model has in common.
    pub fn base_layer(&self) -> Result<BaseLayer, Error> {
        let hidden = self.usize(Key("embedding_length", "hidden_size"))?;
        let layers = self.layers()?;
        let heads_key = Key("attention.head_count", "num_attention_heads");
        let heads = self.usize(heads_key)?;
        let kv_heads = self
            .per_layer(Key("attention.head_count_kv", "num_key_value_heads"), layers)?
            .unwrap_or(vec![heads; layers]);
        if let Some(bad) = kv_heads.iter().find(|&&k| !heads.is_multiple_of(k)) {
            return Err(self.wrong(heads_key, &format!("a multiple of the {bad} key-value heads"), heads));
        }
        let head_dim = match self.opt_usize(Key("attention.key_length", "head_dim"))? {
            Some(0) => {
                return Err(self.wrong(Key("attention.key_length", "head_dim"), "a number above zero", 0));
            }
            Some(n) => n,
            None if hidden.is_multiple_of(heads) => hidden / heads,
            None => {
                return Err(self.wrong(heads_key, &format!("a divisor of the hidden size {hidden}"), heads));
            }
        };
        let ffn =
            self.per_layer(Key("feed_forward_length", "intermediate_size"), layers)?.ok_or_else(|| {
                self.wrong(Key("feed_forward_length", "intermediate_size"), "a whole number", "nothing")
            })?;
        Ok(BaseLayer { hidden, heads, kv_heads, head_dim, ffn, layers })
    }

    /// A small tensor of floats that is a setting rather than a weight (rotary factors).
    pub fn small_floats(&self, name: &str, expected_len: usize) -> Result<Option<Vec<f32>>, Error> {
        let Some(tensor) = self.tensors().get(name) else { return Ok(None) };
        crate::weights::read_vector(tensor, expected_len).map(Some)
    }

    /// The id of a token of a GGUF file's vocabulary.
    pub fn token_id(&self, text: &str) -> Option<u32> {
        let Source::Gguf(gguf) = self.source else { return None };
        let mut tokens = gguf.metadata.strings("tokenizer.ggml.tokens").ok().flatten()?;
        tokens.position(|token| token == text.as_bytes()).and_then(|id| u32::try_from(id).ok())
    }

    /// Context length the model was trained for.
    pub fn context(&self) -> Result<usize, Error> {
        self.usize(Key("context_length", "max_position_embeddings"))
    }

    /// The rotary embedding of plain models, scaled as the file says.
    pub fn rope(&self, attention: &AttentionSpec) -> Result<RopeSpec, Error> {
        let partial =
            self.opt_f32(Key("", "partial_rotary_factor"))?.or(self.rope_f32("partial_rotary_factor")?);
        let width = match self.opt_usize(Key("rope.dimension_count", ""))? {
            Some(n) => n,
            None => (attention.head_dim as f32 * partial.unwrap_or(1.0)) as usize,
        };
        let theta = self
            .opt_f32(Key("rope.freq_base", "rope_theta"))?
            .or(self.rope_f32("rope_theta")?)
            .unwrap_or(10_000.0);
        let spec = RopeSpec { theta, width, scaling: RopeScaling::None };
        if width > attention.head_dim || !width.is_multiple_of(2) || theta <= 0.0 {
            return Err(self.wrong(
                Key("rope.dimension_count", "partial_rotary_factor"),
                &format!("an even width up to {} and a base above zero", attention.head_dim),
                format!("{width} and {theta}"),
            ));
        }
        self.scaled(spec)
    }

    /// A number in whichever of the two generations of rotary settings the file has.
    fn rope_f32(&self, field: &str) -> Result<Option<f32>, Error> {
        for parent in ["rope_parameters", "rope_scaling"] {
            if let Some(v) = self.json(&format!("{parent}.{field}")) {
                return v.as_f64().map(|x| Some(x as f32)).ok_or_else(|| Error::Setting {
                    key: format!("{parent}.{field}"),
                    expected: "a number".into(),
                    found: v.to_string(),
                });
            }
        }
        Ok(None)
    }

    fn scaled(&self, spec: RopeSpec) -> Result<RopeSpec, Error> {
        match self.source {
            Source::Gguf(_) => crate::rope::gguf_scaling(self, spec),
            Source::Hf { .. } => {
                let block = self.json("rope_scaling").or_else(|| self.json("rope_parameters"));
                match block {
                    Some(block) => crate::rope::hf_scaling(self, block, spec),
                    None => Ok(spec),
                }
            }
        }
    }
}

impl Config<'_> {
    /// How positions become one vector, where the file or the directory's modules say so.
    pub fn pooling(&self) -> Result<Option<Pooling>, Error> {
        let key = Key("pooling_type", "");
        match self.opt_usize(key)? {
            Some(1) => return Ok(Some(Pooling::Mean)),
            Some(2) => return Ok(Some(Pooling::First)),
            Some(3) => return Ok(Some(Pooling::Last)),
            Some(n) if n > 3 => return Err(self.wrong(key, "mean (1), cls (2) or last (3)", n)),
            _ => {}
        }
        let modules = self.hf().map_or(&[][..], |hf| &hf.sentence_modules);
        let Some(config) = modules.iter().find(|m| m.kind == "Pooling").and_then(|m| m.config.as_ref())
        else {
            return Ok(None);
        };
        let on = |field: &str| config.get(field).and_then(Value::as_bool).unwrap_or(false);
        match (on("pooling_mode_mean_tokens"), on("pooling_mode_cls_token"), on("pooling_mode_lasttoken")) {
            (true, false, false) => Ok(Some(Pooling::Mean)),
            (false, true, false) => Ok(Some(Pooling::First)),
            (false, false, true) => Ok(Some(Pooling::Last)),
            _ => Err(Error::Setting {
                key: "pooling module".into(),
                expected: "one of mean, cls and last token".into(),
                found: format!("{:.200}", config.to_string()),
            }),
        }
    }
}
