//! What answers took, day by day: here in time and energy, elsewhere in money and bytes. `hob stats` and the page show the same.
//!
//! Read `tally.rs` (what is counted) first, then `compare.rs` (what others publish of theirs).

mod compare;
mod native;
mod tally;

pub use compare::{Compared, LARGE, compared};
pub use native::{StatsReport, report};
pub use tally::{Days, Here, Power, Sent, Tally, There, kept_energy};
