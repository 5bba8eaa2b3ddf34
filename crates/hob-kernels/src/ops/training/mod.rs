//! What training needs beyond a forward pass: gradients of the operations, losses, and the optimiser's step.
//!
//! Each file holds one operation: contract, the reference (generic over f32 and f64, so that finite differences can be
//! taken in f64) and one body for all vector levels. Products are [`Cpu::gemm`](crate::Cpu::gemm); a rotation's gradient is
//! the rotation by the opposite angles.

pub mod adamw;
pub mod attention;
pub mod gated;
pub mod loss;
mod real;
pub mod rms_norm;
#[cfg(test)]
mod tests;
