//! Why nothing was sent, or why there is no answer.

use hob_privacy::Refusal;
use std::io;
use std::path::PathBuf;

/// Everything that ends a question without an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A target, or the policy, is another than it was when the question was looked at.
    #[error("targets or policy changed while the question was on its way; nothing more was sent, ask again")]
    Changed,
    /// Nobody wants the answer any more.
    #[error("nobody waits for the answer any more")]
    HungUp,
    /// The answer takes too long as a whole.
    #[error("{target} was not done after {minutes} minutes")]
    TooSlow {
        /// The target.
        target: String,
        /// How long it had.
        minutes: u64,
    },
    /// The user has not let anything leave.
    #[error(
        "the privacy mode is offline: nothing was sent; `hob cloud mode ask` lets you send to a target by its name"
    )]
    Offline,
    /// The mode does not let the router choose.
    #[error(
        "the privacy mode is {mode}: the router sends nothing; name the target yourself, or set `hob cloud mode hybrid`"
    )]
    NotHybrid {
        /// The mode.
        mode: crate::Mode,
    },
    /// There is no such target.
    #[error("there is no target {name:?}; there are: {known}")]
    NoTarget {
        /// As it was asked for.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// There is one already.
    #[error("there is a target {name:?} already; remove it first, or take another name")]
    Taken {
        /// The name.
        name: String,
    },
    /// A name that no file may have.
    #[error("expected a name of small letters, digits, - and _ (at most 40, not `auto`), found {name:?}")]
    Name {
        /// What was found.
        name: String,
    },
    /// A target's field is not as it should be.
    #[error("{field}: expected {expected}")]
    Field {
        /// The field.
        field: &'static str,
        /// What should be there.
        expected: String,
    },
    /// A target's address cannot be used.
    #[error("the target's address: {source}")]
    Address {
        /// Why.
        source: hob_egress::Error,
    },
    /// A file of the user's cannot be read.
    #[error("{path}: {found}; so nothing is sent")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        found: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: cannot {doing}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// The key is not where it should be.
    #[error("the key of {target}: {found}")]
    Key {
        /// The target.
        target: String,
        /// What is wrong.
        found: String,
    },
    /// The gate cannot be set up.
    #[error("{found}; so nothing is sent")]
    Gate {
        /// Why.
        found: String,
    },
    /// What was asked is private.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Values of kinds that the user wants to be asked about, and nobody has answered.
    #[error(
        "{found} found, about which your policy says to ask before they are sent to {target}; nobody has answered, and nothing was sent"
    )]
    Unanswered {
        /// The target.
        target: String,
        /// How many of which kinds.
        found: String,
    },
    /// A file of a private folder.
    #[error(
        "{file} lies in {folder:?}, which policy.toml marks as private: nothing is said of it to a model elsewhere; nothing was sent"
    )]
    PrivateFolder {
        /// The file.
        file: PathBuf,
        /// The folder, as the policy names it.
        folder: String,
    },
    /// Pictures and sound are not looked through, so they do not leave.
    #[error("only text can be looked through, so nothing else leaves this machine; nothing was sent")]
    NotText,
    /// Too long for the target.
    #[error(
        "the question needs about {needed} tokens with its answer, and {target} takes {context}; nothing was sent"
    )]
    TooLong {
        /// The target.
        target: String,
        /// Tokens of question and answer.
        needed: u64,
        /// Tokens that it takes.
        context: u64,
    },
    /// It could cost more than a request may.
    #[error(
        "{target} could cost up to ${most:.4}, and the policy allows ${limit:.4} a request; nothing was sent"
    )]
    Dear {
        /// The target.
        target: String,
        /// Most that it can cost.
        most: f64,
        /// The limit.
        limit: f64,
    },
    /// An answer broke off in the middle of what is hidden.
    #[error(
        "the answer stops inside something that is hidden, and half of it could not be told; nothing was sent"
    )]
    InsideHidden,
    /// Places of an answer have grown around what is hidden in it.
    #[error(
        "with what is hidden in it, more of the answer would be asked about than may be; nothing was sent"
    )]
    Spread,
    /// It failed several times and is left alone.
    #[error(
        "{target} failed {failures} times in a row and is left alone for {seconds} s more; nothing was sent"
    )]
    Resting {
        /// The target.
        target: String,
        /// How often.
        failures: u32,
        /// How long still.
        seconds: u64,
    },
    /// The gate or the network.
    #[error(transparent)]
    Egress(#[from] hob_egress::Error),
    /// The target refuses.
    #[error("{target} answered {status}: {message}")]
    Status {
        /// The target.
        target: String,
        /// Its status.
        status: u16,
        /// What it said, shortened.
        message: String,
        /// Seconds after which it wants to be asked again.
        after: Option<u64>,
    },
    /// What came is not what the interface says.
    #[error("{target} answered in a way that its interface does not have: {found}")]
    Protocol {
        /// The target.
        target: String,
        /// What is wrong.
        found: String,
    },
    /// A plan that cannot be carried out, twice.
    #[error(
        "{target} planned what cannot be carried out, twice; the second time at {wrong}; nothing was run"
    )]
    BadPlan {
        /// The target.
        target: String,
        /// What is wrong, and where.
        wrong: crate::sealed::Wrong,
    },
    /// Edits of an answer that cannot be used.
    #[error("{target} was asked about places of an answer and gave {found}")]
    Edits {
        /// The target.
        target: String,
        /// What is wrong.
        found: String,
    },
    /// The answer ended before its end.
    #[error("{target} broke off in the middle of its answer")]
    BrokenOff {
        /// The target.
        target: String,
    },
    /// The answer went on beyond what was paid for.
    #[error(
        "{target} went on beyond the {tokens} tokens that were asked for, and was stopped: more could cost more than you allowed"
    )]
    Budget {
        /// The target.
        target: String,
        /// Tokens asked for.
        tokens: u64,
    },
}

impl Error {
    /// One word for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Offline | Self::NotHybrid { .. } => "privacy_mode",
            Self::Changed => "settings",
            Self::NoTarget { .. } | Self::Name { .. } | Self::Taken { .. } => "no_target",
            Self::Field { .. } | Self::Address { .. } | Self::File { .. } | Self::Io { .. } => "settings",
            Self::Key { .. } => "no_key",
            Self::Gate { .. } => "gate",
            Self::Unanswered { .. } => "unanswered",
            Self::Refused(_)
            | Self::NotText
            | Self::InsideHidden
            | Self::Spread
            | Self::PrivateFolder { .. } => "private",
            Self::TooLong { .. } => "too_long",
            Self::Dear { .. } | Self::Budget { .. } => "budget",
            Self::Egress(hob_egress::Error::Ledger(hob_egress::LedgerError::Cap { .. })) => "budget",
            Self::Egress(hob_egress::Error::Offline { .. }) => "offline",
            Self::Resting { .. } => "resting",
            Self::Egress(_) => "network",
            Self::HungUp => "stopped",
            Self::Status { .. }
            | Self::Protocol { .. }
            | Self::BrokenOff { .. }
            | Self::TooSlow { .. }
            | Self::Edits { .. }
            | Self::BadPlan { .. } => "target",
        }
    }

    /// Whether it is the user's doing or the policy's rather than a target's failure.
    pub fn is_refusal(&self) -> bool {
        !matches!(self.kind(), "network" | "target" | "resting")
    }

    /// Whether the same question may well be answered a little later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Egress(error) => error.is_transient(),
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504 | 529),
            _ => false,
        }
    }
}
