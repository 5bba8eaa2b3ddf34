//! Pulls that were stopped or killed: what they were after is written down beside their bytes, so that anybody can go on.

use super::run::FILES;
use super::{Plan, Reference, journal};
use crate::store::PARTIAL;
use crate::{Error, ModelName, Store, disk};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// The note's file name.
const FILE: &str = "request.json";
/// Longest note read.
const BYTES_MAX: u64 = 64 << 10;
const VERSION: u32 = 1;
/// Most folders looked at.
const ENTRIES_MAX: usize = 1000;

/// A pull that is not complete, and at which nobody is at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// What the model will be called.
    pub name: ModelName,
    /// What was asked for.
    pub reference: Reference,
    /// What the hub says of its licence.
    pub license: Option<String>,
    /// Bytes of all files.
    pub total: u64,
    /// Bytes that the journals say are here; they are checked when the pull goes on.
    pub done: u64,
}

#[derive(Serialize, Deserialize)]
struct Note {
    version: u32,
    name: ModelName,
    reference: String,
    license: Option<String>,
    bytes: u64,
}

/// Writes down what the pull in `home` is after.
pub(super) fn note(home: &Path, reference: &Reference, plan: &Plan) -> Result<(), Error> {
    let note = Note {
        version: VERSION,
        name: plan.name.clone(),
        reference: reference.to_string(),
        license: plan.license.clone(),
        bytes: plan.bytes(),
    };
    let text = serde_json::to_vec(&note).expect("names and numbers can be written as JSON");
    disk::write_whole(&home.join(FILE), &text)
}

impl Store {
    /// Pulls that can go on, by name. One that another process is at is not among them, nor one that cannot be read.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be listed.
    pub fn unfinished(&self) -> Result<Vec<Unfinished>, Error> {
        let folder = self.root().join(PARTIAL);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Error::io(&folder, "list", e)),
        };
        let homes = entries.take(ENTRIES_MAX).flatten().map(|entry| entry.path());
        let mut found: Vec<Unfinished> = homes.filter_map(|home| read(&home)).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// Throws away what an unfinished pull of `name` has brought; nothing if there is none.
    ///
    /// # Errors
    /// [`Error::Busy`] while somebody is at it, and [`Error::Io`].
    pub fn discard(&self, name: &ModelName) -> Result<(), Error> {
        let home = self.root().join(PARTIAL).join(name.folder());
        if !fs::symlink_metadata(&home).is_ok_and(|found| found.is_dir()) {
            return Ok(());
        }
        let _lock = super::run::lock(&home, name)?;
        disk::remove(&home)
    }
}

/// The unfinished pull in `home`, if it is one and at rest.
fn read(home: &Path) -> Option<Unfinished> {
    let bytes = disk::read_small(&home.join(FILE), BYTES_MAX).ok()??;
    let note: Note = serde_json::from_slice(&bytes).ok().filter(|note: &Note| note.version == VERSION)?;
    let is_here = home.file_name().is_some_and(|folder| folder.to_str() == Some(&note.name.folder()));
    let reference = Reference::parse(&note.reference).ok().filter(|_| is_here)?;
    // Without them it has brought nothing yet, or was killed after they had become the model.
    fs::symlink_metadata(home.join(FILES)).ok().filter(|found| found.is_dir())?;
    let _lock = super::run::lock(home, &note.name).ok()?;
    let entries = fs::read_dir(home).ok()?.take(ENTRIES_MAX).flatten().map(|entry| entry.path());
    let journals = entries.filter(|path| path.extension().is_some_and(|e| e == "journal"));
    let done: u64 = journals.map(|path| journal::claimed_bytes(&path)).sum();
    Some(Unfinished {
        name: note.name,
        reference,
        license: note.license,
        total: note.bytes,
        done: done.min(note.bytes),
    })
}
