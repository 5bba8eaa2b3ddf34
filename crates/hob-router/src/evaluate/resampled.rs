//! Whether a risk is kept: calibrated on a random half of the outcomes, watched on the other, again and again.

use super::{Options, is_bad};
use crate::metric::Outcome;
use crate::risk::{Loss, Risk, Trial, threshold};
use hob_base::Random;
use serde::Serialize;

/// Fewest outcomes in a half.
const LEAST: usize = 50;

/// Shares of bad local answers that are tried.
const EPSILONS: [f64; 5] = [0.05, 0.1, 0.15, 0.2, 0.3];

/// What became of a promise.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Kept {
    /// What counts as bad.
    pub loss: Loss,
    /// Largest share of bad answers among the local ones.
    pub epsilon: f64,
    /// Part of the resamples in which the share seen was at most that; where nothing stayed local, nothing was bad.
    pub kept: f64,
    /// Mean share that stayed local.
    pub local_share: f64,
    /// Part of the resamples in which anything stayed local.
    pub any_local: f64,
    /// Mean share of bad answers among the local ones, where there were any.
    pub loss_seen: f64,
    /// Share of bad answers if everything stayed local.
    pub loss_of_all: f64,
}

/// Every promise on `trials`: probabilities that the local answer suffices, and what came true.
pub fn kept(trials: &[(f64, Outcome)], options: &Options) -> Vec<Kept> {
    if trials.len() < 2 * LEAST {
        return Vec::new();
    }
    let of = |loss| EPSILONS.map(move |epsilon| Risk { loss, ..Risk::of(epsilon) });
    let risks = of(Loss::Worse).into_iter().chain(of(Loss::Wrong));
    risks.map(|risk| watch(trials, &risk, options)).collect()
}

fn watch(trials: &[(f64, Outcome)], risk: &Risk, options: &Options) -> Kept {
    let mut all: Vec<Trial> = trials
        .iter()
        .map(|(suffices, outcome)| Trial { suffices: *suffices, bad: is_bad(outcome, risk.loss) })
        .collect();
    let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    let loss_of_all = share(all.iter().filter(|t| t.bad).count(), all.len());
    let (mut kept, mut any, mut local, mut seen) = (0, 0, 0.0, 0.0);
    let mut random = Random::new(options.seed, 11);
    for _ in 0..options.risk_resamples {
        random.shuffle(&mut all);
        let (calibrate, watched) = all.split_at(all.len() / 2);
        let limit = threshold(calibrate, risk).suffices;
        let stayed = watched.iter().filter(|t| t.suffices >= limit);
        let (count, bad) = stayed.fold((0, 0), |(n, bad), t| (n + 1, bad + usize::from(t.bad)));
        kept += usize::from(share(bad, count) <= risk.epsilon);
        any += usize::from(count > 0);
        local += share(count, watched.len());
        seen += share(bad, count);
    }
    Kept {
        loss: risk.loss,
        epsilon: risk.epsilon,
        kept: share(kept, options.risk_resamples),
        local_share: local / options.risk_resamples.max(1) as f64,
        any_local: share(any, options.risk_resamples),
        loss_seen: seen / any.max(1) as f64,
        loss_of_all,
    }
}
