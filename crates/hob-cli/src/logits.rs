//! `hob logits`: the model's scores for every next token, in full precision.

use crate::fail::usage;
use crate::open::{self, RunArgs};
use crate::{context, input, out};
use anyhow::bail;
use clap::Args;
use hob::LanguageModel;
use hob_model::{SequenceKv, Step, StepError, Wanted};
use std::io::{self, Write};
use std::path::PathBuf;

/// Positions computed together when all are wanted; bounds memory at large vocabularies.
const CHUNK: usize = 64;

/// Arguments of `hob logits`.
#[derive(Args, Debug)]
#[command(
    allow_negative_numbers = true,
    after_help = "\
Prints a line per position: the scores of all tokens as numbers that read back to the same 32-bit float. With --json, one
document: {\"ids\", \"vocab\", \"positions\", \"logits\": [[...], ...]}. For comparisons use --compute exact."
)]
pub struct LogitsArgs {
    /// GGUF file or model directory; ember is the built-in model
    pub model: PathBuf,
    /// Token ids such as 1,2,3; - reads them from standard input
    #[arg(long, value_name = "IDS", required = true)]
    pub ids: String,
    /// Only the position after the last id
    #[arg(long)]
    pub last: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// How the model runs.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Runs the command.
pub fn run(args: &LogitsArgs) -> anyhow::Result<()> {
    let ids = input::ids(std::slice::from_ref(&args.ids))?;
    if ids.is_empty() {
        return Err(usage("--ids: expected at least one token id, found none"));
    }
    let model = open::model(&args.model, &args.run)?;
    let spec = model.engine().model().spec();
    if !spec.is_generative() {
        bail!("this model makes vectors and has no scores of next tokens; use `hob embed` with it");
    }
    // Checked here as well as by the model, which would find it after half of the document is out.
    if let Some(&id) = ids.iter().find(|&&id| id as usize >= spec.vocab) {
        return Err(StepError::TokenOutOfRange { id, vocab: spec.vocab }.into());
    }
    context::note_if_long(&model, ids.len());
    let failed = |e: anyhow::Error| if e.is::<io::Error>() { e.context(out::UNWRITABLE) } else { e };
    print(&model, &ids, args).map_err(failed)
}

fn print(model: &LanguageModel, ids: &[u32], args: &LogitsArgs) -> anyhow::Result<()> {
    let mut out = out::buffered();
    let first = if args.last { ids.len() - 1 } else { 0 };
    if args.json {
        let positions: Vec<usize> = (first..ids.len()).collect();
        let vocab = model.engine().model().spec().vocab;
        write!(out, "{{\"ids\":{ids:?},\"vocab\":{vocab},\"positions\":{positions:?},\"logits\":[")?;
    }
    each_row(model, ids, args.last, &mut |position, row| {
        if args.json {
            out.write_all(if position > first { b",\n[" } else { b"\n[" })?;
        }
        write_row(&mut out, row, args.json)?;
        out.write_all(if args.json { b"]" } else { b"\n" })?;
        // Each row is on its way before the next is computed.
        Ok(out.flush()?)
    })?;
    if args.json {
        writeln!(out, "\n]}}")?;
    }
    Ok(out.flush()?)
}

/// Calls `take` with each position and its scores.
fn each_row(
    model: &LanguageModel,
    ids: &[u32],
    last: bool,
    take: &mut dyn FnMut(usize, &[f32]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (engine, chunk) = (model.engine(), if last { 512 } else { CHUNK });
    let (runtime, cpu, spec) = (engine.model(), engine.cpu(), engine.model().spec());
    let long = runtime.switch_length().is_some_and(|switch| ids.len() > switch);
    let mut kv = SequenceKv::new(spec, engine.config().kv, long);
    for (index, tokens) in ids.chunks(chunk).enumerate() {
        let end = index * chunk + tokens.len();
        let wanted = match (last, end == ids.len()) {
            (false, _) => Wanted::All,
            (true, true) => Wanted::Last,
            (true, false) => Wanted::Nothing,
        };
        let hidden = runtime.forward(cpu, &mut [Step { tokens, kv: &mut kv, wanted }], None)?;
        let rows = hidden.len() / spec.hidden;
        for (i, hidden) in hidden.chunks_exact(spec.hidden).enumerate() {
            take(end - rows + i, &runtime.logits(cpu, hidden))?;
        }
    }
    Ok(())
}

fn write_row(out: &mut impl Write, row: &[f32], as_json: bool) -> std::io::Result<()> {
    for (i, x) in row.iter().enumerate() {
        if i > 0 {
            out.write_all(if as_json { b"," } else { b" " })?;
        }
        // JSON has no other word for a number that is none.
        if as_json && !x.is_finite() { out.write_all(b"null")? } else { write!(out, "{x}")? }
    }
    Ok(())
}
