//! Standard output, without panics when its reader has gone; and files that appear whole.

use anyhow::Context;
use hob_format::{AtomicFile, Commit};
use serde::Serialize;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::path::Path;

/// What an error on the way out is about.
pub const UNWRITABLE: &str = "cannot write to standard output";

/// A buffered standard output; the caller flushes it.
pub fn buffered() -> BufWriter<StdoutLock<'static>> {
    BufWriter::new(io::stdout().lock())
}

/// Writes `text` as it is.
pub fn text(text: &str) -> anyhow::Result<()> {
    bytes(text.as_bytes())
}

/// Writes `bytes` as they are.
pub fn bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).context(UNWRITABLE)
}

/// Writes a document for programs, indented so that people can read it too.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    text(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Writes one line of a sequence of documents.
pub fn json_line(value: &impl Serialize) -> anyhow::Result<()> {
    text(&(serde_json::to_string(value)? + "\n"))
}

/// Writes a file that appears whole or not at all.
pub fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    commit(AtomicFile::create(path)?, path, bytes)
}

/// The same for a file that nobody else may read.
pub fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    commit(AtomicFile::create_private(path)?, path, bytes)
}

fn commit(mut file: AtomicFile, path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    file.write_all(bytes)
        .and_then(|()| file.commit())
        .with_context(|| format!("{}: cannot write", path.display()))
}

/// Whether colours are welcome where standard output goes.
pub fn is_coloured() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    io::stdout().is_terminal() && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
}

/// Makes control characters visible, so that text from a model or a file cannot steer the terminal.
pub fn harmless(text: &str) -> std::borrow::Cow<'_, str> {
    let steers = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(steers) {
        return text.into();
    }
    let shown = |c: char| match c {
        // The pictures of ASCII's control characters, in their order.
        '\0'..='\u{1f}' if steers(c) => char::from_u32(0x2400 + c as u32).unwrap_or('?'),
        '\u{7f}' => '\u{2421}',
        c if steers(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn only_what_steers_a_terminal_is_replaced() {
        assert_eq!(harmless("a\tb\nc é 漢"), "a\tb\nc é 漢");
        assert_eq!(harmless("\u{1b}[2J\u{7f}\u{9b}1m\r"), "␛[2J␡\u{fffd}1m␍");
    }
}
