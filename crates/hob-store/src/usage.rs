//! What takes how much room, and what is shared with whom.

use crate::store::PARTIAL;
use crate::{Error, ModelName, Store};
use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::path::Path;

/// Folders inside one another that are measured.
const DEPTH_MAX: usize = 6;

/// Room that a store takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Per model, by name.
    pub models: Vec<UsageOf>,
    /// Downloads that are not complete.
    pub partial_bytes: u64,
    /// What removing everything would free: files that nobody else shares, each counted once.
    pub freed_bytes: u64,
}

/// Room that one model takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageOf {
    /// The model.
    pub name: ModelName,
    /// Its files' sizes.
    pub bytes: u64,
    /// Those of them that removing this model alone would free.
    pub own_bytes: u64,
    /// Those that have other names too, here or in another program's folder.
    pub shared_bytes: u64,
    /// Those that lie elsewhere and are only referred to.
    pub outside_bytes: u64,
}

impl Store {
    /// Measures the store.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be listed.
    pub fn usage(&self) -> Result<Usage, Error> {
        let mut usage = Usage::default();
        // A file with several names in the store is freed with the last of them.
        let mut names_here = std::collections::HashMap::<(u64, u64), u64>::new();
        let mut sizes = std::collections::HashMap::new();
        for model in self.list()?.models {
            let mut of = UsageOf {
                name: model.name.clone(),
                bytes: 0,
                own_bytes: 0,
                shared_bytes: 0,
                outside_bytes: 0,
            };
            for file in &model.manifest.files {
                of.bytes += file.bytes;
                if file.outside.is_some() {
                    of.outside_bytes += file.bytes;
                    continue;
                }
                let Ok(found) = fs::metadata(model.path_of(file)) else { continue };
                let (id, names) = identity(&found);
                if names > 1 {
                    of.shared_bytes += file.bytes
                } else {
                    of.own_bytes += file.bytes
                }
                match id {
                    Some(id) => {
                        *names_here.entry(id).or_default() += 1;
                        sizes.insert(id, (found.len(), names));
                    }
                    None => usage.freed_bytes += file.bytes,
                }
            }
            usage.models.push(of);
        }
        let freed = sizes.iter().filter(|(id, (_, names))| names_here[*id] >= *names);
        usage.freed_bytes += freed.map(|(_, (bytes, _))| bytes).sum::<u64>();
        usage.partial_bytes = folder_bytes(&self.root().join(PARTIAL), 0, &mut HashSet::new());
        Ok(usage)
    }
}

/// What tells a file from others, and how many names it has.
fn identity(found: &Metadata) -> (Option<(u64, u64)>, u64) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        (Some((found.dev(), found.ino())), found.nlink())
    }
    #[cfg(not(unix))]
    {
        let _ = found;
        (None, 1)
    }
}

/// Room taken on the disk, so that a download of which little has come counts little.
fn folder_bytes(folder: &Path, depth: usize, seen: &mut HashSet<(u64, u64)>) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let mut bytes = 0;
    for entry in entries.flatten() {
        let Ok(found) = entry.metadata() else { continue };
        if found.is_dir() && depth < DEPTH_MAX {
            bytes += folder_bytes(&entry.path(), depth + 1, seen);
        } else if found.is_file() && identity(&found).0.is_none_or(|id| seen.insert(id)) {
            bytes += found.len();
        }
    }
    bytes
}
