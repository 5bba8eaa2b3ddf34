//! What a change of the file leaves behind goes away, by whoever comes next if the one who changed it was killed.

use super::state::{self, OPEN_FILE, State, blot};
use crate::{Error, file};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long those who still read the old file are waited for.
const READERS: Duration = Duration::from_secs(5);

/// Finishes what a killed process left, unless another one is at it right now. What still cannot go stays in the list.
pub(crate) fn finish(folder: &Path) -> Result<Option<State>, Error> {
    match file::try_lock(folder) {
        // Meanwhile it may have changed.
        Ok(Some(_alone)) => Ok(Some(clear(folder, State::read(folder)?, None).0)),
        // Where the lock cannot be had nothing can be removed either, and what is there can be read all the same.
        Ok(None) | Err(_) => Ok(None),
    }
}

/// Takes the leftovers away and says so in the state; what cannot go stays in its list, and the first reason comes along.
/// Only with the lock of the folder. `held` is a connection to the file that lay open, if there is one.
pub(crate) fn clear(folder: &Path, state: State, held: Option<Connection>) -> (State, Option<Error>) {
    // Until the file that lists them is on the disk, a power cut could bring back the one that names them.
    if let Err(error) = state::sync_folder(folder) {
        return (state, Some(error));
    }
    let (mut held, mut reason) = (held, None);
    let mut left = State { leftovers: Vec::new(), ..state.clone() };
    for name in state.leftovers.iter().filter(|name| **name != state.file) {
        let path = folder.join(name);
        let gone = match name == OPEN_FILE {
            true => remove_open(&path, held.take()),
            false => with_journal(&path).map(|path| remove(&path)).fold(Ok(()), Result::and),
        };
        if let Err(error) = gone {
            left.leftovers.push(name.clone());
            reason.get_or_insert(error);
        }
    }
    let said = state::sync_folder(folder).and_then(|()| match () {
        () if left == State::open() => State::remove(folder),
        () if left.leftovers != state.leftovers => left.write(folder),
        () => Ok(()),
    });
    (left, reason.or(said.err()))
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io(path, "remove", e)),
        _ => Ok(()),
    }
}

/// Overwrites conversations that lie open and takes them away. What cannot be overwritten stays.
fn remove_open(path: &Path, held: Option<Connection>) -> Result<(), Error> {
    let blotted = overwrite(path, held);
    let mut gone = Ok(());
    for path in with_journal(path).rev() {
        // Some systems let nobody write what SQLite has locked, and by now it is closed.
        let blank =
            if blotted.contains(&path) { Ok(()) } else { open(&path).map_or(Ok(()), |file| blot(&file?)) };
        gone = gone.and(blank.map_err(|e| Error::io(&path, "overwrite", e)).and_then(|()| remove(&path)));
    }
    gone
}

/// Overwrites them once nobody reads them any more or seems to stay, and says which files. The journal comes first and
/// while SQLite has it open: whoever closes the last connection takes it away as it is.
fn overwrite(path: &Path, held: Option<Connection>) -> Vec<PathBuf> {
    // Whoever made it may have been killed before it was a database.
    let db = held.or_else(|| file::connect(path, None, rusqlite::OpenFlags::empty()).ok());
    if let Some(db) = &db {
        let _ = db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        if !db.is_autocommit() {
            let _ = db.execute_batch("ROLLBACK");
        }
        let _ = db.busy_timeout(READERS);
        // Not TRUNCATE, which would set blocks free as they are.
        let _ = db.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()));
    }
    let found = with_journal(path).rev().filter_map(|path| open(&path)?.ok().map(|file| (path, file)));
    let found: Vec<_> = found.collect();
    let blotted = found.iter().filter(|(_, file)| blot(file).is_ok()).map(|(path, _)| path.clone()).collect();
    // On Unix closing any of them takes away the locks of the connection, so it goes first.
    drop(db);
    drop(found);
    blotted
}

/// A file to overwrite; nothing where there is none.
fn open(path: &Path) -> Option<std::io::Result<File>> {
    match OpenOptions::new().write(true).open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => None,
        opened => Some(opened),
    }
}

/// A database and what SQLite puts beside it.
pub(crate) fn with_journal(path: &Path) -> impl DoubleEndedIterator<Item = PathBuf> {
    ["", "-wal", "-shm", "-journal"].into_iter().map(|end| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    })
}
