//! Turning encryption on and off, and giving it another key: a new file is written, read whole, and put in the place of the old.

use super::cipher::KeyId;
use super::key::{self, DataKey, Secret};
use super::state::{OPEN_FILE, Seal, State, Wrapping, sync_folder};
use super::{Protection, Vault, copy, leftovers};
use crate::{Chats, Error, file};
use rusqlite::{Connection, OpenFlags};
use std::fs;
use std::path::{Path, PathBuf};

/// A key of one's own and who may take it out.
struct Sealing {
    vault: Vault,
    seal: Seal,
}

impl Sealing {
    fn new(secret: &Secret, wrapping: Wrapping) -> Result<Self, Error> {
        let (id, key) = (KeyId(key::random()?), DataKey::new()?);
        let seal = Seal::wrap(id, &key, secret, wrapping)?;
        Ok(Self { vault: Vault::new(id, key)?, seal })
    }
}

impl Chats {
    /// How they lie on the disk.
    ///
    /// # Errors
    /// [`Error::KeyFile`] and [`Error::NoKeyFile`], or the folder cannot be read.
    pub fn protection(&self) -> Result<Protection, Error> {
        let state = State::read(self.pool().folder())?;
        let Some(seal) = state.seal else { return Ok(Protection::Open) };
        let is_unlocked = self.pool().vault().is_some_and(|vault| vault.id.to_string() == seal.id);
        Ok(Protection::Sealed { by: seal.by(), is_unlocked })
    }

    /// Where the key is that the pages' key is wrapped by; nothing where they lie open.
    ///
    /// # Errors
    /// As [`Chats::protection`].
    pub fn wrapping(&self) -> Result<Option<Wrapping>, Error> {
        Ok(State::read(self.pool().folder())?.seal.map(|seal| seal.wrapping))
    }

    /// Opens encrypted conversations until [`Chats::lock`], or until this is dropped.
    ///
    /// # Errors
    /// [`Error::WrongSecret`], [`Error::NotSealed`], or as [`Chats::protection`].
    pub fn unlock(&self, secret: &Secret) -> Result<(), Error> {
        let folder = self.pool().folder();
        let vault = Vault::open(folder, &State::read(folder)?, secret)?;
        self.pool().set_vault(Some(vault));
        Ok(())
    }

    /// Forgets the key.
    pub fn lock(&self) {
        self.pool().set_vault(None);
    }

    /// Encrypts what is here and will be, and leaves it unlocked. The file that lay open is overwritten; where that cannot be
    /// done at once, [`Chats::settle`] says so, and later uses try again. Killed at any moment, either the old file counts or
    /// the new one, and both are whole.
    ///
    /// # Errors
    /// [`Error::IsSealed`], [`Error::Busy`], or a file cannot be read or written; then the old one counts.
    pub fn encrypt(&self, secret: &Secret, wrapping: Wrapping) -> Result<(), Error> {
        self.convert(false, Some((secret, wrapping)))
    }

    /// Encrypts it anew with another key, wrapped by another secret or the same one: what was deleted before cannot be read any
    /// more, wherever remains of the old file are.
    ///
    /// # Errors
    /// [`Error::NotSealed`], [`Error::Locked`], or as [`Chats::encrypt`].
    pub fn rekey(&self, secret: &Secret, wrapping: Wrapping) -> Result<(), Error> {
        self.convert(true, Some((secret, wrapping)))
    }

    /// Lets them lie open again.
    ///
    /// # Errors
    /// As [`Chats::rekey`].
    pub fn decrypt(&self) -> Result<(), Error> {
        self.convert(true, None)
    }

    /// Wraps the key by another secret. The conversations are not touched.
    ///
    /// # Errors
    /// [`Error::NotSealed`], [`Error::Locked`], or the key's file cannot be written.
    pub fn rewrap(&self, secret: &Secret, wrapping: Wrapping) -> Result<(), Error> {
        let folder = self.pool().folder();
        let _alone = file::lock(folder)?;
        let (mut state, _) = leftovers::clear(folder, State::read(folder)?, None);
        let vault = self.pool().vault();
        let path = || State::path(folder);
        let Some(seal) = &state.seal else { return Err(Error::NotSealed { path: path() }) };
        let vault = vault.filter(|vault| vault.id.to_string() == seal.id);
        let vault = vault.ok_or_else(|| Error::Locked { path: path(), by: seal.by() })?;
        state.seal = Some(Seal::wrap(vault.id, &vault.key, secret, wrapping)?);
        state.write(folder)
    }

    /// Destroys the key first and then all encrypted conversations: nobody can read them any more, wherever copies of the file
    /// without the key are.
    ///
    /// # Errors
    /// [`Error::NotSealed`], or a file cannot be removed.
    pub fn shred(&self) -> Result<(), Error> {
        let pool = self.pool();
        let _writers = pool.hold_writers();
        let _alone = file::lock(pool.folder())?;
        let state = State::read(pool.folder())?;
        if state.seal.is_none() {
            return Err(Error::NotSealed { path: State::path(pool.folder()) });
        }
        pool.set_vault(None);
        let sealed = state.file.clone();
        // What is listed goes, whether this comes to its end or not.
        let leftovers = [state.leftovers.clone(), vec![sealed]].concat();
        let is_blotted = State { leftovers, ..State::open() }.replace(pool.folder())?;
        let (_, left) = leftovers::clear(pool.folder(), State::read(pool.folder())?, None);
        is_blotted.and(left.map_or(Ok(()), Err))
    }

    /// What the last change of the key or the file could not take away yet; later uses try again.
    ///
    /// # Errors
    /// The change may not be on the disk: after a power cut the key of before may be wanted again.
    pub fn settle(&self) -> Result<Vec<PathBuf>, Error> {
        let folder = self.pool().folder();
        sync_folder(folder)?;
        Ok(State::read(folder)?.leftovers.iter().map(|name| folder.join(name)).collect())
    }

    fn convert(&self, is_sealed: bool, to: Option<(&Secret, Wrapping)>) -> Result<(), Error> {
        let pool = self.pool();
        let folder = pool.folder();
        let _writers = pool.hold_writers();
        // A new or an older file gets its form under the same lock. Closed before another one is open, it would take the
        // journal away as it is.
        let opened = pool.open_for_change()?;
        let _alone = file::lock(folder)?;
        let (state, _) = leftovers::clear(folder, State::read(folder)?, None);
        match (&state.seal, is_sealed) {
            (None, true) => return Err(Error::NotSealed { path: State::path(folder) }),
            (Some(_), false) => return Err(Error::IsSealed { path: State::path(folder) }),
            _ => {}
        }
        let to = to.map(|(secret, wrapping)| Sealing::new(secret, wrapping)).transpose()?;
        let name = to.as_ref().map_or(OPEN_FILE.into(), |to| State::sealed_file(to.vault.id));
        let new = folder.join(&name);
        if new.exists() || state.leftovers.contains(&name) {
            return Err(Error::InTheWay { path: new });
        }
        // From here on whoever comes after a kill takes the new file away.
        let with = |name: &String| [state.leftovers.clone(), vec![name.clone()]].concat();
        State { leftovers: with(&name), ..state.clone() }.write(folder)?;
        let written = write(self, &state, &new, to.as_ref().map(|to| &to.vault));
        drop(opened);
        let held = match written {
            Ok(held) => held,
            Err(error) => {
                let _ = State::read(folder).map(|state| leftovers::clear(folder, state, None));
                return Err(error);
            }
        };
        let (vault, seal) = to.map_or((None, None), |to| (Some(to.vault), Some(to.seal)));
        // And from here on the old one. Writers who waited see that before they write.
        State { file: name, seal, leftovers: with(&state.file), ..State::open() }.write(folder)?;
        pool.set_vault(vault);
        // No error from here on: whoever hears one must be able to rely on the old file and its key.
        let lay_open = state.seal.is_none().then_some(held.connection);
        let _ = State::read(folder).map(|state| leftovers::clear(folder, state, lay_open));
        Ok(())
    }
}

/// Writes the new file, whole and on the disk; returns what keeps others from writing the old one.
fn write(chats: &Chats, state: &State, new: &Path, to: Option<&Vault>) -> Result<Held, Error> {
    let pool = chats.pool();
    let vault = pool.vault();
    let from = vault.as_deref().filter(|_| state.seal.is_some()).map(Vault::vfs);
    let old = pool.folder().join(&state.file);
    let told = |error| Error::sqlite(&old, error);
    let held = file::connect(&old, from, OpenFlags::empty())?;
    held.execute_batch("BEGIN IMMEDIATE").map_err(told)?;
    copy::write(&old, from, new, to.map(Vault::vfs))?;
    let made = fs::OpenOptions::new().write(true).open(new).and_then(|file| file.sync_all());
    made.map_err(|e| Error::io(new, "sync", e))?;
    copy::check(&held, new, to.map(Vault::vfs))?;
    sync_folder(pool.folder())?;
    Ok(Held { connection: held, _vault: vault })
}

/// The right to write the old file, until this is dropped.
struct Held {
    connection: Connection,
    _vault: Option<std::sync::Arc<Vault>>,
}
