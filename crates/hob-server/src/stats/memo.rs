//! What was added up before: only conversations that changed and entries of the ledger that are new are read for the next look.

use super::{Days, Left, Power};
use crate::clock;
use hob_chats::{Changes, Id, Stand};
use hob_cloud::{Cloud, Error};
use hob_egress::Place;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Sums of all days, kept as long as the server runs. They say how many, never what.
#[derive(Default)]
pub struct Memo {
    answers: Mutex<BTreeMap<Id, (Stand, Days)>>,
    left: Mutex<(Place, Left)>,
}

impl Memo {
    /// What is known of conversations, for who looks which of them have changed.
    pub fn stands(&self) -> BTreeMap<Id, (Stand, ())> {
        self.answers().iter().map(|(id, (stand, _))| (id.clone(), (*stand, ()))).collect()
    }

    /// Takes in what has changed, and adds what there is from the day `first` on to `days`.
    pub fn answers_since(&self, first: &str, changes: Changes, power: Power, days: &mut Days) {
        let mut answers = self.answers();
        for id in changes.gone {
            answers.remove(&id);
        }
        for (id, stand, taken) in changes.changed {
            let mut own = Days::default();
            taken.iter().for_each(|one| own.answer(&clock::day_of(one.created), &one.stats, power));
            answers.insert(id, (stand, own));
        }
        for (_, own) in answers.values() {
            own.days.range(first.to_owned()..).for_each(|(day, tally)| days.add(day, tally));
        }
    }

    /// What left from the day `first` on. A ledger that is not the one that was read before is read from its beginning.
    ///
    /// # Errors
    /// It is not whole.
    pub fn left_since(&self, first: &str, cloud: &Cloud) -> Result<Left, Error> {
        let mut known = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let read = |(place, left): &mut (Place, Left)| {
            cloud.ledger_on(place, &mut |entry, _| left.entry(entry, &|ms| Some(clock::day_of(ms))))
        };
        if read(&mut known).is_err() {
            let mut anew = Default::default();
            let again = read(&mut anew);
            // What is not whole is read from its beginning the next time as well.
            *known = if again.is_ok() { anew } else { Default::default() };
            again?;
        }
        Ok(known.1.since(first))
    }

    fn answers(&self) -> MutexGuard<'_, BTreeMap<Id, (Stand, Days)>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
