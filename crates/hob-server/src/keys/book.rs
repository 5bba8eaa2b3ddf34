//! The file of keys: what each may do, and a digest instead of its text.
#![allow(clippy::disallowed_methods, reason = "the file of keys is the server's own configuration")]

use super::Scope;
use hob_format::{AtomicFile, Commit};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Keys of a file.
const KEYS_MAX: usize = 256;
/// Bytes of the file.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Letters of a key's name.
const NAME_MAX: usize = 64;
/// Models that a key can be limited to.
const MODELS_MAX: usize = 64;
/// The form of the file that is written, and the newest that is read.
const VERSION: u32 = 1;
/// Letters and digits of keys: those that are mistaken for others are left out. 32 of 32 make 160 bits.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Why keys cannot be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The system says no.
    #[error("{}: cannot {what} the keys: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// What is in the file is no list of keys.
    #[error("{}: {reason}; put the file away and make the keys anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Others could have put keys into the file.
    #[error("{}: other users may write this file, so nothing in it is trusted; chmod 600 it", path.display())]
    Writable {
        /// The file.
        path: PathBuf,
    },
    /// What is wanted cannot be.
    #[error("{field}: {reason}")]
    Wish {
        /// The part concerned.
        field: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// There is a key of that name.
    #[error("there is a key {name:?} already; take another name, or remove that one")]
    Taken {
        /// The name.
        name: String,
    },
    /// There is none.
    #[error("there is no key {name:?}; `hob key list` shows those that are there")]
    Unknown {
        /// As it was asked for.
        name: String,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers, so no key can be made")]
    Random,
}

/// A key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    /// Its name for programs.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// SHA-256 of its text, in hexadecimal.
    digest: String,
    /// When it was made, in seconds since 1970.
    pub created_at: i64,
    /// When it ends.
    pub expires_at: Option<i64>,
    /// The models it may ask; all when empty.
    pub models: Vec<String>,
    /// What it opens.
    pub scopes: Vec<Scope>,
    /// Whether what is asked with it may be sent to a model elsewhere.
    pub cloud: bool,
    /// Whether what is asked with it must never leave this machine, whatever else is allowed.
    pub private: bool,
    /// Tokens of prompts and answers that it may use in a day.
    pub tokens_per_day: Option<u64>,
}

/// A key that is to be made.
#[derive(Clone, Debug)]
pub struct KeyWish {
    /// Its name for people.
    pub name: String,
    /// When it ends, in seconds since 1970.
    pub expires_at: Option<i64>,
    /// The models it may ask; all when empty.
    pub models: Vec<String>,
    /// What it opens.
    pub scopes: Vec<Scope>,
    /// Whether what is asked with it may be sent to a model elsewhere.
    pub cloud: bool,
    /// Whether what is asked with it must never leave this machine.
    pub private: bool,
    /// Tokens of prompts and answers that it may use in a day.
    pub tokens_per_day: Option<u64>,
}

impl KeyEntry {
    /// Whether its time has passed at `now`, in seconds since 1970.
    pub fn is_expired(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|end| now >= end)
    }

    /// Whether it opens this part of the server.
    pub fn opens(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    pub(super) fn digest(&self) -> Option<[u8; 32]> {
        let mut bytes = [0; 32];
        if self.digest.len() != 64 || !self.digest.is_ascii() {
            return None;
        }
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&self.digest[at..at + 2], 16).ok()?;
        }
        Some(bytes)
    }
}

#[derive(Serialize, Deserialize)]
struct Content {
    version: u32,
    keys: Vec<KeyEntry>,
}

/// The file of keys.
#[derive(Clone, Debug)]
pub struct KeyBook {
    path: PathBuf,
}

/// A file as the system tells it apart from its earlier states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: Option<std::time::SystemTime>,
    bytes: u64,
    file: u64,
}

impl KeyBook {
    /// The keys of a data directory.
    pub fn in_data(data: &Path) -> Self {
        Self { path: data.join("keys.json") }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The state of the file; nothing where there is none.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        let meta = std::fs::metadata(&self.path).ok()?;
        #[cfg(unix)]
        let file = std::os::unix::fs::MetadataExt::ino(&meta);
        #[cfg(not(unix))]
        let file = 0;
        Some(Stamp { modified: meta.modified().ok(), bytes: meta.len(), file })
    }

    /// All keys, oldest first.
    ///
    /// # Errors
    /// The file cannot be read, is none, or others may write it.
    pub fn list(&self) -> Result<Vec<KeyEntry>, KeyError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(self.io("read", source)),
        };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = file.metadata().map_err(|source| self.io("read", source))?.permissions().mode();
            if mode & 0o022 != 0 {
                return Err(KeyError::Writable { path: self.path.clone() });
            }
        }
        let mut text = String::new();
        let read = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
        read.map_err(|source| self.io("read", source))?;
        let damaged = |reason: String| KeyError::Damaged { path: self.path.clone(), reason };
        let content: Content = serde_json::from_str(&text)
            .map_err(|error| damaged(format!("expected a list of keys, found something else ({error})")))?;
        if content.version > VERSION {
            return Err(damaged(format!("a newer Hob wrote it (form {})", content.version)));
        }
        if let Some(bad) = content.keys.iter().find(|key| key.digest().is_none()) {
            return Err(damaged(format!("the digest of {:?} is none", bad.name)));
        }
        Ok(content.keys)
    }

    /// Makes a key. Its text is given once and kept nowhere.
    ///
    /// # Errors
    /// Those of [`KeyBook::list`], a name that is taken or none, and what the system refuses.
    pub fn add(&self, wish: KeyWish, now: i64) -> Result<(KeyEntry, String), KeyError> {
        wish.check(now)?;
        let _alone = self.lock()?;
        let mut keys = self.list()?;
        if keys.iter().any(|key| is_alike(&key.name, &wish.name)) {
            return Err(KeyError::Taken { name: wish.name });
        }
        if keys.len() >= KEYS_MAX {
            let reason = format!("there are {KEYS_MAX} keys already; remove one");
            return Err(KeyError::Wish { field: "name", reason });
        }
        let text = format!("hob-{}", letters()?);
        let mut scopes = wish.scopes;
        scopes.sort_unstable();
        scopes.dedup();
        let entry = KeyEntry {
            id: format!("key_{}", &letters()?[..12]),
            name: wish.name,
            digest: crate::ids::hex(&Sha256::digest(text.as_bytes())),
            created_at: now,
            expires_at: wish.expires_at,
            models: wish.models,
            scopes,
            cloud: wish.cloud,
            private: wish.private,
            tokens_per_day: wish.tokens_per_day,
        };
        keys.push(entry.clone());
        self.write(keys)?;
        Ok((entry, text))
    }

    /// Removes a key by its name or its id; it opens nothing from then on.
    ///
    /// # Errors
    /// Those of [`KeyBook::list`], and [`KeyError::Unknown`].
    pub fn remove(&self, name: &str) -> Result<KeyEntry, KeyError> {
        let _alone = self.lock()?;
        let mut keys = self.list()?;
        let at = keys.iter().position(|key| key.id == name || is_alike(&key.name, name));
        let at = at.ok_or_else(|| KeyError::Unknown { name: name.chars().take(NAME_MAX).collect() })?;
        let gone = keys.remove(at);
        self.write(keys)?;
        Ok(gone)
    }

    /// Two programs that change the file wait for each other.
    fn lock(&self) -> Result<File, KeyError> {
        let lock = || {
            std::fs::create_dir_all(self.path.parent().unwrap_or(Path::new(".")))?;
            let mut options = File::options();
            options.create(true).truncate(false).write(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = options.open(self.path.with_extension("lock"))?;
            file.lock()?;
            Ok(file)
        };
        lock().map_err(|source| self.io("lock", source))
    }

    fn write(&self, keys: Vec<KeyEntry>) -> Result<(), KeyError> {
        let text = serde_json::to_string_pretty(&Content { version: VERSION, keys });
        let text = text.map_err(|error| self.io("write", io::Error::other(error)))? + "\n";
        write_private(&self.path, &text).map_err(|source| self.io("write", source))
    }

    fn io(&self, what: &'static str, source: io::Error) -> KeyError {
        KeyError::Io { path: self.path.clone(), what, source }
    }
}

/// Writes a file that appears whole and that nobody else may read.
///
/// # Errors
/// What the system refuses.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = AtomicFile::create_private(path).map_err(io::Error::other)?;
    file.write_all(text.as_bytes())?;
    file.commit()
}

fn is_alike(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// 32 letters that nobody can guess.
fn letters() -> Result<String, KeyError> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| KeyError::Random)?;
    Ok(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte & 31)])).collect())
}

impl KeyWish {
    fn check(&self, now: i64) -> Result<(), KeyError> {
        let wrong = |field, reason: &str| Err(KeyError::Wish { field, reason: reason.to_owned() });
        let is_plain = |name: &str, most: usize| {
            !name.trim().is_empty() && name.chars().count() <= most && !name.chars().any(char::is_control)
        };
        if !is_plain(&self.name, NAME_MAX) || self.name.trim() != self.name {
            return wrong("name", "expected 1 to 64 letters without blanks around them");
        }
        if self.scopes.is_empty() {
            return wrong("scopes", "a key that opens nothing is of no use; name at least one");
        }
        if self.models.len() > MODELS_MAX || !self.models.iter().all(|name| is_plain(name, 512)) {
            return wrong("models", "expected at most 64 names of models");
        }
        if self.expires_at.is_some_and(|end| end <= now) {
            return wrong("expires", "expected a moment that is still to come");
        }
        if self.tokens_per_day == Some(0) {
            return wrong("tokens_per_day", "expected at least 1; leave it out for no limit");
        }
        if self.cloud && self.private {
            return wrong("private", "a private key never reaches a model elsewhere; leave `cloud` out");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn wish(name: &str) -> KeyWish {
        KeyWish {
            name: name.into(),
            expires_at: None,
            models: Vec::new(),
            scopes: Scope::DEFAULT.to_vec(),
            cloud: false,
            private: false,
            tokens_per_day: None,
        }
    }

    #[test]
    fn keys_come_and_go_and_their_texts_are_not_kept() {
        let data = tempfile::tempdir().unwrap();
        let book = KeyBook::in_data(&data.path().join("new"));
        assert_eq!(book.list().unwrap(), []);
        let (entry, text) = book.add(wish("phone"), 10).unwrap();
        let (_, other) = book.add(KeyWish { private: true, ..wish("tablet") }, 11).unwrap();
        assert!(text.starts_with("hob-") && text.len() == 36 && text != other);
        let written = std::fs::read_to_string(book.path()).unwrap();
        assert!(!written.contains(&text) && !written.contains(&text[4..]));
        assert_eq!(book.list().unwrap()[0], entry);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            for name in ["keys.json", "keys.lock"] {
                let mode = std::fs::metadata(book.path().with_file_name(name)).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600, "{name}");
            }
        }
        assert!(matches!(book.add(wish("Phone"), 12), Err(KeyError::Taken { .. })));
        assert_eq!(book.remove("PHONE").unwrap(), entry);
        assert!(matches!(book.remove("phone"), Err(KeyError::Unknown { .. })));
        assert_eq!(book.list().unwrap().len(), 1);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let data = tempfile::tempdir().unwrap();
        let book = KeyBook::in_data(data.path());
        for (field, bad) in [
            ("name", wish("")),
            ("name", wish(" phone")),
            ("name", wish("a\nb")),
            ("name", wish(&"x".repeat(65))),
            ("scopes", KeyWish { scopes: Vec::new(), ..wish("a") }),
            ("expires", KeyWish { expires_at: Some(10), ..wish("a") }),
            ("tokens_per_day", KeyWish { tokens_per_day: Some(0), ..wish("a") }),
            ("private", KeyWish { cloud: true, private: true, ..wish("a") }),
            ("models", KeyWish { models: vec!["\u{1b}".into()], ..wish("a") }),
        ] {
            let error = book.add(bad, 10).unwrap_err();
            assert!(matches!(error, KeyError::Wish { field: found, .. } if found == field), "{error}");
        }
        assert!(!book.path().exists());
    }

    #[test]
    fn files_that_are_none_open_nothing() {
        let data = tempfile::tempdir().unwrap();
        let book = KeyBook::in_data(data.path());
        book.add(wish("phone"), 10).unwrap();
        let good = std::fs::read_to_string(book.path()).unwrap();
        let bad = [
            String::new(),
            "[]".into(),
            good[..good.len() / 2].into(),
            good.replace("\"version\": 1", "\"version\": 9"),
            good.replace("\"digest\": \"", "\"digest\": \"ä"),
            good.replace("\"chat\"", "\"everything\""),
        ];
        for text in bad {
            write_private(book.path(), &text).unwrap();
            assert!(matches!(book.list(), Err(KeyError::Damaged { .. })), "{text}");
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            write_private(book.path(), &good).unwrap();
            std::fs::set_permissions(book.path(), std::fs::Permissions::from_mode(0o666)).unwrap();
            assert!(matches!(book.list(), Err(KeyError::Writable { .. })));
        }
    }
}
