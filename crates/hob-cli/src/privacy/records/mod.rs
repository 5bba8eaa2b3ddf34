//! `hob privacy records`: what this installation keeps, how, and what left it, as officers for data protection want it written.

mod markdown;

use crate::chats::{self, secret};
use crate::{cloud, key, offline, out, platform, store};
use anyhow::anyhow;
use clap::Args;
use hob_chats::{Protection, Rule};
use hob_egress::What;
use serde::Serialize;
use std::collections::BTreeMap;
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
    recipients: Recipients,
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
    /// Folders whose conversations never leave.
    private_folders: Option<Vec<String>>,
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

/// Models elsewhere that may be asked.
#[derive(Debug, Serialize)]
struct Recipients {
    mode: String,
    targets: Vec<Recipient>,
    /// Folders of the disk whose files are not read for them; nothing where the policy cannot be read.
    private_folders: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
struct Recipient {
    name: String,
    address: String,
    zone: String,
    model: String,
    private_is_hidden: bool,
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
const PLACES: [(&str, &str, &str); 10] = [
    ("chats", "conversations: texts, titles, attached files, figures", "yes"),
    ("chat_history", "what was typed in the terminal; not written when conversations are encrypted", "yes"),
    (
        "ledger",
        "what left this machine: times, places, sizes, digests; contents only where somebody wanted that",
        "perhaps",
    ),
    ("targets", "models elsewhere that may be asked, and keys of theirs that are in no keyring", "no"),
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
        recipients: recipients()?,
        transfers: transfers(),
        offline: offline(),
    };
    if args.json {
        return out::json(&record);
    }
    out::text(&out::harmless(&markdown::of(&record)))
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
        private_folders: None,
    };
    if is_readable {
        let all = chats::all(&chats)?;
        let day = |ms: Option<i64>| ms.map(platform::utc_text);
        about.count = Some(all.len());
        about.oldest = day(all.iter().map(|one| one.chat.created).min());
        about.newest = day(all.iter().map(|one| one.chat.updated).max());
        about.rules = Some(chats.rules()?);
        about.private_folders = Some(chats.private_folders()?);
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

fn recipients() -> anyhow::Result<Recipients> {
    let cloud = cloud::open()?;
    let one = |(name, target): (String, hob_cloud::Target)| Recipient {
        name,
        address: target.address,
        zone: target.zone.to_string(),
        model: target.model,
        private_is_hidden: target.redact,
    };
    Ok(Recipients {
        mode: cloud.mode()?.to_string(),
        targets: cloud.targets()?.into_iter().map(one).collect(),
        private_folders: cloud.policy().ok().map(|policy| policy.privacy.private_folders),
    })
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
