//! `hob route eval`: figures of RouteLLM's kind on recorded outcomes, with what has to stand beside them.

use super::rows;
use crate::out;
use clap::Args;
use hob_router::{
    Label, Learned, Loss, Measured, Options, Policy, Report, Request, Router, Scorer, Spent, evaluate,
};
use serde_json::{Value, json};
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What a file holds, for `--help`.
pub const FILE_HELP: &str = r#"Each line of the file is one question with the judged answers of two models, of one of these kinds:
  {"task": "mmlu", "prompt": "...", "weak_correct": false, "strong_correct": true}
  {"task": "mt_bench", "turns": ["..."], "judge_scores": {"a": [[1, 8]], "b": [[1, 9]]}}      turn and grade
  {"prompt": "...", "models": {"a": {"score": 1, "generated_chars": 10}, "b": {"score": 0, "generated_chars": 20}}}
APGR is the part of the gap between the models that a router closes on average (.5 by chance), CPT50 the percent of the
questions that the larger model gets when half of the gap is closed. The figures of a task itself (`apgr`, `cpt50`,
`cpt80` in JSON) are of signs of effort that know no label; `built_in` and `with_labels` learned from labels of MMLU."#;

/// What such figures do not say.
const NOTE: &str = "outcomes of GPT-4 of 2023 and Mixtral 8x7B show that the method is on a par with others; they say nothing of how \
good today's models are, nor of yours";

/// Arguments of `hob route eval`.
#[derive(Args, Debug)]
pub struct EvalArgs {
    /// File with recorded outcomes, .jsonl or .jsonl.zst
    pub file: PathBuf,
    /// Start of every random choice
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Draws for each interval
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(20..=100_000))]
    pub resamples: u32,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(args: &EvalArgs) -> anyhow::Result<()> {
    let options = Options { seed: args.seed, resamples: args.resamples as usize, ..Options::default() };
    let tasks = evaluate(&rows(&args.file)?, &Scorer::built_in(), &options);
    let [median, last] = microseconds(&args.file)?;
    if args.json {
        let time = json!({"median": median, "p99": last});
        let found = json!({"tasks": tasks, "decision_microseconds": time, "seed": args.seed, "note": NOTE});
        return out::json(&found);
    }
    let mut text = String::new();
    for (task, report) in &tasks {
        write_task(&mut text, task, report)?;
    }
    writeln!(text, "A decision with its features takes {median:.0} µs, one in a hundred over {last:.0} µs.")?;
    writeln!(text, "Note: {NOTE}.")?;
    out::text(&text)
}

/// Times that each decision is timed; the fastest counts, since others only tell what else the machine did.
const TRIES: usize = 5;

/// How long decisions on the prompts of a file take: the median, and what 99 in 100 stay below.
fn microseconds(path: &Path) -> anyhow::Result<[f64; 2]> {
    let router = Router::new(Scorer::built_in(), Policy::default(), None);
    let mut times = Vec::new();
    hob_train::data::read_lines(path, &mut |_, line| {
        let value: Value = serde_json::from_str(line).unwrap_or_default();
        if let Some(prompt) = value["prompt"].as_str().or(value["turns"][0].as_str()) {
            let request = Request::new(prompt, Label::Open);
            let decide = |_| {
                let start = Instant::now();
                std::hint::black_box(router.decide(&request, Spent::default()));
                start.elapsed().as_secs_f64() * 1e6
            };
            times.push((0..TRIES).map(decide).fold(f64::INFINITY, f64::min));
        }
        Ok(true)
    })?;
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times.get((times.len() as f64 * part) as usize).copied().unwrap_or(f64::NAN);
    Ok([at(0.5), at(0.99)])
}

fn write_task(text: &mut String, task: &str, report: &Report) -> fmt::Result {
    let (weak, strong) = (out::harmless(&report.weak), out::harmless(&report.strong));
    let task = out::harmless(task);
    writeln!(
        text,
        "{task}: {} questions; {weak} {:.3}, {strong} {:.3}",
        report.rows, report.weak_quality, report.strong_quality
    )?;
    let (Some(zero), Some(baselines)) = (&report.zero, &report.baselines) else {
        return writeln!(text, "  {strong} is no better: there is no gap to close, and nothing to measure\n");
    };
    writeln!(text, "  {:<44} {:<18} {:<18} CPT80", "router", "APGR", "CPT50")?;
    writeln!(text, "  {:<44} {:.3}", "chance, mean of 300", baselines.random_apgr)?;
    row(text, "longer prompts first", &baselines.prompt_length)?;
    row(text, "who knows the answers", &baselines.oracle)?;
    row(text, zero.router, &zero.measured)?;
    let [low, high] = zero.lead_over_length;
    writeln!(text, "  {:<44} {low:+.3} to {high:+.3}", "  APGR above that of the length")?;
    if let Some(built) = &report.built_in {
        let name = match built.learned_from {
            0 => "built in, without a label of this task".into(),
            n => format!("built in, {n} labels, on the {} others", built.tested_on),
        };
        row(text, &name, &built.measured)?;
        writeln!(text, "  {:<44} {:.3}", "  error of its probabilities", built.calibration_error)?;
    }
    if let Some(learned) = &report.with_labels {
        with_labels(text, learned)?;
    }
    for p in &report.published {
        let number = |v: Option<f64>| v.map_or("-".into(), |v| format!("{v:.2}"));
        let (name, labels) = (p.router, p.labels);
        writeln!(
            text,
            "  {:<44} {:<18.3} {:<18} {:<7} ({labels})",
            format!("RouteLLM: {name}"),
            p.apgr,
            number(p.cpt50),
            number(p.cpt80)
        )?;
    }
    curve(text, "deferral, signs of effort", &zero.measured)?;
    if let Some(built) = &report.built_in {
        curve(text, "deferral, built in", &built.measured)?;
    }
    promises(text, report)?;
    money(text, report)?;
    writeln!(text)
}

fn row(text: &mut String, name: &str, measured: &Measured) -> fmt::Result {
    let f = &measured.figures;
    let apgr = format!("{:.3} ({:.2}-{:.2})", f.apgr, measured.apgr_interval[0], measured.apgr_interval[1]);
    let cpt = |value: f64, [low, high]: [f64; 2]| format!("{value:.1} ({low:.0}-{high:.0})");
    let (half, most) = (cpt(f.cpt50, measured.cpt50_interval), cpt(f.cpt80, measured.cpt80_interval));
    writeln!(text, "  {name:<44} {apgr:<18} {half:<18} {most}")
}

fn with_labels(text: &mut String, learned: &Learned) -> fmt::Result {
    let name = format!("learned from {}, on {} others", learned.labels, learned.tested_on);
    let (a, h, m) = (&learned.apgr, &learned.cpt50, &learned.cpt80);
    let apgr = format!("{:.3} ± {:.3}", a.mean, a.deviation);
    let half = format!("{:.1} ± {:.1}", h.mean, h.deviation);
    writeln!(text, "  {name:<44} {apgr:<18} {half:<18} {:.1} ± {:.1}", m.mean, m.deviation)?;
    let what = format!("  lowest and highest of {} splits", learned.splits);
    writeln!(text, "  {what:<44} {:.3} to {:.3}", a.low, a.high)
}

fn curve(text: &mut String, name: &str, measured: &Measured) -> fmt::Result {
    write!(text, "  {name} (percent: quality):")?;
    for point in &measured.curve {
        write!(text, " {:.0}: {:.3}", point.strong_percent, point.quality)?;
    }
    writeln!(text)
}

fn promises(text: &mut String, report: &Report) -> fmt::Result {
    if report.risk.is_empty() {
        return Ok(());
    }
    writeln!(text, "  risk, calibrated on a random half and watched on the other, 1000 times:")?;
    for kept in &report.risk {
        let loss = match kept.loss {
            Loss::Worse => "worse than the larger model's",
            Loss::Wrong => "wrong",
        };
        writeln!(
            text,
            "    at most {:>2.0} % {loss}: kept in {:.1} %; {:.1} % stay local (all local: {:.1} % bad)",
            100.0 * kept.epsilon,
            100.0 * kept.kept,
            100.0 * kept.local_share,
            100.0 * kept.loss_of_all
        )?;
    }
    Ok(())
}

fn money(text: &mut String, report: &Report) -> fmt::Result {
    let Some(cost) = &report.cost else { return Ok(()) };
    writeln!(
        text,
        "  percent of the better model, quality, dollars for 1,000 questions, RouterArena's score:"
    )?;
    let named =
        cost.built_in.iter().map(|q| ("built in", q)).chain([("who knows the answers", &cost.oracle)]);
    for (name, q) in named {
        writeln!(
            text,
            "    {name:<22} {:>5.0} %  {:.3}  ${:.3}  {:.1}",
            q.strong_percent, q.quality, q.dollars_per_1000, q.arena_score
        )?;
    }
    Ok(())
}
