//! Models in memory: which there are, which are loaded, and the thread on which each of them answers.
//!
//! Read `manager.rs` first (who is loaded and who has to go), then `runner.rs` (the thread).

pub mod catalogue;
pub mod fit;
pub mod folder;
pub mod lease;
pub mod manager;
pub mod runner;

pub use catalogue::{Catalogue, Listed, Source};
pub use folder::Folder;
pub use lease::{KeepAlive, Lease, Loaded};
pub use manager::{Manager, ManagerConfig};
pub use runner::{Order, Told};
