//! The same question twice within a short while is sent once: programs ask again when a connection breaks, and pay twice.
//!
//! What is remembered are answers as they came, with placeholders. Two questions that differ in hidden values alone have the
//! same bytes; each is answered with its own.

use crate::protocol::Part;
use hob_egress::Hash;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long an answer is remembered: long enough for a program that asks again, too short for a person who wants another.
const KEPT: Duration = Duration::from_secs(60);
/// Answers that are remembered.
const KEPT_MAX: usize = 64;
/// Longest answer that is remembered, in parts.
pub(crate) const PARTS_MAX: usize = 65_536;
/// Longest wait for the same question that is under way.
const WAIT: Duration = Duration::from_secs(600);
/// How often who waits looks whether the answer is still wanted.
const LOOK: Duration = Duration::from_millis(250);

/// Target with its address, and digest of the body.
type Key = (String, Hash);

/// Answers of the last minute.
#[derive(Debug, Default)]
pub(crate) struct Twice {
    slots: Mutex<HashMap<Key, Slot>>,
    changed: Condvar,
}

#[derive(Debug)]
enum Slot {
    /// Somebody asks.
    Asking,
    /// This came.
    Known(Arc<[Part]>, Duration),
}

/// Whose turn it is.
pub(crate) enum Claim {
    /// Nobody knows it: the caller asks.
    Mine(Ticket),
    /// This is what came.
    Known(Arc<[Part]>),
    /// Nobody wants the answer any more.
    Unwanted,
}

/// The right to ask. When it is dropped without an answer, the next one gets it.
#[derive(Debug)]
pub(crate) struct Ticket {
    twice: Arc<Twice>,
    key: Key,
    is_done: bool,
}

impl Twice {
    fn slots(&self) -> MutexGuard<'_, HashMap<Key, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks whether the answer is known; waits while somebody else asks the same and as long as it is wanted.
    pub fn claim(self: &Arc<Self>, key: Key, clock: fn() -> Duration, wanted: &dyn Fn() -> bool) -> Claim {
        let end = clock() + WAIT;
        let mut slots = self.slots();
        loop {
            let now = clock();
            match slots.get(&key) {
                Some(Slot::Known(parts, at)) if now.saturating_sub(*at) < KEPT => {
                    return Claim::Known(Arc::clone(parts));
                }
                Some(Slot::Asking) if !wanted() => return Claim::Unwanted,
                Some(Slot::Asking) if now < end => {
                    let waited = self.changed.wait_timeout(slots, LOOK.min(end - now));
                    slots = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                _ => break,
            }
        }
        slots.insert(key.clone(), Slot::Asking);
        Claim::Mine(Ticket { twice: Arc::clone(self), key, is_done: false })
    }
}

impl Ticket {
    /// The answer is complete.
    pub fn keep(mut self, parts: Vec<Part>, now: Duration) {
        let mut slots = self.twice.slots();
        slots.retain(|_, slot| match slot {
            Slot::Known(_, at) => now.saturating_sub(*at) < KEPT,
            Slot::Asking => true,
        });
        if slots.len() > KEPT_MAX {
            let oldest = slots.iter().filter_map(|(key, slot)| match slot {
                Slot::Known(_, at) => Some((*at, key.clone())),
                Slot::Asking => None,
            });
            if let Some((_, key)) = oldest.min_by_key(|(at, _)| *at) {
                slots.remove(&key);
            }
        }
        slots.insert(self.key.clone(), Slot::Known(parts.into(), now));
        drop(slots);
        self.is_done = true;
        self.twice.changed.notify_all();
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.is_done {
            self.twice.slots().remove(&self.key);
            self.twice.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    static NOW: AtomicU64 = AtomicU64::new(0);

    fn clock() -> Duration {
        Duration::from_secs(NOW.load(Ordering::Relaxed))
    }

    #[test]
    fn an_answer_is_known_for_a_minute_and_a_failure_never() {
        let twice = Arc::<Twice>::default();
        let key = ("big".to_owned(), Hash::of(b"question"));
        let mine = |key: &Key| match twice.claim(key.clone(), clock, &|| true) {
            Claim::Mine(ticket) => Some(ticket),
            Claim::Known(_) | Claim::Unwanted => None,
        };
        drop(mine(&key).unwrap());
        mine(&key).unwrap().keep(vec![Part::Done], clock());
        assert!(mine(&key).is_none());
        assert!(mine(&("other".to_owned(), key.1)).is_some());
        NOW.store(61, Ordering::Relaxed);
        // Somebody asks and somebody else waits for the answer.
        let ticket = mine(&key).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope
                .spawn(|| matches!(twice.claim(key.clone(), clock, &|| true), Claim::Known(parts) if parts.len() == 2));
            // Whoever has gone waits for nothing.
            assert!(matches!(twice.claim(key.clone(), clock, &|| false), Claim::Unwanted));
            ticket.keep(vec![Part::Done, Part::Done], clock());
            assert!(waiting.join().unwrap());
        });
    }
}
