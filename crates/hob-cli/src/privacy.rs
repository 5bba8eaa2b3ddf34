//! `hob privacy`: what a text gives away, hidden and put back; what left this machine.

mod ledger;
mod preview;
mod records;
pub mod seal;

pub use preview::text as preview_text;

use crate::{fail, input, out};
use anyhow::Context;
use clap::{Args, Subcommand};
use hob_privacy::{Detector, Finding, Label, Reach, Terms, Vault, restore};
use serde_json::json;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What can be done.
#[derive(Subcommand, Debug)]
pub enum Privacy {
    /// List what a text says about people: names, addresses, numbers, keys
    Find(FindArgs),
    /// Print a text with placeholders such as [PERSON_1] in place of all that
    Hide(HideArgs),
    /// Print a text, such as an answer, with its placeholders put back
    Restore(RestoreArgs),
    /// Print what would leave of a text, to the byte, beside what would stay; nothing is sent
    Preview(preview::PreviewArgs),
    /// Say what enforces offline mode on this machine, and prove it
    Seal(seal::SealArgs),
    /// Write down what is kept here, whether it is encrypted, how long, who may reach it and what left: for records of processing
    Records(records::RecordsArgs),
    /// Show and check what left this machine: a ledger of every request, written before it is sent
    #[command(disable_help_subcommand = true)]
    Ledger {
        /// What to do.
        #[command(subcommand)]
        what: ledger::LedgerCommand,
    },
}

/// What is looked for.
#[derive(Args, Debug)]
pub struct WhatArgs {
    /// Also hide every word that is not common in English, and every number: what no rule knows stays here too
    #[arg(long)]
    pub all_unknown: bool,
    /// File with words of your own to hide, one a line
    #[arg(long, value_name = "FILE")]
    pub words: Option<PathBuf>,
    /// Leave these kinds as they are, such as DATE,PLACE
    #[arg(long, value_name = "LABELS", value_delimiter = ',', value_parser = parse_label)]
    pub keep: Vec<Label>,
}

/// Arguments of `hob privacy find`.
#[derive(Args, Debug)]
pub struct FindArgs {
    /// Text file; - is standard input
    #[arg(default_value = "-")]
    pub file: PathBuf,
    /// What is looked for.
    #[command(flatten)]
    pub what: WhatArgs,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `hob privacy hide`.
#[derive(Args, Debug)]
pub struct HideArgs {
    /// Text file; - is standard input
    #[arg(default_value = "-")]
    pub file: PathBuf,
    /// File that remembers what placeholders stand for; later texts of the same conversation get the same ones. It is as private as the text
    #[arg(long, value_name = "FILE")]
    pub vault: PathBuf,
    /// What is looked for.
    #[command(flatten)]
    pub what: WhatArgs,
}

/// Arguments of `hob privacy restore`.
#[derive(Args, Debug)]
pub struct RestoreArgs {
    /// Text file; - is standard input
    #[arg(default_value = "-")]
    pub file: PathBuf,
    /// File that `hob privacy hide` wrote
    #[arg(long, value_name = "FILE")]
    pub vault: PathBuf,
}

fn parse_label(text: &str) -> Result<Label, String> {
    let names = || Label::ALL.iter().map(|label| label.name()).collect::<Vec<_>>().join(", ");
    text.trim().parse().map_err(|error| format!("{error}; there are {}", names()))
}

/// Runs the command.
pub fn run(what: &Privacy) -> anyhow::Result<()> {
    match what {
        Privacy::Find(args) => find(args),
        Privacy::Hide(args) => hide(args),
        Privacy::Restore(args) => {
            let vault = open(&args.vault)?;
            out::text(&restore(&input::text(&args.file)?, &vault))
        }
        Privacy::Preview(args) => preview::run(args),
        Privacy::Seal(args) => seal::run(args),
        Privacy::Records(args) => records::run(args),
        Privacy::Ledger { what } => ledger::run(what),
    }
}

impl WhatArgs {
    fn detector(&self) -> anyhow::Result<Detector> {
        let words = self.words.as_deref().map_or(Ok(String::new()), input::text)?;
        let reach = if self.all_unknown { Reach::Unknown } else { Reach::Known };
        Ok(Detector::new(Terms::new(words.lines())?).reaching(reach))
    }

    fn find(&self, text: &str) -> anyhow::Result<Vec<Finding>> {
        let mut found = self.detector()?.find(text);
        found.retain(|finding| !self.keep.contains(&finding.label));
        Ok(found)
    }
}

fn find(args: &FindArgs) -> anyhow::Result<()> {
    let text = input::text(&args.file)?;
    let found = args.what.find(&text)?;
    let line_of = |at: usize| 1 + text[..at].matches('\n').count();
    if args.json {
        let finding = |f: &Finding| {
            json!({"label": f.label, "text": &text[f.range.clone()], "start": f.range.start, "end": f.range.end,
                "line": line_of(f.range.start), "found_by": f.by})
        };
        return out::json(&found.iter().map(finding).collect::<Vec<_>>());
    }
    let mut lines = String::new();
    for f in &found {
        let value = text[f.range.clone()].replace('\n', " ");
        writeln!(
            lines,
            "{:>5}  {:<14} {}  ({})",
            line_of(f.range.start),
            f.label.name(),
            out::harmless(&value),
            f.by
        )?;
    }
    if found.is_empty() {
        lines = "nothing was found; that does not mean that nothing is there\n".to_owned();
    }
    out::text(&lines)
}

fn hide(args: &HideArgs) -> anyhow::Result<()> {
    if super::shrink::is_same(&args.vault, &args.file) {
        return Err(fail::usage("--vault names the text itself; choose another file"));
    }
    let text = input::text(&args.file)?;
    let mut vault = if args.vault.exists() { open(&args.vault)? } else { Vault::new() };
    let hidden = vault.hide(&text, &args.what.find(&text)?);
    // First what puts the text back, then the text.
    out::write_private(&args.vault, (serde_json::to_string_pretty(&vault)? + "\n").as_bytes())?;
    out::text(&hidden)
}

fn open(path: &Path) -> anyhow::Result<Vault> {
    let text = input::text(path)?;
    serde_json::from_str(&text)
        .with_context(|| format!("{}: expected a file that `hob privacy hide` wrote", path.display()))
}
