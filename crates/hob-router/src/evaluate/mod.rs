//! A router measured on recorded outcomes, task by task, with what has to stand beside it.

mod cost;
pub mod published;
mod resampled;

use crate::metric::{Measured, Outcome, Resamples, figures, lead, measure, ranked};
use crate::outcomes::Row;
use crate::risk::{Loss, Trial};
use crate::scorer::{Scale, Scorer};
pub use cost::{Cost, Quality};
use hob_base::Random;
use published::{PUBLISHED, Published};
pub use resampled::Kept;
use serde::Serialize;
use std::collections::BTreeMap;

/// How much is computed.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Start of every random choice.
    pub seed: u64,
    /// Draws for an interval.
    pub resamples: usize,
    /// Labels of a task that a router may learn from where that is measured.
    pub labels: usize,
    /// Random splits on which that is measured.
    pub splits: usize,
    /// Resamples on which a risk is watched.
    pub risk_resamples: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 1, resamples: 1000, labels: 1500, splits: 10, risk_resamples: 1000 }
    }
}

/// Fewest questions of a task on which a router learns, as many again being left to test on.
const LEARN_LEAST: usize = 200;

/// Orders by chance.
const CHANCES: u64 = 300;

/// What is measured of a task.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Questions.
    pub rows: usize,
    /// The smaller model: the one with the lower mean quality where the file does not say.
    pub weak: String,
    /// The larger.
    pub strong: String,
    /// Mean quality of its answers.
    pub weak_quality: f64,
    /// The same of the larger.
    pub strong_quality: f64,
    /// Without a label of this task; none where the larger model is no better on it.
    #[serde(flatten)]
    pub zero: Option<Zero>,
    /// The built-in router on questions that it has not learned from.
    pub built_in: Option<BuiltIn>,
    /// Routers that learn from some of these questions, tested on the others.
    pub with_labels: Option<Learned>,
    /// What else there is to compare with.
    pub baselines: Option<Baselines>,
    /// Rows of RouteLLM's table.
    pub published: Vec<Published>,
    /// How much stays local within a risk.
    pub risk: Vec<Kept>,
    /// Money, where the file tells what the answers were.
    pub cost: Option<Cost>,
}

/// The signs of effort, which know no label at all.
#[derive(Clone, Debug, Serialize)]
pub struct Zero {
    /// What is measured.
    pub router: &'static str,
    /// The figures.
    #[serde(flatten)]
    pub measured: Measured,
    /// How far the APGR is above that of the prompt's length: from and to, on the same draws.
    pub lead_over_length: [f64; 2],
}

/// The built-in router.
#[derive(Clone, Debug, Serialize)]
pub struct BuiltIn {
    /// Labels of this task that it learned from, as far as this file tells.
    pub learned_from: usize,
    /// Questions that are left to test it on.
    pub tested_on: usize,
    /// The figures.
    #[serde(flatten)]
    pub measured: Measured,
    /// Mean distance between the probability that it says and the share that came true, over ten classes of equal size.
    pub calibration_error: f64,
}

/// A mean over splits.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Standard deviation from split to split.
    pub deviation: f64,
    /// The lowest.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

/// What is learned from a task's own labels.
#[derive(Clone, Debug, Serialize)]
pub struct Learned {
    /// Labels that it learned from.
    pub labels: usize,
    /// Questions that it was tested on.
    pub tested_on: usize,
    /// Random splits.
    pub splits: usize,
    /// APGR.
    pub apgr: Spread,
    /// Percent of calls for half of the gap.
    pub cpt50: Spread,
    /// The same for four fifths.
    pub cpt80: Spread,
}

/// Routers that are no achievement.
#[derive(Clone, Debug, Serialize)]
pub struct Baselines {
    /// The mean of some hundred orders by chance.
    pub random_apgr: f64,
    /// Longer prompts go to the larger model.
    pub prompt_length: Measured,
    /// Whoever knows the answers.
    pub oracle: Measured,
}

/// Measures the signs of effort, `built_in` and what learns from the rows, on each task of `rows`.
pub fn evaluate(rows: &[Row], built_in: &Scorer, options: &Options) -> BTreeMap<String, Report> {
    let mut tasks: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    rows.iter().for_each(|row| tasks.entry(row.task.clone()).or_default().push(row));
    tasks.into_iter().map(|(task, rows)| (task.clone(), report(&task, &rows, built_in, options))).collect()
}

/// Outcomes with the smaller model first: the one that the file says, else the one whose answers are worse on the whole.
fn ordered(rows: &[&Row]) -> (Vec<Outcome>, [String; 2], bool) {
    let outcomes: Vec<Outcome> = rows.iter().map(|r| r.outcome).collect();
    let sum = |of: fn(&Outcome) -> f64| outcomes.iter().map(of).sum::<f64>();
    let names = rows.iter().find_map(|r| r.models.clone());
    let [first, second] = names.unwrap_or_else(|| ["the smaller model".into(), "the larger model".into()]);
    if sum(|o| o.weak) <= sum(|o| o.strong) {
        return (outcomes, [first, second], false);
    }
    let turned = outcomes.iter().map(|o| Outcome { weak: o.strong, strong: o.weak }).collect();
    (turned, [second, first], true)
}

fn report(task: &str, rows: &[&Row], built_in: &Scorer, options: &Options) -> Report {
    let (outcomes, [weak, strong], turned) = ordered(rows);
    let n = rows.len().max(1) as f64;
    let mean = |of: fn(&Outcome) -> f64| outcomes.iter().map(of).sum::<f64>() / n;
    let effort: Vec<f64> = rows.iter().map(|r| built_in.scale().effort(&r.features)).collect();
    let length: Vec<f64> = rows.iter().map(|r| r.characters as f64).collect();
    let draws = Resamples::new(rows.len(), options.resamples, options.seed);
    let zero = measure(&effort, &outcomes, &draws, options.seed).map(|measured| Zero {
        router: "signs of effort, without any label",
        lead_over_length: lead(&effort, &length, &outcomes, &draws, options.seed),
        measured,
    });
    let is_share = rows.iter().all(|r| r.is_share);
    let fresh: Vec<usize> = (0..rows.len()).filter(|i| !built_in.has_learned(rows[*i].hash)).collect();
    let trials: Vec<(f64, Outcome)> =
        fresh.iter().map(|i| (built_in.estimate(&rows[*i].features).suffices, outcomes[*i])).collect();
    Report {
        rows: rows.len(),
        weak,
        strong,
        weak_quality: mean(|o| o.weak),
        strong_quality: mean(|o| o.strong),
        zero,
        built_in: of_built_in(&trials, rows.len() - fresh.len(), options),
        with_labels: is_share.then(|| learned(rows, &outcomes, &built_in.scale(), options)).flatten(),
        baselines: baselines(&length, &outcomes, &draws, options),
        published: PUBLISHED.into_iter().filter(|row| row.task == task).collect(),
        risk: if is_share { resampled::kept(&trials, options) } else { Vec::new() },
        cost: cost::cost(rows, &outcomes, turned, built_in),
    }
}

fn of_built_in(trials: &[(f64, Outcome)], learned_from: usize, options: &Options) -> Option<BuiltIn> {
    let scores: Vec<f64> = trials.iter().map(|(suffices, _)| -suffices).collect();
    let outcomes: Vec<Outcome> = trials.iter().map(|(_, outcome)| *outcome).collect();
    let draws = Resamples::new(trials.len(), options.resamples, options.seed);
    let measured = measure(&scores, &outcomes, &draws, options.seed)?;
    let order = ranked(&scores, options.seed);
    let classes = order.chunks(order.len().div_ceil(10).max(1));
    let distance = classes.map(|class| {
        let of = |get: &dyn Fn(&(f64, Outcome)) -> f64| class.iter().map(|i| get(&trials[*i])).sum::<f64>();
        let came_true = of(&|(_, o)| f64::from(u8::from(o.weak >= o.strong)));
        (of(&|(suffices, _)| *suffices) - came_true).abs()
    });
    let calibration_error = distance.sum::<f64>() / trials.len() as f64;
    Some(BuiltIn { learned_from, tested_on: trials.len(), measured, calibration_error })
}

fn baselines(
    length: &[f64],
    outcomes: &[Outcome],
    draws: &Resamples,
    options: &Options,
) -> Option<Baselines> {
    let gain: Vec<f64> = outcomes.iter().map(|o| o.strong - o.weak).collect();
    let equal = vec![0.0; outcomes.len()];
    let by_chance = |seed| {
        let sorted: Vec<Outcome> = ranked(&equal, seed).iter().map(|i| outcomes[*i]).collect();
        figures(&sorted).map(|f| f.apgr)
    };
    let chance: Vec<f64> = (0..CHANCES).filter_map(by_chance).collect();
    Some(Baselines {
        random_apgr: chance.iter().sum::<f64>() / chance.len().max(1) as f64,
        prompt_length: measure(length, outcomes, draws, options.seed)?,
        oracle: measure(&gain, outcomes, draws, options.seed)?,
    })
}

/// Routers that learn from at most `options.labels` questions and are tested on the others.
fn learned(rows: &[&Row], outcomes: &[Outcome], scale: &Scale, options: &Options) -> Option<Learned> {
    let labels = options.labels.min(rows.len() / 2);
    if labels < LEARN_LEAST / 2 || rows.len() < LEARN_LEAST {
        return None;
    }
    let mut found = Vec::new();
    for split in 0..options.splits as u64 {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        Random::new(options.seed, 100 + split).shuffle(&mut order);
        let (seen, fresh) = order.split_at(labels);
        let lessons: Vec<_> = seen
            .iter()
            .map(|i| {
                let mut lesson = rows[*i].lesson();
                lesson.local = outcomes[*i].weak.clamp(0.0, 1.0) as f32;
                lesson.larger = outcomes[*i].strong.clamp(0.0, 1.0) as f32;
                (rows[*i].hash, lesson)
            })
            .collect();
        let scorer = Scorer::learn(*scale, &lessons, options.seed + split).ok()?;
        let scores: Vec<f64> = fresh.iter().map(|i| scorer.estimate(&rows[*i].features).score).collect();
        let sorted: Vec<Outcome> = ranked(&scores, split).into_iter().map(|i| outcomes[fresh[i]]).collect();
        found.push(figures(&sorted)?);
    }
    let spread = |of: fn(&crate::metric::Figures) -> f64| {
        let values: Vec<f64> = found.iter().map(of).collect();
        let n = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        let [low, high] =
            [f64::min, f64::max].map(|pick| values.iter().copied().reduce(pick).unwrap_or(f64::NAN));
        Spread { mean, deviation: variance.sqrt(), low, high }
    };
    Some(Learned {
        labels,
        tested_on: rows.len() - labels,
        splits: options.splits,
        apgr: spread(|f| f.apgr),
        cpt50: spread(|f| f.cpt50),
        cpt80: spread(|f| f.cpt80),
    })
}

/// Recorded requests as trials of a risk, those left out that `scorer` learned from.
pub fn trials(rows: &[Row], scorer: &Scorer, loss: Loss) -> Vec<Trial> {
    let fresh = rows.iter().filter(|row| !scorer.has_learned(row.hash));
    let trial = |row: &Row| Trial {
        suffices: scorer.estimate(&row.features).suffices,
        bad: is_bad(&row.outcome, loss),
    };
    fresh.map(trial).collect()
}

fn is_bad(outcome: &Outcome, loss: Loss) -> bool {
    match loss {
        Loss::Worse => outcome.weak < outcome.strong,
        Loss::Wrong => outcome.weak < 0.5,
    }
}
