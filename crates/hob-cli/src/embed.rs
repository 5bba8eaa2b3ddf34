//! `hob embed`: text to a normalised vector.

use crate::open::{self, RunArgs};
use crate::{context, fail, input, out};
use clap::{Args, ValueEnum};
use hob::{EncodeOptions, LanguageModel, Pooling};
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `hob embed`.
#[derive(Args, Debug)]
#[command(
    after_help = "Prints one line of numbers per text: a vector of length 1. With --json, one document per line."
)]
pub struct EmbedArgs {
    /// GGUF file or model directory
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
        Some(text) => one(&model, text, None, args),
        None if args.file.is_empty() => one(&model, &input::stdin()?, None, args),
        None => args.file.iter().try_for_each(|path| {
            let text = input::text(path)?;
            one(&model, &text, Some(&path.display().to_string()), args)
        }),
    }
}

fn one(model: &LanguageModel, text: &str, name: Option<&str>, args: &EmbedArgs) -> anyhow::Result<()> {
    let pooling = args.pooling.map(|pooling| match pooling {
        PoolingArg::Mean => Pooling::Mean,
        PoolingArg::Cls => Pooling::First,
        PoolingArg::Last => Pooling::Last,
    });
    let options = EncodeOptions { add_special: true, parse_special: false };
    context::note_if_long(model, model.tokenizer()?.encode(text, options).len());
    let vector = model.embed(text, pooling).map_err(|e| open::explain(e, &args.model))?;
    if args.json {
        return out::json_line(&json!({"file": name, "dimensions": vector.len(), "embedding": vector}));
    }
    let numbers: Vec<String> = vector.iter().map(f32::to_string).collect();
    out::text(&(numbers.join(" ") + "\n"))
}
