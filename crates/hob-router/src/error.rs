//! What can be wrong with a policy, a file of outcomes or a router's file.

/// An error of this crate.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A policy that cannot be read.
    #[error("expected a policy in TOML, found a problem: {0}")]
    Policy(String),
    /// A number that is too small or too large.
    #[error("{name}: expected a number from {low} to {high}, found {value}")]
    Range {
        /// Where it stands.
        name: &'static str,
        /// The number.
        value: f64,
        /// The least.
        low: f64,
        /// The most.
        high: f64,
    },
    /// A rule or a target that names what is not there.
    #[error("{place}: {found:?} is no target of this policy; there are {known}")]
    NoTarget {
        /// Where it stands.
        place: String,
        /// The name.
        found: String,
        /// Names that there are.
        known: String,
    },
    /// Two targets with one name.
    #[error("two targets are called {0:?}; give each a name of its own")]
    Twice(String),
    /// A rule without a condition would decide everything.
    #[error("rule {0:?} has no condition; give it `contains`, `words_at_least`, `task` or `tools`")]
    NoCondition(String),
    /// A private folder whose place depends on where a command is run.
    #[error("privacy.private_folders: expected a path from / or ~/ on, found {0:?}")]
    Folder(String),
    /// A line that is no recorded outcome.
    #[error("expected a recorded outcome, found a problem: {0}")]
    Outcome(String),
    /// A file that is no router.
    #[error("expected a router of this version, found something else or a part of one")]
    NoRouter,
    /// A file that says nothing of a model's answers.
    #[error("expected what `hob route calibrate` wrote, found a problem: {0}")]
    NoConfidence(String),
    /// A file that holds no corrections.
    #[error("expected corrections of the router's decisions, found a problem: {0}")]
    NoCorrections(String),
    /// Answers nearly all of which are right, or nearly none.
    #[error(
        "expected at least {least} right and {least} wrong answers to learn from, found {right} right ones of {of}"
    )]
    OneSided {
        /// How many are needed of each.
        least: usize,
        /// Right ones.
        right: usize,
        /// All of them.
        of: usize,
    },
    /// Too little to learn from.
    #[error("expected at least {least} outcomes to learn from, found {found}")]
    TooFew {
        /// How many are needed.
        least: usize,
        /// How many there are.
        found: usize,
    },
}

/// A number within limits.
pub(crate) fn within(name: &'static str, value: f64, low: f64, high: f64) -> Result<(), Error> {
    if (low..=high).contains(&value) { Ok(()) } else { Err(Error::Range { name, value, low, high }) }
}
