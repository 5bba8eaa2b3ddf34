//! `hob chats`: the conversations that are kept.

mod carry;
mod encrypt;
mod keep;
mod keyring;
mod list;
mod private;
pub mod secret;

pub use list::all;

use crate::platform;
use anyhow::anyhow;
use clap::{Args, Subcommand};
use hob_chats::{Chats, Format, Id, Protection};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Letters of an id that are shown; any start of an id that no other has will do.
const SHORT: usize = 12;

const AFTER_HELP: &str = "\
Kept are conversations of the page (`hob serve`) and those of `hob chat` on a terminal; `hob chat --resume ID` goes on with one.
ID may be the beginning of an id. All of them are in one file in the data folder, which no other user can read.

`hob chats encrypt` encrypts that file; `hob doctor` says whether it is. The passphrase is then asked for where it is needed.
Services find it through HOB_CHATS_PASSPHRASE_FILE (a file whose first line it is) or HOB_CHATS_PASSPHRASE, and a key that
has moved through HOB_CHATS_KEY_FILE.";

const ENCRYPT_AFTER_HELP: &str = "\
Everything of the conversations is encrypted then: texts, titles, files that were attached, the index that searches look
into, and what is on its way to the disk. What you type in `hob chat` is no longer written into a history file.

A passphrase that is lost cannot be brought back, and a key neither. The file that lay open before is overwritten and
removed; flash memory, journals of file systems and backups may still have what was there.

Encryption protects what lies on the disk. Whoever can read the memory of a running Hob, or types your passphrase, reads on.";

/// The commands.
#[derive(Debug, Subcommand)]
#[command(after_help = AFTER_HELP)]
pub enum Command {
    /// List conversations, those first in which something was said last
    List(ListArgs),
    /// Print a conversation as Markdown, as it is shown
    Show(ShowArgs),
    /// Find messages by what they say
    Search(SearchArgs),
    /// Write conversations into a file or to standard output
    Export(ExportArgs),
    /// Take conversations out of a file that Hob or ChatGPT exported
    Import(ImportArgs),
    /// Delete conversations for good
    Rm(RmArgs),
    /// Give a conversation another title
    Rename(RenameArgs),
    /// Say how long conversations are kept
    Keep(keep::KeepArgs),
    /// Mark folders whose conversations never leave this machine
    Private(private::PrivateArgs),
    /// Encrypt the conversations, with a passphrase or a key
    #[command(after_help = ENCRYPT_AFTER_HELP)]
    Encrypt(encrypt::SealArgs),
    /// Let the conversations lie open again
    Decrypt,
    /// Change what opens the encrypted conversations
    Passphrase(encrypt::SealArgs),
    /// Encrypt the conversations with a new key, so that remains of what was deleted can never be read
    Rekey,
    /// Destroy the key of the encrypted conversations, and with it all of them
    Shred(encrypt::ShredArgs),
}

/// Arguments of `hob chats list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Only those in this folder
    #[arg(long, value_name = "NAME")]
    pub folder: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `hob chats show`.
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// The conversation
    pub id: String,
    /// Print everything of it as JSON, all branches included
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `hob chats search`.
#[derive(Args, Debug)]
pub struct SearchArgs {
    /// Words that all have to be in a message; "double quotes" keep words together
    #[arg(required = true, value_name = "TEXT")]
    pub text: Vec<String>,
    /// Most messages
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `hob chats export`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// The conversations [default: all]
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// json (everything, can be imported) or markdown (the shown branch, for people)
    #[arg(long, value_name = "FORMAT", default_value_t = Format::Json)]
    pub format: Format,
    /// File to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Arguments of `hob chats import`.
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// A file of `hob chats export` or of the page, or ChatGPT's conversations.json; - is standard input
    pub file: PathBuf,
}

/// Arguments of `hob chats rm`.
#[derive(Args, Debug)]
pub struct RmArgs {
    /// The conversations
    #[arg(required = true, value_name = "ID")]
    pub ids: Vec<String>,
    /// Encrypt what stays with a new key, as `hob chats rekey` does: remains on the disk can never be read
    #[arg(long)]
    pub shred: bool,
}

/// Arguments of `hob chats rename`.
#[derive(Args, Debug)]
pub struct RenameArgs {
    /// The conversation
    pub id: String,
    /// The title
    pub title: String,
}

/// Runs the command.
pub fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::List(args) => list::run(&*open()?, args),
        Command::Show(args) => carry::show(&*open()?, args),
        Command::Search(args) => list::search(&*open()?, args),
        Command::Export(args) => carry::export(&*open()?, args),
        Command::Import(args) => carry::import(&*open()?, args),
        Command::Rm(args) => list::remove(&*open()?, args),
        Command::Rename(args) => list::rename(&*open()?, args),
        Command::Keep(args) => keep::run(&*open()?, args),
        Command::Private(args) => private::run(&*open()?, args),
        // These find out themselves what opens them.
        Command::Encrypt(args) => encrypt::encrypt(&folder()?, args),
        Command::Decrypt => encrypt::decrypt(&folder()?),
        Command::Passphrase(args) => encrypt::passphrase(&folder()?, args),
        Command::Rekey => encrypt::rekey(&folder()?),
        Command::Shred(args) => encrypt::shred(&folder()?, args),
    }
}

/// The conversations in the data folder, opened if they are encrypted. Whoever is asked for a passphrase is asked once.
pub fn open() -> anyhow::Result<Arc<Chats>> {
    static OPENED: Mutex<Option<Arc<Chats>>> = Mutex::new(None);
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(chats) = &*opened {
        return Ok(Arc::clone(chats));
    }
    let chats = Arc::new(folder()?);
    secret::unlock(&chats)?;
    *opened = Some(Arc::clone(&chats));
    Ok(chats)
}

/// Whether what is said may not lie open anywhere. When in doubt it may not.
pub fn are_encrypted() -> bool {
    folder().is_ok_and(|chats| !matches!(chats.protection(), Ok(Protection::Open)))
}

/// The same as they lie there.
pub fn folder() -> anyhow::Result<Chats> {
    let data = platform::data_dir().ok_or_else(|| {
        anyhow!("there is no place for conversations: neither HOB_HOME nor the home folder is set")
    })?;
    Ok(Chats::in_data(&data.path))
}

/// As much of an id as people need.
pub fn short(id: &Id) -> &str {
    let text = id.as_str();
    &text[..text.len().min(SHORT)]
}
