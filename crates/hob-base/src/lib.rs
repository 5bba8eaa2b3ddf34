//! Words that every room of Hob uses: shared read-only bytes, seeded random numbers, units for people.
//!
//! This crate knows nothing of models, files or threads, and has no dependencies. Read `bytes.rs` first.

mod bytes;
mod random;
mod units;

pub use bytes::{Owner, SharedBytes};
pub use random::Random;
pub use units::{Bytes, Count};
