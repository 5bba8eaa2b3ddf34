//! A limit on bytes a second, shared by all connections of a pull.

use super::backoff::sleep;
use crate::Error;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that may come at once after a pause.
const BURST: Duration = Duration::from_millis(250);

/// A bucket that fills at a rate.
#[derive(Debug)]
pub(crate) struct Limit {
    bytes_per_second: u64,
    /// When everything spent so far will have been earned.
    earned_at: Mutex<Option<Instant>>,
}

impl Limit {
    /// `None` lets everything through.
    pub fn new(bytes_per_second: Option<u64>) -> Self {
        Self { bytes_per_second: bytes_per_second.unwrap_or(0), earned_at: Mutex::new(None) }
    }

    /// Waits until `bytes` more are within the limit.
    pub fn spend(&self, bytes: usize, stop: &AtomicBool) -> Result<(), Error> {
        if self.bytes_per_second == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let wait = {
            let mut earned_at = self.earned_at.lock().unwrap_or_else(PoisonError::into_inner);
            let from = earned_at.unwrap_or(now).max(now.checked_sub(BURST).unwrap_or(now));
            let until = from + Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
            *earned_at = Some(until);
            until.saturating_duration_since(now)
        };
        sleep(wait, stop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_no_faster_than_allowed() {
        let limit = Limit::new(Some(1_000_000));
        let stop = AtomicBool::new(false);
        let start = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10).for_each(|_| limit.spend(20_000, &stop).unwrap()));
            }
        });
        let seconds = start.elapsed().as_secs_f64();
        assert!((0.5..5.0).contains(&seconds), "{seconds}");
        assert!(Limit::new(None).spend(usize::MAX, &stop).is_ok());
    }
}
