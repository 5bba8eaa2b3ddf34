//! `hob shrink`: the best file that fits into so many bytes.

mod imatrix;
mod quantize;
mod size;

pub use imatrix::{ImatrixArgs, run as run_imatrix};
pub use quantize::{QuantizeArgs, run as run_quantize};

use crate::fail::{self, note};
use crate::out;
use crate::parent::{Parent, all_cores};
use crate::progress::Progress;
use crate::which::Which;
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use hob::Compute;
use hob_base::Bytes;
use hob_kernels::{Cpu, Precision};
use hob_quant::TensorType;
use hob_shrink::{Divergences, Judge, Measure, Options, Outcome, Search, Stage, Tuning, write_model};
use hob_train::data::{Corpus, Learn, Packing, Sequences};
use serde::Serialize;
use serde_json::json;
use size::Size;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One sequence in so many is kept for measuring the result, and never used to make it.
const HELD_OUT: usize = 5;

/// Tokens that are kept for training, at most.
const TRAINING_TOKENS_MAX: usize = 1 << 25;

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
    /// Train the result on so many tokens of the text, the parent being its teacher; kept only where that helps
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1..))]
    pub train: Option<u64>,
    /// Highest learning rate of --train
    #[arg(long, value_name = "RATE", default_value_t = 0.0005)]
    pub rate: f32,
    /// Only these types, such as Q4_0,Q8_0 [default: all that the model's shapes allow]
    #[arg(long, value_name = "TYPES", value_delimiter = ',', value_parser = parse_type)]
    pub types: Vec<TensorType>,
    /// How errors are judged: by what they do to predictions, or by their weighted squares (for comparison)
    #[arg(long, value_enum, default_value_t)]
    pub judge: JudgeArg,
    /// How weights are rounded: so that later ones make up for the errors of earlier ones, or one by one (for comparison)
    #[arg(long, value_enum, default_value_t)]
    pub rounding: RoundingArg,
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

/// Values of `--rounding`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum RoundingArg {
    #[default]
    Feedback,
    Weighted,
    Nearest,
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
    divergence_untrained: Option<Measure>,
    tokens: usize,
    seed: u64,
    types: BTreeMap<String, usize>,
    tensors: Vec<(String, String, u64, f64)>,
}

/// Runs the command.
pub fn run(args: &ShrinkArgs) -> anyhow::Result<()> {
    let threads = args.threads.map_or_else(all_cores, usize::from);
    let parent = Parent::open(&Which::named(&args.model), Precision::F32)
        .with_context(|| args.model.display().to_string())?;
    let budget = args.fit.bytes(parent.params.len());
    let file = args.out.clone().unwrap_or_else(|| beside(&args.model, budget));
    if is_same(&file, &args.model) {
        return Err(fail::usage("the small file would replace its parent; choose another --out"));
    }
    check_memory(&parent)?;
    let Texts { curvature, held_out, training } = texts(args, &parent, threads)?;
    let cpu = Cpu::new(threads, Compute::Exact);
    let options = options(args, budget, threads, sequence(&parent));
    let mut progress = Progress::start();
    let mut heard = |stage: Stage<'_>| progress.update(|| line(stage), || event(stage));
    let both = (&parent.network, parent.params.as_slice());
    let outcome = hob_shrink::shrink(&cpu, both, &parent.metadata, &curvature, &options, &mut heard)?;
    drop(progress);
    let judge = |child: &Outcome| {
        let child = child.params(parent.network.layout());
        Divergences::new(&cpu, &parent.network, [&parent.params, &child], &held_out, options.sequence)
    };
    let untrained = judge(&outcome);
    let (outcome, measured) = match args.train {
        None => (outcome, untrained.clone()),
        Some(tokens) => train(args, &parent, (outcome, &untrained), (training, tokens), &judge)?,
    };
    write_model(&file, &parent.metadata, &outcome.tensors)?;
    let untrained = args.train.map(|_| untrained.measure());
    let report = report(args, &parent, &outcome, file, (measured.measure(), untrained))?;
    if args.json { out::json(&report) } else { out::text(&lines(&report, budget)) }
}

fn options(args: &ShrinkArgs, budget: u64, threads: usize, sequence: usize) -> Options {
    let mut options = Options::new(budget, threads, sequence);
    options.seed = args.seed;
    options.method.judge = match args.judge {
        JudgeArg::Predictions => Judge::Curvature,
        JudgeArg::Squares => Judge::Squares,
    };
    options.method.search = match args.rounding {
        RoundingArg::Feedback => Search::Feedback,
        RoundingArg::Weighted => Search::Weighted,
        RoundingArg::Nearest => Search::Nearest,
    };
    if !args.types.is_empty() {
        options.method.types.clone_from(&args.types);
    }
    options
}

/// Whether both paths lead to one file.
fn is_same(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Says before the work begins that it would not fit.
fn check_memory(parent: &Parent) -> anyhow::Result<()> {
    let needed = hob_shrink::memory_bytes(&parent.network);
    match crate::platform::memory() {
        Some(memory) if memory.available < needed => bail!(
            "shrinking this model takes about {} of memory, and {} are free; `hob quantize` takes little",
            Bytes(needed),
            Bytes(memory.available)
        ),
        _ => Ok(()),
    }
}

/// Tokens of a sequence of the text.
fn sequence(parent: &Parent) -> usize {
    parent.network.spec().context.min(512)
}

/// What the text is used for; no part is used for two things, but what is measured with is also trained on.
struct Texts {
    /// To measure the curvature with.
    curvature: Sequences,
    /// To judge the result, kept from all else.
    held_out: Sequences,
    /// To train on.
    training: Packing,
}

fn texts(args: &ShrinkArgs, parent: &Parent, threads: usize) -> anyhow::Result<Texts> {
    // About six bytes a token: what lies beyond is not read.
    let most = if args.train.is_some() { TRAINING_TOKENS_MAX } else { args.tokens };
    let corpus = parent.words.corpus(&args.data, Learn::All, 8 * most as u64, threads)?;
    let sequence = sequence(parent);
    let mut packing = Packing::new(vec![(corpus, 1.0)], sequence, Some(args.seed));
    let all = packing.epoch_tokens() / sequence;
    let wanted = (args.tokens / sequence).min(all);
    let (mut curvature, mut held_out) = (Sequences::default(), Sequences::default());
    let mut training = Corpus::default();
    for i in 0..all.min(most / sequence) {
        let one = packing.sequences(i as u64, 1);
        let is_held_out = i < wanted && i % HELD_OUT == HELD_OUT - 1;
        if !is_held_out && args.train.is_some() {
            let start = training.tokens.len();
            training.tokens.extend(&one.tokens);
            training.learn.resize(training.tokens.len(), true);
            training.documents.push(start..training.tokens.len());
        }
        if is_held_out {
            append(&mut held_out, one);
        } else if i < wanted {
            append(&mut curvature, one);
        }
    }
    if held_out.tokens.is_empty() {
        bail!(
            "expected at least {} tokens of text, found {}: one sequence of {HELD_OUT} is kept aside; give a longer text",
            HELD_OUT * sequence,
            wanted * sequence
        );
    }
    let training = Packing::new(vec![(training, 1.0)], sequence, Some(args.seed));
    Ok(Texts { curvature, held_out, training })
}

fn append(to: &mut Sequences, mut one: Sequences) {
    let start = to.tokens.len();
    one.documents.iter_mut().for_each(|d| *d += start);
    to.tokens.append(&mut one.tokens);
    to.targets.append(&mut one.targets);
    to.weights.append(&mut one.weights);
    to.documents.append(&mut one.documents);
}

/// Trains the child, and keeps it only where that helps beyond doubt.
fn train(
    args: &ShrinkArgs,
    parent: &Parent,
    (outcome, before): (Outcome, &Divergences),
    (training, tokens): (Packing, u64),
    judge: &dyn Fn(&Outcome) -> Divergences,
) -> anyhow::Result<(Outcome, Divergences)> {
    let threads = args.threads.map_or_else(all_cores, usize::from);
    let sequence = sequence(parent);
    let batch = 8 * sequence;
    let steps = (tokens / batch as u64).max(1);
    let how = Tuning { steps, batch, sequence, rate: args.rate, threads };
    let mut progress = Progress::start();
    let mut heard = |p: hob_train::Point| {
        let line = || format!("training: step {} of {steps}, divergence {:.5}", p.step, p.loss);
        progress
            .update(line, || json!({"event": "training", "step": p.step, "total": steps, "loss": p.loss}));
        true
    };
    let cpu = Cpu::new(threads, Compute::Fast);
    let both = (&parent.network, parent.params.as_slice());
    let tuned = outcome.tuned(cpu, both, training, &how, &mut heard)?;
    drop(progress);
    let after = judge(&tuned);
    let gain = before.beyond(&after);
    if gain.mean > 2.0 * gain.error {
        return Ok((tuned, after));
    }
    note(&format!(
        "training did not help beyond doubt ({:.5} ± {:.5} nats per token less): the untrained result is kept",
        gain.mean, gain.error
    ));
    Ok((outcome, before.clone()))
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
    (measured, untrained): (Measure, Option<Measure>),
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
        divergence_untrained: untrained,
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
         divergence  {}\n\
         {}predicted   {:.5}\n",
        report.file.display(),
        Bytes(report.bytes),
        Bytes(budget),
        100.0 * report.bytes as f64 / budget as f64,
        report.bits_per_weight,
        types.join(", "),
        in_nats(report.divergence),
        report.divergence_untrained.map_or(String::new(), |m| format!("untrained   {}\n", in_nats(m))),
        report.predicted_divergence,
    )
}

fn in_nats(m: Measure) -> String {
    format!("{:.5} ± {:.5} nats per token from the parent, on text kept aside", m.mean, m.error)
}
