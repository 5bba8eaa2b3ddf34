//! Block formats of weights: names, sizes, exact dequantisation and quantisation.
//!
//! A tensor row is a whole number of blocks; a block holds the codes and scales of 1 to 256 consecutive elements.
//! This crate is the reference for what the bytes mean. It knows neither files nor kernels. Read `types.rs` first, then
//! `blocks/legacy.rs`, which has the simplest formats both ways.

mod blocks;
mod codes;
mod dequantize;
mod error;
mod float;
mod format;
mod lattice;
mod quantize;
mod requantize;
mod search;
mod types;

pub use blocks::fp4::FP4_VALUES;
pub use blocks::iq_codebooks as codebooks;
pub use blocks::iq_low::codebook_runs;
pub use blocks::iq4::{IQ4_NL_VALUES, iq4_xs_scales};
pub use blocks::kquants::{k_scales_and_mins, q3_k_scales};
pub use codes::CodeFormat;
pub use dequantize::dequantize_row;
pub use error::Error;
pub use float::{bf16_to_f32, e8m0_half_to_f32, f16_to_f32, ue4m3_half_to_f32};
pub use format::RowFormat;
pub use lattice::Lattice;
pub use quantize::{has_codebook, quantize_block_towards, quantize_row, quantize_row_weighted};
pub use requantize::requantize_row;
pub use search::codebook::Aims;
pub use types::TensorType;
