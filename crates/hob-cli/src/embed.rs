//! `hob embed`: text to a normalised vector.

use crate::open::{self, RunArgs};
use crate::{context, fail, input, out};
use anyhow::bail;
use clap::{Args, ValueEnum};
use hob::{EncodeOptions, LanguageModel, Pooling};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Arguments of `hob embed`.
#[derive(Args, Debug)]
#[command(
    after_help = "Prints one line of numbers per text: a vector of length 1. With --json, one document per line."
)]
pub struct EmbedArgs {
    /// GGUF file or model directory; ember is the built-in model
    pub model: PathBuf,
    /// Text [default: standard input]
    pub text: Option<String>,
    /// Text file, embedded as a whole; may be repeated
    #[arg(short, long, value_name = "PATH", conflicts_with = "text")]
    pub file: Vec<PathBuf>,
    /// How positions become one vector: their mean, the first (cls) or the last [default: as the model says]
    #[arg(long, value_enum)]
    pub pooling: Option<PoolingArg>,
    /// Print JSON lines
    #[arg(long)]
    pub json: bool,
    /// How the model runs.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Values of `--pooling`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum PoolingArg {
    Mean,
    Cls,
    Last,
}

/// Runs the command.
pub fn run(args: &EmbedArgs) -> anyhow::Result<()> {
    let model = open::model(&args.model, &args.run)?;
    if model.describe().generates && args.pooling.is_none() {
        return Err(fail::usage(
            "this model writes text and does not say how to make a vector of one; choose --pooling mean, cls or last",
        ));
    }
    match &args.text {
        Some(text) => one(&model, text, &Source::Argument, args),
        None if args.file.is_empty() => one(&model, &input::stdin()?, &Source::Input, args),
        None => {
            args.file.iter().try_for_each(|path| one(&model, &input::text(path)?, &Source::File(path), args))
        }
    }
}

/// Where a text comes from.
enum Source<'a> {
    Argument,
    Input,
    File(&'a Path),
}

impl Source<'_> {
    /// What errors call it.
    fn name(&self) -> String {
        match self {
            Source::Argument => "TEXT".into(),
            Source::Input => "standard input".into(),
            Source::File(path) => path.display().to_string(),
        }
    }

    fn file(&self) -> Option<String> {
        matches!(self, Source::File(_)).then(|| self.name())
    }
}

/// Refuses texts that have no vector or only a part of one.
fn check(model: &LanguageModel, text: &str, source: &Source<'_>) -> anyhow::Result<()> {
    let tokens = |add_special| {
        let options = EncodeOptions { add_special, parse_special: false };
        model.tokenizer().map(|tokenizer| tokenizer.encode(text, options).len())
    };
    // Frames such as [CLS] and [SEP] have a vector of their own, which says nothing about no text.
    if tokens(false)? == 0 {
        bail!("{}: expected a text, found none; there is nothing to make a vector of", source.name());
    }
    let count = tokens(true)?;
    if let Some(limit) = model.engine().model().spec().embedding.positions.filter(|limit| count > *limit) {
        bail!(
            "{}: this model reads at most {limit} tokens, found {count}; split the text and embed the parts one by one",
            source.name()
        );
    }
    context::note_if_long(model, count);
    Ok(())
}

fn one(model: &LanguageModel, text: &str, source: &Source<'_>, args: &EmbedArgs) -> anyhow::Result<()> {
    check(model, text, source)?;
    let pooling = args.pooling.map(|pooling| match pooling {
        PoolingArg::Mean => Pooling::Mean,
        PoolingArg::Cls => Pooling::First,
        PoolingArg::Last => Pooling::Last,
    });
    let vector = model.embed(text, pooling).map_err(|e| open::explain(e, &args.model))?;
    if args.json {
        return out::json_line(
            &json!({"file": source.file(), "dimensions": vector.len(), "embedding": vector}),
        );
    }
    let numbers: Vec<String> = vector.iter().map(f32::to_string).collect();
    out::text(&(numbers.join(" ") + "\n"))
}
