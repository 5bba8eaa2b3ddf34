//! The built-in model, models named at the start, and what lies in a folder.

use super::{Catalogue, Listed, Source};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::UNIX_EPOCH;

/// Entries of one folder that are looked at.
const ENTRIES_MAX: usize = 4096;

/// A catalogue without a store.
pub struct Folder {
    named: Vec<(String, PathBuf)>,
    folder: Option<PathBuf>,
}

impl Folder {
    /// The built-in model, `named` ones, and the GGUF files and Hugging Face directories in `folder`, directly or in a
    /// folder of it.
    pub fn new(named: &[PathBuf], folder: Option<PathBuf>) -> Self {
        let named = named.iter().map(|path| (name_of(path), path.clone())).collect();
        Self { named, folder }
    }
}

impl Catalogue for Folder {
    fn default_name(&self) -> String {
        self.named.first().map_or_else(|| hob::BUILTIN_NAME.to_owned(), |(name, _)| name.clone())
    }

    fn list(&self) -> Vec<Listed> {
        let mut list = vec![builtin()];
        let named = self.named.iter().filter_map(|(name, path)| listed(name.clone(), path));
        list.extend(named);
        for path in self.folder.iter().flat_map(|folder| entries(folder)) {
            if let Some(found) = model_at(&path, "") {
                list.push(found);
            } else if path.is_dir() {
                let outer = format!("{}/", name_of(&path));
                list.extend(entries(&path).iter().filter_map(|inner| model_at(inner, &outer)));
            }
        }
        // The first of a name is the one that is meant.
        let mut names = std::collections::BTreeSet::new();
        list.retain(|listed| names.insert(listed.name.clone()));
        list
    }
}

fn builtin() -> Listed {
    static DIGEST: OnceLock<Option<String>> = OnceLock::new();
    let digest = DIGEST.get_or_init(|| {
        use sha2::{Digest, Sha256};
        Some(crate::ids::hex(&Sha256::digest(hob::builtin_file())))
    });
    Listed {
        name: hob::BUILTIN_NAME.into(),
        source: Source::Builtin,
        bytes: hob::builtin_bytes(),
        modified: 0,
        digest: digest.clone(),
        settings: Arc::default(),
    }
}

/// What lies in a folder, by name.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = std::fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> =
        read.take(ENTRIES_MAX).filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')));
    paths.sort();
    paths
}

/// The model at a path, if there is one; of a split file its first part stands for all.
fn model_at(path: &Path, outer: &str) -> Option<Listed> {
    let is_file = path.extension().is_some_and(|extension| extension == "gguf") && is_first_part(path);
    let is_model = is_file || (path.is_dir() && path.join("config.json").is_file());
    is_model.then(|| listed(format!("{outer}{}", name_of(path)), path)).flatten()
}

fn is_first_part(path: &Path) -> bool {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    part(&stem).is_none_or(|(_, part)| part == "00001")
}

/// A name that ends in `-00002-of-00003`, without that, and which part it is.
fn part(stem: &str) -> Option<(&str, &str)> {
    let (rest, count) = stem.rsplit_once("-of-")?;
    let (name, part) = rest.rsplit_once('-')?;
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
    (is_number(count) && is_number(part)).then_some((name, part))
}

/// The name of a file without what says that it is a model file.
fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".gguf").unwrap_or(&name);
    part(stem).map_or(stem, |(name, _)| name).to_owned()
}

fn listed(name: String, path: &Path) -> Option<Listed> {
    let metadata = std::fs::metadata(path).ok()?;
    let bytes = if metadata.is_dir() { inside(path) } else { metadata.len() };
    Some(Listed {
        name,
        source: Source::At(path.to_path_buf()),
        bytes,
        modified: modified(&metadata),
        digest: None,
        settings: Arc::default(),
    })
}

/// Bytes of the weights in a directory.
fn inside(path: &Path) -> u64 {
    let sizes = entries(path).into_iter().filter_map(|path| Some(std::fs::metadata(path).ok()?.len()));
    sizes.sum()
}

fn modified(metadata: &Metadata) -> i64 {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests write files and may panic")]
mod tests {
    use super::*;

    #[test]
    fn files_folders_and_parts() {
        let home = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = home.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        };
        [
            "a.gguf",
            "notes.txt",
            ".hidden.gguf",
            "org/b.gguf",
            "org/c-00001-of-00002.gguf",
            "org/c-00002-of-00002.gguf",
        ]
        .iter()
        .for_each(|path| write(path));
        ["hf/config.json", "hf/model.safetensors"].iter().for_each(|path| write(path));
        let named = [home.path().join("org/b.gguf"), home.path().join("gone.gguf")];
        let catalogue = Folder::new(&named, Some(home.path().to_path_buf()));
        let names: Vec<String> = catalogue.list().into_iter().map(|listed| listed.name).collect();
        assert_eq!(names, ["ember", "b", "a", "hf", "org/b", "org/c"]);
        assert_eq!(catalogue.find("hf").unwrap().bytes, 2);
        assert_eq!(catalogue.find("ember:latest").unwrap().source, Source::Builtin);
        assert_eq!(catalogue.find("../a"), None);
    }
}
