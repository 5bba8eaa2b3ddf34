//! Sessions over a model: KV pages, sampling and constrained output.
//!
//! The engine sees token ids, never text; it opens no file, reads no clock and takes its random seed from the caller.
//! It deliberately doesn't know tokenizers, chat templates or transports: those live above it.
//!
//! Read `sampling/mod.rs` first for how a token is chosen, then `constraint/mod.rs` for how a grammar narrows the choice.

pub mod constraint;
mod error;
pub mod sampling;

pub use error::{Error, Result};
