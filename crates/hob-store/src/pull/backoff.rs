//! How long to wait after a failure: longer each time, never at the same moment as others, and as long as a server says.

use crate::Error;
use hob_base::Random;
use hob_egress::Response;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Longest wait that doubling leads to.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Longest wait that a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);
/// How often a wait looks whether it should end.
const TICK: Duration = Duration::from_millis(50);

/// Patience for one thing that may fail several times in a row.
pub(crate) struct Backoff<'a> {
    what: String,
    failures: u32,
    failures_max: u32,
    first: Duration,
    random: Random,
    stop: &'a AtomicBool,
}

impl<'a> Backoff<'a> {
    pub fn new(what: &str, options: &super::PullOptions, stream: u64, stop: &'a AtomicBool) -> Self {
        Self {
            what: what.to_owned(),
            failures: 0,
            failures_max: options.failures_max,
            first: options.first_wait,
            random: Random::new(options.seed, stream),
            stop,
        }
    }

    /// Something worked: the next failure is the first again.
    pub fn worked(&mut self) {
        self.failures = 0;
    }

    /// Waits after a failure, at least as long as the server asked; or says that it was the last one.
    pub fn failed(&mut self, error: Error, after: Option<Duration>) -> Result<(), Error> {
        self.failures += 1;
        if self.failures >= self.failures_max {
            let file = self.what.clone();
            return Err(Error::GivenUp { file, attempts: self.failures, last: Box::new(error) });
        }
        let doubled = self.first.saturating_mul(1 << (self.failures - 1).min(16)).min(WAIT_MAX);
        // Between half and all of it, so that connections that failed together do not come back together.
        let wait = doubled.mul_f64(0.5 + self.random.unit() / 2.0).max(after.unwrap_or_default());
        sleep(wait, self.stop)
    }
}

/// Waits, unless asked to stop.
pub(crate) fn sleep(wait: Duration, stop: &AtomicBool) -> Result<(), Error> {
    let mut left = wait;
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        if left.is_zero() {
            return Ok(());
        }
        let step = left.min(TICK);
        thread::sleep(step);
        left -= step;
    }
}

/// The wait that a server asks for, in seconds. Dates are not read: clocks differ, and doubling does as well.
pub(crate) fn retry_after(response: &Response) -> Option<Duration> {
    let seconds: u64 = response.header("retry-after")?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}
