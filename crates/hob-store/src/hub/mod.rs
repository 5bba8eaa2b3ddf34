//! The places models come from, and their ways of being asked.

pub(crate) mod ask;
pub(crate) mod huggingface;
pub(crate) mod ollama;
pub(crate) mod quant;
