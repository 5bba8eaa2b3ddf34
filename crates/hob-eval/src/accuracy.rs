//! Shares of right answers, and how two models' shares differ on the same questions.

use serde::Serialize;

/// A share of answers that were right.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// Right answers.
    pub right: u64,
    /// Questions.
    pub count: u64,
    /// `right / count`; 0 of nothing.
    pub share: f64,
    /// Standard error of the share.
    pub error: f64,
}

impl Accuracy {
    /// Counts.
    pub fn of(answers: &[bool]) -> Self {
        let (right, count) = (answers.iter().filter(|a| **a).count() as u64, answers.len() as u64);
        let share = right as f64 / count.max(1) as f64;
        let error = (share * (1.0 - share) / count.saturating_sub(1).max(1) as f64).sqrt();
        Self { right, count, share, error }
    }
}

/// How a second model did on the questions of a first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Paired {
    /// The second's share less the first's.
    pub difference: f64,
    /// Standard error of the difference. Questions on which both agree say nothing, so it is smaller than those of the shares.
    pub error: f64,
    /// Questions that only the first answered rightly.
    pub only_first: u64,
    /// Questions that only the second answered rightly.
    pub only_second: u64,
}

impl Paired {
    /// Compares answers to the same questions, in the same order.
    pub fn of(first: &[bool], second: &[bool]) -> Self {
        debug_assert_eq!(first.len(), second.len());
        let only = |a: &[bool], b: &[bool]| a.iter().zip(b).filter(|(a, b)| **a && !**b).count() as u64;
        let (only_first, only_second) = (only(first, second), only(second, first));
        let count = first.len().max(1) as f64;
        let difference = (only_second as f64 - only_first as f64) / count;
        let variance = (only_first + only_second) as f64 / count - difference.powi(2);
        let error = (variance.max(0.0) / (count - 1.0).max(1.0)).sqrt();
        Self { difference, error, only_first, only_second }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_differences_of_known_answers() {
        let first = [true, true, false, false, true];
        let a = Accuracy::of(&first);
        assert_eq!((a.right, a.count, a.share), (3, 5, 0.6));
        assert!((a.error - (0.24f64 / 4.0).sqrt()).abs() < 1e-12);
        let p = Paired::of(&first, &[true, false, true, true, true]);
        assert_eq!((p.only_first, p.only_second), (1, 2));
        // Differences 0, -1, 1, 1, 0: mean 0.2, variance 0.56 over n.
        assert!((p.difference - 0.2).abs() < 1e-12 && (p.error - (0.56f64 / 4.0).sqrt()).abs() < 1e-12);
        assert_eq!(Paired::of(&first, &first).error, 0.0);
        assert_eq!(Accuracy::of(&[]).share, 0.0);
    }
}
