//! How good a confidence is on answers that it had not seen.

use super::learn::{Example, Said};
use super::mended::{Mended, mended};
use super::{STAGES, Stage};
use crate::metric::{interval, ranked};
use hob_base::Random;
use serde::Serialize;

/// Draws for an interval.
const DRAWS: u64 = 500;

/// Classes of equal size in which probabilities are compared with what came true.
const CLASSES: usize = 10;

/// Probabilities below which an answer is handed over, in the table.
const BELOW: [f64; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Answers.
    pub examples: usize,
    /// Share of right ones.
    pub right: f64,
    /// How well the length of the prompt alone tells right answers from wrong ones, shorter being better.
    pub length: f64,
    /// How well each stage does that enough answers reach.
    pub stages: Vec<Judged>,
    /// What handing over below a probability would do.
    pub table: Vec<Line>,
    /// What asking about doubted places alone could mend, where whole texts are known.
    pub mended: Option<Mended>,
}

/// A stage.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// Which.
    pub stage: Stage,
    /// Answers that reach it.
    pub examples: usize,
    /// Share of right ones among them.
    pub right: f64,
    /// The probability that a right answer is given a higher one than a wrong answer (area under the ROC curve): .5 by chance.
    pub auroc: f64,
    /// Where 95 % of resamples lie.
    pub interval: [f64; 2],
    /// Mean distance between what was said and what came true.
    pub calibration_error: f64,
}

/// Handing over below a probability.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Line {
    /// The probability.
    pub below: f64,
    /// Of answers that are read as a whole, which can be replaced until their end.
    pub whole: Share,
    /// Of answers that are read while they are written.
    pub streamed: Share,
}

/// What becomes of answers that are handed over by whichever stage says so first.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Share {
    /// Share of the answers that are handed over.
    pub handed_over: f64,
    /// Share of right answers among those that stay, if any do.
    pub kept_right: Option<f64>,
    /// Share of the tokens of what is handed over that were drawn in vain.
    pub in_vain: f64,
}

pub(super) fn report(examples: &[Example], said: &Said, seed: u64) -> Report {
    let all = examples.len().max(1) as f64;
    let lengths: Vec<(f64, bool)> = examples.iter().map(|one| (-one.seen[0], one.right)).collect();
    Report {
        examples: examples.len(),
        right: examples.iter().filter(|one| one.right).count() as f64 / all,
        length: auroc(&lengths, seed).unwrap_or(0.5),
        stages: STAGES
            .into_iter()
            .zip(said)
            .filter_map(|(stage, said)| judged(stage, examples, said, seed))
            .collect(),
        table: BELOW.into_iter().map(|below| line(below, examples, said)).collect(),
        mended: mended(examples, said.last().map_or(&[], Vec::as_slice), seed),
    }
}

fn judged(stage: Stage, examples: &[Example], said: &[Option<f64>], seed: u64) -> Option<Judged> {
    let pairs: Vec<(f64, bool)> =
        said.iter().zip(examples).filter_map(|(said, one)| Some(((*said)?, one.right))).collect();
    let count = pairs.len();
    let all = auroc(&pairs, seed)?;
    let draw = |number: u64| {
        let mut random = Random::new(seed, 1 << 16 | number);
        let drawn: Vec<(f64, bool)> = (0..count).map(|_| pairs[random.index(count)]).collect();
        auroc(&drawn, seed)
    };
    let order = ranked(&pairs.iter().map(|(said, _)| *said).collect::<Vec<_>>(), seed);
    let distance = |class: &[usize]| {
        let sum: f64 = class.iter().map(|i| pairs[*i].0 - f64::from(u8::from(pairs[*i].1))).sum();
        sum.abs()
    };
    let off: f64 = order.chunks(count.div_ceil(CLASSES).max(1)).map(distance).sum();
    let right = pairs.iter().filter(|(_, right)| *right).count() as f64;
    Some(Judged {
        stage,
        examples: count,
        right: right / count.max(1) as f64,
        auroc: all,
        interval: interval((0..DRAWS).filter_map(draw).collect()),
        calibration_error: off / count.max(1) as f64,
    })
}

/// The area under the ROC curve, from the ranks of the right answers (Mann and Whitney, 1947); equal values in random order.
/// None where all are right or all wrong.
pub(super) fn auroc(pairs: &[(f64, bool)], seed: u64) -> Option<f64> {
    let order = ranked(&pairs.iter().map(|(value, _)| *value).collect::<Vec<_>>(), seed);
    let (mut wrong, mut right, mut sum) = (0u64, 0u64, 0u64);
    for i in order {
        match pairs[i].1 {
            true => (right, sum) = (right + 1, sum + wrong),
            false => wrong += 1,
        }
    }
    (right > 0 && wrong > 0).then(|| sum as f64 / (right * wrong) as f64)
}

fn line(below: f64, examples: &[Example], said: &Said) -> Line {
    let while_written = |stage| matches!(stage, Stage::After(_));
    Line {
        below,
        whole: share(below, examples, said, |stage| while_written(stage) || stage == Stage::End),
        streamed: share(below, examples, said, while_written),
    }
}

/// Goes through the stages that can hand over, as a running answer would.
fn share(below: f64, examples: &[Example], said: &Said, can: impl Fn(Stage) -> bool) -> Share {
    let (mut handed, mut kept, mut kept_right) = (0u64, 0u64, 0u64);
    let (mut drawn, mut whole) = (0u64, 0u64);
    for (i, one) in examples.iter().enumerate() {
        let doubts =
            |(stage, said): &(Stage, &Vec<Option<f64>>)| can(*stage) && said[i].is_some_and(|p| p < below);
        let Some((stage, _)) = STAGES.into_iter().zip(said).find(doubts) else {
            kept += 1;
            kept_right += u64::from(one.right);
            continue;
        };
        handed += 1;
        whole += one.tokens();
        drawn += match stage {
            Stage::After(tokens) => tokens,
            Stage::Before | Stage::End => one.tokens(),
        };
    }
    let part = |a: u64, b: u64| if b == 0 { 0.0 } else { a as f64 / b as f64 };
    Share {
        handed_over: part(handed, handed + kept),
        kept_right: (kept > 0).then(|| part(kept_right, kept)),
        in_vain: part(drawn, whole),
    }
}
