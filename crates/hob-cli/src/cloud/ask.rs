//! `hob cloud ask`: one question for one target, by its name.

use super::files;
use super::list::dollars;
use crate::privacy::preview_text;
use crate::{fail, out};
use clap::Args;
use hob_cloud::{Answering, Call, Cloud, Event, Finish, Plan, Question, Way, Wish};
use hob_energy::Account;
use hob_privacy::{Answer, Label};
use hob_server::stats::kept_energy;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{self, BufRead, IsTerminal, Write};

const AFTER_HELP: &str = "\
What is private in the question is hidden before it leaves and put back in the answer. --preview shows the bytes that would be sent
and sends nothing. Kinds for which policy.toml says `ask` are asked about on the terminal; where nobody can be asked, nothing is sent. Files of a folder
that `private_folders` in policy.toml names are refused, however a path leads there; a hard link or a copy outside of it is a file of its own.";

/// Arguments of `hob cloud ask`.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct AskArgs {
    /// The target
    pub name: String,
    /// The question [default: standard input]
    pub prompt: Option<String>,
    /// Instructions for the model
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// Longest answer, in tokens
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<u64>,
    /// Show what would be sent, to the byte, and what would be hidden; send nothing
    #[arg(long)]
    pub preview: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(cloud: &Cloud, args: &AskArgs) -> anyhow::Result<()> {
    let prompt = match &args.prompt {
        Some(prompt) => prompt.clone(),
        None => files::stdin(cloud)?,
    };
    let mut question = Question { max_tokens: args.max_tokens, ..Question::of(&prompt) };
    if let Some(system) = &args.system {
        question.messages.insert(0, json!({"role": "system", "content": system}));
    }
    let wish = Wish::new(&question, Way::Named(args.name.clone()));
    let plan = cloud.plan(&wish, &mut ask)?;
    if args.preview {
        return preview(&plan, args.json);
    }
    let facts = facts(&plan);
    let Some(answering) = cloud.begin(plan)? else {
        return Err(fail::usage("the question stays here; nothing was sent"));
    };
    if args.json { whole(answering, facts) } else { told(answering, &facts) }
}

/// What would be sent.
pub(super) fn preview(plan: &Plan, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return out::json(&plan.to_json(true));
    }
    let cleared = plan.cleared().map(preview_text).unwrap_or_default();
    let most = dollars(plan.dollars_max());
    out::text(&format!("{}nothing was sent; it could cost up to {most}\n", out::harmless(&cleared)))
}

/// What is said beside an answer.
fn facts(plan: &Plan) -> Value {
    json!({
        "target": plan.told.target, "zone": plan.told.zone, "bytes": plan.cleared().map(|c| c.bytes().len()),
        "hidden": plan.cleared().map(hob_privacy::Cleared::hidden), "shown": plan.cleared().map(hob_privacy::Cleared::shown),
    })
}

/// Asks on the terminal whether values of a kind may leave.
pub(super) fn ask(label: Label, values: &BTreeSet<&str>) -> Answer {
    if !io::stdin().is_terminal() {
        return Answer::Refuse;
    }
    let list: Vec<String> = values.iter().take(10).map(|value| out::harmless(value).into_owned()).collect();
    let count = values.len();
    let _ = write!(
        io::stderr(),
        "{count} of kind {label}: {}\n[h]ide, [s]how, or send nothing? ",
        list.join(", ")
    );
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line).map(|_| line.trim().to_lowercase()) {
        Ok(answer) if answer == "h" || answer == "hide" => Answer::Hide,
        Ok(answer) if answer == "s" || answer == "show" => Answer::Show,
        _ => Answer::Refuse,
    }
}

/// The answer as it arrives, and what it took on standard error.
fn told(mut answering: Answering, facts: &Value) -> anyhow::Result<()> {
    let mut ends_line = true;
    while let Some(event) = answering.next()? {
        if let Event::Text(text) = event {
            ends_line = text.ends_with('\n');
            out::text(&out::harmless(&text))?;
        }
    }
    if !ends_line {
        out::text("\n")?;
    }
    let ended = answering.ended();
    if ended.finish == Finish::Length {
        fail::note("the answer was cut at its longest; --max-tokens asks for more");
    }
    let entry = answering
        .entry()
        .map_or("from memory, nothing was sent".into(), |n| format!("entry {n} of the ledger"));
    let cost = dollars(ended.cost_micro as f64 / 1e6);
    let hidden: u64 =
        facts["hidden"].as_object().into_iter().flat_map(|m| m.values()).filter_map(Value::as_u64).sum();
    let target = answering.target();
    fail::note(&format!("{target}: {} bytes sent, {hidden} values hidden, {cost}, {entry}", facts["bytes"]));
    if answering.entry().is_some() {
        fail::note(&format!("energy there {}", Account::assumed()));
    }
    Ok(())
}

/// The answer as one document.
fn whole(mut answering: Answering, mut facts: Value) -> anyhow::Result<()> {
    let (mut text, mut thought, mut calls) = (String::new(), String::new(), Vec::new());
    while let Some(event) = answering.next()? {
        match event {
            Event::Text(piece) => text += &piece,
            Event::Thought(piece) => thought += &piece,
            Event::Call(Call { name, arguments }) => {
                calls.push(json!({"name": name, "arguments": arguments}))
            }
        }
    }
    let ended = answering.ended();
    facts["text"] = text.into();
    facts["thought"] = thought.into();
    facts["calls"] = calls.into();
    facts["is_cut"] = (ended.finish == Finish::Length).into();
    facts["tokens"] = json!(ended.usage.map(|usage| json!({"read": usage.read, "written": usage.written})));
    facts["dollars"] = (ended.cost_micro as f64 / 1e6).into();
    facts["entry"] = json!(answering.entry());
    facts["energy_elsewhere"] = json!(answering.entry().map(|_| kept_energy(&Account::assumed())));
    out::json(&facts)
}
