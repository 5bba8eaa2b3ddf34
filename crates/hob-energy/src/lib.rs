//! What answers take in energy: on this machine, and by what others published of theirs.
//!
//! Every figure is a [`Range`] with the way it was found and, where it is somebody's, its source. A comparison of two
//! estimates is a range, too ([`Verdict`]): one number would say more than is known, and where this machine takes more it says
//! so.
//!
//! Read `range.rs`, then `account.rs` (one answer), `local.rs` and `ecologits.rs`.

mod account;
mod ecologits;
mod local;
mod published;
mod range;

pub use account::{Account, Figure, Method, Scope};
pub use ecologits::{Served, request_wh};
pub use local::{CORE_WATTS, estimated_wh};
pub use published::{PUBLISHED, Published};
pub use range::{Range, Verdict};
