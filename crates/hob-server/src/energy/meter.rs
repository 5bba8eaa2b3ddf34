//! What each answer took, while others may be computed at the same time.
//!
//! Answers share passes over the same weights, so there is no truth about whose joules those of a shared pass are. What is
//! known: all that was used from an answer's begin to its end, which it took at most, and what was used in the part of that
//! in which no other was computed, which it took at least. Where the two are the same it is a number, else a range. Answers to one
//! request are one here: they are begun once and ended once ([`crate::visit::Visit::compute`]).

use super::busy::{Busy, Working};
use super::{Count, Energy, EnergyCounter};
use crate::clock;
use hob_energy::{Account, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Counts the time at work and, where the machine has a counter, joules.
#[derive(Debug)]
pub struct Meter {
    counter: Option<EnergyCounter>,
    threads: usize,
    busy: Busy,
    shares: Mutex<Shares>,
}

/// Who computes, and what was used while only one did.
#[derive(Debug)]
struct Shares {
    running: usize,
    /// Begins and ends so far: nobody else's means nobody else.
    changes: u64,
    /// When the last of them was.
    last: Reading,
    alone: Alone,
}

#[derive(Clone, Copy, Debug, Default)]
struct Alone {
    seconds: f64,
    joules: f64,
}

/// A moment: the time at work until then, and what the counter said.
#[derive(Clone, Copy, Debug)]
struct Reading {
    now: Duration,
    at_work: f64,
    count: Option<Count>,
}

impl Reading {
    /// Joules since another moment; `None` where the counter did not count all the time.
    fn joules_since(self, before: Self) -> Option<f64> {
        let (now, then) = (self.count?, before.count?);
        (now.era == then.era).then(|| (now.joules - then.joules).max(0.0))
    }
}

/// What something took, in the ways in which that is known.
#[derive(Clone, Debug)]
pub struct Taken {
    /// By a counter, where it counted all of it.
    measured: Option<Account>,
    /// By the time at work.
    estimated: Account,
}

impl Taken {
    /// As it is known best.
    pub fn account(&self) -> &Account {
        self.measured.as_ref().unwrap_or(&self.estimated)
    }

    /// The two together. Joules of a counter are not added to estimates: where one of the two was not counted, both are estimated.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        let measured = self.measured.zip(other.measured.as_ref()).and_then(|(one, other)| one.plus(other));
        let estimated = self.estimated.clone().plus(&other.estimated).unwrap_or(self.estimated);
        Self { measured, estimated }
    }
}

/// A moment at which something may have begun to be computed; it is known later whether it had.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    reading: Reading,
    running: usize,
    changes: u64,
}

/// Something that is computed from a mark on, until this goes or is ended.
#[derive(Debug)]
pub struct Span {
    meter: Arc<Meter>,
    began: Reading,
    alone: Alone,
    /// Where nothing was and is computed beside it, the changes that there were when it had begun.
    undisturbed: Option<u64>,
}

impl Default for Meter {
    fn default() -> Self {
        Self::new(None, 1)
    }
}

impl Meter {
    /// A meter of a machine on which models compute with so many threads.
    pub fn new(counter: Option<EnergyCounter>, threads: usize) -> Self {
        let last = Reading { now: Duration::ZERO, at_work: 0.0, count: None };
        let shares = Shares { running: 0, changes: 0, last, alone: Alone::default() };
        Self { counter, threads, busy: Busy::default(), shares: Mutex::new(shares) }
    }

    /// Something computes until what is given goes.
    pub fn work(&self) -> Working<'_> {
        self.busy.work()
    }

    /// The time in which anything computed.
    pub fn at_work(&self) -> Duration {
        self.busy.total(clock::now())
    }

    /// Cores that are taken to be at work.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Joules since the beginning.
    pub fn total(&self) -> Option<Energy> {
        Energy::now(self.counter.as_ref(), self.at_work(), self.threads)
    }

    /// This moment.
    pub fn mark(&self) -> Mark {
        let reading = self.reading(clock::now());
        let shares = self.shares();
        Mark { reading, running: shares.running, changes: shares.changes }
    }

    fn reading(&self, now: Duration) -> Reading {
        let count = self.counter.as_ref().and_then(|counter| (counter.read)());
        Reading { now, at_work: self.busy.total(now).as_secs_f64(), count }
    }

    /// Something has been computed since `mark`.
    pub fn begin(self: &Arc<Self>, mark: Mark) -> Span {
        let reading = self.reading(clock::now());
        let mut shares = self.shares();
        let was_alone = mark.running == 0 && shares.running == 0 && mark.changes == shares.changes;
        if was_alone {
            // It began at the mark, and everything since was its own.
            shares.last = mark.reading;
        } else {
            // From the mark on what was used is not another's alone. Where another thread began or ended something after the
            // mark, a part of one step may have been counted as its own.
            if mark.reading.now > shares.last.now {
                shares.advance(mark.reading);
            }
            shares.last = reading;
        }
        shares.running += 1;
        shares.changes += 1;
        let undisturbed = was_alone.then_some(shares.changes);
        Span { meter: Arc::clone(self), began: mark.reading, alone: shares.alone, undisturbed }
    }

    fn shares(&self) -> MutexGuard<'_, Shares> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, span: &Span) -> Taken {
        let reading = self.reading(clock::now());
        let mut shares = self.shares();
        shares.advance(reading);
        let is_alone = span.undisturbed == Some(shares.changes);
        let (alone, before) = (shares.alone, span.alone);
        drop(shares);
        let range = |alone: f64, all: f64| match is_alone {
            true => Range::exact(all),
            false => Range { low: alone.clamp(0.0, all), high: all },
        };
        let time = reading.now.saturating_sub(span.began.now);
        let counter = self.counter.as_ref().filter(|counter| time >= counter.settles);
        let measured = counter.zip(reading.joules_since(span.began)).map(|(counter, all)| {
            let joules = range(alone.joules - before.joules, all);
            Account::measured(&counter.name, counter.scope, joules)
        });
        let seconds = range(alone.seconds - before.seconds, (reading.at_work - span.began.at_work).max(0.0));
        Taken { measured, estimated: Account::estimated(seconds, self.threads) }
    }
}

impl Shares {
    /// Takes in what was used since the last change.
    fn advance(&mut self, now: Reading) {
        if self.running == 1 {
            self.alone.seconds += (now.at_work - self.last.at_work).max(0.0);
            self.alone.joules += now.joules_since(self.last).unwrap_or(0.0);
        }
        self.last = now;
    }
}

impl Span {
    /// What it took, at its end.
    pub fn end(self) -> Taken {
        self.meter.end(&self)
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let reading = self.meter.reading(clock::now());
        let mut shares = self.meter.shares();
        shares.advance(reading);
        shares.running -= 1;
        shares.changes += 1;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;
    use hob_energy::{Method, Scope};

    /// A counter that tests turn.
    #[derive(Clone, Default)]
    struct Dial(Arc<Mutex<(f64, u32, bool)>>);

    impl Dial {
        fn meter(&self, settles: Duration) -> Arc<Meter> {
            let dial = self.clone();
            let read = move || {
                let (joules, era, is_off) = *dial.0.lock().unwrap();
                (!is_off).then_some(Count { joules, era })
            };
            let counter =
                EnergyCounter { name: "dial".into(), scope: Scope::Processor, settles, read: Arc::new(read) };
            Arc::new(Meter::new(Some(counter), 2))
        }

        fn turn(&self, joules: f64) {
            self.0.lock().unwrap().0 += joules;
        }
    }

    fn joules(taken: &Taken) -> (f64, f64) {
        let account = taken.account();
        assert_eq!(account.method, Method::Measured, "{account}");
        (account.joules.low, account.joules.high)
    }

    #[test]
    fn what_is_computed_alone_is_a_number() {
        let dial = Dial::default();
        let meter = dial.meter(Duration::ZERO);
        dial.turn(0.1 + 0.2);
        let mark = meter.mark();
        dial.turn(2.0);
        let span = meter.begin(mark);
        dial.turn(5.5);
        assert_eq!(joules(&span.end()), (7.5, 7.5), "from the mark on, not from when it was known");
        // What ended before does not count as company.
        dial.turn(1.0);
        let next = meter.begin(meter.mark());
        dial.turn(3.0);
        assert_eq!(joules(&next.end()), (3.0, 3.0));
    }

    #[test]
    fn what_overlaps_is_a_range_from_its_own_to_all() {
        let dial = Dial::default();
        let meter = dial.meter(Duration::ZERO);
        let one = meter.begin(meter.mark());
        dial.turn(10.0);
        let two = meter.begin(meter.mark());
        dial.turn(4.0);
        assert_eq!(joules(&one.end()), (10.0, 14.0));
        dial.turn(1.0);
        assert_eq!(joules(&two.end()), (1.0, 5.0));
        // Nothing of its own: it took something between nothing and all.
        let (around, within) = (meter.begin(meter.mark()), meter.begin(meter.mark()));
        dial.turn(2.0);
        assert_eq!(joules(&within.end()), (0.0, 2.0));
        dial.turn(3.0);
        assert_eq!(joules(&around.end()), (3.0, 5.0));
    }

    #[test]
    fn a_mark_knows_who_was_there_and_who_came() {
        let dial = Dial::default();
        let meter = dial.meter(Duration::ZERO);
        let other = meter.begin(meter.mark());
        let mark = meter.mark();
        dial.turn(6.0);
        drop(other);
        let span = meter.begin(mark);
        dial.turn(1.0);
        assert_eq!(joules(&span.end()), (1.0, 7.0), "the other was there at the mark");
        // Two that begin in the same pass.
        let mark = meter.mark();
        dial.turn(2.0);
        let (one, two) = (meter.begin(mark), meter.begin(mark));
        dial.turn(2.0);
        let (low, high) = joules(&one.end());
        assert!(low.abs() < 1e-9 && (high - 4.0).abs() < 1e-9, "{low} {high}");
        let (low, high) = joules(&two.end());
        assert!(low.abs() < 1e-9 && (high - 4.0).abs() < 1e-9, "{low} {high}");
    }

    #[test]
    fn what_a_counter_does_not_tell_is_estimated_and_said_to_be() {
        let dial = Dial::default();
        let of = |meter: &Arc<Meter>, change: &dyn Fn()| {
            let span = meter.begin(meter.mark());
            dial.turn(5.0);
            change();
            span.end().account().method
        };
        let meter = dial.meter(Duration::ZERO);
        assert_eq!(of(&meter, &|| {}), Method::Measured);
        assert_eq!(
            of(&meter, &|| dial.0.lock().unwrap().1 += 1),
            Method::Estimated,
            "it did not count meanwhile"
        );
        assert_eq!(of(&meter, &|| dial.0.lock().unwrap().2 = true), Method::Estimated);
        dial.0.lock().unwrap().2 = false;
        assert_eq!(
            of(&dial.meter(Duration::from_secs(3600)), &|| {}),
            Method::Estimated,
            "too short to tell"
        );
        assert_eq!(of(&Arc::default(), &|| {}), Method::Estimated);
    }

    #[test]
    fn what_is_counted_and_what_is_not_come_to_an_estimate_of_both() {
        let dial = Dial::default();
        let meter = dial.meter(Duration::ZERO);
        let take = |change: &dyn Fn()| {
            let span = meter.begin(meter.mark());
            dial.turn(1e6);
            change();
            span.end()
        };
        let (one, other) = (take(&|| {}), take(&|| {}));
        assert_eq!(joules(&one.clone().plus(&other)), (2e6, 2e6));
        let lost = take(&|| dial.0.lock().unwrap().1 += 1);
        for sum in [one.clone().plus(&lost), lost.plus(&one)] {
            let account = sum.account();
            assert_eq!(account.method, Method::Estimated);
            assert!(account.joules.high < 1e6 && !account.about.contains("dial"), "{account}");
        }
    }

    #[test]
    fn estimates_are_bounded_by_the_time_at_work() {
        let meter = Arc::new(Meter::new(None, 2));
        let at = |seconds| Duration::from_secs(seconds);
        let reading = |seconds, at_work| Reading { now: at(seconds), at_work, count: None };
        let mark = Mark { reading: reading(0, 0.0), running: 0, changes: 0 };
        let span = meter.begin(mark);
        let base = clock::now();
        meter.busy.begin(base);
        meter.busy.end(base + at(3));
        let taken = span.end();
        let account = taken.account();
        assert_eq!(account.method, Method::Estimated);
        let expected = hob_energy::CORE_WATTS.times(2.0 * 3.0);
        assert!((account.joules.low - expected.low).abs() < 1e-9, "{account}");
        assert!((account.joules.high - expected.high).abs() < 1e-9, "{account}");
    }
}
