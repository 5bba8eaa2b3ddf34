//! Conversations encrypted at rest: what SQLite writes is sealed page by page on its way to the disk.
//!
//! SQLite itself notices nothing: it works through a VFS ([`vfs`]) that puts a seal over each page of the database and each
//! frame of its journal ([`pages`], [`cipher`]). The key of the pages is random and lies, wrapped by a passphrase or another
//! key, in `chats.key` ([`state`], [`key`]), which also says which file holds the conversations. Turning encryption on or off
//! writes a new file and then changes that one word ([`convert`]). `docs/adr/0008-chats-encrypted-at-rest.md` has the reasons.

pub(crate) mod cipher;
mod convert;
mod copy;
mod hex;
pub(crate) mod key;
pub(crate) mod leftovers;
mod pages;
pub(crate) mod state;
pub(crate) mod vfs;

use crate::Error;
use key::Secret;
use state::{LockedBy, State};
use std::path::Path;

/// How conversations lie on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Whoever can read the file can read them.
    Open,
    /// Encrypted.
    Sealed {
        /// What the key is wrapped by.
        by: LockedBy,
        /// Whether they can be read here and now.
        is_unlocked: bool,
    },
}

/// The key of one file's pages, at hand, and the VFS that works with it.
#[derive(Debug)]
pub(crate) struct Vault {
    /// Which key it is.
    pub(crate) id: cipher::KeyId,
    /// The key, for wrapping it anew.
    pub(crate) key: key::DataKey,
    vfs: vfs::Registered,
}

impl Vault {
    /// A vault for a key.
    pub(crate) fn new(id: cipher::KeyId, key: key::DataKey) -> Result<Self, Error> {
        let vfs = vfs::Registered::new(cipher::Keys::new(&key, id))?;
        Ok(Self { id, key, vfs })
    }

    /// What SQLite calls the VFS.
    pub(crate) fn vfs(&self) -> &std::ffi::CStr {
        self.vfs.name()
    }

    /// The vault that `secret` opens.
    pub(crate) fn open(folder: &Path, state: &State, secret: &Secret) -> Result<Self, Error> {
        let path = State::path(folder);
        let seal = state.seal.as_ref().ok_or_else(|| Error::NotSealed { path: path.clone() })?;
        let id = cipher::KeyId::parse(&seal.id).ok_or_else(|| Error::key_file(&path, "an id of a key"))?;
        let key = seal.unwrap(secret).map_err(|refused| refused.told(&path, seal.by()))?;
        Self::new(id, key)
    }
}

#[cfg(test)]
mod trace_tests;
