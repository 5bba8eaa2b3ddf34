//! `hob cloud solve`: a target plans, this machine reads.

use super::ask::{ask, preview};
use super::files;
use super::list::dollars;
use super::reader::ModelReader;
use crate::open::RunArgs;
use crate::progress::Progress;
use crate::which::Which;
use crate::{fail, open, out, signals};
use clap::Args;
use hob::BUILTIN_NAME;
use hob_cloud::Cloud;
use hob_cloud::sealed::{self, Card, Citation, Document, Obtained, Sent, Solved, Told};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;

/// Quotes that are printed, at most; `--json` has more.
const QUOTES_MAX: usize = 20;

const AFTER_HELP: &str = r#"The target is told the question, how long FILE is, its headings (lines that begin with #) and rounded counts, with what is private
hidden as in `hob cloud ask`. It answers with a plan, which is checked as a whole before anything of it runs:
  {"steps": [
    {"op": "select", "name": "all", "headings": [], "words": ["invoice"]},
    {"op": "extract", "name": "rows", "from": "all", "many": true,
      "fields": [{"name": "amount", "type": "number", "question": "What is the total of the invoice?"}]},
    {"op": "filter", "name": "big", "from": "rows", "field": "amount", "test": "more", "value": "100"},
    {"op": "reduce", "name": "total", "from": "big", "how": "sum", "field": "amount"},
    {"op": "answer", "text": "The large invoices come to {total}."}]}
The local model reads the chunks that the plan selects. What it finds counts only with a quote that stands in FILE letter by letter and
holds the value; the rest is dropped. Nothing that was found leaves. --preview shows the bytes that would be sent and sends nothing. A FILE of a folder that
`private_folders` in policy.toml names is refused, however a path leads there; a hard link or a copy outside of it is a file of its own.

Example:
  hob cloud solve claude ledger.md "What did we pay for rent in 2025?" --model qwen3:4b"#;

/// Arguments of `hob cloud solve`.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct SolveArgs {
    /// The target that plans
    pub target: String,
    /// Text file that the question is about; it stays here
    pub file: PathBuf,
    /// The question
    pub question: String,
    /// The model that reads: file, folder, stored model or ember
    #[arg(long, value_name = "MODEL", default_value = BUILTIN_NAME)]
    pub model: PathBuf,
    /// How to run the model.
    #[command(flatten)]
    pub run: RunArgs,
    /// Print the plan too, as the target wrote it
    #[arg(long)]
    pub show_plan: bool,
    /// Show what would be sent, to the byte, and what would be hidden; send nothing
    #[arg(long)]
    pub preview: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(cloud: &Cloud, args: &SolveArgs) -> anyhow::Result<()> {
    if args.question.trim().is_empty() {
        return Err(fail::usage("expected a question, found none"));
    }
    let document = Document::new(files::text(cloud, &args.file)?)?;
    let card = Card::of(&document);
    if args.preview {
        let question = sealed::question(&card, &args.question);
        let plan = cloud.plan(&sealed::wish(&question, &args.target), &mut ask)?;
        return preview(&plan, args.json);
    }
    // Who reads is known before anybody is paid for a plan.
    let model = open::with_options(&Which::named(&args.model), &args.run.options())?;
    model.tokenizer()?;
    let obtained = sealed::obtain(cloud, &args.target, &card, &args.question, &mut ask)?;
    signals::catch()?;
    let (mut progress, mut done) = (Progress::steps(!args.json), 0);
    let mut tell = || {
        done += 1;
        progress.update(|| format!("read {done} chunks"), || Value::Null);
    };
    let mut reader = ModelReader::new(&model, &mut tell);
    let solved = sealed::run(&obtained.plan, &document, &mut reader)?;
    let unread = reader.unread();
    drop(progress);
    if args.json {
        return out::json(&whole(&args.target, &obtained, &solved, unread));
    }
    told(args, &obtained, &solved, unread)
}

/// All of it as one document.
fn whole(target: &str, obtained: &Obtained, solved: &Solved, unread: usize) -> Value {
    let citation = |c: &Citation| {
        json!({"step": c.step, "field": c.field, "value": c.value, "chunk": c.chunk, "line": c.line, "start": c.range.start,
            "end": c.range.end, "quote": c.quote})
    };
    let sent = |sent: &Sent| {
        json!({"bytes": sent.bytes, "hidden": sent.hidden, "shown": sent.shown, "entry": sent.entry,
            "dollars": sent.ended.cost_micro as f64 / 1e6,
            "tokens": sent.ended.usage.map(|usage| json!({"read": usage.read, "written": usage.written}))})
    };
    let refused =
        obtained.refused.as_ref().map(|wrong| json!({"place": wrong.place, "reason": wrong.to_string()}));
    let results = solved.results.iter().map(|heard| json!({"step": heard.step, "text": heard.text}));
    let dropped = solved.dropped;
    json!({
        "answer": solved.answer, "told": name(solved.told), "target": target, "plan": obtained.written, "refused": refused,
        "results": results.collect::<Vec<_>>(),
        "citations": solved.citations.iter().map(citation).collect::<Vec<_>>(), "citations_more": solved.more,
        "dropped": {"all": dropped.all(), "quotes": dropped.quotes, "values": dropped.values, "kinds": dropped.kinds,
            "repeats": dropped.repeats},
        "reads": solved.reads, "unread": unread, "rows": solved.rows,
        "sent": obtained.sent.iter().map(sent).collect::<Vec<_>>(),
    })
}

/// Who wrote an answer, in a word.
fn name(told: Told) -> &'static str {
    match told {
        Told::Plan => "plan",
        Told::Reader => "model",
        Told::Results => "results",
    }
}

/// The answer with its quotes, and what it took on standard error.
fn told(args: &SolveArgs, obtained: &Obtained, solved: &Solved, unread: usize) -> anyhow::Result<()> {
    let mut text = String::new();
    if args.show_plan {
        writeln!(text, "{}\n", serde_json::to_string_pretty(&obtained.written)?)?;
    }
    writeln!(text, "{}", solved.answer.trim_end())?;
    let quotes: Vec<&[Citation]> = solved.citations.chunk_by(|one, next| one.range == next.range).collect();
    if !quotes.is_empty() {
        text.push('\n');
    }
    for cited in quotes.iter().take(QUOTES_MAX) {
        let values: Vec<String> = cited.iter().map(|c| format!("{} = {}", c.field, c.value)).collect();
        let (line, chunk, quote) = (cited[0].line, cited[0].chunk, one_line(&cited[0].quote));
        writeln!(text, "line {line} (chunk {chunk}): {} in {quote:?}", values.join(", "))?;
    }
    let more = quotes.len().saturating_sub(QUOTES_MAX) + solved.more;
    if more > 0 {
        writeln!(text, "and {more} more")?;
    }
    out::text(&out::harmless(&text))?;
    notes(&args.target, obtained, solved, unread);
    Ok(())
}

fn notes(target: &str, obtained: &Obtained, solved: &Solved, unread: usize) {
    if let Some(wrong) = &obtained.refused {
        fail::note(&out::harmless(&format!("the first plan was refused: {wrong}")));
    }
    match solved.told {
        Told::Plan => {}
        Told::Reader => {
            fail::note("the local model wrote the answer from the results; the quotes are what holds")
        }
        Told::Results => {
            fail::note("the local model wrote of numbers that are in no result, so these are the results")
        }
    }
    let dropped = solved.dropped.all();
    fail::note(&format!(
        "{} chunks read, {} rows found, {dropped} cells dropped because FILE does not say them",
        solved.reads, solved.rows
    ));
    if unread > 0 {
        fail::note(&format!(
            "{unread} chunks were read in part or not at all: the local model's answer had no end; a bigger one may do better"
        ));
    }
    let bytes: usize = obtained.sent.iter().map(|sent| sent.bytes).sum();
    let hidden: usize = obtained.sent.last().map_or(0, |sent| sent.hidden.values().sum());
    let cost: u64 = obtained.sent.iter().map(|sent| sent.ended.cost_micro).sum();
    let entries: Vec<String> =
        obtained.sent.iter().filter_map(|sent| sent.entry).map(|entry| entry.to_string()).collect();
    let entries = match entries.as_slice() {
        [] => "from memory, nothing was sent".to_owned(),
        [one] => format!("entry {one} of the ledger"),
        all => format!("entries {} of the ledger", all.join(" and ")),
    };
    let cost = dollars(cost as f64 / 1e6);
    fail::note(&format!("{target}: {bytes} bytes sent, {hidden} values hidden, {cost}, {entries}"));
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
