//! What a model's own probabilities say of its answer while the answer is drawn.
//!
//! A model that is about to be wrong is often in doubt: its tokens are less probable, and the next best token is near. Out of the
//! domain that a router learned from, these signals hold better than what the question looks like (arXiv 2605.02241).

/// Names of the signals, in their order.
pub const SIGNALS: [&str; SIGNAL_COUNT] = [
    "log-probability of the first token",
    "lead of the first token",
    "mean log-probability",
    "least probable stretch",
    "mean lead",
    "share of doubtful tokens",
];

/// How many there are.
pub const SIGNAL_COUNT: usize = 6;

/// Likeliest tokens of which the probabilities are wanted beside that of the one that was drawn.
pub const LIKELIEST_TOKENS: u32 = 2;

/// Tokens of a stretch.
const STRETCH: usize = 4;

/// A token less probable than this is doubtful.
const DOUBTFUL: f64 = 0.5;

/// Least log-probability that counts: a token that was drawn against all odds must not outvote the rest.
const LOGPROB_MIN: f64 = -12.0;

/// An answer as far as it has been drawn. Takes the same memory however long that is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course {
    tokens: u64,
    first: [f64; 2],
    sum: f64,
    leads: f64,
    doubtful: u64,
    last: [f64; STRETCH],
    worst: f64,
}

impl Course {
    /// Takes the next token: its log-probability, and the likeliest tokens with theirs, best first; two of them are looked at.
    pub fn push(&mut self, logprob: f32, likeliest: &[(u32, f32)]) {
        let logprob = within(f64::from(logprob), LOGPROB_MIN, 0.0);
        let lead = match likeliest {
            [(_, best), (_, next), ..] => f64::from(best - next),
            // Nothing else can be said where there is no other token.
            _ => f64::INFINITY,
        };
        let lead = within(lead, 0.0, -LOGPROB_MIN);
        if self.tokens == 0 {
            self.first = [logprob, lead];
        }
        self.last[self.tokens as usize % STRETCH] = logprob;
        self.tokens += 1;
        self.sum += logprob;
        self.leads += lead;
        self.doubtful += u64::from(logprob < DOUBTFUL.ln());
        let stretch = self.last.iter().sum::<f64>() / self.tokens.min(STRETCH as u64) as f64;
        // A stretch counts once it is whole; until then there is only the one.
        if self.tokens <= STRETCH as u64 || stretch < self.worst {
            self.worst = stretch;
        }
    }

    /// Tokens so far.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// The signals, in the order of [`SIGNALS`]; zeros before the first token.
    pub fn signals(&self) -> [f64; SIGNAL_COUNT] {
        let mean = |sum: f64| sum / self.tokens.max(1) as f64;
        [
            self.first[0],
            self.first[1],
            mean(self.sum),
            self.worst,
            mean(self.leads),
            mean(self.doubtful as f64),
        ]
    }
}

/// What is no number speaks for doubt, which is the low end of every signal.
fn within(value: f64, low: f64, high: f64) -> f64 {
    if value.is_nan() { low } else { value.clamp(low, high) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_of_an_answer_known_by_hand() {
        let mut course = Course::default();
        assert_eq!(course.signals(), [0.0; SIGNAL_COUNT]);
        for logprob in [-1.0, 0.0, 0.0, 0.0, -2.0, -2.0, 0.0] {
            course.push(logprob, &[(1, 0.0), (2, -3.0)]);
        }
        let signals = course.signals();
        assert_eq!((signals[0], signals[1]), (-1.0, 3.0));
        assert!((signals[2] + 5.0 / 7.0).abs() < 1e-12 && (signals[4] - 3.0).abs() < 1e-12);
        // The tokens 3 to 6: 0, 0, -2, -2.
        assert!((signals[3] + 1.0).abs() < 1e-12, "{signals:?}");
        assert!((signals[5] - 3.0 / 7.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_not_finite_does_no_harm() {
        let mut course = Course::default();
        course.push(f32::NEG_INFINITY, &[(1, 0.0), (2, f32::NEG_INFINITY)]);
        course.push(f32::NAN, &[(1, f32::NEG_INFINITY), (2, f32::NEG_INFINITY)]);
        course.push(0.0, &[]);
        assert!(course.signals().iter().all(|s| s.is_finite()), "{course:?}");
    }
}
