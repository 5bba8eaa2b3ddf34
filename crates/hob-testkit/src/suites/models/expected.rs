//! `expected.json` of a model fixture, in the file's own words.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// What one fixture expects.
#[derive(Debug, Deserialize)]
pub struct Expected {
    /// Runs of the full-precision weights.
    #[serde(default)]
    pub prompts: Vec<Prompt>,
    /// Conversations with their rendered text and ids.
    #[serde(default)]
    pub chat: Vec<Chat>,
    /// Texts with their ids.
    #[serde(default)]
    pub tokenizer_checks: Vec<TokenizerCheck>,
    /// GGUF copies by type name; kept loose because a failed conversion leaves a message in its place.
    #[serde(default)]
    pub gguf: BTreeMap<String, Value>,
    /// Single linear layers (mobile checkpoints).
    #[serde(default)]
    pub modules: Vec<Module>,
}

/// One GGUF copy.
#[derive(Debug, Deserialize)]
pub struct GgufCopy {
    /// File name in the fixture's folder.
    pub file: String,
    /// Runs with the dequantised weights; absent where the weights are the full-precision ones.
    #[serde(default)]
    pub prompts: Option<Vec<Prompt>>,
}

/// One run.
#[derive(Debug, Deserialize)]
pub struct Prompt {
    /// Short name, unique in its list.
    pub name: String,
    /// What is fed.
    pub ids: Vec<u32>,
    /// Positions whose logits are listed.
    #[serde(default)]
    pub positions: Vec<usize>,
    /// Tensor `[positions, V]`.
    #[serde(default)]
    pub logits_key: Option<String>,
    /// The reference's continuation.
    #[serde(default)]
    pub greedy_ids: Vec<u32>,
    /// By how much each of them led.
    #[serde(default)]
    pub greedy_margins: Vec<f32>,
    /// Mean negative log-likelihood of the prompt itself.
    #[serde(default)]
    pub prompt_nll: Option<f64>,
    /// Tensor `[T, D]` (embedding models).
    #[serde(default)]
    pub last_hidden_key: Option<String>,
    /// Tensor `[D]` (embedding models).
    #[serde(default)]
    pub embedding_key: Option<String>,
    /// Cosine of this prompt's embedding to others'.
    #[serde(default)]
    pub cosine_to: BTreeMap<String, f64>,
    /// How far two honest computations may lie apart (mobile checkpoints, whose rounding is discontinuous).
    #[serde(default)]
    pub f32_vs_f64_max_abs_diff: Option<f32>,
}

/// A conversation.
#[derive(Debug, Deserialize)]
pub struct Chat {
    /// Short name.
    pub name: String,
    /// The messages.
    pub messages: Value,
    /// Template variables.
    #[serde(default)]
    pub kwargs: Value,
    /// The exact text.
    pub rendered: String,
    /// Its ids, no special tokens added.
    pub ids: Vec<u32>,
}

/// A text and its ids.
#[derive(Debug, Deserialize)]
pub struct TokenizerCheck {
    /// The text.
    pub text: String,
    /// With the tokens that the model's tokenizer adds.
    pub ids: Vec<u32>,
    /// Without.
    pub ids_no_special: Vec<u32>,
    /// What the latter decode to.
    pub decoded: String,
}

/// A linear layer's input and output.
#[derive(Debug, Deserialize)]
pub struct Module {
    /// Name in the checkpoint.
    pub module: String,
    /// Tensor `[T, in]`.
    #[serde(rename = "in")]
    pub input_key: String,
    /// Tensor `[T, out]`.
    #[serde(rename = "out")]
    pub output_key: String,
}
