//! Model files, read and written safely: GGUF (single and split), safetensors (single and sharded), Hugging Face
//! directories; and importance matrices, which accompany a model while it is quantised.
//!
//! [`open`] maps a model and gives its metadata and a [`TensorTable`] of views; no weight is touched, and nothing a file
//! claims is believed before it is checked against the bytes that are there. [`GgufWriter`] and [`SafetensorsWriter`]
//! stream models of any size to disk.
//!
//! The crate deliberately does not know what a tensor or a key means (`hob-model` does), how blocks decode (`hob-quant`)
//! or what a tokenizer is. Read `open.rs` first, then `reader.rs` and `gguf/mod.rs`.

#![allow(clippy::disallowed_methods, reason = "this room reads and writes model files")]

mod array;
mod dtype;
mod error;
mod gguf;
mod hf;
mod imatrix;
mod json;
mod mapping;
mod metadata;
mod open;
mod reader;
mod safetensors;
mod tensor;
mod value;
mod write;

pub use array::{ArrayView, Strings};
pub use dtype::Dtype;
pub use error::Error;
pub use gguf::Gguf;
pub use gguf::write::{GgufLayout, GgufWriter};
pub use hf::{HfModel, HfWriter, SentenceModule};
pub use imatrix::{Importance, ImportanceMatrix};
pub use mapping::Access;
pub use metadata::Metadata;
pub use open::{ModelFiles, open};
pub use safetensors::SafeTensors;
pub use safetensors::write::{SafetensorsLayout, SafetensorsWriter};
pub use tensor::{Tensor, TensorTable};
pub use value::{Value, ValueType};
pub use write::{AtomicFile, Commit};
