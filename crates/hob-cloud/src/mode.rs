//! What the user said about other machines, in one word.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Whether anything may leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Nothing.
    #[default]
    Offline,
    /// What the user sends to a target by its name.
    Ask,
    /// Also what the router sends within the policy.
    Hybrid,
}

impl Mode {
    /// All of them, the strictest first.
    pub const ALL: [Self; 3] = [Self::Offline, Self::Ask, Self::Hybrid];

    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Ask => "ask",
            Self::Hybrid => "hybrid",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|mode| mode.name() == text);
        found.ok_or_else(|| format!("expected offline, ask or hybrid, found {text:?}"))
    }
}
