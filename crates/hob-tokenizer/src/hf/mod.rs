//! Building a tokenizer from a Hugging Face directory's files.

mod build;
mod components;
mod config;
mod file;
mod sentencepiece;

use serde_json::Value;

use crate::{Error, Tokenizer};

impl Tokenizer {
    /// Builds the tokenizer that a `tokenizer.json` describes.
    ///
    /// `tokenizer_config`, the parsed `tokenizer_config.json`, names the tokens with a role (BOS, EOS, ...) and may
    /// add tokens.
    ///
    /// # Errors
    /// Text that is no such JSON, a component or option that is not implemented (the error names it), ids that
    /// contradict each other, merges of texts that are no tokens, patterns that don't compile.
    pub fn from_hf(tokenizer_json: &[u8], tokenizer_config: Option<&Value>) -> Result<Self, Error> {
        build::build(file::parse(tokenizer_json)?, &config::Config::read(tokenizer_config)?)
    }

    /// Builds the tokenizer of a SentencePiece `tokenizer.model`, for directories that have no `tokenizer.json`.
    ///
    /// A text begins with BOS and does not end with EOS unless `tokenizer_config` says otherwise.
    ///
    /// # Errors
    /// Bytes that are no SentencePiece model, models that are neither BPE nor Unigram or that rewrite their input by
    /// a compiled table.
    pub fn from_sentencepiece(model: &[u8], tokenizer_config: Option<&Value>) -> Result<Self, Error> {
        sentencepiece::build(model, &config::Config::read(tokenizer_config)?)
    }
}
