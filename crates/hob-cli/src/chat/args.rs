//! The flags of `hob chat`.

use crate::context::ContextArg;
use crate::fail::{note, usage};
use crate::input;
use crate::open::RunArgs;
use crate::sampling::SamplingArgs;
use crate::which::{self, Which};
use anyhow::Context;
use clap::{Args, ValueEnum};
use hob::{Draft, Grammar, JsonOptions, JsonWhitespace, LanguageModel, Speculation};
use hob_engine::sampling::LOGPROBS_MAX;
use std::path::{Path, PathBuf};

/// Arguments of `hob chat`.
#[derive(Args, Debug)]
#[command(
    allow_negative_numbers = true,
    after_help = "\
Without PROMPT and with a terminal, a conversation starts; /help lists its commands. With PROMPT or piped input there is
one answer: text to standard output, everything else to standard error. Piped input given beside PROMPT is its context.

  hob chat
  hob chat \"What is the capital of France?\"
  hob chat model.gguf
  hob chat model.gguf \"Why is the sky blue?\" --temp 0
  hob chat --continue
  git diff | hob chat model.gguf \"Write a commit message for this change\""
)]
pub struct ChatArgs {
    /// GGUF file or model directory [default: ember, the built-in model]
    pub model: Option<PathBuf>,
    /// Question, or text to continue with --raw; needs no MODEL before it if it is more than one word
    pub prompt: Option<String>,
    /// Instructions that stand before the conversation
    #[arg(short, long, value_name = "TEXT")]
    pub system: Option<String>,
    /// Text file to append to the prompt, with its name; may be repeated
    #[arg(short, long, value_name = "PATH")]
    pub file: Vec<PathBuf>,
    /// Continue the text as it is, without the model's chat template
    #[arg(long)]
    pub raw: bool,
    /// Tokens the conversation may hold, and what happens then: error or shift (drop the oldest); N, shift, or N,shift
    #[arg(long, value_name = "N,POLICY", default_value = "error", hide_default_value = true)]
    pub context: ContextArg,
    /// Guess tokens ahead and check several at once where that is faster: look-up of what was said before, or off; same answer
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub speculate: Speculate,
    /// A smaller model with the same vocabulary that guesses ahead, too
    #[arg(long, value_name = "MODEL")]
    pub draft: Option<PathBuf>,
    /// Read the whole model at the start and keep it in memory, so that other programs cannot push it out
    #[arg(long)]
    pub lock: bool,
    /// Show the thoughts of a thinking model also where output is piped (to standard error)
    #[arg(long)]
    pub show_thoughts: bool,
    /// Print speed, time to first token, tokens and memory to standard error
    #[arg(long)]
    pub stats: bool,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub json: bool,
    /// With --json: report the log-probability of each token and of the N likeliest
    #[arg(long, value_name = "N", requires = "json", value_parser = clap::value_parser!(u32).range(..=i64::from(LOGPROBS_MAX)))]
    pub logprobs: Option<u32>,
    /// Go on with the conversation in which something was said last, here or on the page
    #[arg(long = "continue", conflicts_with_all = ["resume", "temporary", "raw"])]
    pub go_on: bool,
    /// Go on with the conversation of this id, or of the one that begins so (`hob chats list`)
    #[arg(long, value_name = "ID", conflicts_with_all = ["temporary", "raw"])]
    pub resume: Option<String>,
    /// Write nothing of it: no conversation, no history
    #[arg(long)]
    pub temporary: bool,
    /// Keep a single answer, too, with its question; conversations on a terminal are kept anyway
    #[arg(long, conflicts_with_all = ["temporary", "raw"])]
    pub keep: bool,
    /// Keep what is typed out of the history file
    #[arg(long)]
    pub no_history: bool,
    /// How answers are shaped.
    #[command(flatten)]
    pub shape: ShapeArgs,
    /// How answers are drawn.
    #[command(flatten)]
    pub answer: AnswerArgs,
    /// How the model runs.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Values of `--speculate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Speculate {
    Off,
    #[default]
    Lookup,
}

impl ChatArgs {
    /// Checks what cannot be asked for together, and says what has no effect with the model `which`.
    pub fn check(&self, which: &Which) -> anyhow::Result<()> {
        if self.lock && which.is_builtin() {
            note(
                "--lock has no effect: the built-in model is a part of the program and in no file of its own",
            );
        }
        match &self.draft {
            Some(_) if self.speculate == Speculate::Off => {
                Err(usage("--draft guesses ahead and --speculate off forbids it; leave one of them out"))
            }
            Some(draft) => which::exists(draft),
            None => Ok(()),
        }
    }

    /// Whether and how answers of `model` are guessed ahead; opens the draft model.
    pub fn speculation(&self, model: &LanguageModel) -> anyhow::Result<Speculation> {
        if self.speculate == Speculate::Off {
            return Ok(Speculation::OFF);
        }
        let open = |path: &PathBuf| -> anyhow::Result<Draft> {
            let files = Which::named(path).files().context("--draft")?;
            let draft = model.draft(&files).context("--draft")?;
            let bytes = |model: &hob_model::Model| model.touched_bytes();
            if 2 * bytes(draft.engine().model()) > bytes(model.engine().model()) {
                note(
                    "the draft model is more than half as large as the model, so its guesses can save little time",
                );
            }
            Ok(draft)
        };
        Ok(Speculation { draft: self.draft.as_ref().map(open).transpose()?, ..Speculation::default() })
    }
}

/// What the answer must look like.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Shape of the answer")]
pub struct ShapeArgs {
    /// JSON that fits a schema, given as a file or written out
    #[arg(long, value_name = "FILE|JSON", group = "shape")]
    pub json_schema: Option<String>,
    /// White space in that JSON: none, at most one space at a place, or what the model likes (small ones like too much)
    #[arg(long, value_name = "HOW", value_enum, default_value_t, requires = "json_schema")]
    pub json_whitespace: WhitespaceArg,
    /// Text that matches a regular expression
    #[arg(long, value_name = "REGEX", group = "shape")]
    pub regex: Option<String>,
    /// Text of a grammar: a .gbnf or .lark file
    #[arg(long, value_name = "FILE", group = "shape")]
    pub grammar: Option<PathBuf>,
}

/// Values of `--json-whitespace`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum WhitespaceArg {
    Compact,
    #[default]
    Space,
    Free,
}

/// What may change from answer to answer; also the names that `/set` takes.
#[derive(Args, Clone, Debug, Default)]
pub struct AnswerArgs {
    /// Longest answer, in tokens
    #[arg(long, value_name = "N", value_parser = parse_max_tokens)]
    pub max_tokens: Option<usize>,
    /// Text that ends the answer and is not part of it; may be repeated
    #[arg(long, value_name = "TEXT", value_parser = parse_stop)]
    pub stop: Vec<String>,
    /// Ask a thinking model to think first, or not [default: auto, as its template does by itself]
    #[arg(long, value_enum)]
    pub think: Option<Think>,
    /// How tokens are drawn.
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

/// Values of `--think`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Think {
    On,
    Off,
    Auto,
}

impl AnswerArgs {
    /// Whether the model is asked to think, where it has a choice.
    pub fn think(&self) -> Option<bool> {
        match self.think? {
            Think::On => Some(true),
            Think::Off => Some(false),
            Think::Auto => None,
        }
    }
}

fn parse_max_tokens(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!("expected a number of tokens of at least 1, found {text:?}")),
        Ok(n) => Ok(n),
    }
}

fn parse_stop(text: &str) -> Result<String, String> {
    if text.is_empty() {
        Err("expected a text that ends the answer, found an empty one".into())
    } else {
        Ok(text.into())
    }
}

impl ShapeArgs {
    /// The grammar asked for, if any.
    pub fn grammar(&self) -> anyhow::Result<Option<Grammar>> {
        if let Some(schema) = &self.json_schema {
            let whitespace = match self.json_whitespace {
                WhitespaceArg::Compact => JsonWhitespace::Compact,
                WhitespaceArg::Space => JsonWhitespace::Space,
                WhitespaceArg::Free => JsonWhitespace::Flexible,
            };
            let options = JsonOptions { whitespace, ..JsonOptions::default() };
            return Ok(Some(Grammar::JsonSchema { schema: input::schema(schema)?, options }));
        }
        if let Some(regex) = &self.regex {
            return Ok(Some(Grammar::Regex(regex.clone())));
        }
        self.grammar.as_deref().map(read_grammar).transpose()
    }

    /// An error of the grammar, which is one of usage where the command line itself holds the grammar.
    pub fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        use hob_engine::Error::{Grammar, GrammarBudget};
        let is_grammar = matches!(
            error.downcast_ref::<hob::Error>(),
            Some(hob::Error::Engine(Grammar { .. } | GrammarBudget { .. }))
        );
        let is_inline =
            self.regex.is_some() || self.json_schema.as_deref().is_some_and(input::is_inline_schema);
        if is_grammar && is_inline { usage(error.to_string()) } else { error }
    }
}

fn read_grammar(path: &Path) -> anyhow::Result<Grammar> {
    match path.extension().and_then(|e| e.to_str()) {
        Some("gbnf") => Ok(Grammar::Gbnf(input::text(path)?)),
        Some("lark") => Ok(Grammar::lark(input::text(path)?)),
        _ => Err(usage(format!(
            "--grammar {}: expected a file named .gbnf or .lark; the name says how to read it",
            path.display()
        ))),
    }
}
