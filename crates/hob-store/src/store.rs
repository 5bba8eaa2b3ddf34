//! The store: a folder of models.

use crate::{Error, Model, ModelName, TAG_DEFAULT, disk, near};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Downloads under way.
pub(crate) const PARTIAL: &str = ".partial";
/// A model that another is replacing.
const OLD: &str = ".old";
/// Models on their way out.
const REMOVED: &str = ".removed";
/// Held while folders change places.
const LOCK: &str = ".lock";
/// Most entries looked at; a store of more is something else.
const ENTRIES_MAX: usize = 10_000;

/// A folder of models. Cheap to make; holds no file open.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// What is in a store.
#[derive(Debug, Default)]
pub struct Listing {
    /// The models, by name.
    pub models: Vec<Model>,
    /// Folders that cannot be read as models, and why.
    pub problems: Vec<Error>,
}

impl Store {
    /// The store in the folder `models` of the data folder. Nothing needs to exist yet.
    pub fn in_data(data: &Path) -> Self {
        Self { root: data.join("models") }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every model, by name. One that cannot be read does not hide the others.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder itself cannot be read. A folder that is not there is empty.
    pub fn list(&self) -> Result<Listing, Error> {
        self.recover()?;
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Listing::default()),
            Err(e) => return Err(Error::io(&self.root, "list", e)),
        };
        let mut listing = Listing::default();
        for entry in entries.take(ENTRIES_MAX) {
            let entry = entry.map_err(|e| Error::io(&self.root, "list", e))?;
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            match Model::load(&entry.path()) {
                Ok(model) => listing.models.extend(model),
                Err(error) => listing.problems.push(error),
            }
        }
        listing.models.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listing)
    }

    /// The model that `wanted` means: the one of that name; else the only one whose name without tag, or whose last part,
    /// is that.
    ///
    /// # Errors
    /// [`Error::Unknown`] with similar names, [`Error::Ambiguous`], [`Error::Name`] when it could not be a name.
    pub fn find(&self, wanted: &str) -> Result<Model, Error> {
        let name = ModelName::parse(wanted)?;
        let mut models = self.list()?.models;
        if let Some(at) = models.iter().position(|m| m.name == name) {
            return Ok(models.swap_remove(at));
        }
        let has_tag = !name.tag().eq_ignore_ascii_case(TAG_DEFAULT);
        let same_tag = |m: &Model| !has_tag || m.name.tag().eq_ignore_ascii_case(name.tag());
        let by_path = |m: &&Model| m.name.path().eq_ignore_ascii_case(name.path()) && same_tag(m);
        let by_end = |m: &&Model| m.name.short().eq_ignore_ascii_case(name.path()) && same_tag(m);
        for found in
            [models.iter().filter(by_path).collect::<Vec<_>>(), models.iter().filter(by_end).collect()]
        {
            match found.as_slice() {
                [] => {}
                [only] => return Ok((*only).clone()),
                many => {
                    let names = many.iter().map(|m| m.name.to_string()).collect();
                    return Err(Error::Ambiguous { name: wanted.to_owned(), names });
                }
            }
        }
        let names: Vec<String> = models.iter().map(|m| m.name.to_string()).collect();
        let near = near(wanted, names.iter().map(String::as_str));
        Err(Error::Unknown { name: wanted.to_owned(), near })
    }

    /// The model of exactly this name.
    pub fn get(&self, name: &ModelName) -> Result<Option<Model>, Error> {
        Ok(self.list()?.models.into_iter().find(|m| m.name == *name))
    }

    /// Removes a model: its files, or the reference to files elsewhere, which stay. Returns what was removed.
    ///
    /// # Errors
    /// As [`Store::find`], and [`Error::Io`].
    pub fn remove(&self, wanted: &str) -> Result<Model, Error> {
        let model = self.find(wanted)?;
        let _lock = self.lock()?;
        if model.is_loose() {
            disk::remove(&model.place)?;
            return Ok(model);
        }
        // The folder vanishes at once; its files follow.
        let out = self.hidden(REMOVED)?.join(format!("{}-{}", model.name.folder(), std::process::id()));
        disk::remove(&out)?;
        fs::rename(&model.place, &out).map_err(|e| Error::io(&model.place, "remove", e))?;
        disk::sync_folder(&self.root);
        disk::remove(&out)?;
        Ok(model)
    }

    /// Gives a model a second name. Files are shared (hard links or shared blocks) where the disk can, else copied.
    ///
    /// # Errors
    /// As [`Store::find`], and [`Error::Exists`], [`Error::Io`], [`Error::NoRoom`].
    pub fn copy(&self, wanted: &str, to: &ModelName) -> Result<Model, Error> {
        let model = self.find(wanted)?;
        if self.get(to)?.is_some() {
            return Err(Error::Exists { name: to.to_string() });
        }
        let building = self.building(to)?;
        self.share_files(&model, &building)?;
        let mut manifest = model.manifest.clone();
        manifest.name = to.clone();
        manifest.save(&building)?;
        self.install(&building, to)
    }

    /// An empty folder that may become the model `name` with [`Store::install`].
    pub(crate) fn building(&self, name: &ModelName) -> Result<PathBuf, Error> {
        let folder = self.hidden(PARTIAL)?.join(format!("{}-new-{}", name.folder(), std::process::id()));
        disk::remove(&folder)?;
        disk::make_folder(&folder)?;
        Ok(folder)
    }

    /// Makes the folder `ready`, with its description in it, the model `name`, in place of one of that name.
    pub(crate) fn install(&self, ready: &Path, name: &ModelName) -> Result<Model, Error> {
        let lock = self.lock()?;
        disk::sync_folder(ready);
        let place = self.root.join(name.folder());
        let other = self.get(name)?.filter(|m| m.place != place);
        if let Some(other) = other {
            // The same name in other letters, or as a loose file.
            return Err(Error::Exists { name: other.name.to_string() });
        }
        let old = self.hidden(OLD)?.join(name.folder());
        let is_replaced = fs::symlink_metadata(&place).is_ok();
        if is_replaced {
            disk::remove(&old)?;
            fs::rename(&place, &old).map_err(|e| Error::io(&place, "replace", e))?;
        }
        fs::rename(ready, &place).map_err(|e| Error::io(&place, "make", e))?;
        disk::sync_folder(&self.root);
        if is_replaced {
            disk::remove(&old)?;
        }
        drop(lock);
        Model::load(&place)?.ok_or(Error::NotOurs { path: place })
    }

    /// Finishes what a killed process left half done.
    fn recover(&self) -> Result<(), Error> {
        let left = |name: &str| fs::read_dir(self.root.join(name)).map(|d| d.flatten().collect::<Vec<_>>());
        let (old, removed) = (left(OLD).unwrap_or_default(), left(REMOVED).unwrap_or_default());
        if old.is_empty() && removed.is_empty() {
            return Ok(());
        }
        // Whoever holds the lock is at work there and will finish it.
        let Some(_lock) = self.try_lock()? else { return Ok(()) };
        for entry in old {
            let place = self.root.join(entry.file_name());
            match fs::symlink_metadata(&place) {
                Ok(_) => disk::remove(&entry.path())?,
                Err(_) => fs::rename(entry.path(), &place).map_err(|e| Error::io(&place, "restore", e))?,
            }
        }
        removed.iter().try_for_each(|entry| disk::remove(&entry.path()))
    }

    /// A folder of the store's own.
    pub(crate) fn hidden(&self, name: &str) -> Result<PathBuf, Error> {
        fs::create_dir_all(&self.root).map_err(|e| Error::io(&self.root, "make", e))?;
        let path = self.root.join(name);
        disk::make_folder(&path)?;
        Ok(path)
    }

    fn lock_file(&self) -> Result<(PathBuf, File), Error> {
        fs::create_dir_all(&self.root).map_err(|e| Error::io(&self.root, "make", e))?;
        let path = self.root.join(LOCK);
        let file = disk::open_writable(&path)?;
        Ok((path, file))
    }

    /// Waits until no other process moves folders.
    fn lock(&self) -> Result<File, Error> {
        let (path, file) = self.lock_file()?;
        file.lock().map_err(|e| Error::io(&path, "lock", e))?;
        Ok(file)
    }

    fn try_lock(&self) -> Result<Option<File>, Error> {
        let (path, file) = self.lock_file()?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(e)) => Err(Error::io(&path, "lock", e)),
        }
    }
}
