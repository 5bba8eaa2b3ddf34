//! Measurements: how good a model is (perplexity, KL divergence, right answers), how fast it runs, and what the machine could do at best.
//!
//! Everything returns plain data that serialises; printing it is `hob-cli`'s business, and so is reading text: this crate
//! sees token ids. [`synthetic`] writes models of published shapes with random weights, so that speed can be measured
//! without downloading anything.
//!
//! Read `score.rs` first (one pass over a window of tokens), then `perplexity.rs`; for speed `traffic.rs` (what a token
//! must read and multiply), then `bench.rs` and `machine.rs`.

#![allow(
    clippy::disallowed_methods,
    reason = "this room measures time and reads its own process's memory use"
)]

mod accuracy;
mod bench;
mod error;
mod kl;
mod machine;
mod perplexity;
mod score;
pub mod synthetic;
mod traffic;

pub use accuracy::{Accuracy, Paired};
pub use bench::{
    Bench, Decode, LookUp, LookUpSpeed, Memory, Prefill, Report, Speed, Start, Together, TogetherSpeed,
    VectorSpeed, Vectors, measure, memory_use, time_to_first_token,
};
pub use error::Error;
pub use kl::{Divergence, Heard, Scored, kl_divergence};
pub use machine::{Limits, Peak, read_speed};
pub use perplexity::{Perplexity, nll, perplexity};
pub use score::Windows;
pub use traffic::Traffic;
