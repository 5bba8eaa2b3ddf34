//! What computing takes in energy: read from a counter of the machine where there is one, else a range from the time at work.
//!
//! A counter counts a machine, not an answer. What one answer took is a number only where no other was computed meanwhile; else it
//! is a range ([`Meter::begin`]).

mod busy;
mod meter;

pub use busy::Working;
pub use meter::{Mark, Meter, Span, Taken};

use hob_energy::{CORE_WATTS, Range, Scope, estimated_wh};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

const JOULES_PER_WH: f64 = 3600.0;

/// A counter of this machine. The program finds and reads it: this crate does not read the system's files.
#[derive(Clone)]
pub struct EnergyCounter {
    /// For people.
    pub name: String,
    /// What it counts.
    pub scope: Scope,
    /// The shortest time that it tells apart: what is shorter is estimated.
    pub settles: Duration,
    /// What it says now; `None` where it does not count at the moment.
    pub read: Arc<dyn Fn() -> Option<Count> + Send + Sync>,
}

/// What a counter says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Count {
    /// Joules since it was found. They never go back.
    pub joules: f64,
    /// Another number after a time in which it did not count: between the two nothing is known.
    pub era: u32,
}

impl fmt::Debug for EnergyCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnergyCounter").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Joules since the server began, and how they are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Energy {
    /// Those of the processor, whatever used it.
    Measured(f64),
    /// Between these two, for the time at work.
    Estimated(Range),
}

impl Energy {
    /// Since the server began. A counter that cannot be read for once is no reason to guess; one that counts at times only
    /// (a battery) can't say what was since then.
    pub fn now(counter: Option<&EnergyCounter>, at_work: Duration, threads: usize) -> Option<Self> {
        match counter.filter(|counter| counter.scope == Scope::Processor) {
            Some(counter) => (counter.read)().map(|count| Self::Measured(count.joules)),
            None => {
                let watts = CORE_WATTS.times(threads.max(1) as f64);
                Some(Self::Estimated(estimated_wh(at_work.as_secs_f64(), watts).times(JOULES_PER_WH)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_measured_and_time_is_a_range() {
        let counter = |scope, read: Option<f64>| EnergyCounter {
            name: "a".into(),
            scope,
            settles: Duration::ZERO,
            read: Arc::new(move || read.map(|joules| Count { joules, era: 0 })),
        };
        let of = |scope, read| Energy::now(Some(&counter(scope, read)), Duration::from_secs(100), 4);
        assert_eq!(of(Scope::Processor, Some(12.5)), Some(Energy::Measured(12.5)));
        assert_eq!(of(Scope::Processor, None), None, "a counter that fails is not made up for by a guess");
        let Some(Energy::Estimated(range)) = of(Scope::Computer, Some(1.0)) else {
            panic!("a battery passes for a processor")
        };
        // Seconds times watts.
        assert!((range.low - 100.0 * 4.0 * CORE_WATTS.low).abs() < 1e-9, "{range:?}");
        assert!((range.high - 100.0 * 4.0 * CORE_WATTS.high).abs() < 1e-9, "{range:?}");
    }
}
