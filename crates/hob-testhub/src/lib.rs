//! Stand-ins for Hugging Face, Ollama's registry and models elsewhere on loopback, for tests: they speak what the real ones speak (redirects
//! to a second host, ranges, entity tags, gated repositories, pages of listings) and fail when and how a test says.
//!
//! Two listeners play two hosts: the hub at `127.0.0.1`, its storage at `localhost` and another port. Nothing of the
//! program under test is known here, so that the two cannot agree on a mistake. Read `hub.rs` first, then `fault.rs`.

#![allow(clippy::unwrap_used, reason = "a test's server may stop the test")]

mod api;
mod fault;
mod http;
mod hub;
mod ollama;
mod repo;
mod serve;

pub use api::{Api, Asked, Reply, Said};
pub use fault::{Fault, Place, Seen};
pub use hub::Hub;
pub use ollama::Layer;
pub use repo::{File, Repo};
