//! The operations: a folder each with its contract (`mod.rs`), reference (`scalar.rs`) and variants.

pub mod activation;
pub mod attention;
pub mod elementwise;
pub mod layer_norm;
pub mod linear;
pub mod rms_norm;
pub mod rope;
