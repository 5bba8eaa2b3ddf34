//! `hob privacy preview`: what would leave of a text, to the byte, and what would stay.

use super::{WhatArgs, parse_label};
use crate::{input, out};
use clap::Args;
use hob_privacy::{Answer, Cleared, Draft, Label, Mode, Rules, Vault, clear};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// Arguments of `hob privacy preview`.
#[derive(Args, Debug)]
#[command(after_help = "\
Lines with + are the bytes as they would be sent (a string of JSON), lines with - what they would be with nothing hidden. Nothing is
sent. Exits with 1 where something is found that --block names.")]
pub struct PreviewArgs {
    /// Text file; - is standard input
    #[arg(default_value = "-")]
    pub file: PathBuf,
    /// What is looked for.
    #[command(flatten)]
    pub what: WhatArgs,
    /// Refuse the whole text where one of these kinds is found, such as SECRET,HEALTH_ID
    #[arg(long, value_name = "LABELS", value_delimiter = ',', value_parser = parse_label)]
    pub block: Vec<Label>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(args: &PreviewArgs) -> anyhow::Result<()> {
    let mut draft = Draft::new();
    draft.words(&input::text(&args.file)?);
    let modes = |labels: &[Label], mode| labels.iter().map(move |label| (*label, mode)).collect::<Vec<_>>();
    // What is blocked is blocked, also where it was to be kept.
    let by_label = [modes(&args.what.keep, Mode::Allow), modes(&args.block, Mode::Block)].concat();
    let rules = Rules { by_label: by_label.into_iter().collect(), ..Rules::default() };
    let detector = args.what.detector()?;
    let cleared = clear(&draft, &detector, &rules, &mut Vault::new(), &mut |_, _| Answer::Refuse)?;
    if args.json {
        return out::json(&json!({
            "bytes": cleared.bytes().len(), "sent": String::from_utf8_lossy(cleared.bytes()),
            "hidden": cleared.hidden(), "shown": cleared.shown(),
        }));
    }
    out::text(&out::harmless(&text(&cleared)))
}

/// What is sent, line by line, with what was hidden.
pub fn text(cleared: &Cleared) -> String {
    let mut text = String::new();
    for line in cleared.preview() {
        let mark = if let Some(was) = &line.was {
            let _ = writeln!(text, "- {was}");
            '+'
        } else {
            ' '
        };
        let _ = writeln!(text, "{mark} {}", line.sent);
    }
    let counts = |found: &BTreeMap<Label, usize>| {
        let list: Vec<String> = found.iter().map(|(label, count)| format!("{count} {label}")).collect();
        if list.is_empty() { "nothing".to_owned() } else { list.join(", ") }
    };
    let (hidden, shown) = (counts(cleared.hidden()), counts(cleared.shown()));
    let _ = writeln!(text, "{} bytes; hidden: {hidden}; found and shown: {shown}", cleared.bytes().len());
    text
}
