//! The time, read nowhere else in this crate.
#![allow(clippy::disallowed_methods, reason = "a server stamps what it answers and measures what it does")]

use hob::LocalTime;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Time since the first call.
pub fn now() -> Duration {
    START.elapsed()
}

/// Seconds since 1970.
pub fn unix() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Milliseconds since 1970.
pub fn unix_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The time in RFC 3339 with nanoseconds.
pub fn rfc3339() -> String {
    jiff::Timestamp::now().to_string()
}

/// A moment of [`now`] in RFC 3339.
pub fn rfc3339_at(moment: Duration) -> String {
    let ahead = jiff::SignedDuration::try_from(moment).unwrap_or_default()
        - jiff::SignedDuration::try_from(now()).unwrap_or_default();
    let then = jiff::Timestamp::now().checked_add(ahead);
    then.unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// Seconds since 1970 in RFC 3339.
pub fn rfc3339_of(second: i64) -> String {
    jiff::Timestamp::from_second(second).unwrap_or_default().to_string()
}

/// Milliseconds since 1970 in RFC 3339.
pub fn rfc3339_of_ms(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap_or_default().to_string()
}

/// The day of a moment in milliseconds since 1970, here.
pub fn day_of(ms: i64) -> String {
    let moment = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    moment.to_zoned_datetime(jiff::tz::TimeZone::system()).date().to_string()
}

/// The last days here, oldest first and today last.
pub fn last_days(count: i64) -> Vec<String> {
    let today = jiff::ZonedDateTime::now().date();
    let days = (0..count).rev().filter_map(|ago| today.checked_sub(jiff::Span::new().days(ago)).ok());
    days.map(|day| day.to_string()).collect()
}

/// A number that differs from call to call.
pub fn seed() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let nanos = jiff::Timestamp::now().as_nanosecond() as u64;
    // JSON readers keep 53 bits.
    nanos.wrapping_add(CALLS.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15)) % (1 << 53)
}

/// The time of day here, for templates that print the date.
pub fn local() -> LocalTime {
    let now = jiff::ZonedDateTime::now();
    let small = |n: i8| u8::try_from(n).unwrap_or(0);
    LocalTime {
        year: now.year().into(),
        month: small(now.month()),
        day: small(now.day()),
        hour: small(now.hour()),
        minute: small(now.minute()),
        second: small(now.second()),
    }
}
