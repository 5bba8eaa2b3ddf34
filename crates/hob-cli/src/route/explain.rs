//! `hob route explain`: a decision with its reasons.

use super::rows;
use super::written::Known;
use crate::open::RunArgs;
use crate::{cloud, fail, input, out, platform};
use anyhow::Context;
use clap::Args;
use hob_router::{
    Bar, Decision, Label, Needs, Policy, Request, Route, Router, Scorer, Spent, Threshold, threshold, trials,
};
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

/// A policy for `--help`.
pub const POLICY_HELP: &str = r#"Nothing is sent. Without --policy it is policy.toml in the data folder that is followed, with the targets that `hob cloud list`
shows. A policy is a TOML file; all of it may be left out, and then everything stays here:
  allow = ["organisation", "cloud"]    # places that may be asked
  quality = 0.3                        # 0 spends nothing, 1 asks for the best; about the share that goes to larger models
  risk = { epsilon = 0.1 }             # at most a tenth of the local answers worse than the larger model's
  handover = { below = 0.3, hold = 8 } # an answer that is right with less than this probability goes to a larger model while it
                                       # is written; 8 tokens are written before the first is shown (`hob route calibrate` first)
                                       # and with repair = 0.5 one that is complete, read as a whole or on the page, has the few words that the
                                       # local model doubts written anew by a larger model where it is right with less than this
  budget = { request = 0.05, day = 1.0, month = 10.0 }     # dollars
  local = { context = 8192, tools = true, images = false } # what the local model can
  [privacy]
  otherwise = "redact"                 # what happens to what is private: redact, allow, ask or block
  labels = { SECRET = "block" }        # the same for a kind
  words = ["Falcon"]                   # own words that are private too
  private_folders = ["~/medical"]      # files in there are never read for a model elsewhere
  [[rule]]                             # the first that matches decides; contains, words_at_least, task, tools
  name = "diary"
  contains = ["dear diary"]
  then = "stay"                        # or { send = "big" }
  [[target]]                           # for this command alone; `hob cloud add` names those that are asked
  name = "big"
  zone = "cloud"
  input_price = 2.5                    # dollars for a million tokens
  output_price = 10.0
  context = 128000"#;

/// Arguments of `hob route explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// The prompt [default: standard input]
    pub prompt: Option<String>,
    /// Policy file [default: policy.toml in the data folder, with the targets of `hob cloud`]
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// The request is marked private: it stays whatever the policy says
    #[arg(long)]
    pub private: bool,
    /// The request offers tools
    #[arg(long)]
    pub tools: bool,
    /// The request has images
    #[arg(long)]
    pub images: bool,
    /// Kind of task, for the policy's rules
    #[arg(long, value_name = "NAME")]
    pub task: Option<String>,
    /// Tokens of conversation and prompt [default: estimated from the prompt]
    #[arg(long, value_name = "N")]
    pub tokens: Option<u64>,
    /// Dollars spent today
    #[arg(long, value_name = "DOLLARS", default_value_t = 0.0, value_parser = parse_dollars)]
    pub spent_today: f64,
    /// Dollars spent this month
    #[arg(long, value_name = "DOLLARS", default_value_t = 0.0, value_parser = parse_dollars)]
    pub spent_month: f64,
    /// Recorded outcomes of your two models (see `hob route eval`), with which the policy's risk is kept
    #[arg(long, value_name = "FILE")]
    pub outcomes: Option<PathBuf>,
    /// The model of this machine that would answer; when it is right has to be known (`hob route calibrate`)
    #[arg(long, value_name = "MODEL", conflicts_with = "outcomes")]
    pub model: Option<PathBuf>,
    /// Let it answer, and judge the answer while it is written
    #[arg(long, requires = "model")]
    pub answer: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// How models run.
    #[command(flatten)]
    pub run: RunArgs,
}

fn parse_dollars(text: &str) -> Result<f64, String> {
    let found = text.parse().ok().filter(|v: &f64| v.is_finite() && *v >= 0.0);
    found.ok_or_else(|| format!("expected dollars such as 0.25, found {text:?}"))
}

/// Runs the command.
pub fn run(args: &ExplainArgs) -> anyhow::Result<()> {
    let policy = match &args.policy {
        Some(path) => Policy::from_toml(&input::text(path)?).with_context(|| path.display().to_string())?,
        None if platform::data_dir().is_some() => cloud::open()?.policy()?,
        None => Policy::default(),
    };
    let prompt = match &args.prompt {
        Some(prompt) => prompt.clone(),
        None => input::stdin()?,
    };
    let scorer = Scorer::built_in();
    let kept = limit(args, &policy, &scorer)?;
    let label = if args.private { Label::Private } else { Label::Open };
    let mut request = Request::new(&prompt, label);
    let (tools, images, task) = (args.tools, args.images, args.task.clone());
    request.needs = Needs { tokens: args.tokens, tools, images, task, ..Needs::default() };
    let known = args.model.as_deref().map(|path| Known::of(path, &args.run)).transpose()?;
    if platform::data_dir().is_some() {
        request.needs.corrections = Some(cloud::open()?.corrections()?);
    }
    request.needs.confidence = known.as_ref().map(|known| Arc::clone(&known.confidence));
    let router = Router::new(scorer, policy, kept);
    let spent = Spent { day: args.spent_today, month: args.spent_month };
    let decision = router.decide(&request, spent);
    let written = match known.filter(|_| args.answer) {
        Some(known) => Some(known.written(&router, &request, spent)?),
        None => None,
    };
    if args.json {
        let mut whole = decision.to_json(label);
        if let Some(written) = written {
            whole["written"] = written.to_json(label);
        }
        return out::json(&whole);
    }
    let mut text = described(&decision, request.needs.confidence.is_some())?;
    if let Some(written) = written {
        text += &written.described()?;
    }
    out::text(&text)
}

/// The threshold that keeps the policy's risk, if there are outcomes to find it with.
fn limit(args: &ExplainArgs, policy: &Policy, scorer: &Scorer) -> anyhow::Result<Option<Threshold>> {
    let Some(path) = &args.outcomes else { return Ok(None) };
    let Some(risk) = &policy.risk else {
        return Err(fail::usage(
            "--outcomes serves to keep the risk of a policy; give --policy FILE with [risk]",
        ));
    };
    let trials = trials(&rows(path)?, scorer, risk.loss);
    Ok(Some(threshold(&trials, risk)))
}

fn described(decision: &Decision<'_>, known: bool) -> anyhow::Result<String> {
    let mut text = String::new();
    match &decision.route {
        Route::Local => writeln!(text, "stays on this machine: {}", decision.reason)?,
        Route::Escalate(to) => {
            let (target, dollars) = (to.target(), to.dollars());
            let name = out::harmless(&target.name);
            let reason = &decision.reason;
            writeln!(text, "would go to {name} ({}, about ${dollars:.4}): {reason}", target.zone)?;
        }
    }
    for (name, why) in &decision.passed_over {
        writeln!(text, "not {}: {why}", out::harmless(name))?;
    }
    let estimate = &decision.estimate;
    let what = if known { "is right" } else { "suffices" };
    writeln!(text, "\nthe local answer {what} with probability {:.2}", estimate.suffices)?;
    if let Some(right) = estimate.local_right.filter(|_| !known) {
        writeln!(text, "it is right with probability {right:.2}")?;
    }
    let asked = match decision.needed.from {
        Bar::Quality => "from the slider between quality and cost",
        Bar::Calibrated => "from recorded outcomes, for the risk of the policy",
        Bar::Handover => "from the policy's handover",
        Bar::Repair => "from the policy's repair",
        Bar::Epsilon => "for the risk of the policy; without --outcomes that is no guarantee",
    };
    if decision.needed.suffices > 1.0 {
        writeln!(text, "asked for: more than 1, so nothing stays ({asked})")?;
    } else {
        writeln!(text, "asked for: {:.2} ({asked})", decision.needed.suffices)?;
    }
    writeln!(text, "\n{:<28} {:>8} {:>8}", "signal", "value", "weight")?;
    for signal in &estimate.signals {
        writeln!(text, "{:<28} {:>8.3} {:>+8.3}", signal.name, signal.value, signal.weight)?;
    }
    writeln!(text, "{:<28} {:>8} {:>+8.3}", "sum", "", estimate.score)?;
    let familiar = if estimate.familiar {
        "above 0 speaks for the larger model"
    } else {
        "above 0 speaks for the larger model; such prompts were not recorded, so outcomes have no vote"
    };
    writeln!(text, "{familiar}")?;
    Ok(text)
}
