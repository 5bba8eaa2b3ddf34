//! Runs the contestants of a case in turns, each as a process of its own, with the machine's limits probed around Hob.

use std::process::Command;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use super::{
    Options,
    cases::{Bar, Case, Role, Work},
    contenders::{Contender, contenders},
    figure::{Figure, median, run_once},
    install::Place,
    judge::{Verdict, judge},
};

/// A small model, as probing needs one.
const PROBE_MODEL: &str = "smollm2-135m:Q4_0";

/// Settings of a peer that were this much worse than its best in the first round get no further turns.
const WORTH_ANOTHER_TURN: f64 = 0.9;

/// What the machine could do at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Limits {
    /// Gigabytes a second.
    pub read_gb_s: f64,
    /// Billions of 8-bit multiply-accumulates a second.
    pub int8_gmacs: Option<f64>,
    /// The same in bf16.
    pub bf16_gmacs: Option<f64>,
}

/// A contestant and what it reached in each round; fewer figures than rounds for settings that were given up.
#[derive(Debug, Serialize)]
pub struct Runs {
    /// On whose side.
    #[serde(skip)]
    pub role: Role,
    /// Program and settings.
    pub who: String,
    /// One per round.
    pub figures: Vec<Figure>,
}

impl Runs {
    /// The middle figure.
    pub fn median(&self) -> f64 {
        median(self.figures.iter().map(|f| f.value).collect()).expect("every contestant ran at least once")
    }
}

/// Everything measured for a case.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// Just before Hob's turn and just after it, per round; empty where no bar needs it.
    pub limits: Vec<(Limits, Limits)>,
    /// Hob first.
    pub runs: Vec<Runs>,
    /// Size of the model.
    pub file_mb: f64,
}

/// Measures a case and judges it. Whatever goes wrong becomes part of the verdict, as the other cases can still run.
pub fn run_case(place: &Place, options: &Options, case: Case) -> Verdict {
    eprintln!("=> {}", case.name);
    let measured = measure(place, options, &case);
    if let Err(error) = &measured {
        eprintln!("   not measured: {error:#}");
    }
    judge(case, measured)
}

fn measure(place: &Place, options: &Options, case: &Case) -> Result<Measured> {
    let mut all = contenders(place, case, options.quick)?;
    let mut probe =
        case.bars.iter().any(|bar| matches!(bar, Bar::Share(..))).then(|| probe(place)).transpose()?;
    let mut runs: Vec<Runs> =
        all.iter().map(|c| Runs { role: c.role, who: c.label.clone(), figures: vec![] }).collect();
    let mut limits = Vec::new();
    // Arithmetic does not vary.
    let rounds = if case.work == Work::Divergence { 1 } else { options.rounds() };
    for round in 0..rounds {
        let plan = turns(case, round, &runs);
        for index in plan {
            let before = probe.as_mut().filter(|_| index == 0).map(limits_now).transpose()?;
            let figure = turn(&mut all[index], case)?;
            runs[index].figures.push(figure);
            if let (Some(before), Some(probe)) = (before, probe.as_mut()) {
                limits.push((before, limits_now(probe)?));
            }
        }
    }
    let file_mb = bytes_of(&place.model(case.model)?)? as f64 / 1e6;
    Ok(Measured { limits, runs, file_mb })
}

fn turn(contender: &mut Contender, case: &Case) -> Result<Figure> {
    let figure = run_once(&mut contender.command, contender.reads)?;
    eprintln!("   {:<40} {:>10.3} {}", contender.label, figure.value, case.work.unit());
    Ok(figure)
}

/// Who has a turn in this round, in order. The first is everyone's.
fn turns(case: &Case, round: u32, runs: &[Runs]) -> Vec<usize> {
    let promising = |runs_of: &Runs| {
        let first = |r: &Runs| r.figures.first().map_or(f64::NAN, |f| f.value);
        let rivals = runs.iter().filter(|r| r.role == runs_of.role).map(first);
        if case.work.more_is_better() {
            first(runs_of) >= WORTH_ANOTHER_TURN * rivals.fold(f64::MIN, f64::max)
        } else {
            first(runs_of) * WORTH_ANOTHER_TURN <= rivals.fold(f64::MAX, f64::min)
        }
    };
    (0..runs.len()).filter(|&i| round == 0 || promising(&runs[i])).collect()
}

fn probe(place: &Place) -> Result<Command> {
    let model = place.model(PROBE_MODEL)?;
    let mut command = Command::new(&place.hob);
    command.arg("bench").arg(model).args(["--threads", &place.threads(), "--json"]);
    command.args(["--prompt", "1", "--depth", "1", "--tokens", "1", "--repeat", "1"]);
    Ok(command)
}

fn limits_now(probe: &mut Command) -> Result<Limits> {
    let printed = crate::shell::output(probe)?;
    let json: Value = serde_json::from_str(&printed).context("hob bench --json printed no JSON")?;
    let at = |pointer: &str| json.pointer(pointer).and_then(Value::as_f64);
    Ok(Limits {
        read_gb_s: at("/limits/read_gb_s/median").context("hob bench measured no read bandwidth")?,
        int8_gmacs: at("/limits/int8/gmacs/median"),
        bf16_gmacs: at("/limits/bf16/gmacs/median"),
    })
}

/// Bytes of a file, or of all files of a folder.
fn bytes_of(path: &std::path::Path) -> Result<u64> {
    if path.is_file() {
        return Ok(path.metadata()?.len());
    }
    let sizes = std::fs::read_dir(path)?.map(|entry| Ok(entry?.metadata()?.len()));
    sizes.sum()
}

/// Runnable tasks of the last minute, where the system says.
pub fn load_average() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::cases;

    fn runs(role: Role, value: f64) -> Runs {
        Runs { role, who: String::new(), figures: vec![Figure { value, gmacs: None, gb_s: None }] }
    }

    #[test]
    fn settings_far_behind_their_own_side_are_given_up_after_one_round() {
        let case = |work| cases::all().into_iter().find(|c| c.work == work).unwrap();
        let all = [
            runs(Role::Hob, 1.0),
            runs(Role::Llama, 100.0),
            runs(Role::Llama, 95.0),
            runs(Role::Llama, 50.0),
        ];
        let prefill = case(Work::Prefill { tokens: 512 });
        assert_eq!(turns(&prefill, 0, &all), [0, 1, 2, 3]);
        assert_eq!(turns(&prefill, 1, &all), [0, 1, 2]);
        assert_eq!(turns(&case(Work::FirstToken), 1, &all), [0, 3]);
    }
}
