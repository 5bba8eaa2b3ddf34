//! `hob tokenize` and `hob detokenize`: text to token ids and back.

use crate::{input, open, out};
use anyhow::bail;
use clap::Args;
use hob::EncodeOptions;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `hob tokenize`.
#[derive(Args, Debug)]
pub struct TokenizeArgs {
    /// GGUF file or model directory; ember is the built-in model
    pub model: PathBuf,
    /// Text [default: standard input, to the last byte]
    pub text: Option<String>,
    /// Leave out the tokens that the model puts around a text (BOS and the like)
    #[arg(long)]
    pub no_special: bool,
    /// Treat names of special tokens in the text as plain text
    #[arg(long)]
    pub plain: bool,
    /// Print a JSON document with ids and the text of each
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `hob detokenize`.
#[derive(Args, Debug)]
pub struct DetokenizeArgs {
    /// GGUF file or model directory; ember is the built-in model
    pub model: PathBuf,
    /// Ids such as `1 2 3` or `1,2,3`; `-` reads them from standard input
    #[arg(required = true)]
    pub ids: Vec<String>,
    /// Leave out special tokens
    #[arg(long)]
    pub skip_special: bool,
}

/// Runs `hob tokenize`.
pub fn tokenize(args: &TokenizeArgs) -> anyhow::Result<()> {
    let tokenizer = open::tokenizer(&args.model)?;
    let text = args.text.clone().map_or_else(input::stdin, Ok)?;
    let options = EncodeOptions { add_special: !args.no_special, parse_special: !args.plain };
    let ids = tokenizer.encode(&text, options);
    if args.json {
        let text = |id: &u32| {
            let bytes = tokenizer.token_bytes(*id).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let tokens: Vec<String> = ids.iter().map(text).collect();
        return out::json(&json!({"ids": ids, "tokens": tokens}));
    }
    let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
    out::text(&(ids.join(" ") + "\n"))
}

/// Runs `hob detokenize`: exactly the bytes that the ids spell, and nothing after them.
pub fn detokenize(args: &DetokenizeArgs) -> anyhow::Result<()> {
    let ids = input::ids(&args.ids)?;
    let tokenizer = open::tokenizer(&args.model)?;
    let size = tokenizer.vocab_size();
    if let Some(id) = ids.iter().find(|id| **id as usize >= size) {
        bail!(
            "expected ids below {size}, the size of this vocabulary, found {id}; are they from another model?"
        );
    }
    out::bytes(&tokenizer.decode_bytes(&ids, args.skip_special))
}
