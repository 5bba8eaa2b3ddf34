//! What a step over several tokens costs, from what steps took.
//!
//! The curve depends on the machine, the format, the size of the model and how full the context is, so it is measured while
//! answers run: the median of the latest times of each length, relative to that of one token. Lengths that were not tried
//! lately follow their neighbours' deviation from a curve measured beforehand.

use std::time::Duration;

/// Tokens of the largest step that checks a guess, the pending one included. Kernels give single tokens' results up to here.
pub const VERIFY_TOKENS_MAX: usize = 16;

/// What a step over `n` tokens of one sequence costs, relative to one over a single token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VerifyCosts {
    /// The cost of `n` tokens at `n - 1`; positive, rising.
    pub relative: [f32; VERIFY_TOKENS_MAX],
}

impl Default for VerifyCosts {
    /// What a 1B model in Q4_0 costs with AVX-512 (`hob bench --look-up`): the first token waits for memory, and unpacking
    /// and arithmetic come on top of that with every further one.
    fn default() -> Self {
        let relative =
            [1.0, 1.07, 1.4, 1.5, 1.65, 1.8, 1.9, 2.0, 2.25, 2.45, 2.6, 2.75, 2.9, 3.05, 3.2, 3.35];
        Self { relative }
    }
}

/// Times kept of each length: enough that their median passes over a moment in which another program had the processor.
const KEPT: usize = 7;

/// Times that the curve measured beforehand counts for, beside those of a length and its neighbours.
const PRIOR_TIMES: f32 = 0.5;

/// How much a length knows about its neighbour's deviation.
const NEIGHBOUR: f32 = 0.5;

/// Steps after which one token is computed alone again: what it costs changes with the load of the machine and the length of
/// the text, and everything else is held against it.
const SINGLE_EVERY: usize = 32;

/// The latest of a kind of time, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recent {
    times: [f32; KEPT],
    count: usize,
    median: f32,
}

impl Recent {
    pub fn push(&mut self, time: Duration) {
        self.times[self.count % KEPT] = time.as_secs_f32();
        self.count += 1;
        let mut sorted = self.times;
        let known = &mut sorted[..self.count.min(KEPT)];
        known.sort_by(f32::total_cmp);
        self.median = known[known.len() / 2];
    }

    pub fn median(&self) -> Option<f32> {
        (self.count > 0).then_some(self.median)
    }
}

/// What steps of an engine took, by their tokens.
#[derive(Clone, Debug, Default)]
pub(crate) struct StepTimes {
    times: [Recent; VERIFY_TOKENS_MAX],
    costs: VerifyCosts,
    /// Steps since the last one over a single token.
    since_single: usize,
}

impl StepTimes {
    /// Takes in what a step over `tokens` tokens of one sequence took.
    pub fn learn(&mut self, tokens: usize, time: Duration) {
        if (1..=VERIFY_TOKENS_MAX).contains(&tokens) && !time.is_zero() {
            self.since_single = if tokens == 1 { 0 } else { self.since_single + 1 };
            self.times[tokens - 1].push(time);
            self.costs = self.estimate();
        }
    }

    /// What steps cost, by what is known; `None` where it is time for a step over one token.
    pub fn costs(&self) -> Option<VerifyCosts> {
        (self.since_single < SINGLE_EVERY).then_some(self.costs)
    }

    /// What a step over one token takes, in seconds, once one was measured.
    pub fn single(&self) -> Option<f32> {
        self.times[0].median()
    }

    fn estimate(&self) -> VerifyCosts {
        let prior = VerifyCosts::default();
        let Some(single) = self.single() else { return prior };
        let mut relative = [1.0; VERIFY_TOKENS_MAX];
        for n in 1..VERIFY_TOKENS_MAX {
            let (mut sum, mut weight) = (PRIOR_TIMES, PRIOR_TIMES);
            for (i, times) in self.times.iter().enumerate().skip(1) {
                let near = NEIGHBOUR.powi(n.abs_diff(i) as i32) * times.count.min(KEPT) as f32;
                sum += near * times.median / (single * prior.relative[i]);
                weight += near;
            }
            // More tokens never cost less, whatever the noise says.
            relative[n] = (prior.relative[n] * sum / weight).max(relative[n - 1]);
        }
        VerifyCosts { relative }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(time: f32) -> Duration {
        Duration::from_secs_f32(time / 1e3)
    }

    #[test]
    fn without_times_the_curve_is_the_one_measured_beforehand() {
        let mut times = StepTimes::default();
        assert_eq!(times.costs(), Some(VerifyCosts::default()));
        times.learn(8, ms(50.0));
        assert_eq!(times.costs(), Some(VerifyCosts::default()), "nothing to relate it to");
        times.learn(0, ms(1.0));
        times.learn(VERIFY_TOKENS_MAX + 1, ms(1.0));
        times.learn(1, Duration::ZERO);
        assert_eq!(times.single(), None);
    }

    #[test]
    fn measured_lengths_are_believed_and_their_neighbours_follow() {
        let mut times = StepTimes::default();
        for _ in 0..KEPT {
            times.learn(1, ms(10.0));
            times.learn(4, ms(40.0));
        }
        let costs = times.costs().unwrap().relative;
        let prior = VerifyCosts::default().relative;
        assert!((3.5..=4.0).contains(&costs[3]), "{costs:?}");
        assert!(costs[4] / prior[4] > 2.0 && costs[1] / prior[1] > 1.5, "{costs:?}");
        assert!(costs.is_sorted(), "{costs:?}");
        (0..KEPT).for_each(|_| times.learn(4, ms(11.0)));
        let costs = times.costs().unwrap().relative;
        assert!(costs[3] < 1.2 && costs[2] < prior[2], "{costs:?}");
        assert!(costs[15] / prior[15] > 0.95, "far away little is known: {costs:?}");
    }

    #[test]
    fn one_disturbed_step_changes_little_and_old_times_go() {
        let mut times = StepTimes::default();
        for _ in 0..KEPT {
            times.learn(1, ms(10.0));
            times.learn(2, ms(11.0));
        }
        let quiet = times.costs();
        times.learn(2, ms(500.0));
        assert_eq!(times.costs(), quiet);
        for _ in 0..KEPT {
            times.learn(2, ms(20.0));
        }
        assert!(times.costs().unwrap().relative[1] > 1.8);
    }

    #[test]
    fn single_tokens_are_measured_again_now_and_then() {
        let mut times = StepTimes::default();
        times.learn(1, ms(10.0));
        for _ in 0..SINGLE_EVERY {
            assert!(times.costs().is_some());
            times.learn(6, ms(12.0));
        }
        assert!(times.costs().is_none());
        times.learn(1, ms(10.0));
        assert!(times.costs().is_some());
    }
}
