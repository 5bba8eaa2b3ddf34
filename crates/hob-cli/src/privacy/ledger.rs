//! `hob privacy ledger`: what left this machine, looked at, checked and handed out.

use crate::{fail, out, platform, store};
use clap::{Args, Subcommand, ValueEnum};
use hob_base::Bytes;
use hob_egress::{Entry, Hash, Ledger, Outcome, Sending, What};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io::Write as _;

/// What can be done.
#[derive(Subcommand, Debug)]
pub enum LedgerCommand {
    /// List the latest requests that left this machine
    Show(ShowArgs),
    /// Check that no entry was changed, taken out or moved
    Verify(VerifyArgs),
    /// Print all entries, as JSON lines or as a table for spreadsheets
    Export(ExportArgs),
}

/// Arguments of `hob privacy ledger show`.
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// So many of the latest requests
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub last: usize,
    /// Print JSON lines
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `hob privacy ledger verify`.
#[derive(Args, Debug)]
#[command(after_help = "\
Every entry names the digest of the one before it, and a file beside the ledger says which was the last. So what is there is what
was written, in that order. Somebody who may write both files could make them anew: keep the digest that this command prints
somewhere else, and give it back with --head to rule that out.

Exits with 1 if anything is wrong. While it is, nothing is sent.")]
pub struct VerifyArgs {
    /// Digest that was printed earlier: an entry has to have it
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    pub head: Option<Hash>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `hob privacy ledger export`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// Form of the output
    #[arg(long, value_enum, default_value = "jsonl")]
    pub format: Format,
}

/// Forms of an export.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// Every entry as it is kept, one a line
    Jsonl,
    /// Every request with what became of it, one a line
    Csv,
}

fn digest(text: &str) -> Result<Hash, String> {
    text.trim().parse().map_err(|e| format!("{e}, found {text:?}"))
}

/// Runs the command.
pub fn run(what: &LedgerCommand) -> anyhow::Result<()> {
    let ledger = store::ledger();
    match what {
        LedgerCommand::Show(args) => show(&ledger, args),
        LedgerCommand::Verify(args) => verify(&ledger, args),
        LedgerCommand::Export(args) => match args.format {
            Format::Jsonl => jsonl(&ledger),
            Format::Csv => csv(&ledger),
        },
    }
}

/// A request and what became of it.
struct Request {
    n: u64,
    time_ms: i64,
    sending: Sending,
    outcome: Option<Outcome>,
}

/// Puts outcomes to their requests, of which the latest `last` are kept.
struct Requests {
    last: usize,
    list: VecDeque<Request>,
    count: u64,
}

impl Requests {
    fn add(&mut self, entry: &Entry) {
        match &entry.what {
            What::Send(sending) => {
                self.count += 1;
                let (n, time_ms, sending) = (entry.n, entry.time_ms, sending.clone());
                self.list.push_back(Request { n, time_ms, sending, outcome: None });
                if self.list.len() > self.last {
                    self.list.pop_front();
                }
            }
            What::Outcome(outcome) => {
                if let Ok(at) = self.list.binary_search_by_key(&outcome.of, |request| request.n) {
                    self.list[at].outcome = Some(outcome.clone());
                }
            }
            What::Repaired(_) => {}
        }
    }
}

fn requests(ledger: &Ledger, last: usize) -> anyhow::Result<Requests> {
    let mut requests = Requests { last, list: VecDeque::new(), count: 0 };
    ledger.read(&mut |entry, _| requests.add(entry))?;
    Ok(requests)
}

fn show(ledger: &Ledger, args: &ShowArgs) -> anyhow::Result<()> {
    let requests = requests(ledger, args.last)?;
    if args.json {
        return requests.list.iter().try_for_each(|request| out::json_line(&as_json(request)));
    }
    if requests.count == 0 {
        return out::text("nothing has left this machine through Hob\n");
    }
    let mut text = String::new();
    for request in &requests.list {
        text += &out::harmless(&line(request));
    }
    let (count, plural) = (requests.count, if requests.count == 1 { "" } else { "s" });
    writeln!(text, "{count} request{plural} in all; `hob privacy ledger verify` checks them")?;
    out::text(&text)
}

fn line(request: &Request) -> String {
    let Request { n, time_ms, sending, outcome } = request;
    let ended = match outcome {
        None => "no outcome known".to_owned(),
        Some(Outcome { failed: Some(failed), .. }) => format!("failed: {failed}"),
        Some(outcome) => outcome.status.map_or_else(String::new, |status| status.to_string()),
    };
    let received = outcome.as_ref().map_or(0, |outcome| outcome.received);
    let mut line = format!(
        "{n:>6}  {}  {:<8}  {} {}{}  {ended}  {} out, {} in",
        platform::local_text(*time_ms),
        sending.purpose.name(),
        sending.method,
        sending.to,
        sending.path,
        Bytes(sending.bytes),
        Bytes(received),
    );
    for (what, found) in [("hidden", &sending.hidden), ("shown", &sending.shown)] {
        if !found.is_empty() {
            let _ = write!(line, "  {what}: {}", counts(found));
        }
    }
    let cost = outcome.as_ref().map_or(sending.cost_max_micro, |outcome| outcome.cost_micro);
    if cost > 0 {
        let _ = write!(line, "  cost {}", money(cost));
    }
    line + "\n"
}

/// Millionths as a number with a point.
pub fn money(micro: u64) -> String {
    format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000)
}

fn counts(found: &BTreeMap<String, u64>) -> String {
    found.iter().map(|(label, count)| format!("{count} {label}")).collect::<Vec<_>>().join(", ")
}

fn as_json(request: &Request) -> Value {
    json!({"n": request.n, "time_ms": request.time_ms, "send": request.sending, "outcome": request.outcome})
}

fn verify(ledger: &Ledger, args: &VerifyArgs) -> anyhow::Result<()> {
    let verified = ledger.verify(args.head)?;
    if args.json {
        return out::json(&json!({
            "is_whole": true, "entries": verified.entries, "head": verified.head.to_string(), "torn_bytes": verified.torn_bytes,
        }));
    }
    if verified.torn_bytes > 0 {
        fail::note(&format!(
            "at the end are {} bytes of an entry that a killed program began; no byte of its request had left, and the next entry takes their place",
            verified.torn_bytes
        ));
    }
    if verified.entries == 0 {
        return out::text("the ledger is empty: nothing has left this machine through Hob\n");
    }
    out::text(&format!(
        "{} entries, none changed, missing or moved\nhead {}\n",
        verified.entries, verified.head
    ))
}

fn jsonl(ledger: &Ledger) -> anyhow::Result<()> {
    // Only a ledger that is whole is handed out.
    ledger.verify(None)?;
    let mut writer = out::buffered();
    let mut result = Ok(());
    ledger.read(&mut |entry, hash| {
        if result.is_ok() {
            let mut line = json!(entry);
            line["hash"] = json!(hash);
            result = writeln!(writer, "{line}");
        }
    })?;
    result?;
    Ok(writer.flush()?)
}

fn csv(ledger: &Ledger) -> anyhow::Result<()> {
    let requests = requests(ledger, usize::MAX)?;
    let mut writer = out::buffered();
    writeln!(
        writer,
        "n,time,method,to,path,purpose,policy,target,bytes_sent,sha256,hidden,shown,status,bytes_received,cost_micro,failed"
    )?;
    for Request { n, time_ms, sending: s, outcome } in &requests.list {
        let outcome = outcome.clone().unwrap_or_default();
        let time = platform::utc_text(*time_ms);
        let fields = [
            n.to_string(),
            time,
            s.method.clone(),
            s.to.clone(),
            s.path.clone(),
            s.purpose.name().to_owned(),
            s.policy.clone(),
            s.target.clone().unwrap_or_default(),
            s.bytes.to_string(),
            s.sha256.map(|hash| hash.to_string()).unwrap_or_default(),
            counts(&s.hidden),
            counts(&s.shown),
            outcome.status.map(|status| status.to_string()).unwrap_or_default(),
            outcome.received.to_string(),
            outcome.cost_micro.to_string(),
            outcome.failed.unwrap_or_default(),
        ];
        let fields: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
        writeln!(writer, "{}", fields.join(","))?;
    }
    Ok(writer.flush()?)
}

/// A field of a table. Spreadsheets take what begins with some signs for a formula.
fn quoted(field: &str) -> String {
    let field = match field.chars().next() {
        Some('=' | '+' | '-' | '@') => format!("'{field}"),
        _ => field.to_owned(),
    };
    if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn fields_stay_fields() {
        for (field, expected) in [
            ("a", "a"),
            ("1 A, 2 B", "\"1 A, 2 B\""),
            ("=1+1", "'=1+1"),
            ("a\"b\n", "\"a\"\"b\n\""),
            ("", ""),
        ] {
            assert_eq!(quoted(field), expected);
        }
    }
}
