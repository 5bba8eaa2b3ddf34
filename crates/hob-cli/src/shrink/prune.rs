//! `hob prune`: the same model with narrower layers.

use super::report::in_nats;
use super::text::{TextArgs, Texts, sequence, train};
use crate::fail;
use crate::out;
use crate::parent::Parent;
use crate::progress::Progress;
use crate::signals;
use crate::which::Which;
use anyhow::bail;
use clap::Args;
use hob::Compute;
use hob_base::Bytes;
use hob_kernels::{Cpu, Precision};
use hob_quant::TensorType;
use hob_shrink::{Divergences, Measure, Pruned, Statistics, Tuning, Widths, prune, prune_memory_bytes};
use hob_train::optimizer::Rule;
use hob_train::{Point, Storage};
use serde::Serialize;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `hob prune`.
#[derive(Args, Debug)]
#[command(after_help = "\
Reads the text with the model, removes the neurons and heads that its predictions depend on least, and lets the others make up
for them. Much is lost that way; --train wins most of it back. `hob shrink` then makes the result smaller still.")]
#[command(group = clap::ArgGroup::new("widths").required(true).multiple(true).args(["ffn", "kv_heads"]))]
pub struct PruneArgs {
    /// GGUF file or model directory of the parent; ember is the built-in model
    pub model: PathBuf,
    /// File to write
    pub out: PathBuf,
    /// Neurons in the feed-forward part of every layer, best a multiple of 256
    #[arg(long, value_name = "N")]
    pub ffn: Option<usize>,
    /// Key-value heads of every layer; the query heads that read one go with it
    #[arg(long, value_name = "N")]
    pub kv_heads: Option<usize>,
    /// What is read.
    #[command(flatten)]
    pub text: TextArgs,
    /// Highest learning rate of --train
    #[arg(long, value_name = "RATE", default_value_t = RATE, value_parser = super::parse_rate)]
    pub rate: f32,
    /// Type of the matrices in the file
    #[arg(long = "type", value_name = "TYPE", default_value = "BF16", value_parser = super::parse_type)]
    pub ty: TensorType,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Sequences of a step of training.
const BATCH: usize = 8;

/// Highest learning rate of training, where none is given.
pub const RATE: f32 = 0.002;

/// How a narrower model is trained, before its weights are rounded.
pub fn tuning(sequence: usize, rate: f32, threads: usize) -> Tuning {
    Tuning { steps: 0, batch: BATCH * sequence, sequence, rule: Rule::Muon, rate, threads }
}

/// What the command found out.
#[derive(Serialize)]
struct Report {
    file: PathBuf,
    bytes: u64,
    parameters: usize,
    parameters_before: usize,
    divergence: Measure,
    divergence_untrained: Option<Measure>,
}

/// Runs the command.
pub fn run(args: &PruneArgs) -> anyhow::Result<()> {
    let which = Which::named(&args.model);
    let parent = Parent::open(&which, Precision::F32)?;
    if super::is_same(&args.out, &args.model) {
        return Err(fail::usage("the narrower file would replace its parent; choose another name"));
    }
    check_memory(&parent)?;
    let params = parent.params()?;
    let widths = Widths { ffn: args.ffn, kv_heads: args.kv_heads };
    widths.check(&parent.network)?;
    let Texts { curvature, held_out, training } = args.text.read(&which, &parent)?;
    let cpu = Cpu::new(args.text.threads(), Compute::Exact);
    let both = (&parent.network, params.as_slice());
    let (sequence, total) = (sequence(&parent), curvature.tokens.len());
    let mut progress = Progress::start();
    let mut read = |done| {
        let line = || format!("reading with the model: {done} of {total} tokens");
        progress.update(line, || json!({"event": "reading", "done": done, "total": total}));
    };
    let statistics =
        Statistics::collect(&cpu, both.0, both.1, &curvature, sequence, args.text.seed, &mut read);
    let layers = parent.network.spec().layers.len();
    let mut heard = |layer: usize| {
        let line = || format!("narrowing layer {} of {layers}", layer + 1);
        progress.update(line, || json!({"event": "narrowing", "layer": layer, "total": layers}));
    };
    let pruned = prune(both, &parent.metadata, &statistics, widths, &mut heard)?;
    drop((progress, statistics));
    let judge = |p: &Pruned| Divergences::new(&cpu, [both, (&p.network, &p.params)], &held_out, sequence);
    let tune = |p: &Pruned, cpu, text, how: &Tuning, heard: &mut dyn FnMut(Point) -> bool| {
        p.tuned(cpu, both, text, how, heard)
    };
    let how = tuning(sequence, args.rate, args.text.threads());
    let write = |p: &Pruned| {
        let layout = p.network.layout();
        Ok(Storage::uniform(layout, args.ty).write(&args.out, &p.metadata, layout, &p.params)?)
    };
    args.text.train.map_or(Ok(()), |_| signals::catch())?;
    let (pruned, measured, untrained) = train(args.text.train, how, pruned, &training, tune, judge, write)?;
    let report = Report {
        file: args.out.clone(),
        bytes: std::fs::metadata(&args.out)?.len(),
        parameters: pruned.params.len(),
        parameters_before: params.len(),
        divergence: measured.measure(),
        divergence_untrained: untrained.map(|d| d.measure()),
    };
    if args.json { out::json(&report) } else { out::text(&lines(&report)) }?;
    signals::honour()
}

fn lines(report: &Report) -> String {
    let share = 100.0 * report.parameters as f64 / report.parameters_before as f64;
    format!(
        "{}\n\
         size        {}, {:.2} million weights of {:.2} ({share:.1} %)\n\
         divergence  {}\n\
         {}",
        report.file.display(),
        Bytes(report.bytes),
        report.parameters as f64 / 1e6,
        report.parameters_before as f64 / 1e6,
        in_nats(report.divergence),
        report.divergence_untrained.map_or(String::new(), |m| format!("untrained   {}\n", in_nats(m))),
    )
}

/// Says before the work begins that it would not fit.
fn check_memory(parent: &Parent) -> anyhow::Result<()> {
    let needed = prune_memory_bytes(&parent.network);
    match crate::platform::memory() {
        Some(memory) if memory.available < needed => bail!(
            "pruning this model takes about {} of memory, and {} are free",
            Bytes(needed),
            Bytes(memory.available)
        ),
        _ => Ok(()),
    }
}
