//! A smaller model that guesses what the larger one will say.
//!
//! It reads the same tokens in a sequence of its own and continues them greedily in a copy of its cache, which is then thrown
//! away; so nothing has to be taken back when a guess fails. How far it goes is decided token by token: the lead of its best
//! score over the second tells how often such a guess came true, and one more token is guessed as long as that raises the
//! tokens expected for the time it takes. Whether it is asked at all is decided by what its guesses brought lately, for the
//! time that they and their checking took.

use super::costs::{Recent, VerifyCosts};
use super::gain::{GAIN_MIN, Rest};
use crate::{Engine, OnFull, Session, SessionConfig};
use std::sync::Arc;
use std::time::Duration;

/// Leads of the best score from which a guess belongs to the next class: two of its own kind double the odds.
const LEADS: [f32; 4] = [0.5, 1.0, 2.0, 4.0];

/// How often guesses of each class are taken to come true before anything is known.
const PRIOR: [f32; LEADS.len() + 1] = [0.35, 0.5, 0.65, 0.8, 0.93];

/// Guesses that this counts for.
const PRIOR_GUESSES: f32 = 6.0;

/// How much of the past a class keeps with each guess.
const KEEP: f32 = 0.98;

/// How much of the past the balance of rounds keeps with each.
const KEEP_ROUNDS: f32 = 0.92;

/// What a round is taken to bring before anything is known, and for how many rounds that counts.
const PRIOR_ROUNDS: (f32, f32) = (1.1, 3.0);

/// Tokens read before a guess that still count as part of it; more are the prompt, or what was said during a rest.
const CATCH_UP_MAX: usize = 16;

/// An engine that guesses for another one.
#[derive(Clone)]
pub struct Draft(pub(crate) Arc<Engine>);

impl Draft {
    /// The engine whose model guesses. Tokens must mean the same to both models; where they do not, guesses fail and cost
    /// time, and nothing else. Make it with [`Engine::beside`], so that both share threads.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self(engine)
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.0
    }
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Draft").field(&self.0.model().family()).finish()
    }
}

/// A sequence of the smaller model that follows one of the larger.
pub(super) struct DraftModel {
    session: Session,
    /// Tokens that both models know.
    vocab: usize,
    trust: [Trust; PRIOR.len()],
    /// Of the guess whose fate is not known: classes of its tokens, and what making it cost.
    open: (Vec<usize>, f32),
    balance: Balance,
    rest: Rest,
    /// Seconds a guessed token took.
    times: Recent,
    /// What a guessed token costs while that is not known, relative to a step of the larger model.
    each: f32,
    /// It cannot follow: a token or position it does not have.
    lost: bool,
}

/// How often guesses of a class came true.
#[derive(Clone, Copy, Debug)]
struct Trust {
    right: f32,
    seen: f32,
}

impl Trust {
    fn share(self) -> f32 {
        self.right / self.seen
    }

    fn learn(&mut self, right: bool) {
        self.right = self.right * KEEP + f32::from(u8::from(right));
        self.seen = self.seen * KEEP + 1.0;
    }
}

/// Tokens that rounds brought, and what they cost in steps over one token.
#[derive(Clone, Copy, Debug)]
struct Balance {
    tokens: f32,
    cost: f32,
}

impl Balance {
    fn gain(self) -> f32 {
        self.tokens / self.cost
    }

    fn learn(&mut self, tokens: f32, cost: f32) {
        self.tokens = self.tokens * KEEP_ROUNDS + tokens;
        self.cost = self.cost * KEEP_ROUNDS + cost;
    }
}

impl DraftModel {
    /// Guesses for `target`, of which it has read nothing yet.
    pub fn new(draft: &Draft, target: &Session) -> Self {
        let engine = draft.engine();
        let (small, large) = (engine.model(), target.engine().model());
        let config = SessionConfig { context: target.config().context, on_full: OnFull::Error };
        let (gain, rounds) = PRIOR_ROUNDS;
        Self {
            session: engine.session(config),
            vocab: small.spec().vocab.min(large.spec().vocab),
            trust: PRIOR.map(|p| Trust { right: p * PRIOR_GUESSES, seen: PRIOR_GUESSES }),
            open: (Vec::new(), 0.0),
            balance: Balance { tokens: gain * rounds, cost: rounds },
            rest: Rest::default(),
            times: Recent::default(),
            each: small.touched_bytes() as f32 / large.touched_bytes().max(1) as f32,
            lost: false,
        }
    }

    /// Tokens a round brings for the cost of a step over one, by what rounds brought lately.
    pub fn gain(&self) -> f32 {
        if self.lost { 0.0 } else { self.balance.gain() }
    }

    /// Whether it is to be asked although it did not pay lately.
    pub fn may_probe(&mut self) -> bool {
        !self.lost && (self.gain() >= GAIN_MIN || self.rest.is_over())
    }

    /// Guesses what follows `text`: at most `max` tokens, at least one; none where the first is too unsure or the text has
    /// to be read first. `single` is what a step of the larger model over one token takes, in seconds.
    pub fn guess(&mut self, text: &[u32], max: usize, costs: &VerifyCosts, single: Option<f32>) -> Vec<u32> {
        let unread = text.len().saturating_sub(self.session.tokens().len());
        let began = self.session.engine().now();
        let ready = self.session.follow(text);
        if let Ok(true) = ready {
            let (draft, classes, computed) = self.continue_greedily(max, costs);
            let computed = computed as f32;
            let took = self.session.engine().since(began).filter(|_| unread <= CATCH_UP_MAX);
            self.take_time(took, computed, single);
            let cost = took.zip(single).map_or(self.each * computed, |(t, s)| t.as_secs_f32() / s);
            self.open = (classes, cost);
            if draft.is_empty() {
                self.learn(0, 0, costs);
            }
            return draft;
        }
        self.lost |= ready.is_err();
        Vec::new()
    }

    /// Takes in that of the latest guess the first `drafted` tokens were checked, and the first `accepted` of these chosen.
    pub fn learn(&mut self, accepted: usize, drafted: usize, costs: &VerifyCosts) {
        let (classes, cost) = std::mem::take(&mut self.open);
        for (i, &class) in classes.iter().enumerate().take(drafted.min(accepted + 1)) {
            self.trust[class].learn(i < accepted);
        }
        self.balance.learn(accepted as f32 + 1.0, costs.relative[drafted] + cost);
        if self.gain() >= GAIN_MIN {
            self.rest = Rest::default();
        }
    }

    /// Lets its engine remember what it read, for the next turn.
    pub fn remember(&mut self) {
        if !self.session.tokens().is_empty() {
            self.session.remember();
        }
    }

    /// The likeliest continuation as far as it pays, the class of each token, and how many steps it took.
    fn continue_greedily(&self, max: usize, costs: &VerifyCosts) -> (Vec<u32>, Vec<usize>, usize) {
        let (mut draft, mut classes, mut steps) = (Vec::new(), Vec::new(), 1);
        let (mut expected, mut likely) = (1.0, 1.0);
        let most = self.trust.iter().map(|t| t.share()).fold(0.0, f32::max);
        let pays = |draft: usize, expected: f32, gained: f32, spent: f32, more: f32| {
            (expected + gained) / (costs.relative[draft + 1] + spent + more)
                > expected / (costs.relative[draft] + spent)
        };
        let mut fork = self.session.fork();
        let mut scores = self.session.logits().map_or_else(Vec::new, <[f32]>::to_vec);
        while let Some((best, lead)) = best_and_lead(&scores[..self.vocab.min(scores.len())]) {
            let class = LEADS.iter().filter(|from| lead >= **from).count();
            let spent = self.each * (draft.len() + 1) as f32;
            let gained = likely * self.trust[class].share();
            if !pays(draft.len(), expected, gained, spent, 0.0) {
                break;
            }
            draft.push(best);
            classes.push(class);
            likely = gained;
            expected += gained;
            // One more has to be computed before it is known how sure it is.
            if draft.len() >= max || !pays(draft.len(), expected, likely * most, spent, self.each) {
                break;
            }
            let Ok(next) = fork.push(best) else { break };
            (scores, steps) = (next, steps + 1);
        }
        (draft, classes, steps)
    }

    fn take_time(&mut self, took: Option<Duration>, computed: f32, single: Option<f32>) {
        if let (Some(took), Some(single)) = (took, single) {
            self.times.push(took.div_f32(computed));
            self.each = self.times.median().map_or(self.each, |time| time / single);
        }
    }
}

/// The token with the largest score, and its lead over the second largest; `None` without scores.
fn best_and_lead(scores: &[f32]) -> Option<(u32, f32)> {
    let (mut best, mut first, mut second) = (None, f32::NEG_INFINITY, f32::NEG_INFINITY);
    for (id, &score) in scores.iter().enumerate() {
        if score > first {
            (best, second, first) = (Some(id as u32), first, score);
        } else if score > second {
            second = score;
        }
    }
    best.map(|id| (id, first - second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_score_and_its_lead() {
        assert_eq!(best_and_lead(&[1.0, 4.0, 3.5, -2.0]), Some((1, 0.5)));
        assert_eq!(best_and_lead(&[3.0, 3.0]), Some((0, 0.0)));
        assert_eq!(best_and_lead(&[7.0]), Some((0, f32::INFINITY)));
        assert_eq!(best_and_lead(&[]), None);
        assert_eq!(best_and_lead(&[f32::NAN]), None);
    }

    #[test]
    fn trust_follows_what_came_true() {
        let mut trust = Trust { right: 0.5 * PRIOR_GUESSES, seen: PRIOR_GUESSES };
        (0..100).for_each(|_| trust.learn(true));
        assert!(trust.share() > 0.9);
        (0..200).for_each(|_| trust.learn(false));
        assert!(trust.share() < 0.1);
    }
}
