//! What computing takes in energy: read from a counter of the machine where there is one, else a range from the time at work.

use crate::clock;
use hob_energy::{CORE_WATTS, Range, estimated_wh};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const JOULES_PER_WH: f64 = 3600.0;

/// A counter of this machine. The program finds and reads it: this crate does not read the system's files.
#[derive(Clone)]
pub struct EnergyCounter {
    /// For people.
    pub name: String,
    /// Joules since it was found; `None` where it cannot be read any more. It never goes back.
    pub joules: Arc<dyn Fn() -> Option<f64> + Send + Sync>,
}

impl fmt::Debug for EnergyCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnergyCounter").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Joules, and how they are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Energy {
    /// Those of the processor, whatever used it.
    Measured(f64),
    /// Between these two, for the time at work.
    Estimated(Range),
}

impl Energy {
    /// Since the server began. A counter that cannot be read for once is no reason to guess.
    pub fn now(counter: Option<&EnergyCounter>, at_work: Duration, threads: usize) -> Option<Self> {
        match counter {
            Some(counter) => (counter.joules)().map(Self::Measured),
            None => {
                let watts = CORE_WATTS.times(threads.max(1) as f64);
                Some(Self::Estimated(estimated_wh(at_work.as_secs_f64(), watts).times(JOULES_PER_WH)))
            }
        }
    }
}

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

    fn begin(&self, now: Duration) {
        let mut spans = self.spans();
        if spans.count == 0 {
            spans.since = now;
        }
        spans.count += 1;
    }

    fn end(&self, now: Duration) {
        let mut spans = self.spans();
        spans.count -= 1;
        if spans.count == 0 {
            let span = now.saturating_sub(spans.since);
            spans.done += span;
        }
    }

    fn spans(&self) -> std::sync::MutexGuard<'_, Spans> {
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
#[allow(clippy::unwrap_used, reason = "tests may panic")]
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

    #[test]
    fn a_counter_is_measured_and_time_is_a_range() {
        let counter = |read: Option<f64>| EnergyCounter { name: "a".into(), joules: Arc::new(move || read) };
        let of = |read| Energy::now(Some(&counter(read)), at(100), 4);
        assert_eq!(of(Some(12.5)), Some(Energy::Measured(12.5)));
        assert_eq!(of(None), None, "a counter that fails is not made up for by a guess");
        let Some(Energy::Estimated(range)) = Energy::now(None, at(100), 4) else { panic!("no range") };
        // Seconds times watts.
        assert!((range.low - 100.0 * 4.0 * CORE_WATTS.low).abs() < 1e-9, "{range:?}");
        assert!((range.high - 100.0 * 4.0 * CORE_WATTS.high).abs() < 1e-9, "{range:?}");
    }
}
