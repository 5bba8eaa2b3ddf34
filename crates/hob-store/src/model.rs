//! A model of the store, and how one is read from the disk.

use crate::manifest::FILE;
use crate::{Digest, Error, FilePath, Manifest, ModelName, Source, StoredFile, details};
use std::fs;
use std::path::{Path, PathBuf};

/// Most files looked at in a folder; repositories with more are no models.
const FILES_MAX: usize = 2000;
/// Folders inside one another that are looked at.
const DEPTH_MAX: usize = 4;

/// A model that is here.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What it is called.
    pub name: ModelName,
    /// What opens it: a GGUF file, the first of a split set, or a folder.
    pub path: PathBuf,
    /// Bytes of all its files.
    pub bytes: u64,
    /// What it contains, if that was computed.
    pub digest: Option<Digest>,
    /// Everything that is known of it.
    pub manifest: Manifest,
    /// Where it lies: its folder, or the file itself for one that somebody laid into the store.
    pub(crate) place: PathBuf,
}

impl Model {
    pub(crate) fn new(manifest: Manifest, place: PathBuf) -> Self {
        let path = manifest.opens_at(&place);
        let (bytes, digest) = (manifest.bytes(), manifest.digest());
        Self { name: manifest.name.clone(), path, bytes, digest, manifest, place }
    }

    /// Whether its files belong to somebody else and are only referred to.
    pub fn is_outside(&self) -> bool {
        self.manifest.outside.is_some()
    }

    /// Where a file of it is.
    pub fn path_of(&self, file: &StoredFile) -> PathBuf {
        match &file.outside {
            Some(outside) => outside.clone(),
            None if self.is_loose() => self.place.clone(),
            None => file.path.below(&self.place),
        }
    }

    /// Whether it is a single file that somebody laid into the store.
    pub(crate) fn is_loose(&self) -> bool {
        self.manifest.outside.is_none()
            && self.manifest.source == Source::Found
            && self.manifest.files.len() == 1
            && self.path == self.place
    }

    /// The model in a folder or file of the store; `None` where there is none.
    pub(crate) fn load(place: &Path) -> Result<Option<Self>, Error> {
        let Some(file_name) = place.file_name().and_then(|n| n.to_str()) else { return Ok(None) };
        let Ok(found) = fs::symlink_metadata(place) else { return Ok(None) };
        if found.is_file() {
            return Ok(loose(place, file_name, found.len()));
        }
        let Some(name) = ModelName::from_folder(file_name) else { return Ok(None) };
        if !found.is_dir() {
            return Ok(None);
        }
        if let Some(mut manifest) = Manifest::load(place)? {
            // The folder's name counts, so that a renamed or copied folder is a renamed or copied model.
            if manifest.name != name {
                manifest.name = name;
            }
            return Ok(Some(Self::new(manifest, place.to_path_buf())));
        }
        described_anew(place, name)
    }
}

/// A GGUF file that somebody laid into the store.
fn loose(place: &Path, file_name: &str, bytes: u64) -> Option<Model> {
    let stem = file_name.strip_suffix(".gguf")?;
    let name = ModelName::parse(stem).ok()?;
    let path = FilePath::parse(file_name).ok()?;
    let file = StoredFile { path, outside: None, bytes, sha256: None, is_verified: false };
    let mut manifest = Manifest::new(name, Source::Found, vec![file], 0);
    manifest.details = details::read(place).ok()?;
    let mut model = Model::new(manifest, place.to_path_buf());
    model.path = place.to_path_buf();
    Some(model)
}

/// A folder whose description is missing: from its files.
fn described_anew(place: &Path, name: ModelName) -> Result<Option<Model>, Error> {
    let files = files_in(place)?;
    let is_model = files.iter().any(|f| {
        let name = f.path.as_str().to_ascii_lowercase();
        name.ends_with(".gguf") || name.ends_with(".safetensors")
    });
    if !is_model {
        return Ok(None);
    }
    let mut model = Model::new(Manifest::new(name, Source::Found, files, 0), place.to_path_buf());
    model.manifest.details = details::read(&model.path).unwrap_or_default();
    Ok(Some(model))
}

/// The plain files in `folder` that may belong to a model, in order.
pub(crate) fn files_in(folder: &Path) -> Result<Vec<StoredFile>, Error> {
    let mut files = Vec::new();
    let mut folders = vec![(folder.to_path_buf(), String::new(), 0)];
    while let Some((dir, prefix, depth)) = folders.pop() {
        let entries = fs::read_dir(&dir).map_err(|e| Error::io(&dir, "list", e))?;
        for entry in entries.take(FILES_MAX) {
            let entry = entry.map_err(|e| Error::io(&dir, "list", e))?;
            let Some(name) = entry.file_name().to_str().map(|n| format!("{prefix}{n}")) else { continue };
            let found = entry.metadata().map_err(|e| Error::io(&entry.path(), "open", e))?;
            if found.is_dir() && depth + 1 < DEPTH_MAX {
                folders.push((entry.path(), format!("{name}/"), depth + 1));
            } else if found.is_file()
                && name != FILE
                && let Ok(path) = FilePath::parse(&name)
            {
                files.push(StoredFile {
                    path,
                    outside: None,
                    bytes: found.len(),
                    sha256: None,
                    is_verified: false,
                });
            }
        }
        if files.len() > FILES_MAX {
            return Err(Error::Import {
                path: folder.to_path_buf(),
                found: format!("more than {FILES_MAX} files"),
            });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}
