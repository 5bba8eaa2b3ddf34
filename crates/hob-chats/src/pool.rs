//! Connections to the file: one for each thread that asks at a time, kept for the next.

use crate::sealed::state::{OPEN_FILE, Seal, State};
use crate::sealed::{Vault, leftovers};
use crate::{Error, file};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections that are kept open while nobody asks.
const IDLE_MAX: usize = 4;

/// How many uses pass before what could not be taken away is tried again: each try may have to wait for readers.
const USES_BETWEEN_TRIES: u32 = 64;

/// How often a change begins anew because the conversations moved to another file meanwhile.
const MOVES_MAX: usize = 8;

/// The file and its connections.
#[derive(Debug)]
pub(crate) struct Pool {
    folder: PathBuf,
    /// The file of conversations as it was found last.
    path: Mutex<PathBuf>,
    idle: Mutex<Vec<Open>>,
    /// Held by whoever writes: waiting in SQLite is less fair than waiting here.
    writing: Mutex<()>,
    /// What opens sealed files, once somebody has given the secret.
    vault: Mutex<Option<Arc<Vault>>>,
    /// Uses until what was left behind is tried again.
    until_try: AtomicU32,
}

/// What a connection is wanted for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    /// A file that is there.
    Found,
    /// A file that is made, or brought to the newest form, if need be.
    Made,
    /// A file that is there, through a connection that has read nothing before.
    Unread,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    /// The file behind it.
    file: Option<(u64, u64)>,
    path: PathBuf,
    /// Dropped after the connection, which goes through its VFS.
    _vault: Option<Arc<Vault>>,
}

impl Open {
    /// Whether the file at the path is still the one behind this connection.
    fn is_current(&self) -> bool {
        self.file == identity(&self.path)
    }

    /// Whether conversations are kept there.
    fn is_in_use(&self) -> bool {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        State::read(folder).is_ok_and(|state| folder.join(state.file) == self.path)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.is_current() || !self.is_in_use() {
            // Closing the last connection would take away the journal by its name, which may belong to another file by now,
            // or has to be overwritten first.
            let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
    }
}

impl Pool {
    pub(crate) fn new(folder: PathBuf) -> Self {
        let path = Mutex::new(folder.join(OPEN_FILE));
        Self {
            folder,
            path,
            idle: Mutex::default(),
            writing: Mutex::default(),
            vault: Mutex::default(),
            until_try: AtomicU32::new(0),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file, as far as it is known.
    pub(crate) fn path(&self) -> PathBuf {
        guard(&self.path).clone()
    }

    /// What opens sealed files here.
    pub(crate) fn vault(&self) -> Option<Arc<Vault>> {
        guard(&self.vault).clone()
    }

    /// From now on this opens them, or nothing does. Connections that were opened with what was there before are closed.
    pub(crate) fn set_vault(&self, vault: Option<Vault>) {
        if let Ok(state) = State::read(&self.folder) {
            *guard(&self.path) = self.folder.join(state.file);
        }
        *guard(&self.vault) = vault.map(Arc::new);
        guard(&self.idle).clear();
    }

    /// Keeps others of this process from writing.
    pub(crate) fn hold_writers(&self) -> MutexGuard<'_, ()> {
        guard(&self.writing)
    }

    /// Reads, from one state of the file. `None`: there is no file yet.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let Some(mut open) = self.take(Want::Found)? else { return Ok(None) };
        let told = |error| Error::sqlite(&self.path(), error);
        let state = Transaction::new(&mut open.connection, TransactionBehavior::Deferred).map_err(told)?;
        let result = work(&state).map_err(|error| self.judged(&open.path, open.file, error));
        drop(state);
        self.give_back(open, result.as_ref().err());
        result.map(Some)
    }

    /// Writes: everything that `work` does, or nothing. When this returns it is on the disk.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let _alone = guard(&self.writing);
        for _ in 0..MOVES_MAX {
            let Some(mut open) = self.take(Want::Made)? else {
                return Err(Error::io(&self.path(), "make", std::io::ErrorKind::NotFound.into()));
            };
            let told = |error| Error::sqlite(&self.path(), error);
            let (path, file) = (open.path.clone(), open.file);
            // Taking the right to write at the start: a reader that turns into a writer later could not wait.
            let change = Transaction::new(&mut open.connection, TransactionBehavior::Immediate).map_err(told);
            // While this waited for the right, another process may have encrypted what is here into another file.
            if self.has_moved(&path, file)? {
                continue;
            }
            let change = change?;
            let result = work(&change).and_then(|value| change.commit().map(|()| value).map_err(told));
            self.give_back(open, result.as_ref().err());
            return result;
        }
        Err(Error::Busy { path: self.path() })
    }

    /// A connection by itself, for what has to happen outside of a transaction.
    pub(crate) fn bare<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let Some(open) = self.take(Want::Found)? else { return Ok(None) };
        let result = work(&open.connection);
        self.give_back(open, result.as_ref().err());
        result.map(Some)
    }

    /// The same with a connection that has read nothing before and is closed afterwards: one that is kept remembers a part of
    /// the index of texts, and SQLite's check would compare that with what other processes have written since.
    pub(crate) fn unread<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        self.take(Want::Unread)?.map(|open| work(&open.connection)).transpose()
    }

    /// A connection that makes the file if there is none, or brings it to the newest form.
    pub(crate) fn open_for_change(&self) -> Result<impl Sized, Error> {
        self.take(Want::Made)
    }

    fn take(&self, want: Want) -> Result<Option<Open>, Error> {
        for _ in 1..MOVES_MAX {
            match self.take_once(want) {
                // Between looking for the file and opening it, another process may have put it elsewhere.
                Err(Error::Damaged { path, .. } | Error::ReadOnly { path } | Error::Foreign { path })
                    if self.has_moved(&path, None)? => {}
                taken => return taken,
            }
        }
        self.take_once(want)
    }

    /// Whether the conversations are no longer in this file; which one of that name is said where it is known.
    fn has_moved(&self, path: &Path, file: Option<(u64, u64)>) -> Result<bool, Error> {
        let is_other = file.is_some() && file != identity(path);
        Ok(is_other || self.folder.join(State::read(&self.folder)?.file) != path)
    }

    /// What broke while another process put the conversations elsewhere is not damaged.
    fn judged(&self, path: &Path, file: Option<(u64, u64)>, error: Error) -> Error {
        match error {
            Error::Damaged { .. } if self.has_moved(path, file).unwrap_or(false) => {
                Error::Busy { path: path.to_path_buf() }
            }
            error => error,
        }
    }

    fn take_once(&self, want: Want) -> Result<Option<Open>, Error> {
        let state = State::read(&self.folder)?;
        // Some systems remove nothing that is open.
        drop(self.close_others(&self.folder.join(&state.file)));
        let state = self.finish(state)?;
        let path = self.folder.join(&state.file);
        guard(&self.path).clone_from(&path);
        let vault = state.seal.as_ref().map(|seal| self.vault_of(seal)).transpose()?;
        let mut idle = self.close_others(&path);
        if want != Want::Unread
            && let Some(kept) = idle.pop()
        {
            return Ok(Some(kept));
        }
        drop(idle);
        if vault.is_some() && !path.exists() {
            // An empty one in its place would look as if nothing had been kept.
            return Err(Error::io(&path, "open", std::io::ErrorKind::NotFound.into()));
        }
        let opened = file::open(&path, want == Want::Made, vault.as_deref().map(Vault::vfs))?;
        Ok(opened.map(|connection| Open { connection, file: identity(&path), path, _vault: vault }))
    }

    /// Where somebody moved the file away, what was written through a connection to it would be gone with it.
    fn close_others(&self, path: &Path) -> MutexGuard<'_, Vec<Open>> {
        let mut idle = guard(&self.idle);
        idle.retain(|open| open.path == path && open.is_current());
        idle
    }

    /// Takes away what was left behind, if it can be.
    fn finish(&self, state: State) -> Result<State, Error> {
        if state.leftovers.is_empty() {
            return Ok(state);
        }
        let counted = self.until_try.fetch_update(Relaxed, Relaxed, |uses| uses.checked_sub(1));
        if counted.is_ok() {
            return Ok(state);
        }
        let Some(state) = leftovers::finish(&self.folder)? else { return Ok(state) };
        if !state.leftovers.is_empty() {
            self.until_try.store(USES_BETWEEN_TRIES, Relaxed);
        }
        Ok(state)
    }

    fn vault_of(&self, seal: &Seal) -> Result<Arc<Vault>, Error> {
        let vault = self.vault().filter(|vault| vault.id.to_string() == seal.id);
        vault.ok_or_else(|| Error::Locked { path: State::path(&self.folder), by: seal.by() })
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
