//! What can be wrong with a ledger. Each of these means that nothing is sent.

use std::io;
use std::path::PathBuf;

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// There is no folder for it.
    #[error("there is no place for the ledger of what leaves this machine: {reason}; so nothing is sent")]
    Nowhere {
        /// Why.
        reason: String,
    },
    /// The system refuses.
    #[error("{path}: cannot {doing} the ledger of what leaves this machine: {source}; so nothing is sent")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// Another program holds it.
    #[error("{path}: another program has held the ledger for too long; nothing is sent until it lets go")]
    Held {
        /// The file.
        path: PathBuf,
    },
    /// A line was changed, taken out or moved.
    #[error(
        "the ledger was changed: entry {n} is {found}; nothing is sent while it is there (look at it, and move its folder aside to begin a new one)"
    )]
    Damaged {
        /// Which entry should have stood there.
        n: u64,
        /// What is wrong.
        found: &'static str,
    },
    /// Lines are missing at the end.
    #[error(
        "the ledger was cut: {expected} entries were written and {found} are there; nothing is sent while it is so (look at it, and move its folder aside to begin a new one)"
    )]
    Dropped {
        /// Entries that there were.
        expected: u64,
        /// Entries that there are.
        found: u64,
    },
    /// The head is missing or not what was written.
    #[error(
        "the ledger's head ({path}) is {found}; nothing is sent while it is so (look at it, and move its folder aside to begin a new one)"
    )]
    Head {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        found: &'static str,
    },
    /// No entry has the digest that was looked for.
    #[error(
        "no entry of the ledger has the digest {digest}: it is not the ledger of which that was written down, or it was made anew"
    )]
    Anchor {
        /// The digest.
        digest: String,
    },
    /// An entry that cannot be written.
    #[error("an entry of the ledger cannot be written ({found}); so nothing is sent")]
    Entry {
        /// Why.
        found: String,
    },
    /// The limit that the user set is reached.
    #[error("{what} would be more than {limit} {unit} this {period}; nothing was sent")]
    Cap {
        /// Whose limit, and how much it would have been.
        what: String,
        /// The limit.
        limit: String,
        /// Of what.
        unit: &'static str,
        /// `day` or `month`.
        period: &'static str,
    },
}
