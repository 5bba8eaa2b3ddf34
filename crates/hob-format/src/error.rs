//! Everything that can go wrong with a model file, worded for the person who has the file.

use std::io;
use std::path::{Path, PathBuf};

/// Why a model file could not be opened, read or written.
///
/// Names that come out of a file are shortened and escaped before they enter a message, so that printing an error is
/// always safe.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried: "open", "map", "rename" ...
        action: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// The path holds no model this crate can read.
    #[error("{}: expected {expected}, found {found}; {hint}", path.display())]
    NotAModel {
        /// The path given.
        path: PathBuf,
        /// What could have been opened.
        expected: &'static str,
        /// What is there instead.
        found: String,
        /// What to do next.
        hint: &'static str,
    },
    /// A GGUF version other than 2 and 3.
    #[error("{file}: expected GGUF version 2 or 3 (little-endian), found {found}; {hint}")]
    Version {
        /// The file.
        file: String,
        /// The version field in words.
        found: String,
        /// What to do next.
        hint: &'static str,
    },
    /// The bytes end before the structure does.
    #[error(
        "{file}: expected {needed} bytes of {what} at byte {offset}, found {left}; the file is cut short or damaged: download it again"
    )]
    Truncated {
        /// The file.
        file: String,
        /// What was being read.
        what: &'static str,
        /// Where it starts in the file.
        offset: u64,
        /// Bytes it needs.
        needed: u64,
        /// Bytes there are.
        left: u64,
    },
    /// A field that breaks the format's rules.
    #[error(
        "{file}: {place}: expected {expected}, found {found}; the file is damaged or was written by a faulty tool: download or convert it again"
    )]
    Malformed {
        /// The file.
        file: String,
        /// The field, key or section.
        place: String,
        /// What the format asks for.
        expected: String,
        /// What the file says.
        found: String,
    },
    /// A tensor whose description does not fit the format or the file.
    #[error(
        "{file}: tensor {tensor}: expected {expected}, found {found}; the file is damaged or was written by a faulty tool: download or convert it again"
    )]
    Tensor {
        /// The file.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// What the format asks for.
        expected: String,
        /// What the file says.
        found: String,
    },
    /// A tensor of an element type this build cannot read.
    #[error(
        "{file}: tensor {tensor}: expected an element type among {supported}, found {found}; convert the model to one of these"
    )]
    ElementType {
        /// The file.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// The names this crate knows.
        supported: String,
        /// The type's name or number in the file.
        found: String,
    },
    /// A metadata value of another type than the reader of that key needs.
    #[error(
        "{file}: metadata key {key}: expected {expected}, found {found}; was the file converted for another program?"
    )]
    Key {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// The type and range needed.
        expected: String,
        /// The type or value found.
        found: String,
    },
    /// A file, section or count past a limit that real models stay far below.
    #[error(
        "{file}: {what}: expected at most {limit}, found {found}; if this is a real model, please report it"
    )]
    Limit {
        /// The file.
        file: String,
        /// What is too large.
        what: &'static str,
        /// The size or count found.
        found: u64,
        /// The largest accepted.
        limit: u64,
    },
    /// JSON that does not parse or has another structure than the file's role demands.
    #[error("{file}: expected {expected}, found a problem: {message}; download the file again or correct it")]
    Json {
        /// The file.
        file: String,
        /// What the file should hold.
        expected: &'static str,
        /// The parser's message with line and column.
        message: String,
    },
    /// A file that a model directory or a split set needs is not there.
    #[error("{}: expected {wanted}, found no such file; {hint}", dir.display())]
    Missing {
        /// The directory searched.
        dir: PathBuf,
        /// The file name or names.
        wanted: String,
        /// What to do next.
        hint: &'static str,
    },
    /// The parts of a split GGUF do not belong together.
    #[error(
        "{file}: {place}: expected {expected}, found {found}; keep the parts of one model, unrenamed, in one directory"
    )]
    Split {
        /// The offending part.
        file: String,
        /// The field or name at fault.
        place: &'static str,
        /// What the other parts imply.
        expected: String,
        /// What this part says.
        found: String,
    },
    /// A file cannot be written as described, because the format has no room for it.
    #[error("cannot write {place}: expected {expected}, found {found}; choose another name, type or shape")]
    Unwritable {
        /// The key or tensor.
        place: String,
        /// What the format allows.
        expected: String,
        /// What was asked for.
        found: String,
    },
}

impl Error {
    pub(crate) fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), action, source }
    }

    pub(crate) fn malformed(
        file: &str,
        place: &str,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        let place = place.to_owned();
        Self::Malformed { file: file.to_owned(), place, expected: expected.into(), found: found.to_string() }
    }

    pub(crate) fn tensor(file: &str, name: &str, expected: impl Into<String>, found: impl ToString) -> Self {
        let tensor = shown(name);
        Self::Tensor { file: file.to_owned(), tensor, expected: expected.into(), found: found.to_string() }
    }
}

/// A name out of a file, safe to print: control characters escaped, long ones cut.
pub(crate) fn shown(name: &str) -> String {
    escaped(name, 80)
}

/// A JSON parser's message, which may quote the file.
pub(crate) fn shown_message(error: &serde_json::Error) -> String {
    escaped(&error.to_string(), 300)
}

fn escaped(text: &str, chars_max: usize) -> String {
    // `escape_debug` also catches invisible and direction-changing characters; quotes are harmless here.
    let escape = |c: char| if matches!(c, '"' | '\'') { c.to_string() } else { c.escape_debug().to_string() };
    let mut shown: String = text.chars().take(chars_max).map(escape).collect();
    if text.chars().nth(chars_max).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_cut() {
        assert_eq!(shown("blk.0.attn_q.weight"), "blk.0.attn_q.weight");
        assert_eq!(shown("\u{1b}[2J"), "\\u{1b}[2J");
        assert_eq!(shown(&"x".repeat(81)).len(), 83);
    }

    #[test]
    fn messages_say_what_where_and_what_next() {
        let text = Error::tensor("a.gguf", "blk.0.ffn_up.weight", "an offset of 64", 65).to_string();
        assert_eq!(
            text,
            "a.gguf: tensor blk.0.ffn_up.weight: expected an offset of 64, found 65; \
             the file is damaged or was written by a faulty tool: download or convert it again"
        );
    }
}
