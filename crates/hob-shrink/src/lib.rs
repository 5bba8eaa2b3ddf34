//! Makes models smaller and says what that costs.
//!
//! The measure is the divergence of the small model's predictions from its parent's, in nats per token. To second order it is
//! a quadratic form in the errors of the weights; [`Statistics`] measures that form in one pass over a text, for every matrix
//! as a product of what it sees and what depends on it. Everything else follows from it: a [`Study`] reads the text layer by
//! layer, so that the parent may be larger than memory; its [`Table`] predicts what each type costs for each tensor; [`plan`]
//! spends a budget of bytes where they save the most; and [`round_with_feedback`] rounds weights so that later columns make up
//! for the errors of earlier ones.
//!
//! The crate sees token ids, never text. Read `statistics.rs` first, then `curvature.rs`, `rounding.rs`, `table.rs`, `plan.rs`
//! and `shrink.rs`, which puts them together.

mod curvature;
mod divergence;
mod error;
mod factor;
mod importance;
mod journal;
mod menu;
mod mobile;
mod model;
mod plan;
mod prune;
mod quantize;
mod ranges;
mod rounding;
mod shrink;
mod statistics;
mod table;
mod tune;
mod work;

pub use curvature::{Curvature, Feedback};
pub use divergence::{Divergences, Measure};
pub use error::Error;
pub use importance::importance;
pub use menu::{Menu, Mobile};
pub use mobile::{Container, Packed, PackedTensor, pack};
pub use model::{StoredTensor, write_model};
pub use plan::{Choice, Plan, plan};
pub use prune::{Pruned, Widths, prune, prune_memory_bytes};
pub use quantize::{Quantize, Quantized, quantize};
pub use ranges::ranges;
pub use rounding::{Rounding, round_matrix, round_with_feedback};
pub use shrink::{Notes, Options, Outcome, Stage, Study, check_budgets, memory_bytes};
pub use statistics::{Lookups, Part, Statistics};
pub use table::{Candidate, Entry, Judge, Method, Search, Table};
pub use tune::Tuning;
