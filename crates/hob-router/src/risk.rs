//! A risk that is kept: of the answers that stay local, at most a share `epsilon` is bad.
//!
//! Split-conformal in spirit, learn-then-test in form (Angelopoulos et al., "Learn then Test", 2021): thresholds are tried on
//! recorded outcomes from the strictest to the loosest, each with the exact binomial bound of Clopper and Pearson (1934), until one
//! fails; the last that passed is taken. Trying them in this fixed order keeps the chance of any error at 1 - confidence.

use crate::error::Error;
use serde::{Deserialize, Serialize};

/// Shares of requests that thresholds are tried for, in percent.
const FIRST_SHARE: usize = 10;
const STEP: usize = 2;

/// What is bad about a local answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Loss {
    /// It is worse than the larger model's would have been: what a user of both would notice.
    #[default]
    Worse,
    /// It is wrong, whether or not the larger model would have been right.
    Wrong,
}

/// What is promised.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Risk {
    /// Largest share of bad answers among the local ones.
    pub epsilon: f64,
    /// How sure that is. The default, .99, leaves room for the chance in what is then seen: as many requests again keep below
    /// epsilon about 95 times in 100.
    #[serde(default = "confidence")]
    pub confidence: f64,
    /// What counts as bad.
    #[serde(default)]
    pub loss: Loss,
}

fn confidence() -> f64 {
    0.99
}

impl Risk {
    /// At most `epsilon` of the local answers worse than the larger model's, nearly surely.
    pub fn of(epsilon: f64) -> Self {
        Self { epsilon, confidence: confidence(), loss: Loss::Worse }
    }

    /// # Errors
    /// [`Error::Range`] for shares outside of 0 to 1.
    pub(crate) fn check(&self) -> Result<(), Error> {
        crate::error::within("risk.epsilon", self.epsilon, 0.0, 1.0)?;
        crate::error::within("risk.confidence", self.confidence, 0.5, 0.999_999)
    }
}

/// A recorded request: how likely it was said to be that the local answer suffices, and whether that answer was bad.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// The probability that the router gave.
    pub suffices: f64,
    /// Whether the local answer was bad.
    pub bad: bool,
}

/// A threshold, and what it was seen to do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Threshold {
    /// Requests with at least this probability stay; above 1 where none may.
    pub suffices: f64,
    /// Share of the recorded requests that would have stayed.
    pub local_share: f64,
    /// What the share of bad ones among them stays below, with the confidence asked for.
    pub bound: f64,
}

/// The loosest threshold that keeps `risk` on `trials`.
pub fn threshold(trials: &[Trial], risk: &Risk) -> Threshold {
    let mut sorted: Vec<Trial> = trials.to_vec();
    sorted.sort_by(|a, b| b.suffices.total_cmp(&a.suffices));
    let mut best = Threshold { suffices: f64::INFINITY, local_share: 0.0, bound: 0.0 };
    let (mut kept, mut bad, mut found) = (0, 0, (0, 0));
    for percent in (FIRST_SHARE..=100).step_by(STEP) {
        let Some(at) = (sorted.len() * percent / 100).checked_sub(1) else { continue };
        let limit = sorted[at].suffices;
        // Equal probabilities stay or go together.
        while kept < sorted.len() && sorted[kept].suffices >= limit {
            bad += usize::from(sorted[kept].bad);
            kept += 1;
        }
        // The bound is above epsilon just where so few bad ones are not rare enough under epsilon; that is one sum, not sixty.
        if at_most(bad, kept, risk.epsilon) > 1.0 - risk.confidence {
            break;
        }
        best.suffices = limit;
        (best.local_share, found) = (kept as f64 / sorted.len() as f64, (bad, kept));
    }
    if found.1 > 0 {
        best.bound = upper_bound(found.0, found.1, risk.confidence);
    }
    best
}

/// What a share stays below with `confidence`, where `bad` of `n` were seen (Clopper and Pearson, one-sided).
pub fn upper_bound(bad: usize, n: usize, confidence: f64) -> f64 {
    if bad >= n {
        return 1.0;
    }
    // The share at which so few would be seen with probability 1 - confidence, by halving.
    let (mut low, mut high) = (bad as f64 / n as f64, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if at_most(bad, n, middle) > 1.0 - confidence { low = middle } else { high = middle }
    }
    high
}

/// Probability of at most `bad` of `n` with the share `p`, summed in logarithms.
fn at_most(bad: usize, n: usize, p: f64) -> f64 {
    if p <= 0.0 {
        return 1.0;
    }
    if p >= 1.0 {
        return f64::from(u8::from(bad >= n));
    }
    let odds = p.ln() - (-p).ln_1p();
    let mut log = n as f64 * (-p).ln_1p();
    let mut sum = log.exp();
    for k in 0..bad {
        log += ((n - k) as f64 / (k + 1) as f64).ln() + odds;
        sum += log.exp();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use hob_base::Random;

    #[test]
    fn bounds_agree_with_tables() {
        // 1 - .05^(1/n) where nothing bad was seen: the rule of three, exactly.
        assert!((upper_bound(0, 100, 0.95) - (1.0 - 0.05f64.powf(0.01))).abs() < 1e-9);
        // 10 of 100 at 97.5 %: .1762 in every table of Clopper and Pearson's interval.
        assert!((upper_bound(10, 100, 0.975) - 0.1762).abs() < 1e-4);
        assert_eq!((upper_bound(3, 3, 0.95), upper_bound(0, 0, 0.95)), (1.0, 1.0));
        let many = upper_bound(5_000, 50_000, 0.99);
        assert!((0.1..0.104).contains(&many), "{many}");
    }

    #[test]
    fn the_risk_is_kept_where_the_truth_is_known() {
        // Bad with probability 1 - p, and p is told: the risk of a threshold can be computed.
        let risk = Risk { confidence: 0.95, ..Risk::of(0.2) };
        let mut broken = 0;
        for seed in 0..400 {
            let mut random = Random::new(seed, 3);
            let trials: Vec<Trial> = (0..500)
                .map(|_| {
                    let suffices = random.unit();
                    Trial { suffices, bad: random.unit() > suffices }
                })
                .collect();
            let found = threshold(&trials, &risk);
            // The mean of 1 - p from the threshold to 1.
            broken += usize::from((1.0 - found.suffices) / 2.0 > risk.epsilon);
        }
        assert!(broken <= 20 + 13, "{broken} of 400");
    }

    #[test]
    fn nothing_stays_where_nothing_is_known() {
        let none = threshold(&[], &Risk::of(0.1));
        assert!(none.suffices > 1.0 && none.local_share == 0.0);
        let bad = vec![Trial { suffices: 0.9, bad: true }; 50];
        assert!(threshold(&bad, &Risk::of(0.1)).suffices > 1.0);
        let good = vec![Trial { suffices: 0.9, bad: false }; 500];
        let all = threshold(&good, &Risk::of(0.1));
        assert!(all.local_share == 1.0 && all.bound < 0.1, "{all:?}");
    }
}
