//! The router: learned from recorded outcomes of one set of questions, measured on others.

use anyhow::{Context, Result, bail};
use hob_base::Random;
use hob_router::{Row, Scale, Scorer};
use hob_train::data::read_lines;
use std::path::{Path, PathBuf};

/// The only task it learns from; on the others it is measured without labels.
const TASK: &str = "mmlu";

/// Labels that it learns from: as many as the routers that it is compared with.
const LABELS: usize = 1_500;

/// Arguments of `hob-ember router`.
#[derive(clap::Args)]
pub struct RouterArgs {
    /// Folder with the published sets (`tasks/`)
    #[arg(long)]
    data: PathBuf,
    /// File to write
    #[arg(long)]
    out: PathBuf,
    /// Start of every random choice
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Learns and writes; `hob route eval` measures.
pub fn run_router(args: &RouterArgs) -> Result<()> {
    let rows = rows(&args.data.join("tasks/routing_outcomes.jsonl.zst"))?;
    let scorer = learn(&rows, args.seed)?;
    let bytes = scorer.to_bytes();
    std::fs::write(&args.out, &bytes).with_context(|| args.out.display().to_string())?;
    println!("{}: {} bytes, learned from {LABELS} outcomes of {TASK}", args.out.display(), bytes.len());
    Ok(())
}

/// The recorded outcomes in a file.
pub fn rows(path: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut failed = None;
    read_lines(path, &mut |line, text| {
        match Row::from_json(text) {
            Ok(row) => rows.push(row),
            Err(error) => failed = Some((line, error)),
        }
        Ok(failed.is_none())
    })?;
    match failed {
        None => Ok(rows),
        Some((line, error)) => Err(error).with_context(|| format!("{}: line {line}", path.display())),
    }
}

/// A router that learned from a part of the rows. The signs of effort are measured on prompts of two tasks, as many of each, whose
/// outcomes play no part in that.
fn learn(rows: &[Row], seed: u64) -> Result<Scorer> {
    let of = |task: &str| rows.iter().filter(|r| r.task == task).collect::<Vec<_>>();
    let (mut known, other) = (of(TASK), of("gsm8k"));
    if known.len() < LABELS || other.is_empty() {
        bail!(
            "expected at least {LABELS} outcomes of {TASK} and some of gsm8k, found {} and {}",
            known.len(),
            other.len()
        );
    }
    let as_many = other.iter().cycle().take(known.len());
    let scale = Scale::of(known.iter().chain(as_many).map(|r| &r.features));
    Random::new(seed, 0).shuffle(&mut known);
    let lessons: Vec<_> = known[..LABELS].iter().map(|r| (r.hash, r.lesson())).collect();
    Ok(Scorer::learn(scale, &lessons, seed)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hob_router::{Options, Report, evaluate};
    use std::collections::BTreeMap;

    fn tasks() -> Option<PathBuf> {
        let tasks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/tasks");
        if tasks.join("routing_outcomes.jsonl.zst").is_file() {
            return Some(tasks);
        }
        eprintln!("SKIPPED: there is no ../shared/data beside this checkout");
        None
    }

    fn figures(rows: &[Row]) -> BTreeMap<String, Report> {
        // Few draws and splits: this is about figures, not their intervals.
        let options = Options { resamples: 40, splits: 3, ..Options::default() };
        evaluate(rows, &Scorer::built_in(), &options)
    }

    /// Some seconds: forests learn, and a risk is watched a thousand times.
    #[test]
    fn the_router_is_as_good_as_the_documentation_says() {
        let Some(tasks) = tasks() else { return };
        let found = figures(&rows(&tasks.join("routing_outcomes.jsonl.zst")).unwrap());
        for (task, within) in [("mmlu", 0.01), ("gsm8k", 0.01), ("mt_bench", 0.03)] {
            let chance = found[task].baselines.as_ref().unwrap().random_apgr;
            assert!((chance - 0.5).abs() < within, "{task}: {chance}");
        }
        let zero = |task: &str| found[task].zero.as_ref().unwrap().measured.figures;
        let length = |task: &str| found[task].baselines.as_ref().unwrap().prompt_length.figures;
        for task in ["mmlu", "gsm8k"] {
            let least = if task == "mmlu" { 0.62 } else { 0.60 };
            assert!(
                zero(task).apgr >= least && zero(task).apgr > length(task).apgr + 0.02,
                "{:?}",
                zero(task)
            );
        }
        let built = found["mmlu"].built_in.as_ref().unwrap();
        assert!(built.measured.figures.apgr >= 0.65 && built.calibration_error < 0.05, "{built:?}");
        assert!(built.tested_on + built.learned_from == found["mmlu"].rows && built.learned_from >= LABELS);
        let learned = found["mmlu"].with_labels.as_ref().unwrap();
        assert!(
            learned.labels <= LABELS && learned.apgr.mean >= 0.64 && learned.cpt50.mean <= 32.0,
            "{learned:?}"
        );
        // A promise that is kept; and where the local model is good enough it is worth something.
        for kept in found.values().flat_map(|report| &report.risk) {
            assert!(kept.kept >= 0.95, "{kept:?}");
        }
        assert!(found["mmlu"].risk.iter().any(|kept| kept.epsilon <= 0.2 && kept.local_share > 0.2));
    }

    #[test]
    fn costs_stand_beside_the_oracle_on_a_set_that_nothing_was_learned_from() {
        let Some(tasks) = tasks() else { return };
        let rows = rows(&tasks.join("routing_routerarena.jsonl.zst")).unwrap();
        let built_in = Scorer::built_in();
        assert!(rows.iter().all(|row| !built_in.has_learned(row.hash)));
        let cost = figures(&rows)["routerarena"].cost.clone().unwrap();
        let [none, all] = [cost.built_in[0], cost.built_in[4]];
        assert!((none.strong_percent, all.strong_percent) == (0.0, 100.0) && none.quality < all.quality);
        assert!(cost.oracle.quality > all.quality && cost.built_in[2].quality > none.quality, "{cost:?}");
    }

    /// Logarithms differ in their last bit from system to system.
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    #[test]
    fn the_seed_makes_the_file_that_is_built_in() {
        let Some(tasks) = tasks() else { return };
        let made = learn(&rows(&tasks.join("routing_outcomes.jsonl.zst")).unwrap(), 1).unwrap();
        assert!(made == Scorer::built_in(), "run `cargo xtask router`");
    }

    #[test]
    fn too_few_outcomes_are_refused() {
        let line = r#"{"task": "mmlu", "prompt": "a", "weak_correct": true, "strong_correct": true}"#;
        let error = learn(&[Row::from_json(line).unwrap()], 1).unwrap_err().to_string();
        assert!(error.contains("expected at least 1500 outcomes"), "{error}");
    }
}
