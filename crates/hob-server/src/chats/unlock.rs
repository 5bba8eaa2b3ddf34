//! `POST /hob/v1/chats/unlock`: opens encrypted conversations with a passphrase.

use crate::described::described;
use crate::problem::{Kind, Problem};
use crate::{App, clock, limits, wire};
use axum::response::Response;
use hob_chats::{Error, LockedBy, Protection, Secret};
use serde_json::Value;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

described! {
    /// What opens conversations.
    pub struct UnlockWanted {
        /// The passphrase.
        passphrase: String,
    }

    /// Conversations that are open.
    pub struct Unlocked {
        /// Always true; what is not opened is told as a problem.
        unlocked: bool,
    }
}

/// How often it was tried in vain, and when it may be tried again. Held while one is tried: each try takes the time that makes
/// guessing slow, and many at once would take all processors.
#[derive(Default)]
pub struct Tries {
    count: u32,
    next: Duration,
}

impl Tries {
    /// # Errors
    /// It was wrong a moment ago.
    fn begin(&self, now: Duration) -> Result<(), Problem> {
        let Some(wait) = self.next.checked_sub(now).filter(|wait| !wait.is_zero()) else { return Ok(()) };
        let seconds = wait.as_secs() + 1;
        let message =
            format!("the passphrase was wrong {} times; try again in {seconds} seconds", self.count);
        Err(Problem::new(Kind::Spent, message).code("too_many_tries").after(seconds))
    }

    /// After a few mistakes, each further one takes twice the time.
    fn failed(&mut self, now: Duration) {
        self.count = self.count.saturating_add(1);
        let doublings = self.count.saturating_sub(limits::UNLOCK_TRIES);
        if doublings > 0 {
            let wait = Duration::from_secs(1 << doublings.min(10));
            self.next = now + wait.min(limits::UNLOCK_PAUSE_MAX);
        }
    }
}

/// Opens them.
pub async fn unlock(app: App, body: Value) -> Result<Response, Problem> {
    if !app.chats.is_private {
        let message = "a passphrase is taken from this machine only, or over HTTPS; start with --tls, or unlock where Hob runs";
        return Err(Problem::new(Kind::Forbidden, message).code("not_private"));
    }
    let Some(passphrase) = body["passphrase"].as_str() else {
        return Err(Problem::invalid("passphrase", "passphrase: expected a text"));
    };
    if passphrase.len() > hob_chats::limits::PASSPHRASE_BYTES_MAX {
        return Err(Problem::invalid("passphrase", "passphrase: expected a shorter one"));
    }
    let (secret, desk) = (Secret::passphrase(passphrase), app.chats.clone());
    super::work(&app, move |chats| {
        let mut tries = guard(&desk.tries);
        if let Err(problem) = tries.begin(clock::now()) {
            return Ok(Err(problem));
        }
        match chats.protection()? {
            Protection::Open | Protection::Sealed { is_unlocked: true, .. } => return Ok(Ok(())),
            Protection::Sealed { by: LockedBy::Passphrase, .. } => {}
            Protection::Sealed { by, .. } => {
                let message = format!(
                    "{by} opens the conversations, and no passphrase; start Hob again with it at hand"
                );
                return Ok(Err(Problem::new(Kind::Conflict, message).code("no_passphrase")));
            }
        }
        match chats.unlock(&secret) {
            Ok(()) => *tries = Tries::default(),
            Err(Error::WrongSecret { .. }) => {
                tries.failed(clock::now());
                let message = "that is not the passphrase; nothing was changed";
                return Ok(Err(Problem::new(Kind::Forbidden, message).code("wrong_passphrase")));
            }
            Err(error) => return Err(error),
        }
        Ok(Ok(()))
    })
    .await??;
    Ok(wire::answer(&Unlocked { unlocked: true }))
}

fn guard(tries: &Mutex<Tries>) -> MutexGuard<'_, Tries> {
    tries.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_take_longer_and_longer_up_to_a_limit() {
        let mut tries = Tries::default();
        let mut now = Duration::from_secs(100);
        for _ in 0..limits::UNLOCK_TRIES {
            tries.failed(now);
            assert!(tries.begin(now).is_ok());
        }
        let mut waits = Vec::new();
        for _ in 0..12 {
            tries.failed(now);
            let problem = tries.begin(now).unwrap_err();
            assert_eq!((problem.kind, problem.code), (Kind::Spent, Some("too_many_tries")));
            waits.push(tries.next - now);
            now = tries.next;
            assert!(tries.begin(now).is_ok());
        }
        assert!(waits.is_sorted() && waits[0] == Duration::from_secs(2));
        assert_eq!(waits.last(), Some(&limits::UNLOCK_PAUSE_MAX));
    }
}
