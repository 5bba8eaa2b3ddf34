//! What an engine has to offer so that the fixtures can judge it.

use std::path::Path;

/// A matrix of f32, row-major.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    /// Values in a row.
    pub width: usize,
    /// All rows, one after another.
    pub data: Vec<f32>,
}

impl Rows {
    /// Wraps row-major data.
    ///
    /// # Panics
    /// When `data` is not whole rows.
    pub fn new(width: usize, data: Vec<f32>) -> Self {
        assert!(
            width > 0 && data.len().is_multiple_of(width),
            "{} values are no rows of {width}",
            data.len()
        );
        Self { width, data }
    }

    /// How many rows there are.
    pub fn count(&self) -> usize {
        self.data.len().checked_div(self.width).unwrap_or(0)
    }

    /// The row at `index`; none past the end.
    pub fn row(&self, index: usize) -> Option<&[f32]> {
        let start = index.checked_mul(self.width)?;
        self.data.get(start..start.checked_add(self.width)?)
    }
}

/// What an embedding model gives for one text.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingRun {
    /// `[T, D]`: every position after the last layer and final norm.
    pub last_hidden: Rows,
    /// `[D]`: pooled as the model's files say, L2-normalised.
    pub embedding: Vec<f32>,
}

/// A conversation to render, in the words of the chat completion interface.
#[derive(Debug, Clone, Copy)]
pub struct ChatInput<'a> {
    /// The list of messages.
    pub messages: &'a serde_json::Value,
    /// Further variables for the template, such as `enable_thinking`.
    pub kwargs: &'a serde_json::Value,
    /// The day the fixture was made on, `YYYY-MM-DD`, where the rendered text contains it.
    pub today: Option<&'a str>,
}

/// Opens models for the suites. The message of an error is shown in the report.
pub trait Subject {
    /// Loads everything needed to run the model at `path` (a GGUF file or a directory) in exact mode: weights, spec,
    /// tokenizer and chat template, each checked.
    fn load(&self, path: &Path) -> Result<Box<dyn ModelUnderTest>, String>;

    /// As [`Subject::load`], of what the directory at `path` becomes as a GGUF file.
    fn convert(&self, path: &Path) -> Result<Box<dyn ModelUnderTest>, String>;

    /// Loads only the tokenizer of a GGUF file or a directory; the file may hold nothing but a vocabulary.
    fn load_tokenizer(&self, path: &Path) -> Result<Box<dyn TokenizerUnderTest>, String>;
}

/// A tokenizer.
pub trait TokenizerUnderTest {
    /// Ids of `text`; begin and end tokens added and special tokens in the text recognised as asked.
    fn encode(&self, text: &str, options: Encode) -> Result<Vec<u32>, String>;

    /// Text of `ids`, special tokens shown.
    fn decode(&self, ids: &[u32]) -> Result<String, String>;
}

/// How a text becomes ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Encode {
    /// Adds the tokens that the vocabulary asks for around the text.
    pub add_special: bool,
    /// Recognises special tokens written in the text.
    pub parse_special: bool,
}

/// A loaded model. Token ids are fed exactly as given: nothing is added in front.
pub trait ModelUnderTest {
    /// `[T, V]`: f32 logits at every position of `ids`.
    fn logits(&mut self, ids: &[u32]) -> Result<Rows, String>;

    /// `[L + 1, D]`: the hidden state at the last position of `ids` before layer 0 (after embedding scaling) and after
    /// each layer, before the final norm.
    fn hidden_last(&mut self, ids: &[u32]) -> Result<Rows, String>;

    /// `count` tokens after `ids`, always the likeliest (of equals the lowest id), not stopping at an end token, through
    /// the KV cache.
    fn greedy(&mut self, ids: &[u32], count: usize) -> Result<Vec<u32>, String>;

    /// Runs an embedding model.
    fn embed(&mut self, ids: &[u32]) -> Result<EmbeddingRun, String>;

    /// One linear layer alone on `input` `[T, in]`, activation ranges applied, giving `[T, out]`. `module` is the name in
    /// the checkpoint, such as `model.language_model.layers.0.self_attn.q_proj`.
    fn linear(&mut self, module: &str, input: &Rows) -> Result<Rows, String>;

    /// The model's tokenizer.
    fn tokenizer(&self) -> &dyn TokenizerUnderTest;

    /// The model's own chat template with a generation prompt at the end.
    fn render_chat(&self, chat: ChatInput<'_>) -> Result<String, String>;
}
