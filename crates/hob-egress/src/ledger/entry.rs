//! What an entry says. Names are those of the file.

use crate::Address;
use crate::ledger::Hash;
use crate::policy::Terms;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Longest path that is written down.
const PATH_CHARS_MAX: usize = 1024;

/// One line of the ledger, without its own digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts from 1.
    pub n: u64,
    /// The digest of the entry before; of nothing for the first.
    pub prev: Hash,
    /// Milliseconds since 1970.
    pub time_ms: i64,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A request is about to leave.
    Send(Sending),
    /// What became of one.
    Outcome(Outcome),
    /// The end of the file was half an entry, as a killed program leaves it. No byte of its request had left.
    Repaired(Repaired),
}

/// Why something leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A model is looked up or fetched: no words of the user.
    Download,
    /// A bigger model is asked: words of the user, cleared.
    Ask,
    /// A bigger model is asked about places of an answer of this machine: words of the user and of the answer, cleared.
    Repair,
    /// Whether a target answers.
    Test,
}

impl Purpose {
    /// The name, as the file has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Ask => "ask",
            Self::Repair => "repair",
            Self::Test => "test",
        }
    }
}

/// A request that is about to leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// Scheme, host and port.
    pub to: String,
    /// The path, without the query, which may hold a signature.
    pub path: String,
    /// `GET` or `POST`.
    pub method: String,
    /// Why.
    pub purpose: Purpose,
    /// How the place came to be allowed: `named` by the user or `public`.
    pub policy: String,
    /// The user's name of the place, where it has one. Its spending is counted by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Bytes of the body.
    pub bytes: u64,
    /// Digest of the body, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Hash>,
    /// How many values of each kind the body has placeholders for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hidden: BTreeMap<String, u64>,
    /// How many values of each kind were found and let through, as the user wanted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shown: BTreeMap<String, u64>,
    /// Most that it can cost, in millionths of the money in which the target's prices are. Counts as spent until the outcome is
    /// known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cost_max_micro: u64,
    /// Whether the body itself is kept beside the ledger, as the user wanted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_kept: bool,
}

impl Sending {
    /// A request without a body.
    pub(crate) fn plain(address: &Address, method: &str, purpose: Purpose, terms: Terms) -> Self {
        Self {
            to: address.origin().to_string(),
            path: address.path().chars().take(PATH_CHARS_MAX).collect(),
            method: method.to_owned(),
            purpose,
            policy: terms.name().to_owned(),
            target: None,
            bytes: 0,
            sha256: None,
            hidden: BTreeMap::new(),
            shown: BTreeMap::new(),
            cost_max_micro: 0,
            is_kept: false,
        }
    }
}

/// What became of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The entry of the request.
    pub of: u64,
    /// The answer's status, if there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Bytes of the answer's body that were read.
    pub received: u64,
    /// What it cost, in millionths.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cost_micro: u64,
    /// Why there was no answer, or not all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// Half an entry that was taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repaired {
    /// Its bytes.
    pub torn_bytes: u64,
    /// Their digest.
    pub sha256: Hash,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
