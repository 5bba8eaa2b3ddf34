//! `cargo xtask tidy`: the repository against its own rules.
//!
//! Each rule is a function from the repository as data to a list of violations, so that its tests can plant one.

mod features;
mod islands;
mod layers;
mod ledger;
mod leftovers;
mod mask;
mod metadata;
mod repo;
mod sizes;

use anyhow::{Result, bail};

use self::repo::Repo;
use crate::shell::repo_root;

/// Something that breaks a rule: where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// A path, with a line where that helps.
    pub place: String,
    /// What was expected, what was found, and the next step.
    pub message: String,
}

impl Violation {
    fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into() }
    }
}

type Rule = fn(&Repo) -> Vec<Violation>;

/// The rules in the order they are reported.
const RULES: [(&str, Rule); 7] = [
    ("layers", layers::check),
    ("islands", islands::check),
    ("sizes", sizes::check),
    ("left-overs", leftovers::check),
    ("dependency ledger", ledger::check_dependencies),
    ("README", ledger::check_readme),
    ("features", features::check),
];

/// Prints every violation of every rule; any at all is an error.
pub fn run_tidy() -> Result<()> {
    let repo = Repo::load(&repo_root())?;
    let mut count = 0;
    for (name, rule) in RULES {
        for violation in rule(&repo) {
            eprintln!("  {}: [{name}] {}", violation.place, violation.message);
            count += 1;
        }
    }
    if count > 0 {
        bail!("tidy found {count} violation(s), listed above");
    }
    eprintln!("  {} files keep {} rules", repo.files.len(), RULES.len());
    Ok(())
}
