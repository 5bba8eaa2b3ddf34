//! `hob shrink`: the best file that fits into so many bytes.

mod effort;
mod imatrix;
mod merge;
mod own_text;
mod prune;
mod quantize;
mod report;
mod size;
mod text;

pub use imatrix::{ImatrixArgs, run as run_imatrix};
pub use merge::{MergeArgs, run as run_merge};
pub use prune::{PruneArgs, run as run_prune};
pub use quantize::{QuantizeArgs, run as run_quantize};

use crate::fail;
use crate::out;
use crate::parent::Parent;
use crate::progress::Progress;
use crate::signals;
use crate::which::Which;
use anyhow::bail;
use clap::{Args, ValueEnum};
use hob::Compute;
use hob_base::Bytes;
use hob_kernels::{Cpu, Precision};
use hob_quant::TensorType;
use hob_shrink::{Divergences, Judge, Options, Outcome, Search, Stage, Tuning, check_budgets, write_model};
use hob_train::Point;
use hob_train::optimizer::Rule;
use report::{Found, Report};
use serde_json::json;
use size::Size;
use std::path::{Path, PathBuf};
use text::{TextArgs, Texts, sequence};

/// Arguments of `hob shrink`.
#[derive(Args, Debug)]
#[command(after_help = "\
Reads the text with the model, measures how much its predictions depend on every weight, gives each tensor the type with
which the whole loses least within the size, and rounds weights so that later ones make up for the errors of earlier ones.
A fifth of the text is kept aside; the divergence on it is what the report says.")]
pub struct ShrinkArgs {
    /// GGUF file or model directory of the parent, best one of F32, F16 or BF16; ember is the built-in model
    pub model: PathBuf,
    /// Size of the file: 800MB, 1.5GB, or 4.5bpw (bits per weight); several, such as 3bpw,4bpw, give a file each
    #[arg(long, value_name = "SIZE", value_delimiter = ',', required = true)]
    pub fit: Vec<Size>,
    /// File to write, or folder for the files of several sizes [default: beside the model]
    #[arg(short, long, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// What is read.
    #[command(flatten)]
    pub text: TextArgs,
    /// Highest learning rate of --train, in steps from one value of a type to the next
    #[arg(long, value_name = "RATE", default_value_t = 0.01, value_parser = parse_rate)]
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
    /// Page for people with all figures and curves of one size; the same for programs lies beside it as .json
    #[arg(long, value_name = "HTML")]
    pub report: Option<PathBuf>,
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

/// Sequences of a step of training: many small steps suit a child that is near already.
const BATCH: usize = 2;

fn parse_rate(text: &str) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|rate: &f32| *rate > 0.0 && rate.is_finite())
        .ok_or_else(|| format!("expected a number above zero, found {text:?}"))
}

fn parse_type(text: &str) -> Result<TensorType, String> {
    TensorType::from_name(text)
        .filter(|ty| ty.can_quantize())
        .ok_or_else(|| format!("expected a type such as Q4_K or Q8_0, found {text:?}"))
}

/// Runs the command.
pub fn run(args: &ShrinkArgs) -> anyhow::Result<()> {
    let threads = args.text.threads();
    let which = Which::named(&args.model);
    let parent = Parent::open(&which, Precision::F32)?;
    let budgets: Vec<u64> = args.fit.iter().map(|size| size.bytes(parent.params.len())).collect();
    let files = files(args, &budgets)?;
    check_memory(&parent)?;
    args.report.as_deref().map_or(Ok(()), |page| check_page(page, files.len()))?;
    let options = options(args, budgets, threads, sequence(&parent));
    check_budgets(&parent.network, &parent.metadata, &options)?;
    let Texts { curvature, held_out, training } = args.text.read(&which, &parent)?;
    let cpu = Cpu::new(threads, Compute::Exact);
    let mut progress = Progress::start();
    let mut heard = |stage: Stage<'_>| progress.update(|| line(stage), || event(stage));
    let both = (&parent.network, parent.params.as_slice());
    let children = hob_shrink::shrink(&cpu, both, &parent.metadata, &curvature, &options, &mut heard)?;
    drop(progress);
    let judge = |child: &Outcome| {
        let child = child.params(parent.network.layout());
        Divergences::new(&cpu, [both, (&parent.network, &child)], &held_out, options.sequence)
    };
    let tune = |child: &Outcome, cpu, text, how: &Tuning, heard: &mut dyn FnMut(Point) -> bool| {
        child.tuned(cpu, both, text, how, heard)
    };
    let (sequence, batch) = (options.sequence, BATCH * options.sequence);
    let how = Tuning { steps: 0, batch, sequence, rule: Rule::AdamW, rate: args.rate, threads };
    let mut reports = Vec::new();
    args.text.train.map_or(Ok(()), |_| signals::catch())?;
    for ((child, file), budget) in children.into_iter().zip(files).zip(&options.budgets) {
        let write = |child: &Outcome| {
            Ok(write_model(&file, &parent.metadata, parent.network.layout(), &child.tensors)?)
        };
        let (child, measured, untrained) = args.text.train(how, child, &training, tune, judge, write)?;
        let found = Found {
            model: args.model.clone(),
            budget: *budget,
            divergence: measured.measure(),
            divergence_untrained: untrained.map(|d| d.measure()),
            tokens: curvature.tokens.len() + held_out.tokens.len(),
            held_out_tokens: held_out.tokens.len(),
            seed: args.text.seed,
            data: args.text.data.clone(),
        };
        reports.push(Report::new(found, &parent, &child, file)?);
    }
    drop(parent);
    if let (Some(page), [report]) = (&args.report, reports.as_mut_slice()) {
        let mut progress = Progress::steps(!args.json);
        progress.step("measuring both files");
        report.measure(&held_out.tokens, options.sequence, threads)?;
        drop(progress);
        report.write(page)?;
    }
    match reports.as_slice() {
        [report] if args.json => out::json(report),
        _ if args.json => out::json(&reports),
        _ => out::text(&reports.iter().map(Report::lines).collect::<Vec<_>>().join("\n")),
    }?;
    signals::honour()
}

/// Where the children of `budgets` go.
fn files(args: &ShrinkArgs, budgets: &[u64]) -> anyhow::Result<Vec<PathBuf>> {
    let files: Vec<PathBuf> = match (&args.out, budgets) {
        (Some(file), [_]) => vec![file.clone()],
        (Some(folder), _) if !folder.is_dir() => {
            return Err(fail::usage("several sizes give several files: --out names a folder that is there"));
        }
        (Some(folder), _) => budgets.iter().map(|b| folder.join(name(&args.model, *b))).collect(),
        (None, _) => budgets.iter().map(|b| args.model.with_file_name(name(&args.model, *b))).collect(),
    };
    if files.iter().any(|file| is_same(file, &args.model)) {
        return Err(fail::usage("the small file would replace its parent; choose another --out"));
    }
    if files.iter().enumerate().any(|(i, file)| files[..i].contains(file)) {
        return Err(fail::usage("two of these sizes would give the same file; ask for one of them"));
    }
    Ok(files)
}

fn options(args: &ShrinkArgs, budgets: Vec<u64>, threads: usize, sequence: usize) -> Options {
    let mut options = Options::new(budgets, threads, sequence);
    options.seed = args.text.seed;
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

/// Says before the work begins that its report could not be written.
fn check_page(page: &Path, files: usize) -> anyhow::Result<()> {
    if files > 1 {
        return Err(fail::usage("--report is about one size; ask for one"));
    }
    if page.with_extension("json") == page {
        return Err(fail::usage(
            "--report: the page would be replaced by the figures beside it; name it .html",
        ));
    }
    let folder = page.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        bail!("--report: {} is no folder; make it first", folder.display());
    }
    Ok(())
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

/// A name for the child of `budget` bytes.
fn name(model: &Path, budget: u64) -> String {
    let stem = model.file_stem().unwrap_or_default().to_string_lossy();
    let size = Bytes(budget).to_string().replace(' ', "");
    format!("{stem}-{size}.gguf")
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
