//! One calibrated probability that a certain local model's answer is right: before it is asked, and again while it answers.
//!
//! It is learned from questions with known answers that this model answered itself. Before the call the most similar of those
//! questions speak (nearest neighbours by [`WordVector`]), and what the prompt looks like; while the answer is drawn the model's own
//! probabilities ([`Course`]) join them, and soon know more. Each stage has a logistic curve of its own.

mod draft;
mod learn;
mod mended;
mod report;

pub use draft::Draft;
pub use learn::{EXAMPLES_MIN, Example};
pub use mended::{Mended, MendedLine};
pub use report::{Judged, Line, Report, Share};

use crate::course::{Course, SIGNAL_COUNT, SIGNALS};
use crate::error::Error;
use crate::features::Features;
use crate::logistic;
use crate::risk::{Risk, Threshold, Trial, threshold};
use crate::scorer::{Estimate, Scale, Signal};
use crate::vector::{NEARNESS, WordVector};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a file of this version says.
const VERSION: u32 = 1;

/// Questions that are remembered at most: looking through them is the longest part of a decision.
pub const EXAMPLES_MAX: usize = 4096;

/// Neighbours that speak for a prompt.
const NEIGHBOURS: usize = 40;

/// How many neighbours with the very same words the share of all right answers weighs as much as.
const PRIOR: f64 = 0.1;

/// Signals of a prompt, before those of an answer.
const OF_PROMPT: [&str; 3] = ["similar questions", "characters", "effort"];

/// The last signal, known only at the end.
const LENGTH: &str = "tokens of the answer";

/// What a signal is worth at the most, in standard deviations.
const FAR: f64 = 4.0;

/// Mean or weight that no answers lead to.
const NUMBER_MAX: f64 = 1e6;

/// When an answer is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Nothing was computed.
    Before,
    /// So many tokens were drawn. The first one judges the prompt as the model read it.
    After(u64),
    /// All of them were.
    End,
}

/// The stages, in their order.
pub const STAGES: [Stage; 6] =
    [Stage::Before, Stage::After(1), Stage::After(8), Stage::After(32), Stage::After(128), Stage::End];

/// What is known of a model's answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confidence {
    version: u32,
    /// Whose answers they are: nothing of this holds for other weights.
    model: String,
    /// Share of right answers.
    right: f64,
    scale: Scale,
    /// As many as there are stages, in their order.
    judges: Vec<Judge>,
    remembered: Vec<Remembered>,
}

/// A question that was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    words: WordVector,
    right: bool,
    /// The probability before the call, as those said it who had not seen this question.
    said: f64,
}

/// The logistic curve of a stage; empty where too few answers reached it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Judge {
    stage: Stage,
    mean: Vec<f64>,
    deviation: Vec<f64>,
    /// Of the signals, and last the constant.
    weights: Vec<f64>,
}

impl Judge {
    fn placed(&self, row: &[f64]) -> Vec<f64> {
        let scale = self.mean.iter().zip(&self.deviation);
        row.iter()
            .zip(scale)
            .map(|(x, (mean, deviation))| ((x - mean) / deviation).clamp(-FAR, FAR))
            .collect()
    }

    fn probability(&self, row: &[f64]) -> f64 {
        logistic::probability(&self.weights, &self.placed(row))
    }
}

/// Signals of a stage.
fn width(stage: Stage) -> usize {
    match stage {
        Stage::Before => OF_PROMPT.len(),
        Stage::After(_) => OF_PROMPT.len() + SIGNAL_COUNT,
        Stage::End => OF_PROMPT.len() + SIGNAL_COUNT + 1,
    }
}

/// Names of the signals, as far as a stage has them.
fn names() -> impl Iterator<Item = &'static str> {
    OF_PROMPT.into_iter().chain(SIGNALS).chain([LENGTH])
}

/// What neighbours say, in log-odds, and whether any is near: where none is, it is what all answers say.
fn evidence(mut neighbours: Vec<(f32, bool)>, right: f64) -> (f64, bool) {
    if neighbours.len() > NEIGHBOURS {
        neighbours.select_nth_unstable_by(NEIGHBOURS, |a, b| b.0.total_cmp(&a.0));
        neighbours.truncate(NEIGHBOURS);
    }
    let mut sums = [PRIOR * (1.0 - right), PRIOR * right];
    for (likeness, is_right) in neighbours {
        sums[usize::from(is_right)] += f64::from(likeness.max(0.0)).powi(NEARNESS);
    }
    ((sums[1] / sums[0]).ln(), sums[0] + sums[1] > 2.0 * PRIOR)
}

impl Confidence {
    /// Whose answers it knows.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// How many answers it knows.
    pub fn examples(&self) -> usize {
        self.remembered.len()
    }

    /// The probability below which a share of the questions lies, before the call.
    pub fn quantile(&self, share: f64) -> f64 {
        let mut said: Vec<f64> = self.remembered.iter().map(|one| one.said).collect();
        said.sort_by(f64::total_cmp);
        let at = (share.clamp(0.0, 1.0) * said.len().saturating_sub(1) as f64).round() as usize;
        said.get(at).copied().unwrap_or(1.0)
    }

    /// The loosest threshold before the call that keeps `risk` on probabilities that were held back: of curves learned from four
    /// fifths of the answers, so that it is near to a guarantee and none. A wrong answer counts as a bad one, whatever the policy calls bad:
    /// one that is worse than a larger model's is among them.
    pub fn threshold(&self, risk: &Risk) -> Threshold {
        let trial = |one: &Remembered| Trial { suffices: one.said, bad: !one.right };
        threshold(&self.remembered.iter().map(trial).collect::<Vec<_>>(), risk)
    }

    /// What is known of a prompt before anything is computed.
    pub fn estimate(&self, prompt: &str) -> Estimate {
        let (row, is_near) = self.of_prompt(prompt);
        let judge = self.judges.iter().find(|judge| judge.stage == Stage::Before);
        self.told(judge.expect("a confidence without this stage is neither learned nor read"), &row, is_near)
    }

    fn of_prompt(&self, prompt: &str) -> (Vec<f64>, bool) {
        let words = WordVector::of(prompt);
        let near = self.remembered.iter().map(|one| (words.likeness(&one.words), one.right)).collect();
        let (evidence, is_near) = evidence(near, self.right);
        let [length, effort] = seen(prompt, &self.scale);
        (vec![evidence, length, effort], is_near)
    }

    /// The judge of a stage, where there is such a stage and enough was learned of it.
    fn judge(&self, stage: Stage) -> Option<&Judge> {
        self.judges.iter().find(|judge| judge.stage == stage && !judge.weights.is_empty())
    }

    fn told(&self, judge: &Judge, row: &[f64], familiar: bool) -> Estimate {
        let right = judge.probability(row);
        let placed = judge.placed(row);
        // A score speaks for the larger model, a weight here for the local one.
        let signal = |((name, value), (weight, placed)): ((&'static str, &f64), (&f64, &f64))| Signal {
            name,
            value: *value,
            weight: -weight * placed,
        };
        let mut signals: Vec<Signal> =
            names().zip(row).zip(judge.weights.iter().zip(&placed)).map(signal).collect();
        signals.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()));
        let constant = judge.weights.last().copied().unwrap_or_default();
        signals.push(Signal { name: "all answers", value: self.right, weight: -constant });
        let score = signals.iter().map(|signal| signal.weight).sum();
        Estimate { suffices: right, local_right: Some(right), familiar, score, signals }
    }

    /// As a file.
    ///
    /// # Panics
    /// Never: numbers and texts have a form in JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers and texts")
    }

    /// Reads what [`Confidence::to_json`] wrote.
    ///
    /// # Errors
    /// [`Error::NoConfidence`] for everything else.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let made: Self = serde_json::from_str(text).map_err(|e| Error::NoConfidence(e.to_string()))?;
        let wrong = |found: &str| Err(Error::NoConfidence(found.to_owned()));
        if made.version != VERSION {
            return wrong("a file of another version");
        }
        let fits = |(judge, stage): (&Judge, Stage)| {
            let width = width(stage);
            let lengths = [judge.mean.len(), judge.deviation.len(), judge.weights.len()];
            judge.stage == stage
                && (lengths == [width, width, width + 1] || lengths == [0; 3] && stage != Stage::Before)
                && judge.deviation.iter().all(|deviation| *deviation > 0.0)
                && judge.mean.iter().chain(&judge.weights).all(|number| number.abs() < NUMBER_MAX)
        };
        if made.judges.len() != STAGES.len() || !made.judges.iter().zip(STAGES).all(fits) {
            return wrong("other stages or signals");
        }
        if made.remembered.is_empty() || made.remembered.len() > EXAMPLES_MAX {
            return wrong("no questions, or more than are remembered");
        }
        let is_share = |share: f64| (0.0..=1.0).contains(&share);
        if !is_share(made.right) || !made.remembered.iter().all(|one| is_share(one.said)) {
            return wrong("a probability outside of 0 to 1");
        }
        if !made.scale.is_sound() {
            return wrong("a scale without a width");
        }
        Ok(made)
    }
}

/// What a prompt looks like: its length and the signs of effort in it.
fn seen(prompt: &str, scale: &Scale) -> [f64; 2] {
    [(prompt.chars().count() as f64).ln_1p(), scale.effort(&Features::of(prompt))]
}

/// An answer that is watched while it is drawn.
#[derive(Clone, Debug)]
pub struct Watch {
    confidence: Arc<Confidence>,
    of_prompt: Vec<f64>,
    is_near: bool,
    course: Course,
}

impl Watch {
    /// Of the answer to `prompt`, none of which is there yet.
    pub fn new(confidence: Arc<Confidence>, prompt: &str) -> Self {
        let (of_prompt, is_near) = confidence.of_prompt(prompt);
        Self { confidence, of_prompt, is_near, course: Course::default() }
    }

    /// Takes a token, as [`Course::push`] does. An estimate where a stage is reached.
    pub fn push(&mut self, logprob: f32, likeliest: &[(u32, f32)]) -> Option<Estimate> {
        self.course.push(logprob, likeliest);
        self.told(Stage::After(self.course.tokens()))
    }

    /// The estimate at the end.
    pub fn end(&self) -> Option<Estimate> {
        self.told(Stage::End)
    }

    /// Tokens so far.
    pub fn tokens(&self) -> u64 {
        self.course.tokens()
    }

    fn told(&self, stage: Stage) -> Option<Estimate> {
        let judge = self.confidence.judge(stage)?;
        let row = row(&self.of_prompt, &self.course.signals(), self.course.tokens(), stage);
        Some(self.confidence.told(judge, &row, self.is_near))
    }
}

/// All signals of a stage.
fn row(of_prompt: &[f64], course: &[f64], tokens: u64, stage: Stage) -> Vec<f64> {
    let mut row = [of_prompt, course, &[(tokens as f64).ln_1p()]].concat();
    row.truncate(width(stage));
    row
}

#[cfg(test)]
mod tests;
