//! The time in which anything computes.

use crate::clock;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The time in which anything computes. What two models do at the same time counts once: they share the cores.
#[derive(Debug, Default)]
pub struct Busy(Mutex<Spans>);

#[derive(Debug, Default)]
struct Spans {
    count: usize,
    since: Duration,
    done: Duration,
}

impl Busy {
    /// Something computes until this goes.
    pub fn work(&self) -> Working<'_> {
        self.begin(clock::now());
        Working(self)
    }

    /// The time so far.
    pub fn total(&self, now: Duration) -> Duration {
        let spans = self.spans();
        spans.done + if spans.count > 0 { now.saturating_sub(spans.since) } else { Duration::ZERO }
    }

    pub(super) fn begin(&self, now: Duration) {
        let mut spans = self.spans();
        if spans.count == 0 {
            spans.since = now;
        }
        spans.count += 1;
    }

    pub(super) fn end(&self, now: Duration) {
        let mut spans = self.spans();
        spans.count -= 1;
        if spans.count == 0 {
            let span = now.saturating_sub(spans.since);
            spans.done += span;
        }
    }

    fn spans(&self) -> MutexGuard<'_, Spans> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something that computes.
pub struct Working<'a>(&'a Busy);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.end(clock::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_overlaps_counts_once() {
        let busy = Busy::default();
        assert_eq!(busy.total(at(5)), at(0));
        busy.begin(at(10));
        busy.begin(at(12));
        busy.end(at(13));
        assert_eq!(busy.total(at(14)), at(4), "what has not ended counts already");
        busy.end(at(15));
        busy.begin(at(20));
        busy.end(at(21));
        assert_eq!(busy.total(at(90)), at(6));
    }
}
