//! `hob privacy records`: what this installation keeps, how, and what left it, as officers for data protection want it written.

use crate::chats::{self, secret};
use crate::{key, offline, out, platform, store};
use anyhow::anyhow;
use clap::Args;
use hob_base::Bytes;
use hob_chats::{Protection, Rule};
use hob_egress::What;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Folders below a folder that are looked into, which is more than there are.
const DEPTH_MAX: usize = 16;

/// Arguments of `hob privacy records`.
#[derive(Args, Debug)]
#[command(after_help = "\
Everything in it is what is so on this machine right now, for this data folder: nothing is filled in by hand. It is material for a
record of processing activities (GDPR, article 30) or for the documentation of safeguards that HIPAA wants (45 CFR 164.316). Who is
responsible, for what purpose and on what legal ground, only people can say; those lines are left open.")]
pub struct RecordsArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// The record.
#[derive(Debug, Serialize)]
struct Record {
    made_at: String,
    hob: &'static str,
    data_folder: String,
    conversations: Conversations,
    kept: Vec<Kept>,
    access: Access,
    transfers: Transfers,
    offline: Offline,
}

/// What is known of the conversations. Their number only where they can be opened.
#[derive(Debug, Serialize)]
struct Conversations {
    encrypted: bool,
    opened_by: Option<String>,
    count: Option<usize>,
    oldest: Option<String>,
    newest: Option<String>,
    rules: Option<Vec<Rule>>,
    due: Option<usize>,
}

/// Something that lies in the data folder.
#[derive(Debug, Serialize)]
struct Kept {
    place: &'static str,
    what: &'static str,
    personal: &'static str,
    files: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Access {
    reach: &'static str,
    keys: Vec<Key>,
}

/// Who may use the server from elsewhere.
#[derive(Debug, Serialize)]
struct Key {
    name: String,
    opens: Vec<&'static str>,
    until: Option<String>,
    may_leave: bool,
}

#[derive(Debug, Serialize)]
struct Transfers {
    ledger_is_whole: bool,
    problem: Option<String>,
    entries: u64,
    head: Option<String>,
    to: Vec<Transfer>,
}

/// All that left for one place for one purpose.
#[derive(Debug, Default, Serialize)]
struct Transfer {
    place: String,
    purpose: &'static str,
    requests: u64,
    bytes_sent: u64,
    bytes_received: u64,
    hidden: BTreeMap<String, u64>,
    shown: BTreeMap<String, u64>,
    first: String,
    last: String,
}

#[derive(Debug, Serialize)]
struct Offline {
    is_on: bool,
    enforced_by: String,
}

/// Where things lie in the data folder, and what they are.
const PLACES: [(&str, &str, &str); 9] = [
    ("chats", "conversations: texts, titles, attached files, figures", "yes"),
    ("chat_history", "what was typed in the terminal; not written when conversations are encrypted", "yes"),
    (
        "ledger",
        "what left this machine: times, places, sizes, digests; contents only where somebody wanted that",
        "perhaps",
    ),
    ("models", "models", "no"),
    ("keys.json", "digests of keys of the server, with their names", "names of people or devices"),
    ("tls.pem", "the server's certificate and its key", "no"),
    ("keys-spent.json", "how many tokens keys have used", "no"),
    ("serve.log", "lines of the server as a service; never what was said", "no"),
    ("machine.json", "how fast this machine reads its memory", "no"),
];

/// Runs the command.
pub fn run(args: &RecordsArgs) -> anyhow::Result<()> {
    let data = platform::data_dir()
        .ok_or_else(|| anyhow!("there is no data folder, so there is nothing to record"))?;
    let record = Record {
        made_at: platform::utc_text(platform::unix_ms()),
        hob: env!("CARGO_PKG_VERSION"),
        data_folder: data.path.display().to_string(),
        conversations: conversations()?,
        kept: kept(&data.path),
        access: access()?,
        transfers: transfers(),
        offline: offline(),
    };
    if args.json {
        return out::json(&record);
    }
    out::text(&out::harmless(&markdown(&record)))
}

fn conversations() -> anyhow::Result<Conversations> {
    let chats = chats::folder()?;
    let protection = chats.protection()?;
    // Officers need not know the passphrase; who has it at hand gets the numbers as well.
    let is_readable = secret::try_unlock(&chats).unwrap_or(false);
    let opened_by = match &protection {
        Protection::Open => None,
        Protection::Sealed { by, .. } => Some(by.to_string()),
    };
    let mut about = Conversations {
        encrypted: protection != Protection::Open,
        opened_by,
        count: None,
        oldest: None,
        newest: None,
        rules: None,
        due: None,
    };
    if is_readable {
        let all = chats::all(&chats)?;
        let day = |ms: Option<i64>| ms.map(platform::utc_text);
        about.count = Some(all.len());
        about.oldest = day(all.iter().map(|one| one.chat.created).min());
        about.newest = day(all.iter().map(|one| one.chat.updated).max());
        about.rules = Some(chats.rules()?);
        about.due = Some(chats.due(platform::unix_ms())?.len());
    }
    Ok(about)
}

fn kept(data: &Path) -> Vec<Kept> {
    let of = |(place, what, personal): (&'static str, _, _)| {
        let (files, bytes) = size(&data.join(place), DEPTH_MAX);
        Kept { place, what, personal, files, bytes }
    };
    PLACES.into_iter().map(of).filter(|kept| kept.files > 0).collect()
}

/// Files and bytes at a place; links are not followed.
fn size(path: &Path, depth: usize) -> (u64, u64) {
    let Ok(found) = std::fs::symlink_metadata(path) else { return (0, 0) };
    if found.is_file() {
        return (1, found.len());
    }
    let Some(depth) = depth.checked_sub(1).filter(|_| found.is_dir()) else { return (0, 0) };
    let Ok(entries) = std::fs::read_dir(path) else { return (0, 0) };
    entries
        .flatten()
        .map(|entry| size(&entry.path(), depth))
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

fn access() -> anyhow::Result<Access> {
    let now = platform::unix_ms() / 1000;
    let keys = key::book()?.list()?.into_iter().filter(|key| !key.is_expired(now));
    let keys = keys.map(|key| Key {
        opens: key.scopes.iter().map(|scope| scope.name()).collect(),
        until: key.expires_at.map(|end| platform::utc_text(end.saturating_mul(1000))),
        may_leave: key.cloud && !key.private,
        name: key.name,
    });
    let reach =
        "the server answers this machine only, unless it is started for others; then a key is always wanted";
    Ok(Access { reach, keys: keys.collect() })
}

fn transfers() -> Transfers {
    let ledger = store::ledger();
    let mut sums: BTreeMap<(String, &'static str), Transfer> = BTreeMap::new();
    let mut places: BTreeMap<u64, (String, &'static str)> = BTreeMap::new();
    let read = ledger.read(&mut |entry, _| match &entry.what {
        What::Send(sending) => {
            let place = (sending.to.clone(), sending.purpose.name());
            let sum = sums.entry(place.clone()).or_default();
            let time = platform::utc_text(entry.time_ms);
            if sum.requests == 0 {
                (sum.place, sum.purpose, sum.first) = (place.0.clone(), place.1, time.clone());
            }
            (sum.requests, sum.bytes_sent, sum.last) =
                (sum.requests + 1, sum.bytes_sent + sending.bytes, time);
            add(&mut sum.hidden, &sending.hidden);
            add(&mut sum.shown, &sending.shown);
            places.insert(entry.n, place);
        }
        What::Outcome(outcome) => {
            // One outcome ends a request, so the map stays as small as what is under way.
            if let Some(sum) = places.remove(&outcome.of).and_then(|place| sums.get_mut(&place)) {
                sum.bytes_received += outcome.received;
            }
        }
        What::Repaired(_) => {}
    });
    let to = sums.into_values().collect();
    match read {
        Ok(verified) => Transfers {
            ledger_is_whole: true,
            problem: None,
            entries: verified.entries,
            head: (verified.entries > 0).then(|| verified.head.to_string()),
            to,
        },
        Err(error) => {
            Transfers { ledger_is_whole: false, problem: Some(error.to_string()), entries: 0, head: None, to }
        }
    }
}

fn add(sum: &mut BTreeMap<String, u64>, more: &BTreeMap<String, u64>) {
    more.iter().for_each(|(kind, count)| *sum.entry(kind.clone()).or_default() += count);
}

fn offline() -> Offline {
    let enforced_by = super::seal::possible()
        .map(|level| level["text"].as_str().unwrap_or_default().to_owned())
        .unwrap_or_else(|error| format!("unknown: {error:#}"));
    Offline { is_on: offline::is_wanted(), enforced_by }
}

fn markdown(record: &Record) -> String {
    let mut text = format!(
        "# Record of processing: Hob {} in {}\n\nMade at {}, from what is so on this machine.\n\n\
         - Responsible: \n- Purpose: \n- Legal ground: \n- Whose data: \n\n",
        record.hob, record.data_folder, record.made_at
    );
    write_conversations(&mut text, &record.conversations);
    text += "## What is kept, and where\n\n| place | what | personal data | files | size |\n|---|---|---|---|---|\n";
    for Kept { place, what, personal, files, bytes } in &record.kept {
        let _ = writeln!(text, "| {place} | {what} | {personal} | {files} | {} |", Bytes(*bytes));
    }
    let _ = writeln!(text, "\n## Who may reach it\n\n{}.\n", record.access.reach);
    for Key { name, opens, until, may_leave } in &record.access.keys {
        let until = until.as_deref().unwrap_or("it is revoked");
        let leave = if *may_leave { "; what it asks may be sent to a model elsewhere" } else { "" };
        let _ = writeln!(text, "- key `{}`: {}, until {until}{leave}", cell(name), opens.join(", "));
    }
    if record.access.keys.is_empty() {
        text += "There are no keys.\n";
    }
    write_transfers(&mut text, &record.transfers);
    let state = if record.offline.is_on { "on" } else { "off; `hob --offline` turns it on" };
    let _ = writeln!(text, "\n## Offline mode\n\n{state}. What enforces it: {}.", record.offline.enforced_by);
    text
}

fn write_conversations(text: &mut String, about: &Conversations) {
    *text += "## Conversations\n\n";
    let _ = match &about.opened_by {
        Some(by) => writeln!(text, "Encrypted with AES-256-GCM, page by page; {by} opens them."),
        None => writeln!(text, "Not encrypted. No other user of this machine may read the file."),
    };
    match (about.count, &about.oldest, &about.newest) {
        (Some(count), Some(oldest), Some(newest)) => {
            let _ = writeln!(text, "{count} are kept, from {oldest} to {newest}.");
        }
        (Some(_), ..) => *text += "None is kept.\n",
        _ => *text += "How many there are was not looked at: they are locked.\n",
    }
    *text += "\n";
    match &about.rules {
        Some(rules) if rules.is_empty() => *text += "They are kept until somebody deletes them.\n\n",
        Some(rules) => {
            *text += "| folder | kept |\n|---|---|\n";
            for Rule { folder, days } in rules {
                let kept = days.map_or("for ever".to_owned(), |days| format!("{days} days"));
                let _ = writeln!(text, "| {} | {kept} |", cell(folder.as_deref().unwrap_or("(all others)")));
            }
            let _ = writeln!(text, "\nDue for deletion now: {}.\n", about.due.unwrap_or(0));
        }
        None => {}
    }
}

fn write_transfers(text: &mut String, transfers: &Transfers) {
    *text += "\n## What left this machine\n\n";
    if let Some(problem) = &transfers.problem {
        let _ = writeln!(text, "The ledger is not whole, and nothing is sent until it is: {problem}\n");
    }
    if transfers.to.is_empty() {
        *text += "Nothing has left this machine through Hob.\n";
        return;
    }
    *text += "| to | purpose | requests | sent | received | hidden | shown | first | last |\n|---|---|---|---|---|---|---|---|---|\n";
    for t in &transfers.to {
        let counts = |kinds: &BTreeMap<String, u64>| {
            kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            cell(&t.place),
            t.purpose,
            t.requests,
            Bytes(t.bytes_sent),
            Bytes(t.bytes_received),
            cell(&counts(&t.hidden)),
            cell(&counts(&t.shown)),
            t.first,
            t.last
        );
    }
    if let Some(head) = &transfers.head {
        let _ = writeln!(
            text,
            "\n{} entries, none changed, missing or moved; the last has the digest {head}.",
            transfers.entries
        );
    }
}

/// A text that stays in its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}
