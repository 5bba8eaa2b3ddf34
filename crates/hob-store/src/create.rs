//! Models made of models: other settings beside the same weights.

use crate::{
    Digest, Error, FilePath, Manifest, Model, ModelName, Settings, Source, Store, StoredFile, details, disk,
};
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the weights of a new model are.
#[derive(Clone, Copy, Debug)]
pub enum Base<'a> {
    /// Those of a model of the store; they are shared where the disk can.
    Model(&'a Model),
    /// A file in memory, such as that of a model that a program carries.
    Bytes {
        /// What it is called.
        path: &'a FilePath,
        /// What it holds.
        bytes: &'a [u8],
    },
    /// Files that were handed over, each with what it contains.
    Blobs(&'a [(FilePath, Digest)]),
}

impl Store {
    /// Makes the model `name` of `base` and `settings`, in place of one of that name.
    ///
    /// # Errors
    /// [`Error::Exists`] for a name that differs in its letters only, [`Error::Import`] when the weights are no model,
    /// [`Error::Unknown`] for a file that was not handed over, [`Error::NoRoom`], [`Error::Io`].
    pub fn create(&self, name: &ModelName, base: Base<'_>, settings: Settings) -> Result<Model, Error> {
        let building = self.building(name)?;
        let made = match base {
            Base::Model(model) => self.share_files(model, &building).map(|()| {
                let mut manifest = model.manifest.clone();
                manifest.name = name.clone();
                manifest
            }),
            Base::Bytes { path, bytes } => from_bytes(name, path, bytes, &building),
            Base::Blobs(files) => self.gather_blobs(name, files, &building),
        };
        let installed = made.and_then(|mut manifest| {
            let license = settings.license_text.as_deref().and_then(crate::hub::ollama::first_line);
            manifest.details.license = license.or(manifest.details.license.take());
            manifest.settings = settings;
            manifest.save(&building)?;
            self.install(&building, name)
        });
        if installed.is_err() {
            disk::remove(&building)?;
        }
        installed
    }

    fn gather_blobs(
        &self,
        name: &ModelName,
        files: &[(FilePath, Digest)],
        building: &Path,
    ) -> Result<Manifest, Error> {
        let mut stored = Vec::new();
        for (path, digest) in files {
            if !self.has_blob(digest) {
                return Err(Error::Unknown { name: format!("sha256:{digest}"), near: Vec::new() });
            }
            let (from, target) = (self.blob(digest), path.below(building));
            disk::make_folder(target.parent().unwrap_or(building))?;
            fs::hard_link(&from, &target)
                .or_else(|_| fs::copy(&from, &target).map(drop))
                .map_err(|e| Error::io(&target, "copy", e))?;
            let bytes = fs::metadata(&target).map_err(|e| Error::io(&target, "open", e))?.len();
            let sha256 = Some(*digest);
            stored.push(StoredFile { path: path.clone(), outside: None, bytes, sha256, is_verified: true });
        }
        stored.sort_by(|a, b| a.path.cmp(&b.path));
        let manifest = described(name, stored, building)?;
        // It is the model's now; a second name for the same bytes would make them look shared.
        files.iter().try_for_each(|(_, digest)| disk::remove(&self.blob(digest)))?;
        Ok(manifest)
    }

    /// Puts the files of `model` into the folder `building`: hard links or shared blocks where the disk can, else copies.
    pub(crate) fn share_files(&self, model: &Model, building: &Path) -> Result<(), Error> {
        for file in model.manifest.files.iter().filter(|f| f.outside.is_none()) {
            let target = file.path.below(building);
            disk::make_folder(target.parent().unwrap_or(building))?;
            let from = model.path_of(file);
            let shared = fs::hard_link(&from, &target).is_ok() || disk::reflink(&from, &target);
            if !shared {
                fs::copy(&from, &target).map_err(|e| Error::io(&target, "copy", e))?;
            }
        }
        Ok(())
    }
}

fn from_bytes(name: &ModelName, path: &FilePath, bytes: &[u8], building: &Path) -> Result<Manifest, Error> {
    let target = path.below(building);
    disk::make_folder(target.parent().unwrap_or(building))?;
    disk::write_whole(&target, bytes)?;
    let file = StoredFile {
        path: path.clone(),
        outside: None,
        bytes: bytes.len() as u64,
        sha256: Some(Digest::of(bytes)),
        is_verified: true,
    };
    described(name, vec![file], building)
}

/// The description of files that lie in `building`, which have to be a model.
fn described(name: &ModelName, files: Vec<StoredFile>, building: &Path) -> Result<Manifest, Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut manifest = Manifest::new(name.clone(), Source::Found, files, now);
    let place = || Path::new(&name.to_string()).to_path_buf();
    manifest.details = details::read(&manifest.opens_at(building))
        .map_err(|e| Error::Import { path: place(), found: e.to_string() })?;
    Ok(manifest)
}
