//! What can go wrong with conversations on their way to the disk and back.

use crate::Id;
use crate::limits::{ID_MAX, ID_MIN, TIME_MAX};
use crate::sealed::state::LockedBy;
use std::io;
use std::path::{Path, PathBuf};

/// Everything this crate reports.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No id.
    #[error("expected an id of {ID_MIN} to {ID_MAX} letters and digits, found {found:?}")]
    Id {
        /// What was given.
        found: String,
    },
    /// Something is too large or makes no sense.
    #[error("{field}: expected {expected}, found {found}")]
    Field {
        /// What it is about.
        field: &'static str,
        /// What would do.
        expected: String,
        /// What was given.
        found: String,
    },
    /// No such conversation.
    #[error("there is no conversation {id}; it may have been deleted elsewhere")]
    UnknownChat {
        /// What was asked for.
        id: String,
    },
    /// An abbreviated id that several conversations have.
    #[error("several conversations begin with {id}; give more of the id")]
    Ambiguous {
        /// What was asked for.
        id: String,
    },
    /// No such message.
    #[error("the conversation has no message {id}; it may have been deleted elsewhere")]
    UnknownMessage {
        /// What was asked for.
        id: Id,
    },
    /// A message follows one that is not there.
    #[error(
        "the message {id} follows {parent}, which the conversation does not have; it may have been deleted elsewhere"
    )]
    NoParent {
        /// The message.
        id: Id,
        /// What it says that it follows.
        parent: Id,
    },
    /// A message that is there already would change its place or its speaker.
    #[error(
        "the message {id} is there already, in another place or by another speaker; give the new one another id"
    )]
    Moved {
        /// The message.
        id: Id,
    },
    /// The conversation is full.
    #[error("the conversation has {max} messages, and no more are kept in one; begin a new one")]
    Full {
        /// How many are kept.
        max: usize,
    },
    /// The file cannot be read as one of conversations.
    #[error("{}: expected Hob's conversations, found a damaged file ({found}); it is left as it is. Move it away to begin anew, or put a copy in its place", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        found: String,
    },
    /// A database that is not Hob's.
    #[error("{}: expected Hob's conversations, found the database of another program; it is left as it is", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer Hob wrote it.
    #[error("{}: a newer Hob wrote this file (form {found}, and this version knows {known}); it is left as it is. Use that version, or a newer one", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its form.
        found: i64,
        /// The newest form that is known here.
        known: i64,
    },
    /// A link or a folder lies where the file should be.
    #[error("{}: expected a plain file, found something else; Hob writes through no links", .path.display())]
    NotOurs {
        /// Where.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{}: cannot {action}: {source}", .path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// Another process writes and does not come to an end.
    #[error("{}: another program is writing and does not come to an end; try again", .path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// No room on the disk.
    #[error("{}: the disk is full; what was kept before is safe, make room and try again", .path.display())]
    NoRoom {
        /// The file.
        path: PathBuf,
    },
    /// The file may not be written.
    #[error("{}: it cannot be written; check who may write there (`ls -l`)", .path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// Anything else that SQLite says.
    #[error("{}: {found}", .path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// The conversations are encrypted, and nobody has opened them.
    #[error("{}: the conversations are encrypted; {} opens them", .path.display(), .by)]
    Locked {
        /// The file that says so.
        path: PathBuf,
        /// What opens them.
        by: LockedBy,
    },
    /// It doesn't open them.
    #[error("{}: {}; nothing was changed, try again", .path.display(), wrong(*.by))]
    WrongSecret {
        /// The file with the wrapped key.
        path: PathBuf,
        /// What would open it.
        by: LockedBy,
    },
    /// The file with the wrapped key makes no sense.
    #[error("{}: expected {expected}, found {found}; it is left as it is. Put a copy of it in its place: without it encrypted conversations cannot be read", .path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What would do.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// Encrypted conversations without the file with their key.
    #[error("{}: expected the key of {}, found no such file; put it back, or move the encrypted conversations away to begin anew", .path.display(), .sealed.display())]
    NoKeyFile {
        /// Where it should be.
        path: PathBuf,
        /// What it opens.
        sealed: PathBuf,
    },
    /// They are encrypted already.
    #[error("{}: the conversations are encrypted already", .path.display())]
    IsSealed {
        /// The file that says so.
        path: PathBuf,
    },
    /// They are not encrypted.
    #[error("{}: the conversations are not encrypted", .path.display())]
    NotSealed {
        /// The file that would say so.
        path: PathBuf,
    },
    /// A file lies where a new one has to be made.
    #[error("{}: expected no file here, found one that isn't used; move it away and try again", .path.display())]
    InTheWay {
        /// The file.
        path: PathBuf,
    },
    /// What was written anew is not what was there before.
    #[error("{}: the new file doesn't hold what the old one does ({found}); the old one is kept", .path.display())]
    Unequal {
        /// The new file.
        path: PathBuf,
        /// What differs.
        found: String,
    },
    /// The system has no random numbers to give.
    #[error("the system gives no random numbers; no key can be made")]
    NoRandom,
    /// SQLite takes no VFS.
    #[error("SQLite has no files of its own here; nothing can be encrypted")]
    NoVfs,
    /// A file that is no export, or breaks off.
    #[error("{found}; {}", taken_before(*.taken))]
    Import {
        /// What is wrong, and what to do.
        found: String,
        /// Conversations that were taken before.
        taken: u64,
    },
    /// What is exported cannot be written.
    #[error("the export cannot be written: {0}")]
    Export(#[from] io::Error),
}

fn taken_before(count: u64) -> String {
    match count {
        0 => "nothing was imported".into(),
        1 => "one conversation before it was imported".into(),
        count => format!("{count} conversations before it were imported"),
    }
}

fn wrong(by: LockedBy) -> &'static str {
    match by {
        LockedBy::Passphrase => "that is not the passphrase",
        LockedBy::Keyring => "the key in the system's keyring is another one",
        LockedBy::File => "the key in that file is another one",
    }
}

impl Error {
    /// The file with the wrapped key is not as it should be.
    pub(crate) fn key_file(path: &Path, expected: &'static str) -> Self {
        Self::KeyFile { path: path.to_path_buf(), expected, found: "something else".into() }
    }

    /// An error of the file system at `path`.
    pub(crate) fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), action, source }
    }

    /// What SQLite says of the file at `path`.
    pub(crate) fn sqlite(path: &Path, error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let path = path.to_path_buf();
        let found = error.to_string();
        let code = match &error {
            rusqlite::Error::SqliteFailure(failure, _)
                if failure.extended_code == rusqlite::ffi::SQLITE_IOERR_DATA =>
            {
                let found = "a page is not what was written with this key".into();
                return Self::Damaged { path, found };
            }
            rusqlite::Error::SqliteFailure(failure, _) => Some(failure.code),
            // What was written here is always of the type that is expected; on the disk it has changed.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..) => Some(Code::DatabaseCorrupt),
            _ => None,
        };
        match code {
            Some(Code::DatabaseCorrupt | Code::NotADatabase) => Self::Damaged { path, found },
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => Self::Busy { path },
            Some(Code::DiskFull) => Self::NoRoom { path },
            Some(Code::ReadOnly | Code::PermissionDenied | Code::CannotOpen) => Self::ReadOnly { path },
            _ => Self::Sqlite { path, found },
        }
    }
}

/// Checks the length of a text.
pub(crate) fn bytes(field: &'static str, text: &str, max: usize) -> Result<(), Error> {
    if text.len() <= max {
        return Ok(());
    }
    Err(Error::Field { field, expected: format!("at most {max} bytes"), found: text.len().to_string() })
}

/// Checks that a number of milliseconds is one.
pub(crate) fn time(field: &'static str, value: i64) -> Result<(), Error> {
    if (0..=TIME_MAX).contains(&value) {
        return Ok(());
    }
    let expected = format!("milliseconds from 0 to {TIME_MAX}");
    Err(Error::Field { field, expected, found: value.to_string() })
}

/// Checks that numbers are such that JSON can hold.
pub(crate) fn finite(field: &'static str, values: &[f64]) -> Result<(), Error> {
    match values.iter().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(value) => {
            Err(Error::Field { field, expected: "finite numbers".into(), found: value.to_string() })
        }
    }
}
