//! What Hob's tests share: where the fixtures are, what they expect, and how numbers are compared.
//!
//! The binary `hob-fixtures` (`cargo xtask fixtures`) runs the suites of [`suites`] over a folder of fixtures. An engine
//! takes part by implementing the traits of [`subject`]; this crate deliberately does not know how a model runs.
//! Never a normal dependency of anything. Read `subject.rs` first, then `suites/mod.rs`.

#![allow(clippy::disallowed_methods, reason = "reads fixtures, and measures what the code under test takes")]

pub mod alloc;
pub mod compare;
mod error;
pub mod facade;
pub mod probe;
pub mod report;
pub mod shared;
pub mod subject;
pub mod suites;
pub mod tensors;

pub use error::Error;
