//! `hob key`: keys with which programs and other machines use the server.

use crate::store::table;
use crate::{fail, out, platform};
use anyhow::anyhow;
use clap::{Args, Subcommand};
use hob_server::{KeyBook, KeyEntry, KeyError, KeyWish, Scope};
use serde_json::{Value, json};

const AFTER_HELP: &str = "\
A key's text is shown once, when it is made; only a digest of it is kept, in keys.json in the data folder. A running server
sees at once what changes here. Programs send it as `Authorization: Bearer KEY` or `x-api-key: KEY`.

On 127.0.0.1 programs of this machine need none (`hob serve --require-key` wants one of them too); elsewhere everybody does.";

const ADD_AFTER_HELP: &str = "\
What a key can open (--for):
  chat        answers, in every interface
  embeddings  vectors and ranking
  models      pulling, making, copying and removing models
  history     the conversations that are kept
  metrics     what the server counts
  admin       keys, and the log of requests; who has it can make any key
Which models there are and what this machine is, every key may see. A phone on which the page is to work as here needs
chat, models and history.

A day of --tokens-per-day begins at 00:00 UTC. An answer that has begun is completed.";

/// The commands.
#[derive(Debug, Subcommand)]
#[command(after_help = AFTER_HELP)]
pub enum Command {
    /// Make a key and print it
    Add(AddArgs),
    /// List the keys
    List(ListArgs),
    /// Revoke keys
    Rm(RmArgs),
}

/// Arguments of `hob key add`.
#[derive(Args, Debug)]
#[command(after_help = ADD_AFTER_HELP)]
pub struct AddArgs {
    /// What the key is called: the person, the program or the device that gets it
    pub name: String,
    /// What it opens, with commas between
    #[arg(long = "for", value_name = "WHAT", value_delimiter = ',', default_values = ["chat", "embeddings"])]
    pub scopes: Vec<Scope>,
    /// A model it may ask; may be repeated [default: all]
    #[arg(long, value_name = "NAME")]
    pub model: Vec<String>,
    /// How long it lives: 90m, 12h, 30d [default: until it is revoked]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub expires: Option<i64>,
    /// Tokens of prompts and answers that it may use in a day [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub tokens_per_day: Option<u64>,
    /// What is asked with it may be sent to a model elsewhere, where that is set up
    #[arg(long, conflicts_with = "private")]
    pub cloud: bool,
    /// What is asked with it never leaves this machine, whatever else is allowed
    #[arg(long)]
    pub private: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `hob key list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `hob key rm`.
#[derive(Args, Debug)]
pub struct RmArgs {
    /// Names or ids of keys (`hob key list`)
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
}

/// A time such as `30d` in seconds.
fn seconds(text: &str) -> Result<i64, String> {
    let wrong = || format!("expected a time such as 90m, 12h or 30d, found {text:?}");
    let (number, unit) = text.split_at(text.len() - text.chars().last().map_or(0, char::len_utf8));
    let unit = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    // A hundred years are enough, and dates have an end.
    let number: i64 = number.parse().map_err(|_| wrong())?;
    let seconds = number.checked_mul(unit).filter(|seconds| (1..=100 * 366 * 86_400).contains(seconds));
    seconds.ok_or_else(wrong)
}

/// The file of keys.
pub fn book() -> anyhow::Result<KeyBook> {
    let data = platform::data_dir()
        .ok_or_else(|| anyhow!("there is no place for data: set HOB_HOME to a folder for it"))?;
    Ok(KeyBook::in_data(&data.path))
}

/// Runs the command.
pub fn run(command: &Command) -> anyhow::Result<()> {
    let book = book()?;
    match command {
        Command::Add(args) => add(&book, args),
        Command::List(args) => list(&book, args),
        Command::Rm(args) => rm(&book, args),
    }
}

fn now() -> i64 {
    platform::unix_ms() / 1000
}

fn add(book: &KeyBook, args: &AddArgs) -> anyhow::Result<()> {
    let wish = KeyWish {
        name: args.name.clone(),
        expires_at: args.expires.map(|seconds| now().saturating_add(seconds)),
        models: args.model.clone(),
        scopes: args.scopes.clone(),
        cloud: args.cloud,
        private: args.private,
        tokens_per_day: args.tokens_per_day,
    };
    let (entry, text) = book.add(wish, now()).map_err(told)?;
    if args.json {
        let mut document = described(&entry);
        document["text"] = text.into();
        return out::json(&document);
    }
    fail::note("this is the only time that the key is shown; nothing can bring it back");
    out::text(&format!("{text}\n"))
}

fn told(error: KeyError) -> anyhow::Error {
    match error {
        KeyError::Wish { .. } => fail::usage(error.to_string()),
        _ => error.into(),
    }
}

fn described(entry: &KeyEntry) -> Value {
    json!({
        "id": entry.id, "name": entry.name, "for": entry.scopes, "models": entry.models, "cloud": entry.cloud,
        "private": entry.private, "tokens_per_day": entry.tokens_per_day, "created_at": entry.created_at,
        "expires_at": entry.expires_at, "is_expired": entry.is_expired(now()),
    })
}

fn list(book: &KeyBook, args: &ListArgs) -> anyhow::Result<()> {
    let keys = book.list()?;
    if args.json {
        return out::json(&keys.iter().map(described).collect::<Vec<_>>());
    }
    if keys.is_empty() {
        return out::text("There are no keys yet; `hob key add NAME` makes one.\n");
    }
    let mut rows = vec![["NAME", "FOR", "MODELS", "TOKENS/DAY", "UNTIL", "ID"].map(str::to_owned).to_vec()];
    rows.extend(keys.iter().map(|key| {
        let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.name()).collect();
        let end = key.expires_at.map(|end| platform::local_text(end.saturating_mul(1000)));
        let end = end.map(|end| if key.is_expired(now()) { format!("{end} (over)") } else { end });
        let name = if key.private { format!("{} (private)", key.name) } else { key.name.clone() };
        vec![
            name,
            scopes.join(","),
            if key.models.is_empty() { "all".into() } else { key.models.join(",") },
            key.tokens_per_day.map_or("no limit".into(), |tokens| tokens.to_string()),
            end.unwrap_or_else(|| "revoked".into()),
            key.id.clone(),
        ]
    }));
    out::text(&out::harmless(&table::text(&rows, &[3])))
}

fn rm(book: &KeyBook, args: &RmArgs) -> anyhow::Result<()> {
    for name in &args.names {
        let gone = book.remove(name)?;
        out::text(&format!("{} opens nothing any more\n", out::harmless(&gone.name)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn times_are_read() {
        assert_eq!((seconds("90m"), seconds("12h"), seconds("30d")), (Ok(5400), Ok(43_200), Ok(2_592_000)));
        for wrong in ["", "d", "30", "0d", "-1h", "1 d", "999999999999999999d", "3ä"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
