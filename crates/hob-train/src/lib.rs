//! Trains what Hob runs: forward and backward passes of the dense decoder, losses, optimisers, data and checkpoints.
//!
//! A [`hob_model::ModelSpec`] drives everything: [`Layout`] places its tensors in one long vector, [`Network`] plans the
//! passes over them, and the same description later runs the result. Products and gradients of operations are
//! `hob_kernels`'. The crate has no clock and no source of randomness but the seed it is given.
//!
//! Read `network.rs` first, then `pass.rs` and `objective.rs`.

mod error;
mod layout;
mod network;
mod objective;
mod parameters;
mod pass;
mod random;
mod settings;

pub use error::Error;
pub use layout::Layout;
pub use network::Network;
pub use objective::{Goal, Loss};
pub use parameters::write_gguf;
pub use pass::{Batch, Workspace};
pub use settings::describe;
