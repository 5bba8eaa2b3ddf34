//! Compares figures with bars. Ratios and shares are taken round by round, so that a busy moment hits both sides, and the
//! middle one counts.

use anyhow::Result;
use serde::Serialize;

use super::{
    cases::{Bar, Case, Ceiling, Role},
    figure::{Figure, median},
    measure::{Limits, Measured, Runs},
};

/// A case with what came of it.
#[derive(Debug)]
pub struct Verdict {
    /// The case.
    pub case: Case,
    /// What was measured, or why nothing was.
    pub measured: Result<Measured, String>,
    /// One per bar.
    pub bars: Vec<Judged>,
}

/// A bar and whether it is met.
#[derive(Debug, Serialize)]
pub struct Judged {
    /// What Hob is compared with: a contestant and its settings, or a limit of the machine.
    pub against: String,
    /// The figure of that, in the unit of the case or of the limit.
    pub theirs: Option<f64>,
    /// What is asked, for people.
    pub bar: String,
    /// What came out: a ratio, a share or a figure.
    pub found: Option<f64>,
    /// Whether that is good enough; `None` where nothing is asked.
    pub met: Option<bool>,
}

/// Judges every bar; those of a case that was not measured are missed.
pub fn judge(case: Case, measured: Result<Measured>) -> Verdict {
    let measured = measured.map_err(|error| format!("{error:#}"));
    let bars = case.bars.iter().map(|bar| match &measured {
        Ok(measured) => judge_bar(&case, bar, measured),
        Err(_) => not_measured(bar),
    });
    let bars = bars.collect();
    Verdict { case, measured, bars }
}

fn not_measured(bar: &Bar) -> Judged {
    let met = (!matches!(bar, Bar::Shown(_))).then_some(false);
    Judged { against: "-".to_owned(), theirs: None, bar: wording(bar), found: None, met }
}

fn judge_bar(case: &Case, bar: &Bar, measured: &Measured) -> Judged {
    let missed = || not_measured(bar);
    let hob = &measured.runs[0];
    let against = |role| best(case, &measured.runs, role).map(|theirs| (theirs, ratio(hob, theirs)));
    let judged = |against: &str, theirs, found: Option<f64>, good: &dyn Fn(f64) -> bool| Judged {
        against: against.to_owned(),
        theirs,
        bar: wording(bar),
        found,
        met: Some(found.is_some_and(good)),
    };
    match *bar {
        Bar::AtLeast(limit, role) => against(role).map_or_else(missed, |(theirs, found)| {
            judged(&theirs.who, Some(theirs.median()), found, &|x| x >= limit)
        }),
        Bar::AtMost(limit, role) => against(role).map_or_else(missed, |(theirs, found)| {
            judged(&theirs.who, Some(theirs.median()), found, &|x| x <= limit)
        }),
        Bar::Shown(role) => against(role).map_or_else(missed, |(theirs, found)| Judged {
            met: None,
            ..judged(&theirs.who, Some(theirs.median()), found, &|_| true)
        }),
        Bar::Share(limit, ceiling) => {
            let (around, shares) = shares(hob, &measured.limits, ceiling);
            judged(ceiling_name(ceiling), median(around), median(shares), &|x| x >= limit)
        }
        Bar::Absolute(limit) => judged("-", None, Some(hob.median()), &|x| x <= limit),
        Bar::BeyondFile(limit) => {
            let beyond = hob.median() - measured.file_mb;
            judged("size of the file", Some(measured.file_mb), Some(beyond), &|x| x <= limit)
        }
    }
}

/// A side's best settings, among those that ran in every round.
fn best<'a>(case: &Case, runs: &'a [Runs], role: Role) -> Option<&'a Runs> {
    let of_role = || runs.iter().filter(|r| r.role == role);
    let rounds = of_role().map(|r| r.figures.len()).max()?;
    let lasting = of_role().filter(|r| r.figures.len() == rounds);
    let order = |a: &&Runs, b: &&Runs| a.median().total_cmp(&b.median());
    if case.work.more_is_better() { lasting.max_by(order) } else { lasting.min_by(order) }
}

fn ratio(hob: &Runs, theirs: &Runs) -> Option<f64> {
    median(hob.figures.iter().zip(&theirs.figures).map(|(a, b)| a.value / b.value).collect())
}

/// The limit around each of Hob's turns, and Hob's share of it.
fn shares(hob: &Runs, limits: &[(Limits, Limits)], ceiling: Ceiling) -> (Vec<f64>, Vec<f64>) {
    let of = |l: &Limits| match ceiling {
        Ceiling::Int8 => l.int8_gmacs,
        Ceiling::Bf16 => l.bf16_gmacs,
        Ceiling::Bandwidth => Some(l.read_gb_s),
    };
    let rate = |f: &Figure| if ceiling == Ceiling::Bandwidth { f.gb_s } else { f.gmacs };
    let pairs = hob.figures.iter().zip(limits);
    pairs
        .filter_map(|(figure, (before, after))| {
            let around = (of(before)? + of(after)?) / 2.0;
            Some((around, rate(figure)? / around))
        })
        .unzip()
}

fn ceiling_name(ceiling: Ceiling) -> &'static str {
    match ceiling {
        Ceiling::Int8 => "int8 dot peak, GMAC/s",
        Ceiling::Bf16 => "bf16 dot peak, GMAC/s",
        Ceiling::Bandwidth => "read bandwidth, GB/s",
    }
}

fn wording(bar: &Bar) -> String {
    let name = |role| match role {
        Role::Hob | Role::Baseline => "Hob's own",
        Role::Llama => "llama.cpp",
        Role::OpenVino32 => "OpenVINO of 32",
        Role::OpenVino => "OpenVINO",
    };
    match *bar {
        Bar::AtLeast(limit, role) => format!("at least {limit}x {}", name(role)),
        Bar::AtMost(limit, role) => format!("at most {limit}x {}", name(role)),
        Bar::Share(limit, Ceiling::Int8) => format!("at least {:.0} % of int8", 100.0 * limit),
        Bar::Share(limit, Ceiling::Bf16) => format!("at least {:.0} % of bf16", 100.0 * limit),
        Bar::Share(limit, Ceiling::Bandwidth) => format!("at least {:.0} % of bandwidth", 100.0 * limit),
        Bar::Absolute(limit) => format!("at most {limit:.0} MB"),
        Bar::BeyondFile(limit) => format!("at most {limit:.0} MB beyond the file"),
        Bar::Shown(role) => format!("none against {}", name(role)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::cases::{self, Work};

    fn runs(role: Role, values: &[f64]) -> Runs {
        let figure = |&value: &f64| Figure { value, gmacs: Some(value), gb_s: None };
        Runs { role, who: format!("{role:?}"), figures: values.iter().map(figure).collect() }
    }

    fn limits(int8: f64) -> (Limits, Limits) {
        let one = Limits { read_gb_s: 1.0, int8_gmacs: Some(int8), bf16_gmacs: None };
        (one, one)
    }

    fn case(bars: &[Bar], work: Work) -> Case {
        Case { bars: bars.to_vec(), work, ..cases::all().swap_remove(0) }
    }

    fn judged(bars: &[Bar], work: Work, all: Vec<Runs>) -> Verdict {
        let measured = Measured { limits: vec![limits(200.0); 3], runs: all, file_mb: 100.0 };
        judge(case(bars, work), Ok(measured))
    }

    #[test]
    fn a_ratio_is_the_middle_of_the_rounds_against_the_best_settings() {
        let all = vec![
            runs(Role::Hob, &[150.0, 80.0, 160.0]),
            runs(Role::Llama, &[100.0, 40.0, 100.0]),
            runs(Role::Llama, &[90.0, 30.0, 90.0]),
            // Given up after a lucky first round: not the best, as it was never seen again.
            runs(Role::Llama, &[1000.0]),
        ];
        let bars =
            [Bar::AtLeast(1.5, Role::Llama), Bar::AtLeast(1.7, Role::Llama), Bar::Share(0.7, Ceiling::Int8)];
        let verdict = judged(&bars, Work::Prefill { tokens: 512 }, all);
        assert_eq!(verdict.bars[0].found, Some(1.6));
        let met: Vec<_> = verdict.bars.iter().map(|b| b.met).collect();
        assert_eq!(met, [Some(true), Some(false), Some(true)]);
        assert_eq!(verdict.bars[2].found, Some(0.75));
    }

    #[test]
    fn seconds_and_megabytes_are_better_small() {
        let all =
            || vec![runs(Role::Hob, &[150.0]), runs(Role::Llama, &[400.0]), runs(Role::Llama, &[310.0])];
        let first = judged(&[Bar::AtMost(0.5, Role::Llama)], Work::FirstToken, all());
        assert_eq!((first.bars[0].theirs, first.bars[0].met), (Some(310.0), Some(true)));
        let bars = [Bar::BeyondFile(49.0), Bar::Absolute(150.0), Bar::Shown(Role::Llama)];
        let memory = judged(&bars, Work::PeakMemory { context: 1 }, all());
        let met: Vec<_> = memory.bars.iter().map(|b| b.met).collect();
        assert_eq!(met, [Some(false), Some(true), None]);
    }

    #[test]
    fn what_was_not_measured_is_missed() {
        let bars = [Bar::AtLeast(1.0, Role::OpenVino), Bar::Share(0.5, Ceiling::Bf16)];
        let verdict = judged(&bars, Work::Prefill { tokens: 512 }, vec![runs(Role::Hob, &[1.0])]);
        assert!(verdict.bars.iter().all(|b| b.met == Some(false)));
        let verdict = judge(case(&bars, Work::FirstToken), Err(anyhow::anyhow!("no peer")));
        assert!(verdict.bars.iter().all(|b| b.met == Some(false)));
    }
}
