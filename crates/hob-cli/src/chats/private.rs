//! `hob chats private`: folders whose conversations never leave this machine.

use crate::fail::usage;
use crate::out;
use clap::Args;
use hob_chats::Chats;
use serde_json::json;

/// Arguments of `hob chats private`.
#[derive(Args, Debug)]
#[command(after_help = "\
Without arguments the private folders are listed. What is asked in a conversation of one is answered on this machine, whatever the
privacy mode, the policy and the router say, and a target that is asked by its name refuses it. That holds for conversations that are
put there later as well. A single conversation is kept here on the page; files of the disk by `private_folders` in policy.toml.")]
pub struct PrivateArgs {
    /// The folder to mark; no conversation needs to lie in it yet
    pub folder: Option<String>,
    /// Take the mark away
    #[arg(long, requires = "folder")]
    pub off: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(chats: &Chats, args: &PrivateArgs) -> anyhow::Result<()> {
    if let Some(folder) = args.folder.as_deref().map(str::trim) {
        let is_changed = chats.set_private_folder(folder, !args.off)?;
        if args.off && !is_changed {
            return Err(usage("that folder is not private; `hob chats private` lists those that are"));
        }
    }
    let folders = chats.private_folders()?;
    if args.json {
        return out::json(&json!({"private": folders}));
    }
    if folders.is_empty() {
        return out::text("No folder is private.\n");
    }
    let text: String = folders.iter().map(|folder| format!("{folder}\n")).collect();
    out::text(&out::harmless(&text))
}
