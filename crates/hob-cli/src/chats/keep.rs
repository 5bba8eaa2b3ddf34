//! `hob chats keep`: how long conversations are kept.

use super::short;
use crate::fail::usage;
use crate::store::table;
use crate::{out, platform};
use clap::{ArgGroup, Args};
use hob_chats::{Chats, Listed, Rule, limits, title_of};
use serde_json::json;

/// Arguments of `hob chats keep`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("what"))]
#[command(after_help = "\
Without arguments the rules are listed. What counts is when something was said in a conversation last. A folder with a rule of
its own follows that; all others follow the one without a folder. Without a rule nothing is ever deleted.

`hob serve` deletes what the rules let go when it starts and once an hour; --now does it at once, and --due shows before what that
would be. What is deleted is gone, from the search and from the file as well.")]
pub struct KeepArgs {
    /// Keep conversations so many days after something was said in them last
    #[arg(long, value_name = "N", group = "what", value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::DAYS_MAX)))]
    pub days: Option<u32>,
    /// Keep them for ever: for a folder that the general rule should not touch
    #[arg(long, group = "what")]
    pub forever: bool,
    /// Take the rule away
    #[arg(long, group = "what")]
    pub off: bool,
    /// List what the rules let go now; nothing is deleted
    #[arg(long, group = "what", conflicts_with = "folder")]
    pub due: bool,
    /// Delete what the rules let go, now
    #[arg(long, group = "what", conflicts_with = "folder")]
    pub now: bool,
    /// The folder that the rule is for [default: all without a rule of their own]
    #[arg(long, value_name = "NAME")]
    pub folder: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(chats: &Chats, args: &KeepArgs) -> anyhow::Result<()> {
    let folder = args.folder.clone();
    if args.due || args.now {
        let now = platform::unix_ms();
        let found = if args.now { chats.expire(now)? } else { chats.due(now)? };
        return told(&found, args);
    }
    if args.off {
        if !chats.remove_rule(folder.as_deref())? {
            return Err(usage("there is no such rule; `hob chats keep` lists them"));
        }
    } else if args.days.is_some() || args.forever {
        chats.set_rule(&Rule { folder, days: args.days })?;
    } else if folder.is_some() {
        return Err(usage("--folder: expected --days N, --forever or --off beside it"));
    }
    rules(chats, args)
}

fn told(found: &[Listed], args: &KeepArgs) -> anyhow::Result<()> {
    if args.json {
        return out::json(&found);
    }
    let word = if args.now { "deleted" } else { "due" };
    let mut text = String::new();
    for Listed { chat, .. } in found {
        let said = platform::local_text(chat.updated);
        text += &format!("{word}  {}  {said}  {}\n", short(&chat.id), title_of(&chat.title));
    }
    if found.is_empty() {
        text = "The rules let nothing go.\n".into();
    }
    out::text(&out::harmless(&text))
}

fn rules(chats: &Chats, args: &KeepArgs) -> anyhow::Result<()> {
    let rules = chats.rules()?;
    let due = chats.due(platform::unix_ms())?.len();
    if args.json {
        return out::json(&json!({"rules": rules, "due": due}));
    }
    if rules.is_empty() {
        return out::text("All conversations are kept until somebody deletes them.\n");
    }
    let mut rows = vec![["FOLDER", "KEPT"].map(str::to_owned).to_vec()];
    rows.extend(rules.iter().map(|rule| {
        let kept = match rule.days {
            None => "for ever".to_owned(),
            Some(1) => "1 day".to_owned(),
            Some(days) => format!("{days} days"),
        };
        vec![rule.folder.clone().unwrap_or_else(|| "(all others)".into()), kept]
    }));
    let mut text = table::text(&rows, &[]);
    if due > 0 {
        let (are, them) = if due == 1 { ("conversation is", "it") } else { ("conversations are", "them") };
        text += &format!("{due} {are} due; --due lists {them}\n");
    }
    out::text(&out::harmless(&text))
}
