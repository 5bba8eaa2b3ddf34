//! Text to token ids and back, and chat templates.
//!
//! A [`Tokenizer`] is built from a GGUF vocabulary ([`GgufVocab`]), from a `tokenizer.json` or from a SentencePiece
//! `tokenizer.model`. All of them end in one pipeline: split off added tokens, normalise, split into pieces, run the
//! model on each piece, add begin and end tokens. [`StreamDecoder`] turns ids into text one token at a time without
//! ever splitting a character. [`ChatTemplate`] renders conversations as transformers does.
//!
//! This crate deliberately doesn't know files, clocks, the network or the model that consumes the ids: bytes, strings
//! and the time of day are handed in.
//!
//! Read `tokenizer.rs` first (the pipeline), then `model/bpe.rs`, then `gguf.rs` and `hf/` (the two ways in), and
//! `template/mod.rs` for chats.

mod added;
mod alike;
mod alphabet;
mod decode;
mod error;
mod export;
mod gguf;
mod hash;
mod hf;
mod model;
mod normalize;
mod special;
mod split;
mod stream;
mod template;
mod to_json;
mod tokenizer;
mod train;
mod unicode;
mod vocab;

pub use error::Error;
pub use export::GgufKeys;
pub use gguf::GgufVocab;
pub use special::SpecialTokens;
pub use stream::StreamDecoder;
pub use template::{ChatTemplate, LocalTime, TemplateInput, ThinkingMarkers, adapt_tools};
pub use to_json::TokenizerFiles;
pub use tokenizer::{EncodeOptions, Tokenizer};
pub use train::{BpeTrainer, TrainedBpe};
