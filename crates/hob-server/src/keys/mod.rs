//! API keys: kept as digests, compared without telling by the time it takes how close a guess was. Those that the server was
//! started with open everything; those of the file (`book.rs`) open what it says of them, and are read anew when it changes.

mod book;
mod native;
mod scope;
mod spending;

pub use book::{KeyBook, KeyEntry, KeyError, KeyWish, write_private};
pub use native::{KeyMade, KeyRemoved, KeyWanted, KeysReport, create, list, remove};
pub use scope::Scope;

use crate::clock;
use crate::problem::{Kind, Problem};
use axum::http::{HeaderMap, header};
use book::Stamp;
use sha2::{Digest, Sha256};
use spending::Spending;
use std::sync::{Arc, Mutex, PoisonError};

/// The keys that open the server; without any it is open to this machine.
#[derive(Clone, Default)]
pub struct Keys {
    digests: Vec<[u8; 32]>,
    kept: Option<Arc<Kept>>,
    is_required: bool,
}

/// The keys of the file, as they were read last.
struct Kept {
    book: KeyBook,
    read: Mutex<Read>,
    spending: Spending,
    notice: fn(&str),
}

#[derive(Default)]
struct Read {
    stamp: Option<Stamp>,
    entries: Vec<Arc<KeyEntry>>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("count", &self.digests.len()).finish_non_exhaustive()
    }
}

impl Keys {
    /// Takes keys in; their text is not kept. Blank ones are left out.
    pub fn new<T: AsRef<str>>(keys: impl IntoIterator<Item = T>) -> Self {
        let keys = keys.into_iter();
        let digests =
            keys.filter(|key| !key.as_ref().trim().is_empty()).map(|key| digest(key.as_ref().trim()));
        Self { digests: digests.collect(), kept: None, is_required: false }
    }

    /// The same with the keys of a file. `notice` is told when it cannot be read; its keys open nothing then.
    pub fn with_book(self, book: KeyBook, notice: fn(&str)) -> Self {
        let spending = Spending::at(book.path().with_file_name("keys-spent.json"));
        let kept = Kept { book, read: Mutex::default(), spending, notice };
        Self { kept: Some(Arc::new(kept)), ..self }
    }

    /// The same, and nobody comes in without one.
    pub fn required(self) -> Self {
        Self { is_required: true, ..self }
    }

    /// Whether no key opens the server, so that nobody could come in where one is needed.
    pub fn is_empty(&self) -> bool {
        let now = clock::unix();
        let has_kept =
            || self.kept().is_some_and(|kept| kept.entries().iter().any(|key| !key.is_expired(now)));
        self.digests.is_empty() && !has_kept()
    }

    /// Whether a request needs a key. Keys of the file alone close nothing on this machine: its user would have to hold one
    /// to see the page.
    pub fn is_needed(&self) -> bool {
        self.is_required || !self.digests.is_empty()
    }

    /// The file of keys, if there is one.
    pub fn book(&self) -> Option<&KeyBook> {
        self.kept.as_ref().map(|kept| &kept.book)
    }

    fn kept(&self) -> Option<&Kept> {
        self.kept.as_deref()
    }

    /// Who comes with these headers: the key of the file, if it is one of those.
    ///
    /// # Errors
    /// There is no key where one is needed, or its time has passed.
    pub fn admit(&self, headers: &HeaderMap) -> Result<Option<Arc<KeyEntry>>, Problem> {
        let given = given(headers).map(digest);
        if given.is_some_and(|given| is_among(self.digests.iter(), &given)) {
            return Ok(None);
        }
        let entry = given.and_then(|given| self.kept()?.find(&given));
        match entry {
            Some(entry) if entry.is_expired(clock::unix()) => {
                let message = "this key has expired; ask whoever runs the server for another";
                Err(Problem::new(Kind::Unauthorized, message).code("expired_api_key"))
            }
            Some(entry) => Ok(Some(entry)),
            None if !self.is_needed() => Ok(None),
            None => {
                let message = "this server wants an API key: Authorization: Bearer KEY, or x-api-key: KEY";
                Err(Problem::new(Kind::Unauthorized, message).code("invalid_api_key"))
            }
        }
    }

    /// Tokens that a key has used today.
    pub fn spent(&self, key: &KeyEntry) -> u64 {
        self.kept().map_or(0, |kept| kept.spending.of(&key.id, clock::unix()))
    }

    /// A key has used some.
    pub fn spend(&self, key: &KeyEntry, tokens: u64) {
        if let Some(kept) = self.kept() {
            kept.spending.add(&key.id, tokens, clock::unix());
        }
    }

    /// # Errors
    /// The key has used what it may in a day.
    pub fn check_budget(&self, key: &KeyEntry) -> Result<(), Problem> {
        let Some(budget) = key.tokens_per_day else { return Ok(()) };
        if self.spent(key) < budget {
            return Ok(());
        }
        let message =
            format!("this key may use {budget} tokens a day and has; the next day begins at 00:00 UTC");
        let seconds = spending::until_midnight(clock::unix());
        Err(Problem::new(Kind::Spent, message).code("insufficient_quota").after(seconds))
    }

    /// Writes what was used, if anything was.
    pub fn save(&self) {
        self.kept().into_iter().for_each(|kept| kept.spending.save());
    }
}

impl Kept {
    /// The keys; the file is read anew if it is another than last time.
    fn entries(&self) -> Vec<Arc<KeyEntry>> {
        let stamp = self.book.stamp();
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.stamp != stamp {
            read.entries = match self.book.list() {
                Ok(list) => list.into_iter().map(Arc::new).collect(),
                Err(error) => {
                    (self.notice)(&format!("{error}; its keys open nothing"));
                    Vec::new()
                }
            };
            read.stamp = stamp;
        }
        read.entries.clone()
    }

    fn find(&self, given: &[u8; 32]) -> Option<Arc<KeyEntry>> {
        let entries = self.entries();
        // All are compared to their end, whichever fits.
        entries.iter().fold(None, |found, entry| {
            let is_it = entry.digest().is_some_and(|digest| is_same(&digest, given));
            if is_it { Some(Arc::clone(entry)) } else { found }
        })
    }
}

/// The key in `Authorization: Bearer` or in `x-api-key`.
fn given(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let bearer = text(header::AUTHORIZATION.as_str()).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    bearer.or_else(|| text("x-api-key"))
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

fn is_among<'d>(digests: impl Iterator<Item = &'d [u8; 32]>, given: &[u8; 32]) -> bool {
    digests.fold(false, |known, digest| known | is_same(digest, given))
}

fn is_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    std::hint::black_box(one.iter().zip(other).fold(0, |difference, (a, b)| difference | (a ^ b))) == 0
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may panic, and write what is damaged"
)]
mod tests {
    use super::*;

    fn with(keys: &Keys, name: &'static str, value: &str) -> Result<Option<Arc<KeyEntry>>, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        keys.admit(&headers)
    }

    #[test]
    fn only_the_right_key_opens() {
        let keys = Keys::new(["secret one", " two ", ""]);
        let with = |name, value| with(&keys, name, value).is_ok();
        assert!(with("authorization", "Bearer secret one") && with("authorization", "bearer two"));
        assert!(with("x-api-key", "two"));
        for (name, value) in [("authorization", "Bearer secret"), ("authorization", "two"), ("x-api-key", "")]
        {
            assert!(!with(name, value), "{name}: {value}");
        }
        assert!(keys.admit(&HeaderMap::new()).is_err() && Keys::default().admit(&HeaderMap::new()).is_ok());
        assert!(Keys::default().required().admit(&HeaderMap::new()).is_err());
        assert_eq!(format!("{keys:?}"), "Keys { count: 2, .. }");
    }

    #[test]
    fn keys_of_the_file_are_known_as_soon_as_they_are_there_and_no_longer() {
        let data = tempfile::tempdir().unwrap();
        let book = KeyBook::in_data(data.path());
        let keys = Keys::default().with_book(book.clone(), |_| {}).required();
        assert!(keys.is_empty());
        let wish = KeyWish {
            name: "phone".into(),
            expires_at: Some(clock::unix() + 1000),
            models: Vec::new(),
            scopes: vec![Scope::Chat],
            cloud: false,
            private: false,
            tokens_per_day: Some(10),
        };
        let (entry, text) = book.add(wish, 1).unwrap();
        assert_eq!(*with(&keys, "x-api-key", &text).unwrap().unwrap(), entry);
        assert!(!keys.is_empty() && with(&keys, "x-api-key", "hob-wrong").is_err());
        assert!(keys.check_budget(&entry).is_ok());
        keys.spend(&entry, 10);
        let problem = keys.check_budget(&entry).unwrap_err();
        assert_eq!((problem.kind, problem.code), (Kind::Spent, Some("insufficient_quota")));
        book.remove("phone").unwrap();
        assert!(keys.is_empty() && with(&keys, "x-api-key", &text).is_err());
        write_private(book.path(), "{").unwrap();
        assert!(keys.is_empty());
    }
}
