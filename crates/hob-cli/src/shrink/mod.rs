//! `hob shrink`: the best file that fits into so many bytes.

mod effort;
mod imatrix;
mod merge;
mod mobile;
mod narrow;
mod own_text;
mod prune;
mod quantize;
mod report;
mod room;
mod size;
mod text;
mod view;

pub use imatrix::{ImatrixArgs, run as run_imatrix};
pub use merge::{MergeArgs, run as run_merge};
pub use prune::{PruneArgs, run as run_prune};
pub use quantize::{QuantizeArgs, run as run_quantize};
pub use size::Size;

use crate::fail;
use crate::open::ComputeArg;
use crate::out;
use crate::parent::Parent;
use crate::progress::Progress;
use crate::signals;
use crate::which::Which;
use anyhow::bail;
use clap::{Args, ValueEnum};
use effort::Effort;
use hob::Compute;
use hob_base::Bytes;
use hob_format::Metadata;
use hob_kernels::{Cpu, Precision};
use hob_quant::TensorType;
use hob_shrink::{
    Divergences, Judge, Measure, Menu, Mobile, Notes, Options, Outcome, Pruned, Search, Stage, Study, Tuning,
    write_model,
};
use hob_train::optimizer::Rule;
use hob_train::{FileSource, Network, Point, Source};
use narrow::Narrowing;
use report::{Both, Found, Report};
use room::Room;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use text::{TextArgs, Texts, sequence};
use view::View;

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
    #[arg(long, value_name = "SIZE", value_delimiter = ',', required_unless_present = "mobile")]
    pub fit: Vec<Size>,
    /// Make a checkpoint as Gemma 4's mobile ones are: codes of 2, 4 and 8 bits with a scale a row, activations of 8 bits with fixed
    /// steps. Without --fit the widths are the published ones. The containers are that of transformers (gemma), and that of other
    /// servers (compressed-tensors)
    #[arg(long, value_name = "CONTAINER", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "gemma")]
    pub mobile: Option<ContainerArg>,
    /// File (with --mobile, directory) to write, or folder for those of several sizes [default: beside the model]
    #[arg(short, long, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Also try models with narrower feed-forward parts, and make that which is closest to the parent within the size. The time of
    /// --train is shared
    #[arg(long, conflicts_with = "mobile")]
    pub prune: bool,
    /// What is read.
    #[command(flatten)]
    pub text: TextArgs,
    /// Memory to get by with: the model is read layer by layer, and less text, where that needs to be [default: what is free]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Size>,
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

/// Values of `--mobile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ContainerArg {
    Gemma,
    CompressedTensors,
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
    let mut budgets: Vec<u64> =
        args.fit.iter().map(|size| size.bytes(parent.network.layout().len())).collect();
    if budgets.is_empty() {
        budgets.push(u64::MAX);
    }
    let files = files(args, &budgets)?;
    args.report.as_deref().map_or(Ok(()), |page| check_page(page, files.len()))?;
    let options = options(args, &parent, budgets, threads);
    mobile::check(args, &files)?;
    narrow::check(args, &parent, &options)?;
    let room = Room::new(args, &parent)?;
    let mut texts = args.text.read(&which, &parent)?;
    room.cut(&mut texts, options.sequence);
    let params = if room.has_all { Some(parent.params()?) } else { None };
    let cpu = Cpu::new(threads, Compute::Exact);
    args.text.train.map_or(Ok(()), |_| signals::catch())?;
    let mut view = View::new();
    let whole = Shape { network: &parent.network, metadata: &parent.metadata, params: params.as_deref() };
    let making = Making { args, parent: &parent, whole, cpu: &cpu, options: &options };
    let narrowing = match args.prune {
        true => Some(narrow::choose(&making, &mut texts, &mut view)?),
        false => None,
    };
    let mut reports = making.children(files, &texts, narrowing.as_ref(), &mut view)?;
    drop(view);
    if let (Some(page), [report]) = (&args.report, reports.as_mut_slice()) {
        let mut progress = Progress::steps(!args.json);
        progress.step("measuring both files");
        report.measure(&texts.held_out.tokens, options.sequence, threads)?;
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

/// What children are rounded from: the parent, or a narrower model made of it.
#[derive(Clone, Copy)]
struct Shape<'a> {
    /// What children compute.
    network: &'a Network,
    metadata: &'a Metadata,
    /// The numbers, where they fit into memory.
    params: Option<&'a [f32]>,
}

impl<'a> Shape<'a> {
    /// The plan and the numbers.
    ///
    /// # Panics
    /// Where they are not in memory.
    fn in_memory(self) -> (&'a Network, &'a [f32]) {
        (self.network, self.params.expect("what is trained is in memory"))
    }
}

impl<'a> From<&'a Pruned> for Shape<'a> {
    fn from(p: &'a Pruned) -> Self {
        Self { network: &p.network, metadata: &p.metadata, params: Some(&p.params) }
    }
}

/// What children are made of and judged by.
struct Making<'a> {
    args: &'a ShrinkArgs,
    parent: &'a Parent,
    /// The parent.
    whole: Shape<'a>,
    cpu: &'a Cpu,
    options: &'a Options,
}

impl Making<'_> {
    /// A child for every file.
    fn children(
        &self,
        files: Vec<PathBuf>,
        texts: &Texts,
        narrowing: Option<&Narrowing>,
        view: &mut View,
    ) -> anyhow::Result<Vec<Report>> {
        let (args, options, parent) = (self.args, self.options, self.parent);
        let shape = narrowing.and_then(|n| n.model.as_ref()).map_or(self.whole, Shape::from);
        let in_memory = shape.params.unwrap_or(&[]);
        let in_files = FileSource { network: &parent.network, files: &parent.files };
        let source: &dyn Source = if shape.params.is_some() { &in_memory } else { &in_files };
        let (menu, plain) = (&options.method.menu, (shape.network, source));
        let ranges = hob_shrink::ranges(self.cpu, plain, menu, &texts.curvature, options.sequence)?;
        let network = shape.network.clone().with_ranges(ranges);
        let shape = Shape { network: &network, ..shape };
        let folder = folder_of(&files[0]);
        let begun = files[0].with_extension("work");
        // What takes long goes on where it was interrupted.
        let notes = if shape.params.is_some() { Notes::Nameless(folder) } else { Notes::At(&begun) };
        let (curvature, both) = (&texts.curvature, (&network, source));
        let mut show = |stage: Stage<'_>| view.show(stage);
        let study = Study::new(self.cpu, both, shape.metadata, curvature, options, notes, &mut show)?;
        let mut reports = Vec::new();
        for (file, budget) in files.into_iter().zip(&options.budgets) {
            let child = study.child(*budget, &mut |stage| view.show(stage))?;
            view.clear();
            let effort = args.text.train.map(|effort| effort.share(narrowing.map_or(1.0, |n| n.rest)));
            let (child, measures) = self.finish((shape, child), effort, texts, &file)?;
            let found = Found {
                model: args.model.clone(),
                budget: (!args.fit.is_empty()).then_some(*budget),
                resident_bytes: args.mobile.map(|_| mobile::resident_bytes(&child)),
                narrowed: narrowing.map(|n| n.found.clone()),
                divergence: measures.0,
                divergence_untrained: measures.1,
                tokens: texts.curvature.tokens.len() + texts.held_out.tokens.len(),
                held_out_tokens: texts.held_out.tokens.len(),
                seed: args.text.seed,
                data: args.text.data.clone(),
            };
            reports.push(Report::new(found, parent, &child, file)?);
        }
        study.finish();
        Ok(reports)
    }

    /// Writes the child to `file`, and trains it where that is asked for; says how far it is from its parent, and was before it
    /// was trained.
    fn finish(
        &self,
        (shape, child): (Shape<'_>, Outcome),
        effort: Option<Effort>,
        texts: &Texts,
        file: &Path,
    ) -> anyhow::Result<(Outcome, (Measure, Option<Measure>))> {
        let is_written = Cell::new(false);
        let write = |child: &Outcome| match self.args.mobile {
            Some(container) => {
                let place = (file, is_written.replace(true));
                mobile::write(place, self.parent, (shape.network, child), container)
            }
            None => Ok(write_model(file, shape.metadata, shape.network.layout(), &child.tensors)?),
        };
        if self.whole.params.is_some() {
            let (child, after, before) = self.train((shape, child), effort, texts, write)?;
            return Ok((child, (after.measure(), before.map(|d| d.measure()))));
        }
        write(&child)?;
        let threads = self.options.method.threads;
        let both = Both::open(&self.args.model, file, threads, ComputeArg::Exact)?;
        let found = both.divergence(&texts.held_out.tokens, self.options.sequence, &mut |_| ())?;
        Ok((child, (Measure { mean: found.mean, error: found.mean_error }, None)))
    }

    /// Trains the child for the time of `effort`; gives it with its divergence, and that before the training. All numbers are in
    /// memory.
    fn train(
        &self,
        (shape, child): (Shape<'_>, Outcome),
        effort: Option<Effort>,
        texts: &Texts,
        write: impl Fn(&Outcome) -> anyhow::Result<()>,
    ) -> anyhow::Result<(Outcome, Divergences, Option<Divergences>)> {
        let sequence = self.options.sequence;
        let (teacher, before) = (self.whole.in_memory(), shape.in_memory());
        let judge = |child: &Outcome| {
            let child = child.params(shape.network.layout());
            Divergences::new(self.cpu, [teacher, (shape.network, &child)], &texts.held_out, sequence)
        };
        let tune = |child: &Outcome, cpu, text, how: &Tuning, heard: &mut dyn FnMut(Point) -> bool| {
            child.tuned(cpu, before, teacher, text, how, heard)
        };
        let (batch, rate, threads) = (BATCH * sequence, self.args.rate, self.options.method.threads);
        let how = Tuning { steps: 0, batch, sequence, rule: Rule::AdamW, rate, threads };
        text::train(effort, how, child, &texts.training, tune, judge, write)
    }
}

/// The folder in which `file` lies.
fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Where the children of `budgets` go.
fn files(args: &ShrinkArgs, budgets: &[u64]) -> anyhow::Result<Vec<PathBuf>> {
    let files: Vec<PathBuf> = match (&args.out, budgets) {
        (Some(file), [_]) => vec![file.clone()],
        (Some(folder), _) if !folder.is_dir() => {
            return Err(fail::usage("several sizes give several files: --out names a folder that is there"));
        }
        (Some(folder), _) => budgets.iter().map(|b| folder.join(name(args, *b))).collect(),
        (None, _) => budgets.iter().map(|b| args.model.with_file_name(name(args, *b))).collect(),
    };
    if files.iter().any(|file| is_same(file, &args.model)) {
        return Err(fail::usage("the small file would replace its parent; choose another --out"));
    }
    if files.iter().enumerate().any(|(i, file)| files[..i].contains(file)) {
        return Err(fail::usage("two of these sizes would give the same file; ask for one of them"));
    }
    Ok(files)
}

fn options(args: &ShrinkArgs, parent: &Parent, budgets: Vec<u64>, threads: usize) -> Options {
    let mut options = Options::new(budgets, threads, sequence(parent));
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
        options.method.menu = Menu::Blocks(args.types.clone());
    }
    if args.mobile.is_some() {
        let spec = parent.network.spec();
        let mobile = if args.fit.is_empty() { Mobile::published(spec) } else { Mobile::chosen(spec) };
        options.method.menu = Menu::Mobile(mobile);
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
pub fn is_same(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// A name for the child of `budget` bytes.
fn name(args: &ShrinkArgs, budget: u64) -> String {
    let size = Bytes(budget).to_string().replace(' ', "");
    match (args.mobile, args.fit.is_empty()) {
        (None, _) => format!("{}-{size}.gguf", stem(&args.model)),
        (Some(_), false) => format!("{}-mobile-{size}", stem(&args.model)),
        (Some(_), true) => format!("{}-mobile", stem(&args.model)),
    }
}

/// What a model is called without its ending.
fn stem(model: &Path) -> String {
    let here = model.canonicalize().ok().filter(|_| model.file_name().is_none());
    let model = here.as_deref().unwrap_or(model);
    // What stands behind the last point of a folder's name is part of it: Llama-3.2-1B.
    let stem = if model.is_dir() { model.file_name() } else { model.file_stem() };
    stem.unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_called_after_their_parents() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("Tiny-3.2-1B");
        std::fs::create_dir(&directory).unwrap();
        assert_eq!(stem(&directory), "Tiny-3.2-1B");
        assert_eq!(stem(&directory.join(".")), "Tiny-3.2-1B");
        assert_eq!(stem(Path::new("some/tiny-3.2.gguf")), "tiny-3.2");
    }
}
