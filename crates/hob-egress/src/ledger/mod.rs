//! The ledger: what left this machine, to whom and why, written down before the first byte leaves.
//!
//! Two files in one folder. `ledger.jsonl` has a line for each entry; every line names the digest of the one before it, so that
//! no byte can be changed, no line taken out and none moved without the chain breaking. `head.json` says how many lines there
//! were after the last one and what its digest was, so that lines missing at the end are noticed too.
//!
//! A chain proves that what is there is what was written, in that order. It cannot prove that nobody who may write the folder
//! made both files anew: whoever has to rule that out keeps a head's digest elsewhere and has it looked for
//! ([`Ledger::verify`]). It says nothing of programs other than Hob.
//!
//! Whatever is wrong with the ledger, nothing is sent. Read `entry.rs` first, then `file.rs`.

mod cap;
mod chain;
mod entry;
mod error;
mod file;

pub use cap::{Cap, Period, Spent};
pub use chain::Hash;
pub use entry::{Entry, Outcome, Purpose, Repaired, Sending, What};
pub use error::LedgerError;
pub use file::{Ledger, Place, Verified};
