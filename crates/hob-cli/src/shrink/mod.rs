//! `hob shrink`: the best file that fits into so many bytes.

mod size;

use crate::parent::{Parent, all_cores};
use crate::progress::Progress;
use crate::{fail, out};
use clap::{Args, ValueEnum};
use hob::Compute;
use hob_base::Bytes;
use hob_kernels::{Cpu, Precision};
use hob_quant::TensorType;
use hob_shrink::{Judge, Measure, Options, Outcome, Stage, divergence, write_model};
use hob_train::data::{Learn, Packing, Sequences};
use serde::Serialize;
use serde_json::json;
use size::Size;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One sequence in so many is kept for measuring the result, and never used to make it.
const HELD_OUT: usize = 5;

/// Arguments of `hob shrink`.
#[derive(Args, Debug)]
#[command(after_help = "\
Reads the text with the model, measures how much its predictions depend on every weight, gives each tensor the type with
which the whole loses least within the size, and rounds weights so that later ones make up for the errors of earlier ones.
A fifth of the text is kept aside; the divergence on it is what the report says.")]
pub struct ShrinkArgs {
    /// GGUF file of the parent, best one of F32, F16 or BF16
    pub model: PathBuf,
    /// Size of the file: 800MB, 1.5GB, or 4.5bpw (bits per weight)
    #[arg(long, value_name = "SIZE")]
    pub fit: Size,
    /// Text like that the model is for: plain, or JSON lines with `text` or `messages` (also .zst); may be repeated
    #[arg(long, value_name = "FILE", required = true)]
    pub data: Vec<PathBuf>,
    /// File to write [default: beside the model]
    #[arg(short, long, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Tokens of the text that are used
    #[arg(long, value_name = "N", default_value_t = 65_536)]
    pub tokens: usize,
    /// Only these types, such as Q4_0,Q8_0 [default: all that the model's shapes allow]
    #[arg(long, value_name = "TYPES", value_delimiter = ',', value_parser = parse_type)]
    pub types: Vec<TensorType>,
    /// How errors are judged: by what they do to predictions, or by their weighted squares (for comparison)
    #[arg(long, value_enum, default_value_t)]
    pub judge: JudgeArg,
    /// Start of every random choice
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Threads to compute with [default: all the machine offers]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Values of `--judge`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum JudgeArg {
    #[default]
    Predictions,
    Squares,
}

fn parse_type(text: &str) -> Result<TensorType, String> {
    TensorType::from_name(text)
        .filter(|ty| ty.can_quantize())
        .ok_or_else(|| format!("expected a type such as Q4_K or Q8_0, found {text:?}"))
}

/// What the command found out.
#[derive(Serialize)]
struct Report {
    model: PathBuf,
    file: PathBuf,
    bytes: u64,
    bits_per_weight: f64,
    predicted_divergence: f64,
    divergence: Measure,
    tokens: usize,
    seed: u64,
    types: BTreeMap<String, usize>,
    tensors: Vec<(String, String, u64, f64)>,
}

/// Runs the command.
pub fn run(args: &ShrinkArgs) -> anyhow::Result<()> {
    let threads = args.threads.map_or_else(all_cores, usize::from);
    let parent = Parent::open(&args.model, Precision::F32)?;
    let budget = args.fit.bytes(parent.params.len());
    let file = args.out.clone().unwrap_or_else(|| beside(&args.model, budget));
    if file == args.model {
        return Err(fail::usage("the small file would replace its parent; choose another --out"));
    }
    let [text, held_out] = texts(args, &parent, threads)?;
    let cpu = Cpu::new(threads, Compute::Exact);
    let mut options = Options::new(budget, threads, sequence(&parent));
    options.seed = args.seed;
    if let JudgeArg::Squares = args.judge {
        options.judge = Judge::Squares;
    }
    if !args.types.is_empty() {
        options.types.clone_from(&args.types);
    }
    let mut progress = Progress::start();
    let mut heard = |stage: Stage<'_>| progress.update(|| line(stage), || event(stage));
    let both = (&parent.network, parent.params.as_slice());
    let outcome = hob_shrink::shrink(&cpu, both, &parent.metadata, &text, &options, &mut heard)?;
    drop(progress);
    write_model(&file, &parent.metadata, &outcome.tensors)?;
    let child = outcome.params(parent.network.layout());
    let measured = divergence(&cpu, &parent.network, [&parent.params, &child], &held_out, options.sequence);
    let report = report(args, &parent, &outcome, file, measured)?;
    if args.json { out::json(&report) } else { out::text(&lines(&report, budget)) }
}

/// Tokens of a sequence of the text.
fn sequence(parent: &Parent) -> usize {
    parent.network.spec().context.min(512)
}

/// The text to shrink by, and the text to measure on.
fn texts(args: &ShrinkArgs, parent: &Parent, threads: usize) -> anyhow::Result<[Sequences; 2]> {
    // About six bytes a token: what lies beyond is not read.
    let bytes = 8 * args.tokens as u64;
    let corpus = parent.words.corpus(&args.data, Learn::All, bytes, threads)?;
    let sequence = sequence(parent);
    let mut packing = Packing::new(vec![(corpus, 1.0)], sequence, Some(args.seed));
    let count = packing.epoch_tokens().min(args.tokens) / sequence;
    let mut parts: [Sequences; 2] = Default::default();
    for i in 0..count {
        let part = &mut parts[usize::from(i % HELD_OUT == HELD_OUT - 1)];
        let start = part.tokens.len();
        let mut one = packing.sequences(i as u64, 1);
        one.documents.iter_mut().for_each(|d| *d += start);
        part.tokens.append(&mut one.tokens);
        part.targets.append(&mut one.targets);
        part.weights.append(&mut one.weights);
        part.documents.append(&mut one.documents);
    }
    Ok(parts)
}

/// A name for the child beside its parent.
fn beside(model: &Path, budget: u64) -> PathBuf {
    let stem = model.file_stem().unwrap_or_default().to_string_lossy();
    let size = Bytes(budget).to_string().replace(' ', "");
    model.with_file_name(format!("{stem}-{size}.gguf"))
}

fn line(stage: Stage<'_>) -> String {
    match stage {
        Stage::Reading(done, total) => format!("reading with the model: {done} of {total} tokens"),
        Stage::Predicting(name) => format!("predicting what each type costs {name}"),
        Stage::Rounding(name, ty) => format!("rounding {name} to {ty}"),
    }
}

fn event(stage: Stage<'_>) -> serde_json::Value {
    match stage {
        Stage::Reading(done, total) => json!({"event": "reading", "done": done, "total": total}),
        Stage::Predicting(name) => json!({"event": "predicting", "tensor": name}),
        Stage::Rounding(name, ty) => json!({"event": "rounding", "tensor": name, "type": ty.name()}),
    }
}

fn report(
    args: &ShrinkArgs,
    parent: &Parent,
    outcome: &Outcome,
    file: PathBuf,
    measured: Measure,
) -> anyhow::Result<Report> {
    let bytes = std::fs::metadata(&file)?.len();
    let mut types = BTreeMap::new();
    for choice in &outcome.plan.choices {
        *types.entry(choice.candidate.ty.name().to_owned()).or_default() += 1;
    }
    let tensor = |c: &hob_shrink::Choice| {
        (c.name.clone(), c.candidate.ty.name().to_owned(), c.candidate.bytes, c.candidate.cost)
    };
    Ok(Report {
        model: args.model.clone(),
        file,
        bytes,
        bits_per_weight: 8.0 * bytes as f64 / parent.params.len() as f64,
        predicted_divergence: outcome.plan.cost,
        divergence: measured,
        tokens: args.tokens,
        seed: args.seed,
        types,
        tensors: outcome.plan.choices.iter().map(tensor).collect(),
    })
}

fn lines(report: &Report, budget: u64) -> String {
    let types: Vec<String> = report.types.iter().map(|(ty, count)| format!("{count} {ty}")).collect();
    format!(
        "{}\n\
         size        {} of {} ({:.1} %), {:.3} bits per weight\n\
         types       {}\n\
         divergence  {:.5} ± {:.5} nats per token from the parent, on text kept aside\n\
         predicted   {:.5}\n",
        report.file.display(),
        Bytes(report.bytes),
        Bytes(budget),
        100.0 * report.bytes as f64 / budget as f64,
        report.bits_per_weight,
        types.join(", "),
        report.divergence.mean,
        report.divergence.error,
        report.predicted_divergence,
    )
}
