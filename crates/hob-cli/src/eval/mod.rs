//! `hob eval`: how good a model is, by its own scores of a text and by questions with known answers.

mod flips;
mod kl;
mod perplexity;
pub mod rows;
pub mod tasks;

pub use flips::{Flip, Flips};

use crate::open::{self, RunArgs};
use crate::{context, input};
use anyhow::Context;
use clap::{Args, Subcommand};
use hob::{EncodeOptions, KvType, LanguageModel};
use hob_eval::Windows;
use std::path::{Path, PathBuf};

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum Eval {
    /// How well a model predicts a text: exp of the mean negative log-likelihood
    Perplexity(perplexity::PerplexityArgs),
    /// How far a model's predictions are from those of a reference, such as the same model unquantised
    Kl(kl::KlArgs),
    /// How many questions with known answers a model gets right: pairs of texts, choices, conversations, calls of tools
    Tasks(tasks::TasksArgs),
}

/// What both measurements read.
#[derive(Args, Debug)]
pub struct TextArgs {
    /// Text file to score
    #[arg(short, long, value_name = "PATH")]
    pub file: PathBuf,
    /// Tokens of a window; the second half of each is scored
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = parse_context)]
    pub context: usize,
    /// Windows to score at most [default: all]
    #[arg(long, value_name = "N", value_parser = parse_chunks)]
    pub chunks: Option<usize>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// How models run.
    #[command(flatten)]
    pub run: RunArgs,
}

fn parse_context(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|n| *n >= 4)
        .ok_or_else(|| format!("expected a number of tokens of at least 4, found {text:?}"))
}

fn parse_chunks(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|n| *n > 0)
        .ok_or_else(|| format!("expected a number above zero, found {text:?}"))
}

/// Runs the command.
pub fn run(what: &Eval) -> anyhow::Result<()> {
    match what {
        Eval::Perplexity(args) => perplexity::run(args),
        Eval::Kl(args) => kl::run(args),
        Eval::Tasks(args) => tasks::run(args),
    }
}

impl TextArgs {
    /// Opens a model whose predictions can be scored.
    fn model(&self, path: &Path) -> anyhow::Result<LanguageModel> {
        let model = open::model(path, &self.run)?;
        let is_generative = model.engine().model().spec().is_generative();
        is_generative
            .then_some(model)
            .ok_or(hob_eval::Error::NotGenerative)
            .with_context(|| path.display().to_string())
    }

    /// The tokens of the text for `model`.
    fn tokens(&self, model: &LanguageModel, text: &str) -> anyhow::Result<Vec<u32>> {
        Ok(model.tokenizer()?.encode(text, EncodeOptions { add_special: true, parse_special: false }))
    }

    fn text(&self) -> anyhow::Result<String> {
        input::text(&self.file)
    }

    /// How the tokens are cut for `model`.
    fn windows(&self, model: &LanguageModel) -> anyhow::Result<Windows> {
        context::note_if_long(model, self.context);
        let bos = model.tokenizer()?.framing().0.first().copied();
        let kv: KvType = model.engine().config().kv;
        Ok(Windows { length: self.context, bos, count_max: self.chunks, kv })
    }
}
