//! Whether a guess pays, and how long it should be.
//!
//! A step with `k` guessed tokens, each accepted with probability `p` if those before it were, yields
//! `1 + p + p^2 + ... + p^k` tokens for the price of `cost(k + 1)` steps. The guess is as long as makes yield over cost
//! largest; none is made where that is not worth its while. `p` is a running average over what was accepted lately, one for
//! each class of match length, because longer matches are the better guesses. A class that does not pay rests, and is tried
//! with the shortest guess after ever more opportunities, so that a text which never repeats costs next to nothing.

use super::costs::{VERIFY_TOKENS_MAX, VerifyCosts};

/// Expected yield over cost from which a guess is made: the margin pays for what the model of costs leaves out.
pub(super) const GAIN_MIN: f32 = 1.05;

/// How much of the past the running average keeps with each round.
const KEEP: f32 = 0.85;

/// What is assumed before anything is known: so many accepted of so many.
const PRIOR: (f32, f32) = (1.5, 2.0);

/// Tokens of a guess that only asks whether guessing would pay again.
const PROBE: usize = 2;

/// Opportunities let pass before the first and between the rarest such questions.
const REST: std::ops::RangeInclusive<u32> = 8..=256;

/// How often to ask again what did not pay.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest {
    /// Opportunities to let pass before the next probe.
    left: u32,
    /// How long the rest after it is.
    next: u32,
}

impl Default for Rest {
    fn default() -> Self {
        Self { left: *REST.start(), next: *REST.start() }
    }
}

impl Rest {
    /// Lets an opportunity pass, or says that it is time for a probe.
    pub fn is_over(&mut self) -> bool {
        if self.left > 0 {
            self.left -= 1;
            return false;
        }
        self.left = self.next;
        self.next = (self.next * 2).min(*REST.end());
        true
    }
}

/// What became of guesses of one class.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    accepted: f32,
    refused: f32,
    rest: Rest,
}

impl Record {
    /// How many tokens to guess; at most `max`, 0 for none.
    pub fn plan(&mut self, costs: &VerifyCosts, max: usize) -> usize {
        let (draft, gain) = self.best(costs, max);
        if gain >= GAIN_MIN {
            return draft;
        }
        if self.rest.is_over() { PROBE.min(max) } else { 0 }
    }

    /// Whether a guess that was cut to `draft` tokens is still worth it.
    pub fn pays(&self, costs: &VerifyCosts, draft: usize) -> bool {
        draft > 0 && self.gain(costs, draft) >= GAIN_MIN
    }

    /// Takes in that `accepted` of `drafted` tokens were chosen.
    pub fn learn(&mut self, costs: &VerifyCosts, accepted: usize, drafted: usize) {
        self.accepted = self.accepted * KEEP + accepted as f32;
        self.refused = self.refused * KEEP + f32::from(u8::from(accepted < drafted));
        if self.best(costs, VERIFY_TOKENS_MAX - 1).1 >= GAIN_MIN {
            self.rest = Rest::default();
        }
    }

    /// The length with the largest gain, and that gain.
    pub fn best(&self, costs: &VerifyCosts, max: usize) -> (usize, f32) {
        let lengths = 1..=max.min(VERIFY_TOKENS_MAX - 1);
        lengths.map(|k| (k, self.gain(costs, k))).fold((0, 1.0), |a, b| if b.1 > a.1 { b } else { a })
    }

    /// Tokens expected of a step with `draft` guessed ones, over what it costs.
    fn gain(&self, costs: &VerifyCosts, draft: usize) -> f32 {
        let p = (self.accepted + PRIOR.0) / (self.accepted + self.refused + PRIOR.1);
        let (mut expected, mut likely) = (1.0, 1.0);
        for _ in 0..draft {
            likely *= p;
            expected += likely;
        }
        expected / costs.relative[draft]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSTS: VerifyCosts = VerifyCosts {
        relative: [1.0, 1.2, 1.3, 1.4, 1.6, 1.8, 2.0, 2.2, 2.4, 2.6, 2.8, 3.0, 3.2, 3.4, 3.6, 3.8],
    };

    #[test]
    fn guesses_grow_with_success_up_to_the_limit() {
        let mut record = Record::default();
        let first = record.plan(&COSTS, 15);
        assert!((2..15).contains(&first), "{first}");
        for _ in 0..8 {
            let draft = record.plan(&COSTS, 15);
            record.learn(&COSTS, draft, draft);
        }
        assert_eq!(record.plan(&COSTS, 15), 15);
        assert_eq!(record.plan(&COSTS, 4), 4);
        assert_eq!(record.plan(&COSTS, 0), 0);
    }

    #[test]
    fn failure_leads_to_rest_and_rare_probes() {
        let mut record = Record::default();
        let mut drafted = 0;
        for _ in 0..10_000 {
            let draft = record.plan(&COSTS, 15);
            drafted += draft;
            if draft > 0 {
                record.learn(&COSTS, 0, draft);
            }
        }
        assert!((1..200).contains(&drafted), "{drafted}");
        let mut opportunities = 0;
        while record.best(&COSTS, 15).1 < GAIN_MIN {
            let draft = record.plan(&COSTS, 15);
            if draft > 0 {
                record.learn(&COSTS, draft, draft);
            }
            opportunities += 1;
            assert!(opportunities < 1000, "success is noticed again");
        }
    }

    #[test]
    fn nothing_is_guessed_where_every_token_costs_a_step() {
        let costs = VerifyCosts { relative: std::array::from_fn(|i| i as f32 + 1.0) };
        let mut record = Record::default();
        assert!((0..8).all(|_| record.plan(&costs, 15) == 0));
    }
}
