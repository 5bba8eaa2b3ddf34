//! Limits of what may leave and be spent, counted from the ledger itself: there is no second account that could differ.

use crate::ledger::{Entry, LedgerError, Sending, What};
use std::collections::{BTreeMap, HashMap};

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// How long a limit counts. Days and months are those of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From the first to the last.
    Month,
}

impl Period {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The number of the period that `time_ms` is in.
    fn of(self, time_ms: i64) -> i64 {
        let day = time_ms.div_euclid(DAY_MS);
        match self {
            Self::Day => day,
            Self::Month => month(day),
        }
    }
}

/// Months since March of the year 0, for a day since 1970. Years are counted from March, so that leap days come last.
fn month(day: i64) -> i64 {
    let day = day + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    (era * 400 + year) * 12 + (5 * of_year + 2) / 153
}

/// A limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cap {
    /// Whose: the user's name of a target, or all of them together.
    pub target: Option<String>,
    /// How long it counts.
    pub period: Period,
    /// Most bytes that leave.
    pub bytes_max: Option<u64>,
    /// Most money, in millionths.
    pub cost_max_micro: Option<u64>,
}

/// What has left and been spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Bytes of bodies.
    pub bytes: u64,
    /// Money, in millionths; what may still come of requests without an outcome counts whole.
    pub cost_micro: u64,
}

/// A request whose outcome is not known.
#[derive(Clone, Debug)]
struct Open {
    target: String,
    time_ms: i64,
    cost_max_micro: u64,
}

/// What was spent in the latest day and month of the ledger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    spent: HashMap<(Period, i64, Option<String>), Spent>,
    open: BTreeMap<u64, Open>,
    latest_ms: i64,
}

impl Account {
    /// Counts an entry.
    pub fn add(&mut self, entry: &Entry) {
        self.latest_ms = self.latest_ms.max(entry.time_ms);
        match &entry.what {
            What::Send(Sending { target: Some(target), bytes, cost_max_micro, .. }) => {
                self.change(target, entry.time_ms, |spent| {
                    spent.bytes = spent.bytes.saturating_add(*bytes);
                    spent.cost_micro = spent.cost_micro.saturating_add(*cost_max_micro);
                });
                let open =
                    Open { target: target.clone(), time_ms: entry.time_ms, cost_max_micro: *cost_max_micro };
                self.open.insert(entry.n, open);
            }
            What::Outcome(outcome) => {
                if let Some(open) = self.open.remove(&outcome.of) {
                    self.change(&open.target, open.time_ms, |spent| {
                        let rest = spent.cost_micro.saturating_sub(open.cost_max_micro);
                        spent.cost_micro = rest.saturating_add(outcome.cost_micro);
                    });
                }
            }
            What::Send(_) | What::Repaired(_) => {}
        }
        self.forget();
    }

    fn change(&mut self, target: &str, time_ms: i64, change: impl Fn(&mut Spent)) {
        for period in [Period::Day, Period::Month] {
            for whose in [None, Some(target.to_owned())] {
                change(self.spent.entry((period, period.of(time_ms), whose)).or_default());
            }
        }
    }

    /// Periods that are over for good are of no use, nor are requests of which nobody will hear.
    fn forget(&mut self) {
        const MANY: usize = 4096;
        if self.spent.len() > MANY {
            let latest = self.latest_ms;
            self.spent.retain(|(period, number, _), _| *number >= period.of(latest) - 1);
        }
        if self.open.len() > MANY {
            self.open.pop_first();
        }
    }

    /// What `target`, or everybody, has spent in the period of `now_ms`.
    pub fn spent(&self, target: Option<&str>, period: Period, now_ms: i64) -> Spent {
        let key = (period, period.of(now_ms), target.map(str::to_owned));
        self.spent.get(&key).copied().unwrap_or_default()
    }

    /// Whether `sending` stays within `caps`.
    pub fn check(&self, sending: &Sending, caps: &[Cap], now_ms: i64) -> Result<(), LedgerError> {
        for cap in caps.iter().filter(|cap| cap.target.is_none() || cap.target == sending.target) {
            let spent = self.spent(cap.target.as_deref(), cap.period, now_ms);
            let whose = cap.target.as_deref().unwrap_or("all targets together");
            let refuse = |what: String, limit: String, unit| LedgerError::Cap {
                what: format!("{whose}: {what}"),
                limit,
                unit,
                period: cap.period.name(),
            };
            let bytes = spent.bytes.saturating_add(sending.bytes);
            if let Some(limit) = cap.bytes_max.filter(|limit| bytes > *limit) {
                return Err(refuse(format!("{bytes} bytes"), limit.to_string(), "bytes"));
            }
            let cost = spent.cost_micro.saturating_add(sending.cost_max_micro);
            if let Some(limit) = cap.cost_max_micro.filter(|limit| cost > *limit) {
                return Err(refuse(money(cost), money(limit), "of money"));
            }
        }
        Ok(())
    }
}

/// Millionths as a number with a point.
fn money(micro: u64) -> String {
    format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_begin_on_their_first_day() {
        let at = |day: i64| Period::Month.of(day * DAY_MS);
        // 1970-01-01, and 2024-02-28 to 2024-03-01, and the turn of a year.
        assert_eq!(at(30), at(0));
        assert_eq!(at(31), at(0) + 1);
        assert_eq!((at(19_781), at(19_782)), (at(19_780), at(19_780)));
        assert_eq!(at(19_783), at(19_782) + 1);
        assert_eq!(at(20_089), at(20_088) + 1);
        assert_eq!(at(20_088) - at(19_723), 11);
        assert_eq!(Period::Day.of(-1), -1);
    }
}
