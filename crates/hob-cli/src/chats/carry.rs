//! Conversations as files and back.

use super::{ExportArgs, ImportArgs, ShowArgs};
use crate::{out, platform};
use anyhow::{Context, anyhow};
use hob_chats::{Above, Chats, Error, Format, Id};
use hob_format::{AtomicFile, Commit};
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::Path;

/// Prints a conversation.
pub fn show(chats: &Chats, args: &ShowArgs) -> anyhow::Result<()> {
    let format = if args.json { Format::Json } else { Format::Markdown };
    print(chats, &[chats.find(&args.id)?.chat.id], format)
}

/// Writes conversations.
pub fn export(chats: &Chats, args: &ExportArgs) -> anyhow::Result<()> {
    let ids = args.ids.iter().map(|id| Ok(chats.find(id)?.chat.id)).collect::<anyhow::Result<Vec<_>>>()?;
    let Some(path) = &args.out else { return print(chats, &ids, args.format) };
    let file = AtomicFile::create(path)?;
    let mut file = BufWriter::new(file);
    chats.export(wanted(&ids), args.format, &mut file).map_err(|error| written(error, path))?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error);
    file.and_then(AtomicFile::commit).with_context(|| format!("{}: cannot write", path.display()))?;
    out::text(&format!("written to {}\n", path.display()))
}

/// No ids mean all conversations.
fn wanted(ids: &[Id]) -> Option<&[Id]> {
    (!ids.is_empty()).then_some(ids)
}

fn written(error: Error, path: &Path) -> anyhow::Error {
    match error {
        Error::Export(source) => anyhow!("{}: cannot write: {source}", path.display()),
        other => other.into(),
    }
}

fn print(chats: &Chats, ids: &[Id], format: Format) -> anyhow::Result<()> {
    let mut out: Box<dyn Write> =
        if io::stdout().is_terminal() { Box::new(Harmless) } else { Box::new(out::buffered()) };
    match chats.export(wanted(ids), format, &mut *out) {
        // Who reads the output has seen enough, or it cannot be written: both are told by the system's error.
        Err(Error::Export(source)) => Err(source).context(out::UNWRITABLE),
        other => Ok(other?),
    }
}

/// A terminal that texts cannot steer.
struct Harmless;

impl Write for Harmless {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Texts come whole: the export never cuts inside of a letter.
        let text = String::from_utf8_lossy(bytes);
        io::stdout().write_all(out::harmless(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

/// Takes conversations out of a file.
pub fn import(chats: &Chats, args: &ImportArgs) -> anyhow::Result<()> {
    let name = crate::input::name(&args.file);
    let from: Box<dyn Read> = if args.file.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        let file = std::fs::File::open(&args.file);
        Box::new(file.map_err(|error| anyhow!("cannot open {name}: {error}; check the path"))?)
    };
    let mut above = Above { now: platform::unix_ms(), new_id: &mut platform::new_id };
    let imported = chats.import(from, &mut above).with_context(|| name.clone())?;
    let count = |n: u64| if n == 1 { "1 conversation".to_owned() } else { format!("{n} conversations") };
    let mut text = format!("imported {}", count(imported.taken));
    if imported.known > 0 {
        let were = if imported.known == 1 { "was" } else { "were" };
        text += &format!("; {} {were} here already", imported.known);
    }
    if imported.skipped > 0 {
        text += &format!("; {} left out:", imported.skipped);
    }
    text.push('\n');
    for skipped in &imported.reasons {
        text += &format!("  {}: {}\n", skipped.title, skipped.why);
    }
    out::text(&out::harmless(&text))
}
