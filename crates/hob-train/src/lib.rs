//! Trains what Hob runs: forward and backward passes of the dense decoder, losses, optimisers, data and checkpoints.
//!
//! A [`hob_model::ModelSpec`] drives everything: [`Layout`] places its tensors in one long vector, [`Network`] plans the
//! passes over them, and the same description later runs the result. Products and gradients of operations are
//! `hob_kernels`'. The crate has no clock and no source of randomness but the seed it is given.
//!
//! Read `network.rs` first, then `pass.rs` and `objective.rs`.

#![allow(clippy::disallowed_methods, reason = "this room reads training text and writes checkpoints")]

mod checkpoint;
pub mod data;
mod error;
mod file;
mod induction;
mod layout;
mod lora;
mod network;
mod objective;
pub mod optimizer;
mod parameters;
mod pass;
mod ranges;
pub mod recipe;
mod settings;
mod storage;
mod sweep;
mod threads;
mod trainer;
mod vocabulary;

pub use checkpoint::Checkpoint;
pub use error::Error;
pub use file::write_file;
pub use layout::{Layout, Numbers};
pub use lora::{Adapter, Lora, Product};
pub use network::Network;
pub use objective::{Goal, Loss};
pub use parameters::{FileSource, Source};
pub use pass::{Batch, Heard, Listen, Seen, Use, Workspace};
pub use ranges::{Ranges, Spread, Steps};
pub use recipe::Recipe;
pub use settings::describe;
pub use storage::{Due, Storage};
pub use sweep::Sweep;
pub use threads::in_threads;
pub use trainer::{Point, Teacher, Trainer};
pub use vocabulary::{Roles, set_vocabulary};
