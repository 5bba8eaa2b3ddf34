//! One calibrated probability: the local answer suffices.
//!
//! Two judges look at the features of a prompt. Eight signs of effort count alike, without any label: where little was recorded, equal
//! weights do better than learned ones (Dawes, "The robust beauty of improper linear models in decision making", 1979), and
//! on tasks from which nothing was learned they did so here too. A forest that learned from recorded outcomes knows its task
//! better, and has no vote on prompts unlike those that it learned from. Their sum goes through a logistic curve (Platt, 1999), fitted on predictions for outcomes that were held back.

use crate::error::Error;
use crate::features::{COUNT, Features, NAMES};
use crate::forest::Forest;
use hob_base::Random;
use serde::{Deserialize, Serialize};

/// First bytes of a file.
const MAGIC: &[u8; 8] = b"hobrou01";

/// Features that are signs of effort: words, words for quantities, the largest number, negations, words that relate quantities,
/// words of condition, judgements that a choice makes, statements that are to be judged.
pub const SIGNS: [usize; 8] = [1, 8, 9, 20, 21, 22, 36, 37];

/// What a sign is worth at the most, in standard deviations: one long text must not outvote the rest.
const SIGN_MAX: f64 = 3.0;

/// Parts into which outcomes are cut, to calibrate on what was held back.
const FOLDS: usize = 5;

/// Fewest outcomes to learn from.
const LEAST: usize = 50;

/// Probabilities of which a router keeps quantiles, for the slider between quality and cost.
const QUANTILES: usize = 101;

/// A recorded outcome to learn from: both qualities from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lesson {
    /// What the prompt looks like.
    pub features: Features,
    /// How good the local answer was.
    pub local: f32,
    /// How good the larger model's was.
    pub larger: f32,
}

/// What signs are measured with: mean and standard deviation of each over some prompts, whose outcomes nobody looks at.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    mean: [f64; SIGNS.len()],
    deviation: [f64; SIGNS.len()],
}

/// What a router says of a prompt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Probability that the local answer suffices: that the larger model's would be no better.
    pub suffices: f64,
    /// Probability that the local answer is right, where such prompts are familiar.
    pub local_right: Option<f64>,
    /// Whether it learned from prompts like this one; if not, the signs of effort alone decide.
    pub familiar: bool,
    /// How much the larger model is worth asking, in standard deviations; orders prompts as `suffices` does, backwards.
    pub score: f64,
    /// What speaks for asking it, each with its value and its weight in `score`.
    pub signals: Vec<Signal>,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Signal {
    /// What it is.
    pub name: &'static str,
    /// What was measured.
    pub value: f64,
    /// Its part of the score: above 0 it speaks for the larger model.
    pub weight: f64,
}

/// Scores prompts.
#[derive(Clone, Debug, PartialEq)]
pub struct Scorer {
    scale: Scale,
    /// Mean and standard deviation of the signs' sum over the prompts of [`Scale`].
    effort: [f64; 2],
    /// Mean and standard deviation of what the forest says of outcomes that were held back.
    worth: [f64; 2],
    /// Steepness and place of the logistic curve.
    curve: [f64; 2],
    /// Quantiles of the probability over what it learned from.
    quantiles: Vec<f64>,
    /// Hashes of the prompts that it learned from, sorted.
    learned: Vec<u64>,
    /// The least and the most of each feature in them.
    seen: [[f32; 2]; COUNT],
    forest: Forest,
}

impl Scale {
    /// The scale of some prompts.
    pub fn of<'a>(prompts: impl IntoIterator<Item = &'a Features>) -> Self {
        let all: Vec<[f64; SIGNS.len()]> = prompts.into_iter().map(signs).collect();
        let column = |i: usize| all.iter().map(move |s| s[i]);
        let [mean, deviation] = [0, 1].map(|k| std::array::from_fn(|i| moments(column(i))[k]));
        Self { mean, deviation }
    }

    /// How much effort a prompt asks for: the sum of its signs, none of which was learned from outcomes.
    pub fn effort(&self, features: &Features) -> f64 {
        self.parts(features).iter().sum()
    }

    /// Whether it can be divided by.
    pub(crate) fn is_sound(&self) -> bool {
        self.deviation.iter().all(|deviation| *deviation > 0.0)
            && self.mean.iter().all(|mean| mean.is_finite())
    }

    fn parts(&self, features: &Features) -> [f64; SIGNS.len()] {
        let values = signs(features);
        std::array::from_fn(|i| ((values[i] - self.mean[i]) / self.deviation[i]).clamp(-SIGN_MAX, SIGN_MAX))
    }
}

fn signs(features: &Features) -> [f64; SIGNS.len()] {
    SIGNS.map(|i| f64::from(features.0[i]))
}

/// Mean and standard deviation, the latter never 0.
pub(crate) fn moments(values: impl Iterator<Item = f64> + Clone) -> [f64; 2] {
    let n = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / n;
    let variance = values.map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    [mean, variance.sqrt().max(1e-6)]
}

impl Scorer {
    /// The one that is built in; `cargo xtask router` makes it.
    ///
    /// # Panics
    /// Never: a test reads it.
    pub fn built_in() -> Self {
        Self::from_bytes(include_bytes!("router.bin")).expect("the built-in router is whole")
    }

    /// A router that learned from `lessons`, each with the [`hash`] of its prompt.
    ///
    /// # Errors
    /// [`Error::TooFew`] for fewer than 50 outcomes.
    pub fn learn(scale: Scale, lessons: &[(u64, Lesson)], seed: u64) -> Result<Self, Error> {
        if lessons.len() < LEAST {
            return Err(Error::TooFew { least: LEAST, found: lessons.len() });
        }
        let mut order: Vec<usize> = (0..lessons.len()).collect();
        Random::new(seed, 7).shuffle(&mut order);
        let mut held_back = vec![0.0; lessons.len()];
        for fold in 0..FOLDS {
            let is_out = |i: &usize| i % FOLDS == fold;
            let part = |out: bool| (0..order.len()).filter(move |i| is_out(i) == out);
            let seen: Vec<&Lesson> = part(false).map(|i| &lessons[order[i]].1).collect();
            let forest = Forest::learn(&seen, seed + 1 + fold as u64);
            part(true).for_each(|i| held_back[order[i]] = gap(&forest, &lessons[order[i]].1.features));
        }
        let effort = moments(lessons.iter().map(|(_, l)| scale.effort(&l.features)));
        let mut learned: Vec<u64> = lessons.iter().map(|(hash, _)| *hash).collect();
        learned.sort_unstable();
        let all: Vec<&Lesson> = lessons.iter().map(|(_, l)| l).collect();
        let mut made = Self {
            scale,
            effort,
            worth: moments(held_back.iter().copied()),
            curve: [1.0, 0.0],
            quantiles: vec![0.0; QUANTILES],
            learned,
            seen: std::array::from_fn(|i| ends(all.iter().map(|l| l.features.0[i]))),
            forest: Forest::learn(&all, seed),
        };
        let scored: Vec<(f64, bool)> = held_back
            .iter()
            .zip(&all)
            .map(|(gap, l)| (made.score(scale.effort(&l.features), *gap), l.local >= l.larger))
            .collect();
        made.curve = logistic(&scored);
        let mut probabilities: Vec<f64> = scored.iter().map(|(score, _)| made.suffices(*score)).collect();
        probabilities.sort_by(f64::total_cmp);
        let at = |q: usize| probabilities[(probabilities.len() - 1) * q / (QUANTILES - 1)];
        made.quantiles = (0..QUANTILES).map(at).collect();
        Ok(made)
    }

    fn score(&self, effort: f64, gap: f64) -> f64 {
        EFFORT * (effort - self.effort[0]) / self.effort[1] + (gap - self.worth[0]) / self.worth[1]
    }

    pub(crate) fn suffices(&self, score: f64) -> f64 {
        1.0 / (1.0 + (self.curve[0] * score + self.curve[1]).exp())
    }

    /// How much of the log-odds a step of the score is.
    pub(crate) fn steepness(&self) -> f64 {
        self.curve[0]
    }

    /// What is known of a prompt before anything is computed.
    pub fn estimate(&self, features: &Features) -> Estimate {
        let [local, larger] = self.forest.predict(features);
        let parts = self.scale.parts(features);
        let familiar = self.knows(features);
        let gap_weight = if familiar { (larger - local - self.worth[0]) / self.worth[1] } else { 0.0 };
        let signal = |(i, part): (usize, f64)| Signal {
            name: NAMES[SIGNS[i]],
            value: f64::from(features.0[SIGNS[i]]),
            weight: EFFORT * (part - self.effort[0] / SIGNS.len() as f64) / self.effort[1],
        };
        let mut signals: Vec<Signal> = parts.into_iter().enumerate().map(signal).collect();
        signals.push(Signal { name: "recorded outcomes", value: larger - local, weight: gap_weight });
        signals.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()));
        let score = signals.iter().map(|s| s.weight).sum();
        let local_right = familiar.then_some(local);
        Estimate { suffices: self.suffices(score), local_right, familiar, score, signals }
    }

    /// Whether no feature lies outside of what was seen in learning: trees cannot tell what lies there.
    fn knows(&self, features: &Features) -> bool {
        self.seen.iter().zip(features.0).all(|([low, high], v)| (*low..=*high).contains(&v))
    }

    /// What signs of effort are measured with.
    pub fn scale(&self) -> Scale {
        self.scale
    }

    /// Whether it learned from the prompt with this [`hash`].
    pub fn has_learned(&self, hash: u64) -> bool {
        self.learned.binary_search(&hash).is_ok()
    }

    /// From how many recorded outcomes it learned.
    pub fn labels(&self) -> usize {
        self.learned.len()
    }

    /// The probability below which about `share` of requests like those it learned from lie.
    pub fn quantile(&self, share: f64) -> f64 {
        let at = (share.clamp(0.0, 1.0) * (QUANTILES - 1) as f64).round() as usize;
        self.quantiles.get(at).copied().unwrap_or(1.0)
    }

    /// As a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let mut put = |values: &[f64]| values.iter().for_each(|v| bytes.extend(v.to_le_bytes()));
        for values in [&self.scale.mean[..], &self.scale.deviation, &self.effort, &self.worth, &self.curve] {
            put(values);
        }
        put(&self.quantiles);
        bytes.extend((self.learned.len() as u32).to_le_bytes());
        self.learned.iter().for_each(|hash| bytes.extend(hash.to_le_bytes()));
        self.seen.as_flattened().iter().for_each(|v| bytes.extend(v.to_le_bytes()));
        self.forest.write(&mut bytes);
        bytes
    }

    /// Reads what [`Scorer::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Error::NoRouter`] for everything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        const HEAD: usize = 2 * SIGNS.len() + 6 + QUANTILES;
        let rest = bytes.strip_prefix(MAGIC).ok_or(Error::NoRouter)?;
        let (head, rest) = rest.split_at_checked(8 * HEAD).ok_or(Error::NoRouter)?;
        let (words, _) = head.as_chunks::<8>();
        let values: Vec<f64> = words.iter().map(|w| f64::from_le_bytes(*w)).collect();
        if values.iter().any(|v| !v.is_finite()) {
            return Err(Error::NoRouter);
        }
        let (count, rest) = rest.split_first_chunk::<4>().ok_or(Error::NoRouter)?;
        let count = u32::from_le_bytes(*count) as usize;
        let (hashes, rest) = rest.split_at_checked(count.saturating_mul(8)).ok_or(Error::NoRouter)?;
        let (ends, rest) = rest.split_at_checked(8 * COUNT).ok_or(Error::NoRouter)?;
        let ends: Vec<f32> = ends.as_chunks::<4>().0.iter().map(|w| f32::from_le_bytes(*w)).collect();
        let learned = hashes.as_chunks::<8>().0.iter().map(|w| u64::from_le_bytes(*w)).collect();
        let signs = |at: usize| std::array::from_fn(|i| values[at + i]);
        let pair = |at: usize| [values[at], values[at + 1]];
        let after = 2 * SIGNS.len();
        Ok(Self {
            scale: Scale { mean: signs(0), deviation: signs(SIGNS.len()) },
            effort: pair(after),
            worth: pair(after + 2),
            curve: pair(after + 4),
            quantiles: values[after + 6..].to_vec(),
            learned,
            seen: std::array::from_fn(|i| [ends[2 * i], ends[2 * i + 1]]),
            forest: Forest::read(rest).ok_or(Error::NoRouter)?,
        })
    }
}

/// What the signs of effort count beside the forest.
const EFFORT: f64 = 0.5;

/// The least and the most.
fn ends(values: impl Iterator<Item = f32> + Clone) -> [f32; 2] {
    [values.clone().fold(f32::INFINITY, f32::min), values.fold(f32::NEG_INFINITY, f32::max)]
}

fn gap(forest: &Forest, features: &Features) -> f64 {
    let [local, larger] = forest.predict(features);
    larger - local
}

/// Steepness `a` and place `b` of 1 / (1 + exp(a x + b)), fitted to what came true. Targets are drawn in a little, as Platt did, so
/// that few outcomes give no certainty. The curve never turns round.
fn logistic(scored: &[(f64, bool)]) -> [f64; 2] {
    let yes = scored.iter().filter(|(_, is)| *is).count() as f64;
    let no = scored.len() as f64 - yes;
    let ends = [1.0 / (no + 2.0), (yes + 1.0) / (yes + 2.0)];
    let (rows, targets): (Vec<Vec<f64>>, Vec<f64>) =
        scored.iter().map(|(x, is)| (vec![*x], ends[usize::from(*is)])).unzip();
    let fitted = crate::logistic::fit(&rows, &targets, 1e-6);
    [(-fitted[0]).max(0.01), -fitted[1]]
}

/// A number for a prompt (FNV-1a), to know again what was learned from without keeping it.
pub fn hash(prompt: &str) -> u64 {
    prompt.bytes().fold(0xcbf2_9ce4_8422_2325, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

const _: () = assert!(SIGNS[SIGNS.len() - 1] < COUNT);

#[cfg(test)]
mod tests {
    use super::*;

    fn lessons(random: &mut Random) -> Vec<(u64, Lesson)> {
        (0..600)
            .map(|i| {
                let features = Features(std::array::from_fn(|_| random.unit() as f32));
                let hard = f64::from(features.0[30]) + 0.3 * random.unit() > 0.8;
                (i, Lesson { features, local: if hard { 0.0 } else { 1.0 }, larger: 1.0 })
            })
            .collect()
    }

    #[test]
    fn probabilities_are_calibrated_and_files_hold_them() {
        let mut random = Random::new(1, 0);
        let (seen, fresh) = (lessons(&mut random), lessons(&mut random));
        let scale = Scale::of(seen.iter().map(|(_, l)| &l.features));
        let scorer = Scorer::learn(scale, &seen, 1).unwrap();
        let estimates: Vec<(f64, f64)> =
            fresh.iter().map(|(_, l)| (scorer.estimate(&l.features).suffices, f64::from(l.local))).collect();
        for range in [0.0..0.3, 0.7..1.01] {
            let class: Vec<_> = estimates.iter().filter(|(p, _)| range.contains(p)).collect();
            let mean =
                |of: fn(&(f64, f64)) -> f64| class.iter().map(|e| of(e)).sum::<f64>() / class.len() as f64;
            assert!(class.len() > 30 && (mean(|e| e.0) - mean(|e| e.1)).abs() < 0.12, "{range:?}");
        }
        let again = Scorer::from_bytes(&scorer.to_bytes()).unwrap();
        assert_eq!(again, scorer);
        assert!(scorer.has_learned(7) && !scorer.has_learned(600));
        assert!(scorer.quantile(0.0) <= scorer.quantile(0.5) && scorer.quantile(0.5) <= scorer.quantile(1.0));
        let sum: f64 = scorer.estimate(&fresh[0].1.features).signals.iter().map(|s| s.weight).sum();
        assert!((sum - scorer.estimate(&fresh[0].1.features).score).abs() < 1e-9);
    }

    #[test]
    fn what_is_unlike_all_that_was_seen_is_judged_by_effort_alone() {
        let seen = lessons(&mut Random::new(1, 0));
        let scorer = Scorer::learn(Scale::of(seen.iter().map(|(_, l)| &l.features)), &seen, 1).unwrap();
        let mut features = seen[0].1.features;
        assert!(scorer.estimate(&features).familiar);
        features.0[30] = 2.0;
        let estimate = scorer.estimate(&features);
        assert!(!estimate.familiar && estimate.local_right.is_none());
    }

    #[test]
    fn broken_files_and_too_few_outcomes_are_refused() {
        let bytes = include_bytes!("router.bin");
        assert!(Scorer::from_bytes(bytes).is_ok());
        for end in (0..bytes.len()).step_by(997) {
            assert_eq!(Scorer::from_bytes(&bytes[..end]), Err(Error::NoRouter));
        }
        let few = &lessons(&mut Random::new(1, 0))[..10];
        let scale = Scale::of(few.iter().map(|(_, l)| &l.features));
        assert_eq!(Scorer::learn(scale, few, 1), Err(Error::TooFew { least: 50, found: 10 }));
    }
}
