//! The one way out of this machine: HTTP requests to named hosts, each hop checked, nothing sent when offline.
//!
//! Whoever makes an [`Egress`] says which hosts it may reach; an address outside that list is refused before a socket is
//! opened, on the first hop as on every redirect. Requests are encrypted (plain HTTP goes only to loopback addresses that
//! were named), names of the public list must resolve to public addresses, and a token is sent to the place it was given
//! for and nowhere else. The caller says how many bytes an answer may have. Before a request leaves it stands in the
//! [`Ledger`], on the disk; where it cannot, nothing is sent. What has a body of a user's words is taken only as
//! [`Cleared`](hob_privacy::Cleared), which `hob-privacy` alone can make.
//!
//! The crate does not know what it moves: no model, no hub. It reads neither clock nor environment, and no files but the ledger;
//! proxy, certificates and hosts come from above. Read `policy.rs` first, then `client.rs` and `ledger/mod.rs`.

#![allow(clippy::disallowed_methods, reason = "the ledger is files of this room's own")]

mod address;
mod client;
mod error;
mod guard;
mod ledger;
mod policy;
mod post;
mod proxy;
mod receipt;
mod response;
mod secret;

pub use address::{Address, Origin, Scheme};
pub use client::{Egress, Get};
pub use error::Error;
pub use ledger::{
    Cap, Entry, Hash, Ledger, LedgerError, Outcome, Period, Place, Purpose, Repaired, Sending, Spent,
    Verified, What,
};
pub use policy::{Config, Policy};
pub use post::{Credential, Post};
pub use proxy::Proxy;
pub use response::Response;
pub use secret::Secret;
