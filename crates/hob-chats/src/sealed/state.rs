//! `chats.key`: which file holds the conversations, and the wrapped key of its pages.
//!
//! Each change of it is one rename, and that is what turns encryption on or off: before it the old file counts, after it the
//! new one. Without this file the conversations lie open in `chats.db`. What a change leaves behind is listed in it until it is
//! gone, so that whoever comes after a kill finishes that.

use super::cipher::KeyId;
use crate::{Error, file};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file of conversations that are not encrypted.
pub(crate) const OPEN_FILE: &str = "chats.db";
const NAME: &str = "chats.key";
const FORM: u32 = 1;
/// More than this file can ever need.
const BYTES_MAX: u64 = 64 << 10;
/// How often it is read before it makes no sense.
const READS: u32 = 4;
/// How long to wait between them.
const PAUSE: Duration = Duration::from_millis(5);

/// What the key of the pages is wrapped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LockedBy {
    /// A passphrase.
    Passphrase,
    /// A key in the keyring of the system.
    Keyring,
    /// A key in a file elsewhere.
    File,
}

impl fmt::Display for LockedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passphrase => "a passphrase",
            Self::Keyring => "a key in the system's keyring",
            Self::File => "a key in a file",
        })
    }
}

/// The same, with where the key is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Wrapping {
    /// A passphrase.
    Passphrase,
    /// A key in the keyring of the system.
    Keyring {
        /// What the entry is called.
        account: String,
    },
    /// A key in a file.
    File {
        /// Where it was when encryption was turned on.
        path: PathBuf,
    },
}

/// A wrapped key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seal {
    /// Which key it is, as the file of conversations says too.
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) wrapping: Wrapping,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) salt: String,
    #[serde(default)]
    pub(crate) rounds: u32,
    pub(crate) wrapped: String,
}

impl Seal {
    pub(crate) fn by(&self) -> LockedBy {
        match self.wrapping {
            Wrapping::Passphrase => LockedBy::Passphrase,
            Wrapping::Keyring { .. } => LockedBy::Keyring,
            Wrapping::File { .. } => LockedBy::File,
        }
    }
}

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Which form of this file it is.
    pub(crate) form: u32,
    /// The file of conversations, in the same folder.
    pub(crate) file: String,
    /// Its key, if it is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seal: Option<Seal>,
    /// Files that a change has left behind or was making, and that have to go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) leftovers: Vec<String>,
}

impl State {
    /// Conversations that were never encrypted.
    pub(crate) fn open() -> Self {
        Self { form: FORM, file: OPEN_FILE.into(), seal: None, leftovers: Vec::new() }
    }

    /// Where it lies.
    pub(crate) fn path(folder: &Path) -> PathBuf {
        folder.join(NAME)
    }

    /// The file of conversations that a key belongs to.
    pub(crate) fn sealed_file(id: KeyId) -> String {
        format!("chats-{id}.db")
    }

    /// What is said in this folder.
    ///
    /// # Errors
    /// [`Error::KeyFile`] for one that makes no sense, [`Error::NoKeyFile`] where sealed conversations lie without it.
    pub(crate) fn read(folder: &Path) -> Result<Self, Error> {
        for _ in 1..READS {
            match Self::read_once(folder) {
                // Whoever replaces it overwrites the one before, which may be the one that was opened here.
                Err(Error::KeyFile { .. }) => std::thread::sleep(PAUSE),
                read => return read,
            }
        }
        Self::read_once(folder)
    }

    fn read_once(folder: &Path) -> Result<Self, Error> {
        let path = Self::path(folder);
        let mut text = String::new();
        match File::open(&path) {
            Ok(file) => match file.take(BYTES_MAX).read_to_string(&mut text) {
                Ok(_) => Self::parse(&path, &text),
                Err(e) if e.kind() == ErrorKind::InvalidData => Err(Error::key_file(&path, "UTF-8")),
                Err(e) => Err(Error::io(&path, "read", e)),
            },
            Err(e) if e.kind() == ErrorKind::NotFound => Self::without(folder),
            Err(e) => Err(Error::io(&path, "open", e)),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let state: Self = serde_json::from_str(text).map_err(|error| Error::KeyFile {
            path: path.to_path_buf(),
            expected: "what Hob writes there",
            found: error.to_string(),
        })?;
        if state.form > FORM {
            return Err(Error::Newer {
                path: path.to_path_buf(),
                found: state.form.into(),
                known: FORM.into(),
            });
        }
        if !std::iter::once(&state.file).chain(&state.leftovers).all(|name| is_ours(name)) {
            return Err(Error::key_file(path, "names of files of conversations"));
        }
        Ok(state)
    }

    /// Nothing would be worse than new conversations in the clear beside encrypted ones whose key was moved away.
    fn without(folder: &Path) -> Result<Self, Error> {
        if !folder.join(OPEN_FILE).exists()
            && let Ok(entries) = fs::read_dir(folder)
            && let Some(sealed) =
                entries.flatten().find(|entry| is_sealed(&entry.file_name().to_string_lossy()))
        {
            return Err(Error::NoKeyFile { path: Self::path(folder), sealed: sealed.path() });
        }
        Ok(Self::open())
    }

    /// Writes it: all of it, or nothing and an error. Once it has its name it counts, whatever goes wrong after that.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), Error> {
        self.replace(folder).map(drop)
    }

    /// The same; inside is whether it is on the disk and the one before overwritten.
    pub(crate) fn replace(&self, folder: &Path) -> Result<Result<(), Error>, Error> {
        let path = Self::path(folder);
        let text = serde_json::to_string_pretty(self).expect("texts and numbers have no errors of their own");
        let beside = path.with_extension("key.new");
        let written = file::private().create(true).truncate(true).open(&beside).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|e| Error::io(&beside, "write", e))?;
        let before = OpenOptions::new().write(true).open(&path).ok();
        fs::rename(&beside, &path).map_err(|e| Error::io(&path, "replace", e))?;
        // Only then: a power cut could bring back the one before, which must be whole. And then at once: a key that was
        // wrapped by an old passphrase should not wait for whoever finds that out.
        Ok(sync_folder(folder).and_then(|()| {
            before.map_or(Ok(()), |file| blot(&file).map_err(|e| Error::io(&path, "overwrite", e)))
        }))
    }

    /// Takes it away, where it says nothing that its absence doesn't.
    pub(crate) fn remove(folder: &Path) -> Result<(), Error> {
        let path = Self::path(folder);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io(&path, "remove", e)),
            _ => sync_folder(folder),
        }
    }
}

/// Overwrites a file in its place. Journals of file systems, flash memory and backups may still have what was there.
pub(crate) fn blot(mut file: &File) -> std::io::Result<()> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    let mut left = file.metadata()?.len();
    while left > 0 {
        let count = left.min(ZEROS.len() as u64);
        file.write_all(&ZEROS[..usize::try_from(count).unwrap_or(ZEROS.len())])?;
        left -= count;
    }
    file.sync_all()
}

/// Puts names on the disk: a file that was renamed could lie under its old one after a power cut.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), Error> {
    #[cfg(unix)]
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|e| Error::io(folder, "sync", e))?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// Whether a name is one that files of conversations have; names in the file may come from anywhere.
fn is_ours(name: &str) -> bool {
    name == OPEN_FILE || is_sealed(name)
}

fn is_sealed(name: &str) -> bool {
    let id = name.strip_prefix("chats-").and_then(|rest| rest.strip_suffix(".db"));
    id.and_then(KeyId::parse).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_makes_no_sense_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(State::read(folder.path()).unwrap(), State::open());
        let name = State::sealed_file(KeyId([0xab; 8]));
        let seal = Seal {
            id: KeyId([0xab; 8]).to_string(),
            wrapping: Wrapping::Keyring { account: "x".into() },
            salt: String::new(),
            rounds: 0,
            wrapped: "00".into(),
        };
        let state = State {
            file: name.clone(),
            seal: Some(seal),
            leftovers: vec![OPEN_FILE.into()],
            ..State::open()
        };
        state.write(folder.path()).unwrap();
        state.write(folder.path()).unwrap();
        assert_eq!(State::read(folder.path()).unwrap(), state);
        let path = State::path(folder.path());
        let text = fs::read_to_string(&path).unwrap();
        for wrong in [
            text.replace(&name, "../../etc/passwd"),
            text.replace("chats.db", "other.db"),
            text.replace("\"form\"", "\"from\""),
            text.replace("keyring", "magic"),
            String::new(),
        ] {
            fs::write(&path, wrong).unwrap();
            assert!(matches!(State::read(folder.path()), Err(Error::KeyFile { .. })));
        }
        fs::write(&path, text.replace("\"form\": 1", "\"form\": 2")).unwrap();
        assert!(matches!(State::read(folder.path()), Err(Error::Newer { .. })));
        State::remove(folder.path()).unwrap();
        fs::write(folder.path().join(&name), "").unwrap();
        assert!(matches!(State::read(folder.path()), Err(Error::NoKeyFile { .. })));
    }
}
