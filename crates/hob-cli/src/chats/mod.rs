//! `hob chats`: the conversations that are kept.

mod carry;
mod list;

use crate::platform;
use anyhow::anyhow;
use clap::{Args, Subcommand};
use hob_chats::{Chats, Format, Id};
use std::path::PathBuf;

/// Letters of an id that are shown; any start of an id that no other has will do.
const SHORT: usize = 12;

const AFTER_HELP: &str = "\
Kept are conversations of the page (`hob serve`) and those of `hob chat` on a terminal; `hob chat --resume ID` goes on with one.
ID may be the beginning of an id. All of them are in one file in the data folder, which nobody else can read.";

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
    let chats = open()?;
    match command {
        Command::List(args) => list::run(&chats, args),
        Command::Show(args) => carry::show(&chats, args),
        Command::Search(args) => list::search(&chats, args),
        Command::Export(args) => carry::export(&chats, args),
        Command::Import(args) => carry::import(&chats, args),
        Command::Rm(args) => list::remove(&chats, args),
        Command::Rename(args) => list::rename(&chats, args),
    }
}

/// The conversations in the data folder.
pub fn open() -> anyhow::Result<Chats> {
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
