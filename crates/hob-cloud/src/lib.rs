//! Bigger models elsewhere: targets that the user named, how each is asked, what it may cost, and what happens when it fails.
//!
//! A [`Question`] becomes a [`Draft`](hob_privacy::Draft) in the words of the target's interface (`protocol/`), is cleared by
//! `hob-privacy`, goes through the gate of `hob-egress`, and comes back as [`Event`]s with what was hidden put back. Whether it is
//! asked at all, `hob-router` and the user's [`Mode`] decide; [`Cloud`] brings all of these together. Nothing is sent
//! while the mode is offline, and that is what it is until the user says otherwise.
//!
//! [`sealed`] has a target plan how a question about a document is answered that it does not see, and carries the plan out.
//!
//! The crate knows no model of this machine and no HTTP server. Clocks, keys and the gate's settings come from above. Read
//! `cloud.rs` first, then `ask.rs` and `target.rs`.

#![allow(clippy::disallowed_methods, reason = "targets, mode and policy are files of this room's own")]

mod answer;
mod ask;
mod book;
mod breaker;
mod cloud;
mod consent;
mod error;
mod events;
mod folders;
mod learned;
mod mode;
mod plan;
mod protocol;
mod question;
mod repair;
pub mod sealed;
mod stops;
mod target;
mod twice;

pub use answer::{Answering, Call, Ended, Event, Finish, Usage, Waiting};
pub use cloud::{Cloud, Connect, FindKey, Setup};
pub use consent::{Asked, Consent, Say};
pub use error::Error;
pub use hob_router::Zone;
pub use mode::Mode;
pub use plan::{Doubted, Plan, Told, Way, Wish};
pub use question::{Choice, Constants, Question};
pub use repair::{Change, Repair, Repaired};
pub use target::{KeyFrom, Protocol, Target};
