//! Connections to the file: one for each thread that asks at a time, kept for the next.

use crate::{Error, file};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Connections that are kept open while nobody asks.
const IDLE_MAX: usize = 4;

/// The file and its connections.
#[derive(Debug)]
pub(crate) struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Open>>,
    /// Held by whoever writes: waiting in SQLite is less fair than waiting here.
    writing: Mutex<()>,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    /// The file behind it.
    file: Option<(u64, u64)>,
}

impl Pool {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default(), writing: Mutex::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads, from one state of the file. `None`: there is no file yet.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let Some(mut open) = self.take(false)? else { return Ok(None) };
        let told = |error| Error::sqlite(&self.path, error);
        let state = Transaction::new(&mut open.connection, TransactionBehavior::Deferred).map_err(told)?;
        let result = work(&state);
        drop(state);
        self.give_back(open, result.as_ref().err());
        result.map(Some)
    }

    /// Writes: everything that `work` does, or nothing. When this returns it is on the disk.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let _alone = guard(&self.writing);
        let told = |error| Error::sqlite(&self.path, error);
        let Some(mut open) = self.take(true)? else {
            return Err(Error::io(&self.path, "make", std::io::ErrorKind::NotFound.into()));
        };
        // Taking the right to write at the start: a reader that turns into a writer later could not wait.
        let change = Transaction::new(&mut open.connection, TransactionBehavior::Immediate).map_err(told)?;
        let result = work(&change).and_then(|value| change.commit().map(|()| value).map_err(told));
        self.give_back(open, result.as_ref().err());
        result
    }

    /// A connection by itself, for what has to happen outside of a transaction.
    pub(crate) fn bare<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let Some(open) = self.take(false)? else { return Ok(None) };
        let result = work(&open.connection);
        self.give_back(open, result.as_ref().err());
        result.map(Some)
    }

    fn take(&self, may_be_made: bool) -> Result<Option<Open>, Error> {
        let file = identity(&self.path);
        let kept = {
            let mut idle = guard(&self.idle);
            // Where somebody moved the file away, what was written through these would be gone with it.
            idle.retain(|open| open.file == file);
            idle.pop()
        };
        if kept.is_some() {
            return Ok(kept);
        }
        let opened = file::open(&self.path, may_be_made)?;
        Ok(opened.map(|connection| Open { connection, file: identity(&self.path) }))
    }

    fn give_back(&self, open: Open, error: Option<&Error>) {
        let is_sound = !matches!(error, Some(Error::Damaged { .. } | Error::Sqlite { .. }));
        let mut idle = guard(&self.idle);
        if is_sound && idle.len() < IDLE_MAX {
            idle.push(open);
        }
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked left a transaction that is taken back, or a list that is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What tells a file from another of the same name.
fn identity(path: &Path) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
    }
    // Elsewhere an open file cannot be moved away.
    #[cfg(not(unix))]
    path.exists().then_some((0, 0))
}
