//! How many tokens each key has used today. The count outlives the server; what the last seconds before a crash added does not.
#![allow(clippy::disallowed_methods, reason = "the count beside the keys is the server's own")]

use super::book::write_private;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Seconds of a day; days begin at midnight, UTC.
const DAY: i64 = 86_400;

/// Tokens by key.
#[derive(Debug, Default)]
pub struct Spending {
    today: Mutex<Today>,
    path: PathBuf,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Today {
    day: i64,
    tokens: BTreeMap<String, u64>,
    #[serde(skip)]
    is_new: bool,
}

impl Spending {
    /// What is written there goes on. A count that cannot be read begins anew: it saves nobody's secrets.
    pub fn at(path: PathBuf) -> Self {
        let read = std::fs::read_to_string(&path).ok();
        let today = read.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Self { today: Mutex::new(today), path }
    }

    fn today(&self, now: i64) -> MutexGuard<'_, Today> {
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        let day = now.div_euclid(DAY);
        if today.day != day {
            *today = Today { day, tokens: BTreeMap::new(), is_new: true };
        }
        today
    }

    /// Tokens that a key has used on the day of `now`.
    pub fn of(&self, id: &str, now: i64) -> u64 {
        self.today(now).tokens.get(id).copied().unwrap_or(0)
    }

    /// A key used some.
    pub fn add(&self, id: &str, tokens: u64, now: i64) {
        let mut today = self.today(now);
        today.is_new = true;
        match today.tokens.get_mut(id) {
            Some(count) => *count = count.saturating_add(tokens),
            None => drop(today.tokens.insert(id.to_owned(), tokens)),
        }
    }

    /// Writes the count if it has changed. A disk that refuses loses it at the server's end; nobody is stopped for that.
    pub fn save(&self) {
        let text = {
            let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
            if !std::mem::take(&mut today.is_new) {
                return;
            }
            serde_json::to_string(&*today)
        };
        if let Ok(text) = text {
            let _ = write_private(&self.path, &text);
        }
    }
}

/// Seconds until budgets begin anew.
pub fn until_midnight(now: i64) -> u64 {
    DAY.saturating_sub(now.rem_euclid(DAY)).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_outlive_the_server_and_end_with_the_day() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("spent.json");
        let spending = Spending::at(path.clone());
        spending.add("a", 5, DAY * 3);
        spending.add("a", 6, DAY * 3 + 7);
        spending.save();
        let again = Spending::at(path.clone());
        assert_eq!((again.of("a", DAY * 4 - 1), again.of("b", DAY * 4 - 1)), (11, 0));
        assert_eq!(again.of("a", DAY * 4), 0);
        std::fs::write(&path, "{").unwrap();
        assert_eq!(Spending::at(path).of("a", DAY * 3), 0);
        assert_eq!((until_midnight(DAY * 3), until_midnight(DAY * 3 + 1)), (86_400, 86_399));
    }
}
