//! Sessions over a model, one or many at once: KV pages, sampling and constrained output.
//!
//! The engine sees token ids, never text; it opens no file, has no clock but the one it is given, and takes its random seed
//! from the caller.
//! It deliberately doesn't know tokenizers, chat templates or transports: those live above it.
//!
//! Read `session/mod.rs` first, then `generation.rs` and `answering.rs`; `scheduler/mod.rs` for many answers in one pass,
//! `prefix/mod.rs` for what is not computed twice, `sampling/mod.rs` for how a token is chosen, `constraint/mod.rs` for how a
//! grammar narrows the choice, `speculation/mod.rs` for how several tokens come out of one step.

mod answering;
pub mod constraint;
mod embedding;
mod engine;
mod error;
mod generation;
mod prefix;
pub mod sampling;
pub mod scheduler;
mod session;
pub mod speculation;

pub use engine::{Clock, Engine, EngineConfig};
pub use error::{Error, Result};
pub use generation::{FinishReason, Generation, Request};
pub use session::{OnFull, Prefilled, Progress, Session, SessionConfig};
