//! The one way out of this machine: HTTP requests to named hosts, each hop checked, nothing sent when offline.
//!
//! Whoever makes an [`Egress`] says which hosts it may reach; an address outside that list is refused before a socket is
//! opened, on the first hop as on every redirect. Requests are encrypted (plain HTTP goes only to loopback addresses that
//! were named), names of the public list must resolve to public addresses, and a token is sent to the place it was given
//! for and nowhere else. The caller says how many bytes an answer may have.
//!
//! The crate does not know what it moves: no model, no hub, no user's text. It reads neither environment nor files; proxy,
//! certificates and hosts come from above. Read `policy.rs` first, then `client.rs`.

mod address;
mod client;
mod error;
mod guard;
mod policy;
mod proxy;
mod response;
mod secret;

pub use address::{Address, Origin, Scheme};
pub use client::{Egress, Get};
pub use error::Error;
pub use policy::{Config, Policy};
pub use proxy::Proxy;
pub use response::Response;
pub use secret::Secret;
