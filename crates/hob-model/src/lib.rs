//! Model families as data, and the one decoder that runs them all.
//!
//! A family is a description ([`ModelSpec`]) built from a file's settings; tensors, shapes and the cache follow from it.
//! This crate knows token ids and vectors, never text, sampling or time. Read `spec.rs` first, then `families/mod.rs`
//! and `decoder.rs`.

mod alike;
mod config;
mod decoder;
mod error;
pub mod families;
mod ffn;
mod kv;
mod model;
mod names;
pub mod rope;
pub mod spec;
mod stated_bits;
mod to_gguf;
mod to_hf;
mod weights;

pub use config::{Config, Key};
pub use decoder::{Step, Wanted};
pub use error::{Error, StepError};
pub use kv::SequenceKv;
pub use model::Model;
pub use names::HfNames;
pub use spec::ModelSpec;
pub use to_gguf::to_gguf;
pub use to_hf::{Change, Checkpoint, CheckpointTensor, json_number, to_hf};
