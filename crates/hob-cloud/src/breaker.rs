//! A target that fails again and again is left alone for a while, so that nobody waits for it in vain.

use std::time::Duration;

/// Failures in a row after which it rests.
const FAILURES: u32 = 3;
/// The first rest.
const REST: Duration = Duration::from_secs(30);
/// The longest.
const REST_MAX: Duration = Duration::from_secs(300);

/// What is known of a target's health. Times count from any fixed moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Breaker {
    failures: u32,
    /// Until when it rests.
    until: Option<Duration>,
}

impl Breaker {
    /// How often it failed and how long it rests still, if it does. When a rest is over, one request finds out: until that
    /// one ends, others are refused for as long as the first rest.
    pub fn admit(&mut self, now: Duration) -> Result<(), (u32, Duration)> {
        match self.until {
            Some(until) if now < until => Err((self.failures, until - now)),
            Some(_) => {
                self.until = Some(now + REST);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// It answered.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// It did not.
    pub fn failed(&mut self, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            let rest = REST.saturating_mul(1 << (self.failures - FAILURES).min(8));
            self.until = Some(now + rest.min(REST_MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_open_it_and_one_request_tries_again() {
        let at = Duration::from_secs;
        let mut breaker = Breaker::default();
        breaker.failed(at(0));
        breaker.failed(at(1));
        assert!(breaker.admit(at(2)).is_ok());
        breaker.failed(at(2));
        assert_eq!(breaker.admit(at(3)), Err((3, at(29))));
        // The rest is over: one may try, the next may not.
        assert!(breaker.admit(at(32)).is_ok());
        assert!(breaker.admit(at(33)).is_err());
        breaker.failed(at(34));
        assert_eq!(breaker.admit(at(34)), Err((4, at(60))));
        assert!(breaker.admit(at(94)).is_ok());
        breaker.succeeded();
        assert!(breaker.admit(at(94)).is_ok() && breaker.admit(at(95)).is_ok());
        (0..40).for_each(|_| breaker.failed(at(100)));
        assert_eq!(breaker.admit(at(100)), Err((40, REST_MAX)));
    }
}
