//! Requests with a body of a user's words.

use crate::ledger::{Cap, Hash, Purpose, Sending};
use crate::policy::Terms;
use crate::{Address, Secret};
use hob_privacy::{Cleared, Label};
use std::collections::BTreeMap;

/// A key, and the header that it goes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// `Authorization: Bearer`.
    Bearer(Secret),
    /// `X-Api-Key`.
    ApiKey(Secret),
}

/// Words for another machine. It answers itself or not at all: redirects are not followed.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    /// Where.
    pub address: &'a Address,
    /// What; only `hob-privacy` makes it.
    pub body: &'a Cleared,
    /// The key, which goes to `address` alone.
    pub credential: Option<&'a Credential>,
    /// Further headers: constants of a protocol.
    pub headers: &'a [(&'static str, &'static str)],
    /// Media types that are understood; empty for any.
    pub accept: &'a str,
    /// The user's name of the place: its spending is counted by it.
    pub target: &'a str,
    /// Why it is sent.
    pub purpose: Purpose,
    /// Most that it can cost, in millionths of the money in which the target's prices are.
    pub cost_max_micro: u64,
    /// The user's limits.
    pub caps: &'a [Cap],
    /// Whether the body is kept beside the ledger.
    pub keep: bool,
    /// Names the question, so that a place that knows such names answers and bills it once however often it is sent.
    pub once: Option<Hash>,
    /// Most bytes that the answer may have.
    pub bytes_max: u64,
}

impl Post<'_> {
    /// The entry of the ledger.
    pub(crate) fn sending(&self, terms: Terms) -> Sending {
        let counts = |found: &BTreeMap<Label, usize>| {
            found.iter().map(|(label, count)| (label.name().to_owned(), *count as u64)).collect()
        };
        Sending {
            target: Some(self.target.to_owned()),
            bytes: self.body.bytes().len() as u64,
            sha256: Some(Hash::of(self.body.bytes())),
            hidden: counts(self.body.hidden()),
            shown: counts(self.body.shown()),
            cost_max_micro: self.cost_max_micro,
            is_kept: self.keep,
            ..Sending::plain(self.address, "POST", self.purpose, terms)
        }
    }
}
