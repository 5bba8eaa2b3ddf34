//! `hob chats encrypt` and its kin: what opens the conversations, and what of them lies open.

use super::keyring;
use super::secret;
use crate::fail::{note, usage};
use crate::{out, platform};
use anyhow::{anyhow, bail};
use clap::{ArgGroup, Args};
use hob_chats::{Chats, Protection, Secret, Wrapping};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Said before a passphrase is set: afterwards it would be too late.
const FINAL: &str = "a passphrase that is lost cannot be brought back: nobody, and no part of Hob, opens the \
    conversations without it";

/// Arguments of `hob chats encrypt` and `hob chats passphrase`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("how"))]
pub struct SealArgs {
    /// A passphrase opens them; it is asked for in the terminal [default]
    #[arg(long, group = "how")]
    pub passphrase: bool,
    /// The first line of this file is the passphrase; - is standard input
    #[arg(long, value_name = "FILE", group = "how")]
    pub passphrase_file: Option<PathBuf>,
    /// A key in the keyring of the system opens them: nothing is asked while you are logged in
    #[arg(long, group = "how")]
    pub keyring: bool,
    /// A key in this file opens them, on a USB stick for example; it is made if it isn't there
    #[arg(long, value_name = "FILE", group = "how")]
    pub key_file: Option<PathBuf>,
}

/// Arguments of `hob chats shred`.
#[derive(Args, Debug)]
pub struct ShredArgs {
    /// Don't ask whether that is meant
    #[arg(long)]
    pub yes: bool,
}

impl SealArgs {
    /// The secret that is to open them, and where it is.
    fn secret(&self) -> anyhow::Result<(Secret, Wrapping)> {
        if self.keyring {
            return keyring::make();
        }
        if let Some(path) = &self.key_file {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            return Ok((key_in(&path)?, Wrapping::File { path }));
        }
        note(FINAL);
        let secret = match &self.passphrase_file {
            Some(path) => secret::new_from(path)?,
            None => secret::new_passphrase()?,
        };
        Ok((secret, Wrapping::Passphrase))
    }
}

/// The key in a file, which is made where there is none.
fn key_in(path: &Path) -> anyhow::Result<Secret> {
    if path.exists() {
        return secret::key_from(path);
    }
    let key = Secret::new_key()?;
    let digits = key.digits().unwrap_or_default();
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| {
        writeln!(file, "{}", &*digits)?;
        file.sync_all()
    });
    written.map_err(|e| anyhow!("{}: cannot make the key: {e}", path.display()))?;
    note(&format!(
        "made the key {}; whoever has a copy opens the conversations, and without one nobody does",
        path.display()
    ));
    Ok(key)
}

/// Encrypts what lies open.
pub fn encrypt(chats: &Chats, args: &SealArgs) -> anyhow::Result<()> {
    if chats.protection()? != Protection::Open {
        bail!("the conversations are encrypted already; `hob chats passphrase` changes what opens them");
    }
    let (secret, wrapping) = args.secret()?;
    let told = match &wrapping {
        Wrapping::Passphrase => "the passphrase opens them".to_owned(),
        Wrapping::Keyring { .. } => "the keyring of the system opens them".to_owned(),
        Wrapping::File { path } => format!("{} opens them", path.display()),
    };
    chats.encrypt(&secret, wrapping.clone()).inspect_err(|_| forget(chats, &wrapping))?;
    out::text(&format!("the conversations are encrypted now; {told}\n"))?;
    match chats.settle() {
        Ok(left) if left.is_empty() => note("the file that lay open was overwritten and removed"),
        Ok(left) => note(&format!(
            "not overwritten and removed yet: {}; each later use of the conversations tries that again",
            left.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
        )),
        Err(error) => note(&format!("the file that lay open is still there: {error}")),
    }
    forget_typed()?;
    note(
        "the history of the terminal is overwritten as well; free blocks of the disk, flash memory, journals of file systems \
         and backups may still have what was there",
    );
    Ok(())
}

/// Takes a key out of the keyring, if it is sure that nothing is wrapped by it.
fn forget(chats: &Chats, wrapping: &Wrapping) {
    if chats.wrapping().is_ok_and(|now| now.as_ref() != Some(wrapping)) {
        keyring::clear(wrapping);
    }
}

/// The same for the key of before, which a power cut could make the one that counts again.
fn forget_before(chats: &Chats, before: &Wrapping) {
    match chats.settle() {
        Ok(_) => forget(chats, before),
        Err(error) => note(&format!("the key of before is kept: {error}")),
    }
}

/// What was typed in earlier sessions lies open as well.
fn forget_typed() -> anyhow::Result<()> {
    let Some(data) = platform::data_dir() else { return Ok(()) };
    let path = crate::chat::history_path(&data.path);
    if !path.exists() {
        return Ok(());
    }
    let gone = std::fs::OpenOptions::new().write(true).open(&path).and_then(|mut file| {
        let length = file.metadata()?.len();
        io::copy(&mut io::Read::take(io::repeat(0), length), &mut file)?;
        file.sync_all()?;
        std::fs::remove_file(&path)
    });
    gone.map_err(|e| anyhow!("{}: cannot remove what was typed: {e}; remove it", path.display()))
}

/// Lets them lie open again.
pub fn decrypt(chats: &Chats) -> anyhow::Result<()> {
    let wrapping = chats.wrapping()?.ok_or_else(not_encrypted)?;
    secret::unlock(chats)?;
    chats.decrypt()?;
    forget_before(chats, &wrapping);
    out::text("the conversations are no longer encrypted\n")
}

/// Another secret for the same key.
pub fn passphrase(chats: &Chats, args: &SealArgs) -> anyhow::Result<()> {
    let before = chats.wrapping()?.ok_or_else(not_encrypted)?;
    secret::unlock(chats)?;
    let (secret, wrapping) = args.secret()?;
    chats.rewrap(&secret, wrapping.clone()).inspect_err(|_| forget(chats, &wrapping))?;
    forget_before(chats, &before);
    let told = match wrapping {
        Wrapping::Passphrase => "another passphrase",
        Wrapping::Keyring { .. } => "a key in the keyring of the system",
        Wrapping::File { .. } => "a key in a file",
    };
    out::text(&format!("from now on {told} opens the conversations\n"))
}

/// Another key for the pages, so that remains of what was deleted cannot be read any more.
pub fn rekey(chats: &Chats) -> anyhow::Result<()> {
    let wrapping = chats.wrapping()?.ok_or_else(not_encrypted)?;
    let secret = secret::find(chats, true)?.ok_or_else(not_encrypted)?;
    chats.unlock(&secret)?;
    chats.rekey(&secret, wrapping)?;
    out::text("the conversations are encrypted with a new key; the one before is gone\n")
}

/// Destroys the key and with it everything.
pub fn shred(chats: &Chats, args: &ShredArgs) -> anyhow::Result<()> {
    chats.wrapping()?.ok_or_else(not_encrypted)?;
    if !args.yes && !is_meant()? {
        bail!("nothing was destroyed");
    }
    let wrapping = chats.wrapping()?;
    let shredded = chats.shred();
    if let Some(wrapping) = wrapping {
        forget(chats, &wrapping);
    }
    shredded?;
    out::text("the key is destroyed, and all conversations with it\n")
}

fn is_meant() -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        return Err(usage("this destroys all conversations for good; say --yes if that is meant"));
    }
    eprint!("This destroys all conversations for good. Type shred to go on: ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == "shred")
}

fn not_encrypted() -> anyhow::Error {
    anyhow!("the conversations are not encrypted; `hob chats encrypt` does that")
}
