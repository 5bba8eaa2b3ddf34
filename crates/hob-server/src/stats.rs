//! What answers took, day by day: here in time and energy, elsewhere in money and bytes. `hob stats` and the page show the same.
//!
//! Read `tally.rs` (what is counted) first, then `compare.rs` (what others publish of theirs).

mod compare;
mod memo;
mod native;
mod tally;

pub use compare::{Beside, Compared, LARGE, compared};
pub(crate) use memo::Memo;
pub use native::{StatsReport, report};
pub use tally::{Days, Here, Known, Left, Power, Sent, Tally, There, kept_energy};
