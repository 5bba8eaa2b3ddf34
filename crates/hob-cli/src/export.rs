//! `hob export`: a GGUF file as the directory that other programs read.

use crate::out;
use crate::which::Which;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `hob export`.
#[derive(Args, Debug)]
#[command(after_help = "\
Settings, tokenizer, chat template and weights (safetensors). Each is read back and compared: what a directory cannot say is an
error. Floats stay as they are; blocks become F32. `hob quantize DIR FILE TYPE` is the way back, `hob shrink --mobile` writes
packed checkpoints.")]
pub struct ExportArgs {
    /// GGUF file; ember is the built-in model
    pub model: PathBuf,
    /// Directory to make, as transformers reads it
    pub out: PathBuf,
}

/// Runs the command.
pub fn run(args: &ExportArgs) -> anyhow::Result<()> {
    let gguf = Which::named(&args.model).gguf()?;
    hob::as_directory(&gguf, &args.out)?;
    out::text(&format!("{}\n", args.out.display()))
}
