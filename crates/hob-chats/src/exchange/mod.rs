//! Conversations on their way to other programs and from them, one in memory at a time.

mod chatgpt;
mod export;
mod hob;
mod import;
mod stream;

use crate::{Error, Id};
use std::fmt;
use std::str::FromStr;

/// How conversations are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Everything, as JSON that [`crate::Chats::import`] takes back.
    Json,
    /// The shown branch of each, for people.
    Markdown,
}

impl Format {
    /// How files of this kind end.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Markdown => "md",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "json",
            Self::Markdown => "markdown",
        })
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "json" => Ok(Self::Json),
            "markdown" | "md" => Ok(Self::Markdown),
            other => Err(Error::Field {
                field: "format",
                expected: "json or markdown".into(),
                found: format!("{:?}", other.chars().take(40).collect::<String>()),
            }),
        }
    }
}

/// What an import needs and a file may lack.
pub struct Above<'a> {
    /// The time, in milliseconds since 1970.
    pub now: i64,
    /// Makes ids that nothing has yet.
    pub new_id: &'a mut dyn FnMut() -> Id,
}

/// What an import came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Conversations that are kept now.
    pub taken: u64,
    /// Conversations that were there already; they stay as they are.
    pub known: u64,
    /// Conversations that were left out.
    pub skipped: u64,
    /// Why, for the first of them.
    pub reasons: Vec<Skipped>,
}

/// A conversation that was not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// What the file calls it, or its place there.
    pub title: String,
    /// What is wrong with it.
    pub why: String,
}
