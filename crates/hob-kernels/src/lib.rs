//! Compute kernels on the CPU: each operation as a scalar reference and SIMD variants that are judged against it.
//!
//! A kernel sees slices, matrices of quantised weights and cache pages. It knows no model family, no file and no clock,
//! and never starts a thread of its own: [`Cpu`] carries the pool. Read `cpu.rs` first, then an `ops/*/mod.rs` (the
//! contract) with the `scalar.rs` beside it (the reference).

mod cpu;
mod isa;
mod kv;
mod linear;
mod matrix;
pub mod ops;
mod pool;
pub mod probe;
mod scratch;
mod simd;

pub use cpu::{Compute, Cpu};
pub use isa::Isa;
pub use kv::{KvPage, KvShape, KvType, KvView, PAGE_POSITIONS};
pub use linear::{Linear, Projection};
pub use matrix::{CodeBits, Matrix, MatrixError, ScaleType, Scales};
pub use ops::activation::Activation;
pub use ops::attention::{AttentionJob, AttentionShape, Mask};
pub use ops::gemm::{MatrixMut, MatrixView, Precision, Sum};
pub use ops::rope::{RopeAngles, RopeLayout, RopeTable};
pub use ops::training::adamw::AdamW;
pub use ops::training::attention::TrainingAttention;
pub use ops::training::loss::Target;
pub use pool::{DisjointMut, Pool};
pub use scratch::Buffer;
