//! Where the secret comes from that opens encrypted conversations: the environment, a file, the keyring, or whoever sits there.

use super::keyring;
use crate::fail::note;
use crate::terminal;
use anyhow::{Context, anyhow, bail};
use hob_chats::{Chats, Error, Protection, Secret, Wrapping};
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

/// The passphrase itself, for services that hold secrets in their environment.
const PASSPHRASE: &str = "HOB_CHATS_PASSPHRASE";
/// A file whose first line is the passphrase; `/dev/fd/3` is a descriptor that was handed over.
const PASSPHRASE_FILE: &str = "HOB_CHATS_PASSPHRASE_FILE";
/// Where the key is, if it has moved.
const KEY_FILE: &str = "HOB_CHATS_KEY_FILE";
/// How often somebody may mistype.
const TRIES: usize = 3;
/// No passphrase and no key is longer.
const BYTES_MAX: u64 = 4096;

/// Opens the conversations, if they are encrypted.
pub fn unlock(chats: &Chats) -> anyhow::Result<()> {
    if !is_locked(chats)? {
        return Ok(());
    }
    for attempt in 1..=TRIES {
        let Some(secret) = find(chats, true)? else { return Ok(()) };
        match chats.unlock(&secret) {
            Err(error @ Error::WrongSecret { .. }) if attempt < TRIES && is_typed(chats)? => {
                note(&error.to_string());
            }
            result => return Ok(result?),
        }
    }
    Ok(())
}

/// The same for a server: what cannot be opened stays locked, and that is told.
pub fn unlock_for_server(chats: &Chats, asks: bool) {
    let opened = || match is_locked(chats)? && asks && is_typed(chats)? && io::stderr().is_terminal() {
        true => unlock(chats).map(|()| true),
        false => try_unlock(chats),
    };
    match opened() {
        Ok(true) => {}
        Ok(false) => note("the conversations are encrypted; the page asks for the passphrase"),
        Err(error) => note(&format!("the conversations stay locked: {error:#}")),
    }
}

/// Opens them if nobody has to be asked; says whether they are open.
pub fn try_unlock(chats: &Chats) -> anyhow::Result<bool> {
    if !is_locked(chats)? {
        return Ok(true);
    }
    let Some(secret) = find(chats, false)? else { return Ok(false) };
    chats.unlock(&secret)?;
    Ok(true)
}

fn is_locked(chats: &Chats) -> anyhow::Result<bool> {
    Ok(matches!(chats.protection()?, Protection::Sealed { is_unlocked: false, .. }))
}

/// Whether a passphrase opens them and nothing but a person can give it.
fn is_typed(chats: &Chats) -> anyhow::Result<bool> {
    let is_set = [PASSPHRASE, PASSPHRASE_FILE].iter().any(|name| set(name).is_some());
    Ok(!is_set && chats.wrapping()? == Some(Wrapping::Passphrase))
}

/// The secret; nothing where they are not encrypted, or where nobody may be asked.
pub fn find(chats: &Chats, asks: bool) -> anyhow::Result<Option<Secret>> {
    match chats.wrapping()? {
        None => Ok(None),
        Some(Wrapping::Keyring { account }) => keyring::look_up(&account).map(Some),
        Some(Wrapping::File { path }) => key_from(&set(KEY_FILE).map_or(path, PathBuf::from)).map(Some),
        Some(Wrapping::Passphrase) => match (set(PASSPHRASE), set(PASSPHRASE_FILE)) {
            (Some(text), _) => {
                let text = text.into_string().map_err(|_| anyhow!("{PASSPHRASE}: expected UTF-8"))?;
                Ok(Some(Secret::passphrase(&text)))
            }
            (None, Some(path)) => Ok(Some(Secret::passphrase(&first_line(Path::new(&path))?))),
            (None, None) if !asks => Ok(None),
            (None, None) => Ok(Some(Secret::passphrase(&line("Passphrase of the conversations: ")?))),
        },
    }
}

fn set(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The first line of a file, or of standard input.
fn first_line(path: &Path) -> anyhow::Result<String> {
    let text = read(path)?;
    Ok(text.split(['\r', '\n']).next().unwrap_or_default().to_owned())
}

/// A passphrase in a file that is to be set.
pub fn new_from(path: &Path) -> anyhow::Result<Secret> {
    Secret::new_passphrase(&first_line(path)?)
        .with_context(|| format!("the first line of {}", path.display()))
}

/// The key in a file.
pub fn key_from(path: &Path) -> anyhow::Result<Secret> {
    let told = || {
        format!(
            "the key {} opens the conversations; bring it there, or say with {KEY_FILE} where it is",
            path.display()
        )
    };
    let text = read(path).with_context(told)?;
    Secret::from_digits(&text).with_context(|| path.display().to_string())
}

fn read(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        io::stdin().take(BYTES_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text))
    };
    read.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text)
}

/// A passphrase that is typed twice, as nobody sees what is typed.
pub fn new_passphrase() -> anyhow::Result<Secret> {
    if let Some(text) = set(PASSPHRASE) {
        return Ok(Secret::new_passphrase(&text.to_string_lossy())?);
    }
    if !can_ask() {
        bail!(
            "there is no terminal to ask for a passphrase: say with --passphrase-file FILE where it is; nothing was changed"
        );
    }
    for _ in 0..TRIES {
        let (first, second) = (line("New passphrase: ")?, line("The same again: ")?);
        if first != second {
            note("the two are not the same; once more");
            continue;
        }
        match Secret::new_passphrase(&first) {
            Ok(secret) => return Ok(secret),
            Err(error) => note(&error.to_string()),
        }
    }
    bail!("no passphrase was set; nothing was changed");
}

fn can_ask() -> bool {
    io::stdin().is_terminal() || io::stderr().is_terminal()
}

/// A line that nobody can read over a shoulder.
fn line(prompt: &str) -> anyhow::Result<String> {
    if !can_ask() {
        bail!(
            "the conversations are encrypted, and there is no terminal to ask for the passphrase: set {PASSPHRASE_FILE} to a \
             file that holds it"
        );
    }
    match terminal::hidden_line(prompt)? {
        Some(line) => Ok(line),
        None => Err(crate::fail::Stop::Interrupted.into()),
    }
}
