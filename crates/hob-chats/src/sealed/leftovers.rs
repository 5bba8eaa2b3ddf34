//! What a change of the file leaves behind goes away, by whoever comes next if the one who changed it was killed.

use super::state::{self, OPEN_FILE, State, blot};
use crate::{Error, file};
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long those who still read the old file are waited for.
const READERS: Duration = Duration::from_secs(5);

/// Finishes what a killed process left, unless another one is at it right now.
pub(crate) fn finish(folder: &Path, state: State) -> Result<State, Error> {
    if state.leftovers.is_empty() {
        return Ok(state);
    }
    match file::try_lock(folder)? {
        // Meanwhile it may have changed.
        Some(_alone) => clear(folder, State::read(folder)?),
        None => Ok(state),
    }
}

/// Takes the leftovers away and says so in the state. Only with the lock of the folder.
pub(crate) fn clear(folder: &Path, mut state: State) -> Result<State, Error> {
    for name in std::mem::take(&mut state.leftovers) {
        if name == state.file {
            continue;
        }
        let path = folder.join(&name);
        if name == OPEN_FILE {
            overwrite(&path)?;
        }
        for path in with_journal(&path) {
            match fs::remove_file(&path) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(Error::io(&path, "remove", e)),
                _ => {}
            }
        }
    }
    state::sync_folder(folder)?;
    if state == State::open() {
        State::remove(folder)?;
    } else {
        state.write(folder)?;
    }
    Ok(state)
}

/// Overwrites conversations that lie open, once nobody reads them any more or seems to stay.
fn overwrite(path: &Path) -> Result<(), Error> {
    if !path.exists() {
        return Ok(());
    }
    // Whoever made it may have been killed before it was a database.
    if let Ok(db) = file::connect(path, None, rusqlite::OpenFlags::empty()) {
        let _ = db.busy_timeout(READERS);
        let _ = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
    for path in with_journal(path) {
        match OpenOptions::new().write(true).open(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            found => found.and_then(blot).map_err(|e| Error::io(&path, "overwrite", e))?,
        }
    }
    Ok(())
}

/// A database and what SQLite puts beside it.
pub(crate) fn with_journal(path: &Path) -> impl Iterator<Item = PathBuf> {
    ["", "-wal", "-shm", "-journal"].into_iter().map(|end| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    })
}
