//! The operations: a folder each with its contract (`mod.rs`), reference (`scalar.rs`) and variants.
//!
//! Where the instruction sets differ in nothing but the width of a vector, one `lanes.rs` holds all variants.

pub mod activation;
pub mod attention;
pub mod elementwise;
pub mod gemm;
pub mod layer_norm;
pub mod linear;
pub mod rms_norm;
pub mod rope;
pub mod softmax;
mod spread;
#[cfg(test)]
pub(crate) mod testing;
pub mod training;
