//! How fast bytes come, over the last few seconds.

use std::collections::VecDeque;
use std::time::Duration;

/// How far back is looked.
const WINDOW: Duration = Duration::from_secs(5);
/// Time between two samples.
const STEP: Duration = Duration::from_millis(200);
/// Before this, a rate would be a guess.
const LEAST: Duration = Duration::from_millis(800);

/// Samples of a growing count.
#[derive(Clone, Debug, Default)]
pub struct Rate {
    samples: VecDeque<(Duration, u64)>,
}

impl Rate {
    /// The count stands at `bytes` now.
    pub fn note(&mut self, now: Duration, bytes: u64) {
        if self.samples.back().is_some_and(|(last, _)| now.saturating_sub(*last) < STEP) {
            return;
        }
        self.samples.push_back((now, bytes));
        while self.samples.front().is_some_and(|(first, _)| now.saturating_sub(*first) > WINDOW) {
            self.samples.pop_front();
        }
    }

    /// Bytes a second, once that can be said.
    pub fn per_second(&self) -> Option<f64> {
        let ((begin, before), (end, after)) = (self.samples.front()?, self.samples.back()?);
        let time = end.saturating_sub(*begin);
        (time >= LEAST).then(|| after.saturating_sub(*before) as f64 / time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_seconds_count() {
        let mut rate = Rate::default();
        assert_eq!(rate.per_second(), None);
        for step in 0..100u64 {
            let bytes = if step < 50 { 0 } else { (step - 50) * 1000 };
            rate.note(Duration::from_millis(100 * step), bytes);
        }
        let measured = rate.per_second().unwrap_or_default();
        assert!((9500.0..10500.0).contains(&measured), "{measured}");
    }
}
