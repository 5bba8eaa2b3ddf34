//! Block formats of weights: names, sizes, exact dequantisation and quantisation.
//!
//! A tensor row is a whole number of blocks; a block holds the codes and scales of 1 to 256 consecutive elements.
//! This crate is the reference for what the bytes mean. It knows neither files nor kernels. Read `types.rs` first.

mod types;

pub use types::TensorType;
