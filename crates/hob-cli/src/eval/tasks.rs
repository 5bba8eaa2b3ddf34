//! `hob eval tasks`: questions with known answers.

use super::rows::{Question, Row, is_right, read_rows};
use crate::fail::{note, usage};
use crate::open::{self, RunArgs};
use crate::out;
use crate::progress::Progress;
use anyhow::{Context, bail};
use clap::Args;
use hob::{AnswerOptions, Chat, ChatOptions, EncodeOptions, LanguageModel, Reply, SamplerConfig};
use hob_eval::{Accuracy, Paired};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Arguments of `hob eval tasks`.
#[derive(Args, Debug)]
#[command(after_help = "\
Each line of the file is one question, of one of these kinds:
  {\"good\": \"He runs.\", \"bad\": \"He run.\"}       the model must find the good text more probable
  {\"question\": \"2 + 2 =\", \"choices\": [\" 3\", \" 4\"], \"answer\": 1}
                                               the most probable continuation must be the right one
  {\"prompt\": \"2 + 2?\", \"answer\": \"4\"}         what the assistant says must have the answer in it, a number as its last
                                               one; several right answers stand in a list
  {\"messages\": [...], \"tools\": [...]}          a conversation; the assistant's first call of a tool, or its last
                                               message where it calls none, must come out word for word")]
pub struct TasksArgs {
    /// GGUF file or model directory; ember is the built-in model
    pub model: PathBuf,
    /// JSON lines with questions (also .zst)
    #[arg(short, long, value_name = "PATH")]
    pub file: PathBuf,
    /// A second model, which answers the same questions
    #[arg(long, value_name = "MODEL")]
    pub against: Option<PathBuf>,
    /// Questions to ask at most, spread over the file [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// A figure for every value of this field of the questions
    #[arg(long, value_name = "FIELD")]
    pub by: Option<String>,
    /// Tokens of an answer at most
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    pub max_tokens: u16,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// How models run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What the command found out.
#[derive(Serialize)]
struct Report {
    groups: BTreeMap<String, Group>,
    all: Group,
}

/// Figures of some questions.
#[derive(Serialize)]
struct Group {
    model: Accuracy,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<Accuracy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paired: Option<Paired>,
}

/// Runs the command.
pub fn run(args: &TasksArgs) -> anyhow::Result<()> {
    let rows = some(read_rows(&args.file, args.by.as_deref())?, args.limit);
    if rows.is_empty() {
        bail!("{}: expected at least one question, found none", args.file.display());
    }
    let first = Asked::of(args, &args.model, &rows)?.answers;
    let second = args.against.as_deref().map(|path| Asked::of(args, path, &rows)).transpose()?;
    let second = second.map(|asked| asked.answers);
    let report = report(&rows, &first, second.as_deref());
    if args.json { out::json(&report) } else { out::text(&lines(&report)) }
}

/// At most `limit` of `rows`, spread evenly.
pub fn some(rows: Vec<Row>, limit: Option<u64>) -> Vec<Row> {
    let count = limit.map_or(rows.len(), |limit| rows.len().min(limit as usize));
    let all = rows.len();
    let kept: Vec<usize> = (0..count).map(|i| i * all / count).collect();
    rows.into_iter().enumerate().filter(|(i, _)| kept.binary_search(i).is_ok()).map(|(_, row)| row).collect()
}

/// A model and what it answered.
struct Asked {
    model: LanguageModel,
    answers: Vec<bool>,
}

impl Asked {
    fn of(args: &TasksArgs, path: &Path, rows: &[Row]) -> anyhow::Result<Self> {
        let named = || path.display().to_string();
        let model = open::model(path, &args.run)?;
        if !model.engine().model().spec().is_generative() {
            return Err(hob_eval::Error::NotGenerative).with_context(named);
        }
        if model.template().is_none() && rows.iter().any(|row| matches!(row.question, Question::Chat { .. }))
        {
            return Err(usage("this model has no chat template, so it cannot answer conversations"))
                .with_context(named);
        }
        let mut asked = Self { model, answers: Vec::new() };
        let mut progress = Progress::start();
        let mut loses_calls = false;
        for row in rows {
            let (done, total) = (asked.answers.len(), rows.len());
            let right = asked.answers.iter().filter(|a| **a).count();
            progress.update(
                || format!("{}: question {done} of {total}, {right} right", named()),
                || json!({"event": "question", "done": done, "total": total, "right": right}),
            );
            let (right, loses) = asked.answer(row, args).with_context(|| format!("line {}", row.line))?;
            asked.answers.push(right);
            loses_calls |= loses;
        }
        drop(progress);
        if loses_calls {
            note("the template of this model does not show the calls of tools in the conversations");
        }
        Ok(asked)
    }

    /// Whether the answer is right, and whether the template kept calls of tools from the model.
    fn answer(&self, row: &Row, args: &TasksArgs) -> anyhow::Result<(bool, bool)> {
        match &row.question {
            Question::Pair { good, bad } => Ok((self.nll("", good)? < self.nll("", bad)?, false)),
            Question::Choice { question, choices, answer } => {
                let nlls =
                    choices.iter().map(|c| self.nll(question, c)).collect::<anyhow::Result<Vec<_>>>()?;
                let best = (0..nlls.len()).min_by(|a, b| nlls[*a].total_cmp(&nlls[*b]));
                Ok((best == Some(*answer), false))
            }
            Question::Chat { messages, tools, expected } => {
                let sampler = SamplerConfig::greedy();
                let (reply, loses) = replied(&self.model, messages, tools, sampler, args.max_tokens)?;
                Ok((is_right(expected, &reply.text), loses))
            }
        }
    }

    /// Negative log-likelihood of `text` after `start`, in nats.
    fn nll(&self, start: &str, text: &str) -> anyhow::Result<f64> {
        let options = EncodeOptions { add_special: true, parse_special: false };
        let encode = |text: &str| Ok::<_, anyhow::Error>(self.model.tokenizer()?.encode(text, options));
        let (before, mut ids) = (encode(start)?, encode(&format!("{start}{text}"))?);
        // What follows a text is scored from where its tokens part from those of the text alone.
        let mut known = before.iter().zip(&ids).take_while(|(a, b)| a == b).count();
        if known == 0 {
            // Without a start token the first token would have nothing to be judged by: the end of a text stands before it.
            let Some(&end) = self.model.end_tokens().first() else {
                bail!("the vocabulary has no end of text")
            };
            ids.insert(0, end);
            known = 1;
        }
        let engine = self.model.engine();
        Ok(hob_eval::nll(engine.model(), engine.cpu(), engine.config().kv, &ids, known)?)
    }
}

/// What a model answers to a conversation, and whether its template keeps calls of tools from it.
pub fn replied(
    model: &LanguageModel,
    messages: &[Value],
    tools: &[Value],
    sampler: SamplerConfig,
    max_tokens: u16,
) -> anyhow::Result<(Reply, bool)> {
    let mut chat: Chat = model.chat(ChatOptions::default());
    chat.set_messages(messages.to_vec());
    chat.set_tools((!tools.is_empty()).then(|| tools.to_vec()));
    let mut options = AnswerOptions {
        sampler: Some(sampler),
        max_tokens: Some(max_tokens.into()),
        ..AnswerOptions::default()
    };
    let loses = chat.loses_tool_calls();
    Ok((chat.answer(&mut options)?.finish()?, loses))
}

fn report(rows: &[Row], first: &[bool], second: Option<&[bool]>) -> Report {
    let group = |name: Option<&str>| {
        let of = |answers: &[bool]| -> Vec<bool> {
            let with = answers.iter().zip(rows).filter(|(_, row)| name.is_none_or(|name| name == row.group));
            with.map(|(right, _)| *right).collect()
        };
        let (first, second) = (of(first), second.map(of));
        let (against, paired) = second
            .map_or((None, None), |second| (Some(Accuracy::of(&second)), Some(Paired::of(&first, &second))));
        Group { model: Accuracy::of(&first), against, paired }
    };
    let groups = rows.iter().map(|row| (row.group.clone(), group(Some(&row.group)))).collect();
    Report { groups, all: group(None) }
}

fn lines(report: &Report) -> String {
    let mut rows: Vec<(&str, &Group)> = report.groups.iter().map(|(k, g)| (k.as_str(), g)).collect();
    if rows.len() > 1 {
        rows.push(("all", &report.all));
    }
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let share = |a: &Accuracy| format!("{:6.2} % ± {:.2}", 100.0 * a.share, 100.0 * a.error);
    let line = |(name, g): (&str, &Group)| {
        let mut line = format!("{name:width$}  {}", share(&g.model));
        if let (Some(against), Some(p)) = (&g.against, &g.paired) {
            line += &format!(
                "  against {}  difference {:+.2} ± {:.2}",
                share(against),
                100.0 * p.difference,
                100.0 * p.error
            );
        }
        line + &format!("  of {}\n", g.model.count)
    };
    rows.into_iter().map(line).collect()
}
