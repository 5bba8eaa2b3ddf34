//! `hob train-tokenizer`: a vocabulary from text.

use crate::fail::note;
use crate::progress::Progress;
use crate::{input, out};
use anyhow::bail;
use clap::Args;
use hob::ChatTemplate;
use hob_format::{GgufLayout, GgufWriter, Metadata};
use hob_tokenizer::BpeTrainer;
use hob_train::data::{Document, read_documents};
use hob_train::{Roles, set_vocabulary};
use std::path::{Path, PathBuf};

/// Ends a text, and a message, in the ChatML format.
const END_OF_TEXT: &str = "<|endoftext|>";
const START_OF_TURN: &str = "<|im_start|>";
const END_OF_TURN: &str = "<|im_end|>";

/// Arguments of `hob train-tokenizer`.
#[derive(Args, Debug)]
#[command(
    after_help = "Learns a byte-level BPE vocabulary and writes it as a GGUF file without weights, for `hob train` and `hob tokenize`.\nThe special tokens <|endoftext|>, <|im_start|> and <|im_end|> are always there."
)]
pub struct TrainTokenizerArgs {
    /// Text: JSON lines with `text` or `messages` (also .zst), or plain text
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// File to write
    #[arg(short, long, value_name = "PATH")]
    pub out: PathBuf,
    /// Tokens of the vocabulary, special ones included
    #[arg(long, value_name = "N", default_value_t = 8192)]
    pub size: usize,
    /// How text is cut before merging, by the name GGUF files use [digits one by one, otherwise as GPT-2]
    #[arg(long, value_name = "NAME", default_value = "smollm")]
    pub pre: String,
    /// Another special token; may be repeated
    #[arg(long, value_name = "TOKEN")]
    pub special: Vec<String>,
    /// Chat template (Jinja) to put into the file [default: ChatML]
    #[arg(long, value_name = "PATH")]
    pub template: Option<PathBuf>,
    /// At most so many megabytes of text of each file
    #[arg(long, value_name = "MB", default_value_t = 64)]
    pub megabytes: u64,
}

/// Runs the command.
pub fn run(args: &TrainTokenizerArgs) -> anyhow::Result<()> {
    let mut special = vec![END_OF_TEXT, START_OF_TURN, END_OF_TURN];
    special.extend(args.special.iter().map(String::as_str));
    let template = match &args.template {
        Some(path) => ChatTemplate::new(&input::text(path)?)?,
        None => ChatTemplate::chatml(),
    };
    let mut trainer = BpeTrainer::new(&args.pre)?;
    let mut total = 0;
    let mut progress = Progress::steps(true);
    for path in &args.files {
        progress.step(&format!("reading {}", path.display()));
        total += count(path, args.megabytes << 20, &mut trainer)?;
    }
    if total == 0 {
        bail!("there is no text in these files");
    }
    progress.step("learning merges");
    let vocabulary = trainer.train(args.size, &special)?;
    drop(progress);
    let size = vocabulary.tokens.len();
    if size < args.size {
        note(&format!("the text has no more pairs that occur twice: {size} tokens instead of {}", args.size));
    }
    let mut metadata = Metadata::new(&args.out.display().to_string());
    metadata.set("general.architecture", "llama");
    let roles = Roles { end_of_text: END_OF_TEXT, end_of_turn: END_OF_TURN };
    set_vocabulary(&mut metadata, &vocabulary, &args.pre, roles);
    metadata.set("tokenizer.chat_template", template.source());
    GgufWriter::create(&args.out, &GgufLayout::new(metadata))?.finish()?;
    out::text(&format!("{}: {size} tokens from {:.1} MB of text\n", args.out.display(), total as f64 / 1e6))
}

/// Counts the text of `path`; the bytes of it.
fn count(path: &Path, bytes_max: u64, trainer: &mut BpeTrainer) -> anyhow::Result<u64> {
    let mut total = 0;
    read_documents(path, &mut |document| {
        let mut add = |text: &str| {
            trainer.add(text);
            total += text.len() as u64;
        };
        match &document {
            Document::Text(text) => add(text),
            Document::Chat { messages, .. } => {
                messages.iter().filter_map(|m| m["content"].as_str()).for_each(add);
            }
        }
        Ok(total < bytes_max)
    })?;
    Ok(total)
}
