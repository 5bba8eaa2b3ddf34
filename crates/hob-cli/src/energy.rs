//! Counters of energy that a system lets its user read. Linux shows two: what processors count (`rapl.rs`), which is taken where it
//! may be read, and what a battery gives while nothing charges it (`battery.rs`). Elsewhere there is none, and energy is
//! estimated. Graphics processors have counters as well; nothing is computed on them here.

mod battery;
mod rapl;

use crate::platform;
use battery::Battery;
use hob_energy::{Account, Range, Scope};
use hob_server::{Count, EnergyCounter};
use rapl::Counter;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::Duration;

/// A RAPL counter wraps after minutes at full power (262 kJ on most machines); it is read more often than that.
const EVERY: Duration = Duration::from_secs(30);
/// Such a counter is renewed about every millisecond.
const SETTLES: Duration = Duration::from_millis(10);
/// Batteries tell their power and no sum, so it is asked for as often as this while somebody wants to know.
const SAMPLE: Duration = Duration::from_secs(1);
/// Firmware renews that power every few seconds: what is shorter can't be told from what was before.
const BATTERY_SETTLES: Duration = Duration::from_secs(10);
/// After somebody asked, it goes on for so long: the longest answer that a battery measures.
const WATCHED: Duration = Duration::from_secs(600);

/// The counter of this machine, if its user may read one. It is watched for as long as somebody holds it.
pub fn counter() -> Option<EnergyCounter> {
    let rapl = || Counter::open(Path::new(rapl::ZONES)).and_then(watch_rapl);
    rapl().or_else(|| Battery::open(Path::new(battery::SUPPLIES)).and_then(watch_battery))
}

fn watch_rapl(counter: Counter) -> Option<EnergyCounter> {
    let name = counter.name();
    let counter = Arc::new(Mutex::new(counter));
    let watched = Arc::downgrade(&counter);
    let watch = move || {
        while let Some(counter) = watched.upgrade() {
            lock(&counter).read();
            drop(counter);
            thread::sleep(EVERY);
        }
    };
    // Without the thread a wrap between two readings may be missed: then there is no counter.
    thread::Builder::new().name("energy".into()).spawn(watch).ok()?;
    let read = move || lock(&counter).read().map(|joules| Count { joules, era: 0 });
    Some(EnergyCounter { name, scope: Scope::Processor, settles: SETTLES, read: Arc::new(read) })
}

/// A battery, and until when somebody wants to know.
struct Watched {
    battery: Battery,
    until: Duration,
}

fn watch_battery(battery: Battery) -> Option<EnergyCounter> {
    let name = battery.name();
    let watched = Arc::new(Mutex::new(Watched { battery, until: Duration::ZERO }));
    let weak = Arc::downgrade(&watched);
    let thread = thread::Builder::new().name("energy".into()).spawn(move || sample(&weak)).ok()?;
    let thread: Thread = thread.thread().clone();
    let read = move || {
        let now = platform::clock();
        let mut watched = lock(&watched);
        watched.until = now + WATCHED;
        let count = watched.battery.read(now);
        drop(watched);
        thread.unpark();
        count
    };
    Some(EnergyCounter { name, scope: Scope::Computer, settles: BATTERY_SETTLES, read: Arc::new(read) })
}

/// Reading a battery wakes its controller, so an idle server lets it sleep.
fn sample(watched: &Weak<Mutex<Watched>>) {
    while let Some(strong) = watched.upgrade() {
        let now = platform::clock();
        let mut held = lock(&strong);
        let is_wanted = now < held.until;
        if is_wanted {
            held.battery.read(now);
        }
        drop(held);
        drop(strong);
        if is_wanted {
            thread::sleep(SAMPLE);
        } else {
            thread::park_timeout(EVERY);
        }
    }
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What one answer of this very program takes; nothing else is computed in it meanwhile.
pub struct Gauge {
    counter: Option<&'static EnergyCounter>,
    began: Option<Count>,
}

impl Gauge {
    /// From now on. The counter is looked for once.
    pub fn begin() -> Self {
        static OWN: OnceLock<Option<EnergyCounter>> = OnceLock::new();
        let counter = OWN.get_or_init(counter).as_ref();
        Self { counter, began: counter.and_then(|counter| (counter.read)()) }
    }

    /// What it took, in so much time at work of so many threads.
    pub fn end(self, at_work: Duration, threads: usize) -> Account {
        let now = self.counter.and_then(|counter| (counter.read)());
        match (self.counter, self.began, now) {
            (Some(counter), Some(began), Some(now)) if began.era == now.era && at_work >= counter.settles => {
                let joules = Range::exact((now.joules - began.joules).max(0.0));
                Account::measured(&counter.name, counter.scope, joules)
            }
            _ => Account::estimated(Range::exact(at_work.as_secs_f64()), threads),
        }
    }
}

fn text(place: &Path, file: &str) -> Option<String> {
    fs::read_to_string(place.join(file)).ok().map(|text| text.trim().to_owned())
}

fn number(place: &Path, file: &str) -> Option<u64> {
    text(place, file)?.parse().ok()
}
