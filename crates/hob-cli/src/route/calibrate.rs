//! `hob route calibrate`: when a model of this machine is right, learned from questions with known answers.

use crate::eval::{rows, tasks};
use crate::fail::{note, usage};
use crate::open::{self, RunArgs};
use crate::progress::Progress;
use crate::{cloud, out};
use anyhow::{Context, bail};
use clap::Args;
use hob::{FinishReason, LanguageModel, Reply, SamplerConfig};
use hob_router::{
    Confidence, ConfidenceReport, Draft, EXAMPLES_MAX, EXAMPLES_MIN, Error, Example, Judged,
    LIKELIEST_TOKENS, Line, Mended, MendedLine, Scale, Scorer, Share, Stage,
};
use rows::{Expected, Question, Row};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;

/// What the file holds, and what comes of it.
pub const FILE_HELP: &str = r#"Each line of FILE is a question with a known answer, as `hob eval tasks` reads them:
  {"prompt": "2 + 2?", "answer": "4"}           what is said must have the answer in it, a number as its last one
  {"messages": [...], "tools": [...]}           the assistant's last message, or first call of a tool, word for word
The model answers all of them; then curves are fitted that say how likely an answer is right: before the call by similar questions, after
1, 8, 32 and 128 tokens and at the end by the model's own probabilities too. How good they are is measured on answers held back in turn
(five parts). What was learned lies in the data folder and holds for these weights alone: `hob route explain --model`, the server's
hybrid mode and its rule `handover` in policy.toml go by it. Questions are kept as counts of hashed words, not as text.
Where the known answers are whole texts, it is also measured how much of what is wrong lies in the words that the model doubts, about
which alone `repair` in policy.toml has a larger model asked."#;

/// Arguments of `hob route calibrate`.
#[derive(Args, Debug)]
pub struct CalibrateArgs {
    /// GGUF file, model directory or name; ember is the built-in model
    pub model: PathBuf,
    /// JSON lines with questions (also .zst)
    #[arg(short, long, value_name = "PATH")]
    pub file: PathBuf,
    /// Questions to ask at most, spread over the file [default: all, 4096 at most]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=EXAMPLES_MAX as u64))]
    pub limit: Option<u64>,
    /// Tokens of an answer at most
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    pub max_tokens: u16,
    /// Start of every random choice
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Measure, and keep nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// How models run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Runs the command.
pub fn run(args: &CalibrateArgs) -> anyhow::Result<()> {
    // What cannot be kept should not be computed for an hour.
    let kept_in = if args.dry_run { None } else { Some(cloud::open()?) };
    let named = || args.file.display().to_string();
    let limit = args.limit.unwrap_or(EXAMPLES_MAX as u64);
    let rows = tasks::some(rows::read_rows(&args.file, None)?, Some(limit));
    if !rows.iter().all(|row| matches!(row.question, Question::Chat { .. })) {
        let message =
            "pairs and choices have no answer to be sure of; give prompts with answers, or conversations";
        bail!(usage(message));
    }
    if rows.len() < EXAMPLES_MIN {
        return Err(Error::TooFew { least: EXAMPLES_MIN, found: rows.len() }).context(named());
    }
    let model = open::model(&args.model, &args.run)?;
    if model.template().is_none() {
        bail!(usage("this model has no chat template, so it cannot answer questions"));
    }
    let scale = Scorer::built_in().scale();
    let examples = answered(&model, &rows, &scale, args)?;
    let (made, report) =
        Confidence::learn(&model.fingerprint(), scale, &examples, args.seed).with_context(named)?;
    let path = kept_in.map(|cloud| cloud.keep_confidence(&made)).transpose()?;
    if args.json {
        let mut whole = json!(report);
        whole["model"] = made.model().into();
        whole["path"] = path.map_or(Value::Null, |path| path.display().to_string().into());
        return out::json(&whole);
    }
    out::text(&described(&report)?)?;
    if let Some(path) = path {
        note(&format!("kept in {}", path.display()));
    }
    Ok(())
}

/// The answers of the model.
fn answered(
    model: &LanguageModel,
    rows: &[Row],
    scale: &Scale,
    args: &CalibrateArgs,
) -> anyhow::Result<Vec<Example>> {
    let mut progress = Progress::start();
    let mut examples: Vec<Example> = Vec::new();
    let mut cut = 0u64;
    for row in rows {
        let (done, total) = (examples.len(), rows.len());
        let right = examples.iter().filter(|example| example.right).count();
        progress.update(
            || format!("question {done} of {total}, {right} right"),
            || json!({"event": "question", "done": done, "total": total, "right": right}),
        );
        let Question::Chat { messages, tools, expected } = &row.question else { continue };
        // As the server draws where a request does not say how: what is drawn otherwise looks more or less sure.
        let sampler = SamplerConfig {
            logprobs: Some(LIKELIEST_TOKENS),
            seed: args.seed.wrapping_add(examples.len() as u64),
            ..model.recommended_sampling().clone()
        };
        let (reply, _) = tasks::replied(model, messages, tools, sampler, args.max_tokens)
            .with_context(|| format!("line {}", row.line))?;
        if reply.finish == Some(FinishReason::Length) {
            // What was cut off may have become right.
            cut += 1;
            continue;
        }
        let question = hob_cloud::Question { messages: messages.clone(), ..hob_cloud::Question::default() };
        let mut example = Example::new(&question.prompt(), scale);
        for token in &reply.logprobs {
            example.push(token.logprob, &token.top);
        }
        example.right = rows::is_right(expected, &reply.text);
        example.draft = draft(model, expected, &reply);
        examples.push(example);
    }
    drop(progress);
    if cut > 0 {
        note(&format!("{cut} answers were longer than --max-tokens and are left out"));
    }
    Ok(examples)
}

/// An answer beside the known one, where both are whole texts.
fn draft(model: &LanguageModel, expected: &Expected, reply: &Reply) -> Option<Draft> {
    let Expected::Text(known) = expected else { return None };
    let tokens: Vec<_> = model.placed(reply)?.into_iter().map(|one| (one.range, one.logprob)).collect();
    Draft::of(&reply.text, &tokens, known).filter(|_| !rows::is_call(&reply.text))
}

fn described(report: &ConfidenceReport) -> anyhow::Result<String> {
    let mut text = String::new();
    let right = 100.0 * report.right;
    writeln!(
        text,
        "{} answers, {right:.1} % right. How well right ones are told from wrong ones",
        report.examples
    )?;
    writeln!(text, "(.5: by chance, 1: always), on answers that were held back:\n")?;
    writeln!(text, "{:<22} {:>8} {:>8} {:>14} {:>8}", "", "answers", "AUROC", "95 %", "off by")?;
    writeln!(text, "{:<22} {:>8} {:>8.3}", "shorter prompts first", report.examples, report.length)?;
    for Judged { stage, examples, auroc, interval, calibration_error, .. } in &report.stages {
        let name = match stage {
            Stage::Before => "before the call".to_owned(),
            Stage::After(1) => "after the first token".to_owned(),
            Stage::After(tokens) => format!("after {tokens} tokens"),
            Stage::End => "at the end".to_owned(),
        };
        let interval = format!("{:.3}-{:.3}", interval[0], interval[1]);
        writeln!(text, "{name:<22} {examples:>8} {auroc:>8.3} {interval:>14} {calibration_error:>8.3}")?;
    }
    writeln!(text, "\nAnswers handed over as soon as they are right with less than this probability:\n")?;
    writeln!(text, "{:>5}  {:^38}  {:^38}", "", "read as a whole", "read while they are written")?;
    let columns = format!("{:>11} {:>12} {:>13}", "handed over", "kept, right", "drawn in vain");
    writeln!(text, "{:>5}  {columns}  {columns}", "below")?;
    for Line { below, whole, streamed } in &report.table {
        writeln!(text, "{below:>5.1}  {}  {}", of_share(whole), of_share(streamed))?;
    }
    report.mended.iter().try_for_each(|mended| of_mended(mended, &mut text))?;
    Ok(text)
}

/// What could be mended in places.
fn of_mended(mended: &Mended, text: &mut String) -> anyhow::Result<()> {
    let percent = |part: f64| format!("{:.1} %", 100.0 * part);
    writeln!(
        text,
        "\n{} of these have a whole text as their answer, {} right. Of the wrong ones {} have few doubted places,\n{} with one \
         where the known answer says something else. Asked about are {} of the characters of wrong answers,\n{} of right ones. \
         Where whoever knows the answers writes in these places of complete answers, and nowhere else:\n",
        mended.examples,
        percent(mended.right),
        percent(mended.wrong_with_places),
        percent(mended.wrong_found),
        percent(mended.wrong_asked),
        percent(mended.right_asked)
    )?;
    writeln!(text, "{:>5}  {:^29}  {:^29}", "", "asked about", "right afterwards, written in")?;
    let columns = ["answers", "characters", "places", "by chance", "whole answers"];
    let [answers, characters, places, chance, whole] = columns;
    writeln!(text, "{:>5}  {answers:>14} {characters:>14}  {places:>8} {chance:>10} {whole:>14}", "below")?;
    for MendedLine { below, answers, asked, places, chance, whole, .. } in &mended.table {
        let [answers, asked, places, chance, whole] =
            [answers, asked, places, chance, whole].map(|part| percent(*part));
        writeln!(text, "{below:>5.1}  {answers:>14} {asked:>14}  {places:>8} {chance:>10} {whole:>14}")?;
    }
    Ok(())
}

fn of_share(share: &Share) -> String {
    let percent = |part: f64| format!("{:.1} %", 100.0 * part);
    let kept = share.kept_right.map_or_else(|| "none".to_owned(), percent);
    format!("{:>11} {kept:>12} {:>13}", percent(share.handed_over), percent(share.in_vain))
}
