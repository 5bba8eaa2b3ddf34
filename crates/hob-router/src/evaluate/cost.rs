//! Money beside quality, where a file tells how long the answers were (RouterArena's rows). For measuring only: its rules forbid
//! learning from it.

use crate::metric::{Outcome, ranked};
use crate::outcomes::Row;
use crate::scorer::Scorer;
use serde::Serialize;

/// List prices of recorded models, in dollars for a million tokens read and written.
const PRICES: [(&str, f64, f64); 2] =
    [("claude-3-haiku-20240307", 0.25, 1.25), ("gemini-2.0-flash-001", 0.10, 0.40)];

/// Characters of a token, about.
const CHARACTERS: f64 = 4.0;

/// RouterArena's weight of quality against cost, and the costs of 1,000 queries between which it measures.
const BETA: f64 = 0.1;
const COSTS: [f64; 2] = [0.0044, 200.0];

/// Shares of questions, in tenths, that a router sends to the better model.
const TENTHS: [usize; 5] = [0, 3, 5, 7, 10];

/// Quality and cost of one way to answer all questions.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Quality {
    /// Percent of the questions that the better model gets.
    pub strong_percent: f64,
    /// Mean quality.
    pub quality: f64,
    /// Dollars for 1,000 questions, about: list prices, four characters for a token.
    pub dollars_per_1000: f64,
    /// RouterArena's score of both, in percent.
    pub arena_score: f64,
}

/// A router's way from all to none beside the oracle's.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// Our router.
    pub built_in: Vec<Quality>,
    /// Whoever knows the answers: the better answer, of equals the cheaper one.
    pub oracle: Quality,
}

/// Costs of `rows`, whose models change places if `turned`; none where a model's price or an answer's length is not known.
pub fn cost(rows: &[&Row], outcomes: &[Outcome], turned: bool, scorer: &Scorer) -> Option<Cost> {
    let dollars: Vec<[f64; 2]> = rows.iter().map(|row| dollars(row, turned)).collect::<Option<_>>()?;
    let scores: Vec<f64> = rows.iter().map(|r| scorer.estimate(&r.features).score).collect();
    let order = ranked(&scores, 0);
    let total = |to_strong: &dyn Fn(usize) -> bool| {
        let mut sums = [0.0; 3];
        for (i, (outcome, [weak, strong])) in outcomes.iter().zip(&dollars).enumerate() {
            let (q, d) = if to_strong(i) { (outcome.strong, strong) } else { (outcome.weak, weak) };
            sums.iter_mut().zip([f64::from(u8::from(to_strong(i))), q, *d]).for_each(|(s, v)| *s += v);
        }
        quality(sums.map(|s| s / rows.len().max(1) as f64))
    };
    let mut place = vec![0; order.len()];
    order.iter().enumerate().for_each(|(rank, i)| place[*i] = rank);
    let part = |tenths: usize| order.len() - order.len() * tenths / 10;
    let built_in = TENTHS.map(|tenths| total(&|i| place[i] >= part(tenths)));
    let cheaper = |i: usize| dollars[i][1] < dollars[i][0];
    let oracle = total(&|i| {
        let gain = outcomes[i].strong - outcomes[i].weak;
        gain > 0.0 || (gain == 0.0 && cheaper(i))
    });
    Some(Cost { built_in: built_in.to_vec(), oracle })
}

fn dollars(row: &Row, turned: bool) -> Option<[f64; 2]> {
    let (models, answers) = (row.models.as_ref()?, row.answers?);
    let of = |i: usize| {
        let (_, read, write) = PRICES.iter().find(|(name, ..)| *name == models[i])?;
        Some((row.characters as f64 * read + answers[i] as f64 * write) / CHARACTERS / 1e6)
    };
    let [first, second] = [of(0)?, of(1)?];
    Some(if turned { [second, first] } else { [first, second] })
}

fn quality([share, quality, dollars]: [f64; 3]) -> Quality {
    let per_1000 = 1000.0 * dollars;
    let logs = [COSTS[1].log2() - per_1000.log2(), COSTS[1].log2() - COSTS[0].log2()];
    let cheapness = (logs[0] / logs[1]).clamp(0.0, 1.0);
    let score = (1.0 + BETA) * quality * cheapness / (BETA * quality + cheapness);
    Quality {
        strong_percent: 100.0 * share,
        quality,
        dollars_per_1000: per_1000,
        arena_score: if score.is_finite() { 100.0 * score } else { 0.0 },
    }
}
