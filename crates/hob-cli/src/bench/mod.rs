//! `hob bench`: how fast a model runs, and how close that is to what the machine can do.

mod parts;

use crate::fail::{note, usage};
use crate::open::{self, RunArgs};
use crate::progress::Progress;
use crate::which::Which;
use crate::{out, signals};
use anyhow::Context;
use clap::Args;
use hob_base::{Bytes, Count};
use hob_engine::Engine;
use hob_eval::{Limits, Report, Start, Traffic, synthetic};
use hob_kernels::Cpu;
use hob_model::Model;
use parts::{Steps, join, parts};
use serde_json::json;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Seed of synthetic weights: the same command writes the same file.
const SEED: u64 = 1;

/// Most sequences decoded at once: beyond it, memory for their caches is the limit and not speed.
const MAX_SEQUENCES: i64 = 256;

/// Arguments of `hob bench`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hob bench model.gguf
  hob bench --synthetic llama-3.2-1b:Q4_0
  hob bench --synthetic gemma-4-e2b:mobile --out /tmp/e2b --write-only")]
pub struct BenchArgs {
    /// GGUF file or model directory; ember is the built-in model
    #[arg(conflicts_with_all = ["synthetic", "list"])]
    pub model: Option<PathBuf>,
    /// Write a model of published shapes with random weights, and measure that
    #[arg(long, value_name = "NAME:TYPE")]
    pub synthetic: Option<String>,
    /// Where to keep the synthetic model [default: a temporary folder, removed afterwards]
    #[arg(long, value_name = "PATH", requires = "synthetic")]
    pub out: Option<PathBuf>,
    /// Write the synthetic model and measure nothing
    #[arg(long, requires = "out")]
    pub write_only: bool,
    /// List the shapes that --synthetic knows
    #[arg(long)]
    pub list: bool,
    /// Length of the prompt, or of texts that become vectors; may be repeated [default: 512, vectors 128]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub prompt: Vec<u32>,
    /// Tokens to decode
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub tokens: u32,
    /// Positions in the cache before decoding starts
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    pub depth: u32,
    /// Also decode so many sequences at once, or make so many vectors
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MAX_SEQUENCES))]
    pub sequences: Option<u32>,
    /// Also time an answer of which half stands in the prompt, with and without guessing ahead
    #[arg(long)]
    pub look_up: bool,
    /// Runs that count, after one that does not
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: u32,
    /// Do not measure what the machine can do (saves some seconds and half a gigabyte)
    #[arg(long)]
    pub no_limits: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// How the model runs.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Runs the command.
pub fn run(args: &BenchArgs) -> anyhow::Result<()> {
    if args.list {
        return list(args.json);
    }
    match (&args.model, &args.synthetic) {
        (Some(path), _) => measure(path, args),
        (None, Some(wish)) => with_synthetic(wish, args),
        (None, None) => {
            Err(usage("which model? Give the path of one, or --synthetic NAME:TYPE (see --list)"))
        }
    }
}

fn list(as_json: bool) -> anyhow::Result<()> {
    let names: Vec<&str> = synthetic::shape_names().collect();
    if as_json { out::json(&names) } else { out::text(&(names.join("\n") + "\n")) }
}

fn with_synthetic(wish: &str, args: &BenchArgs) -> anyhow::Result<()> {
    let (name, weights) = wish.split_once(':').ok_or_else(|| {
        usage(format!("--synthetic: expected NAME:TYPE as in llama-3.2-1b:Q4_0, found {wish:?}"))
    })?;
    let plan = synthetic::plan(name, weights).map_err(|e| usage(format!("--synthetic: {e}")))?;
    if let Some(path) = &args.out {
        if path.exists() {
            return Err(usage(format!(
                "--out: {} exists already and is left alone; give a new path",
                path.display()
            )));
        }
        write(&plan, path)?;
        return if args.write_only { Ok(()) } else { measure(path, args) };
    }
    let folder = TemporaryFolder::new()?;
    let path = folder.0.join(plan.file_name());
    write(&plan, &path)?;
    measure(&path, args)
}

fn write(plan: &synthetic::Plan, path: &Path) -> anyhow::Result<()> {
    let shown = path.display().to_string();
    eprint(&format!(
        "writing {} ({}, {} parameters, random weights) to {shown}\n",
        plan.name(),
        Bytes(plan.tensor_bytes()),
        Count(plan.spec().parameters())
    ));
    for s in plan.substitutes() {
        let (block, tensors) = (s.wanted.block_size(), s.tensors);
        note(&format!(
            "{tensors} tensors become {} instead of {}, whose blocks of {block} do not divide their rows",
            s.written, s.wanted
        ));
    }
    let mut progress = Progress::start();
    synthetic::write(plan, path, SEED, &mut |done, total| {
        let line = || format!("written {} of {}", Bytes(done), Bytes(total));
        progress.update(line, || json!({"event": "write", "done": done, "total": total}));
    })?;
    Ok(())
}

/// Notices of progress; a closed standard error is no reason to stop.
fn eprint(text: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
}

/// A folder that goes when it is dropped or Ctrl-C is pressed.
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("hob-bench-{}", std::process::id()));
        std::fs::create_dir(&path)
            .with_context(|| format!("cannot make {}; --out names another place", path.display()))?;
        let removed = path.clone();
        signals::clean_up(move || drop(std::fs::remove_dir_all(&removed)))?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            note(&format!("{}: cannot remove: {error}; delete it by hand", self.0.display()));
        }
    }
}

fn measure(path: &Path, args: &BenchArgs) -> anyhow::Result<()> {
    open::note_pin();
    let config = args.run.options().engine_config();
    let cpu = Cpu::new(config.threads, config.compute);
    let which = Which::named(path);
    // What the model is decides what is measured; its weights are not touched before the first part.
    let model = Model::load(&which.files()?)?;
    let writes = model.spec().is_generative();
    if args.look_up && !writes {
        return Err(usage("--look-up times answers, and this model makes vectors; leave it out"));
    }
    let parts = parts(args, model.spec());
    let fit = parts.iter().try_for_each(|(_, bench)| bench.fits(model.spec().context));
    fit.map_err(|error| usage(error.to_string()))?;
    drop(model);
    let mut steps = Steps::new(args, parts.len() + 1 + usize::from(!args.no_limits));
    steps.next(if writes { "the time to a first token" } else { "the time to a first vector" });
    // First of all, while nothing is warm but the file.
    let start = hob_eval::time_to_first_token(|| which.files(), &cpu, 8)?;
    let files = which.files()?;
    let model = Model::load(&files)?;
    let traffic = Traffic::new(&files, model.spec())?;
    let limits = (!args.no_limits).then(|| {
        steps.next("what this machine can do");
        Limits::measure(cpu.threads())
    });
    drop(cpu);
    let engine = Engine::new(model, config);
    let mut report: Option<Report> = None;
    for (what, bench) in parts {
        steps.next(&what);
        let part = hob_eval::measure(&engine, &traffic, &bench, limits.as_ref())?;
        report = Some(match report {
            Some(before) => join(before, part),
            None => part,
        });
    }
    drop(steps);
    let report = report.expect("there is always something to measure");
    if args.json {
        let compute = open::compute_name(engine.cpu().compute());
        return out::json(&json!({
            "model": path.display().to_string(), "family": engine.model().family(),
            "parameters": engine.model().spec().parameters(),
            "compute": compute, "start": start, "limits": limits, "report": report,
        }));
    }
    let title = format!(
        "model      {} ({}, {} parameters)\n",
        path.display(),
        engine.model().family(),
        Count(engine.model().spec().parameters())
    );
    out::text(&(title + &table(&report, limits.as_ref(), start, open::compute_name(engine.cpu().compute()))))
}

/// What the machine can do, in a line.
pub fn limits_line(limits: &Limits) -> String {
    let mut line = format!("reads {:.1} GB/s", limits.read_gb_s.median);
    for (name, peak) in [("int8", &limits.int8), ("bf16", &limits.bf16), ("f32", &limits.f32)] {
        if let Some(p) = peak {
            let _ = write!(line, "; {name} {:.0} GMAC/s ({})", p.gmacs.median, p.instruction);
        }
    }
    line + " (measured now)"
}

fn table(report: &Report, limits: Option<&Limits>, start: Start, compute: &str) -> String {
    let mut t = String::new();
    let _ = writeln!(t, "runs with  {} threads, {}, {compute} compute", report.threads, report.isa);
    if let Some(l) = limits {
        let _ = writeln!(t, "machine    {}", limits_line(l));
    }
    let percent = |share: Option<f64>, of: &str| {
        share.map_or(String::new(), |s| format!(", {:.0} % of {of}", 100.0 * s))
    };
    for p in &report.prefill {
        let of = percent(p.of_int8_peak, "the int8 peak");
        let _ = writeln!(
            t,
            "prefill    {:.1} tokens/s (best {:.1}) of a prompt of {}: {:.1} GMAC/s{of}",
            p.tokens_s.median, p.tokens_s.best, p.tokens, p.gmacs
        );
    }
    for d in &report.decode {
        let of = percent(d.of_bandwidth, "the read bandwidth");
        let _ = writeln!(
            t,
            "decode     {:.1} tokens/s (best {:.1}), {} tokens after {}: {:.1} GB/s{of}",
            d.tokens_s.median, d.tokens_s.best, d.tokens, d.depth, d.gb_s
        );
    }
    for many in &report.together {
        let what = many.what;
        let _ = writeln!(
            t,
            "together   {:.1} tokens/s (best {:.1}) in sum, {} sequences, {} tokens after {} of each",
            many.tokens_s.median, many.tokens_s.best, what.sequences, what.tokens, what.depth
        );
    }
    for l in &report.look_up {
        let _ = writeln!(
            t,
            "look-up    {:.1} tokens/s with guesses, {:.1} without: {:.2} times, where half of an answer stands in the prompt",
            l.guessed.median, l.plain.median, l.gain
        );
    }
    for v in &report.vectors {
        let (what, of) = (v.what, percent(v.of_int8_peak, "the int8 peak"));
        let _ = writeln!(
            t,
            "vectors    {:.1} a second (best {:.1}) of {} tokens, {} at a time: {:.1} GMAC/s{of}",
            v.vectors_s.median, v.vectors_s.best, what.tokens, what.texts, v.gmacs
        );
    }
    let _ = writeln!(
        t,
        "start      {:.1} ms to load, {:.1} ms to a first {}",
        1e3 * start.load_s,
        1e3 * start.first_token_s,
        if report.vectors.is_empty() { "token" } else { "vector" }
    );
    if let Some(m) = report.memory {
        let (peak, own) = (Bytes(m.resident_peak), Bytes(m.resident_anonymous));
        let _ = writeln!(t, "memory     {peak} at most, {own} beyond mapped files at the end");
    }
    t
}
