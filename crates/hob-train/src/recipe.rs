//! What a training run is told: a TOML file. Every setting has its unit in its doc; unknown ones are refused.

use crate::Error;
use crate::data::Learn;
use crate::optimizer::Rule;
use hob_format::{ArrayView, Metadata, Value};
use hob_quant::TensorType;
use serde::{Deserialize, Deserializer};
use std::path::PathBuf;

/// A whole run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Folder for checkpoints, the log, the plot and the model; relative to the recipe.
    pub out: PathBuf,
    /// Start of every random choice.
    #[serde(default = "one")]
    pub seed: u64,
    /// The model.
    pub model: ModelRecipe,
    /// What it learns from.
    pub data: Vec<DataRecipe>,
    /// Text it is judged by and never learns from.
    pub valid: Option<DataRecipe>,
    /// Model whose predictions are learned in place of the text's next tokens, relative to the recipe.
    pub teacher: Option<PathBuf>,
    /// How it learns.
    pub training: Training,
}

/// A new model, or a file to go on from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRecipe {
    /// Model to start from; the other settings must then be absent.
    pub from: Option<PathBuf>,
    /// GGUF file whose vocabulary and chat template a new model gets (`hob train-tokenizer` makes one).
    pub tokenizer: Option<PathBuf>,
    /// A new model's shape.
    pub shape: Option<Shape>,
}

/// A new model's shape.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Name for people.
    pub name: String,
    /// Architecture as GGUF files name it: `llama`, `qwen2`, `qwen3`, ...
    pub architecture: String,
    /// Layers (`L`).
    pub layers: u32,
    /// Width of the residual stream (`D`).
    pub hidden: u32,
    /// Width of the feed-forward part (`F`).
    pub ffn: u32,
    /// Query heads (`H`).
    pub heads: u32,
    /// Key-value heads (`K`).
    pub kv_heads: u32,
    /// Width of a head (`Dh`).
    pub head_dim: u32,
    /// Positions it may use later.
    pub context: u32,
    /// Base of the rotary frequencies.
    #[serde(default = "rope_base")]
    pub rope_base: f32,
    /// Positions that layers with a sliding window see, for architectures that have such layers (`gemma3`, `gemma4`).
    #[serde(default)]
    pub window: Option<u32>,
    /// One layer in so many sees all positions (`gemma4`; 6 where nothing is said).
    #[serde(default)]
    pub full_every: Option<u32>,
    /// Width of every layer's own input (`P`), for architectures with embeddings per layer (`gemma4`).
    #[serde(default)]
    pub per_layer: Option<u32>,
    /// Last layers that read the keys and values of earlier ones (`gemma4`).
    #[serde(default)]
    pub shared_kv_layers: Option<u32>,
    /// Width of their feed-forward part, where it is another one.
    #[serde(default)]
    pub shared_ffn: Option<u32>,
    /// Whether the head is the embedding matrix.
    #[serde(default = "yes")]
    pub tied: bool,
    /// Whether its first two layers start with heads that copy from the text before ([`crate::Network::wire_induction`]).
    #[serde(default)]
    pub induction: bool,
}

impl Shape {
    /// These settings as GGUF metadata.
    pub fn describe(&self, metadata: &mut Metadata) {
        let a = &self.architecture;
        metadata.set("general.architecture", a.as_str());
        metadata.set("general.name", self.name.as_str());
        for (key, value) in [
            ("block_count", self.layers),
            ("context_length", self.context),
            ("embedding_length", self.hidden),
            ("feed_forward_length", self.ffn),
            ("attention.head_count", self.heads),
            ("attention.head_count_kv", self.kv_heads),
            ("attention.key_length", self.head_dim),
            ("attention.value_length", self.head_dim),
            ("rope.dimension_count", self.head_dim),
        ] {
            metadata.set(&format!("{a}.{key}"), value);
        }
        metadata.set(&format!("{a}.attention.layer_norm_rms_epsilon"), 1e-6f32);
        metadata.set(&format!("{a}.rope.freq_base"), self.rope_base);
        for (key, value) in [
            ("attention.sliding_window", self.window),
            ("embedding_length_per_layer_input", self.per_layer),
            ("attention.shared_kv_layers", self.shared_kv_layers),
        ] {
            if let Some(value) = value {
                metadata.set(&format!("{a}.{key}"), value);
            }
        }
        if let Some(every) = self.full_every {
            let slides: Vec<bool> =
                (1..=self.layers).map(|i| i % every.max(1) != 0 && i != self.layers).collect();
            let key = format!("{a}.attention.sliding_window_pattern");
            metadata.set(&key, Value::Array(ArrayView::from(slides.as_slice())));
        }
        if let Some(wide) = self.shared_ffn {
            let own = self.layers.saturating_sub(self.shared_kv_layers.unwrap_or(0));
            let widths: Vec<u32> = (0..self.layers).map(|i| if i < own { self.ffn } else { wide }).collect();
            let key = format!("{a}.feed_forward_length");
            metadata.set(&key, Value::Array(ArrayView::from(widths.as_slice())));
        }
    }
}

/// Files of one kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRecipe {
    /// Files: JSON lines (also `.zst`) or plain text; relative to the recipe.
    pub files: Vec<PathBuf>,
    /// Times an epoch sees each document.
    #[serde(default = "one_time")]
    pub weight: f64,
    /// What is learned of conversations.
    #[serde(default)]
    pub learn: Learn,
    /// At most so many bytes of text of each file.
    #[serde(default = "unlimited")]
    pub bytes_max: u64,
}

/// How a model learns.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Tokens in all.
    pub tokens: u64,
    /// Tokens of a sequence.
    pub sequence: usize,
    /// Tokens of a step.
    pub batch: usize,
    /// Tokens of a step that are computed at a time: more need more memory.
    #[serde(default = "micro")]
    pub micro: usize,
    /// `bf16` (products of bf16 where the CPU is faster with them) or `f32`.
    #[serde(default)]
    pub precision: PrecisionSetting,
    /// The rule.
    #[serde(default)]
    pub optimizer: Rule,
    /// Highest learning rate.
    pub rate: f32,
    /// Steps in which the rate rises from nothing.
    #[serde(default)]
    pub warmup: u64,
    /// Part of the run, at its end, in which the rate falls in a line to nothing.
    #[serde(default = "cooldown")]
    pub cooldown: f64,
    /// Weight decay.
    #[serde(default = "decay")]
    pub decay: f32,
    /// Largest norm of a step's gradient; longer ones are shortened to it.
    #[serde(default = "clip")]
    pub clip: f32,
    /// AdamW's decay of means.
    #[serde(default = "betas")]
    pub betas: [f32; 2],
    /// Computes layers again in the backward pass: a third slower, for models that would not fit.
    #[serde(default)]
    pub recompute: bool,
    /// Type of the file's matrices, such as `Q4_0`: training then computes with what that type can hold.
    #[serde(default, deserialize_with = "tensor_type")]
    pub store: Option<TensorType>,
    /// Learns products that are added to matrices, in place of all parameters.
    #[serde(default)]
    pub lora: Option<LoraRecipe>,
    /// Steps between measurements on the validation text.
    #[serde(default = "hundred")]
    pub valid_every: u64,
    /// Steps between checkpoints: what a crash may cost.
    #[serde(default = "hundred")]
    pub save_every: u64,
}

/// Low-rank adaptation.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraRecipe {
    /// Rank of the products (`r`).
    pub rank: usize,
    /// Factor on products, times `r`; `r` itself when absent.
    pub alpha: Option<f32>,
    /// Which matrices of the layers, such as `attn_q`; all when empty.
    #[serde(default)]
    pub matrices: Vec<String>,
}

/// Precision of products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionSetting {
    /// bf16 factors, f32 sums.
    #[default]
    Bf16,
    /// f32.
    F32,
}

fn tensor_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TensorType>, D::Error> {
    let name = String::deserialize(deserializer)?;
    match TensorType::from_name(&name).filter(|ty| ty.can_quantize()) {
        Some(ty) => Ok(Some(ty)),
        None => {
            Err(serde::de::Error::custom(format!("expected a type such as Q4_0 or Q4_K, found {name:?}")))
        }
    }
}
fn one() -> u64 {
    1
}
fn one_time() -> f64 {
    1.0
}
fn rope_base() -> f32 {
    10_000.0
}
fn yes() -> bool {
    true
}
fn unlimited() -> u64 {
    u64::MAX
}
fn micro() -> usize {
    4096
}
fn cooldown() -> f64 {
    0.2
}
fn decay() -> f32 {
    0.1
}
fn clip() -> f32 {
    1.0
}
fn betas() -> [f32; 2] {
    [0.9, 0.95]
}
fn hundred() -> u64 {
    100
}

impl Recipe {
    /// Reads a recipe.
    ///
    /// # Errors
    /// [`Error::Recipe`] with the line and what was expected there, or the setting that cannot be.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let recipe: Self = toml::from_str(text).map_err(|e| Error::Recipe {
            key: "recipe".into(),
            expected: "the settings of `hob help train`".into(),
            found: e.to_string(),
        })?;
        recipe.check()?;
        Ok(recipe)
    }

    fn check(&self) -> Result<(), Error> {
        let wrong = |key: &str, expected: &str, found: String| {
            Err(Error::Recipe { key: key.into(), expected: expected.into(), found })
        };
        let t = &self.training;
        if self.data.is_empty() {
            return wrong("data", "at least one [[data]]", "none".into());
        }
        if t.sequence == 0 || t.batch == 0 || !t.batch.is_multiple_of(t.sequence) {
            return wrong(
                "training.batch",
                "a multiple of training.sequence",
                format!("{} and {}", t.batch, t.sequence),
            );
        }
        if t.tokens < t.batch as u64 {
            return wrong("training.tokens", "at least one batch", t.tokens.to_string());
        }
        if !(t.rate > 0.0 && t.rate.is_finite()) {
            return wrong("training.rate", "a number above zero", t.rate.to_string());
        }
        if !(0.0..=1.0).contains(&t.cooldown) {
            return wrong("training.cooldown", "a part of the run, 0 to 1", t.cooldown.to_string());
        }
        if t.lora.is_some() && t.store.is_some() {
            return wrong("training.lora", "no training.store beside it", "both".into());
        }
        if let Some(alpha) = t.lora.as_ref().and_then(|l| l.alpha).filter(|a| !(*a > 0.0 && a.is_finite())) {
            return wrong("training.lora.alpha", "a number above zero", alpha.to_string());
        }
        if t.valid_every == 0 || t.save_every == 0 {
            return wrong("training.valid_every, save_every", "at least 1", "0".into());
        }
        if let Some(d) = self.data.iter().find(|d| !(d.weight >= 0.0 && d.weight <= 1000.0)) {
            return wrong("data.weight", "0 to 1000", d.weight.to_string());
        }
        match &self.model {
            ModelRecipe { from: Some(_), tokenizer: None, shape: None } => Ok(()),
            ModelRecipe { from: None, tokenizer: Some(_), shape: Some(_) } => Ok(()),
            _ => wrong("model", "either `from`, or `tokenizer` and `shape`", "another mixture".into()),
        }
    }
}

impl Training {
    /// Steps in all.
    pub fn steps(&self) -> u64 {
        self.tokens / self.batch as u64
    }

    /// Learning rate of step `step` (from 1): up in a line, level, down in a line.
    pub fn rate_at(&self, step: u64) -> f32 {
        let (step, steps) = (step as f64, self.steps() as f64);
        let up = if self.warmup == 0 { 1.0 } else { (step / self.warmup as f64).min(1.0) };
        let fall = self.cooldown * steps;
        let down = if fall > 0.0 { ((steps + 1.0 - step) / fall).min(1.0) } else { 1.0 };
        (f64::from(self.rate) * up.min(down)) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = r#"
        out = "runs/a"
        [model]
        from = "parent.gguf"
        [[data]]
        files = ["a.jsonl"]
        [training]
        tokens = 1000
        sequence = 5
        batch = 10
        rate = 1.0
        warmup = 10
        cooldown = 0.5
    "#;

    #[test]
    fn the_rate_rises_stays_and_falls() {
        let t = Recipe::parse(RECIPE).unwrap().training;
        assert_eq!(t.steps(), 100);
        let rates: Vec<f32> = [1, 10, 50, 51, 100].map(|s| t.rate_at(s)).into();
        assert_eq!(rates, [0.1, 1.0, 1.0, 1.0, 0.02]);
        assert!((1..100).all(|s| t.rate_at(s) > 0.0));
    }

    #[test]
    fn mistakes_are_named() {
        for (from, to, expected) in [
            ("batch = 10", "batch = 11", "training.batch: expected a multiple"),
            ("tokens = 1000", "tokens = 1", "training.tokens"),
            ("rate = 1.0", "rate = -1.0", "training.rate"),
            ("rate = 1.0", "ratte = 1.0", "ratte"),
            ("rate = 1.0", "rate = 1.0\nstore = \"Q9\"", "a type such as Q4_0"),
            ("from = \"parent.gguf\"", "", "either `from`"),
            ("sequence = 5", "sequence = \"five\"", "invalid type"),
        ] {
            let error = Recipe::parse(&RECIPE.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
