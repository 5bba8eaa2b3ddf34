//! Finding and reading fixtures.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::Error;

/// `../shared/NAME` beside the checkout. When it is absent this says so on standard error, and the test that asked
/// should return: a skipped test has to be visible.
pub fn shared_or_skip(name: &str) -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")).join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: ../shared/{name} is not beside this checkout");
    None
}

/// The bytes of a file.
///
/// # Errors
/// [`Error::Read`] naming the path.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Read { path: path.to_path_buf(), source })
}

/// The text of a file.
///
/// # Errors
/// [`Error::Read`] naming the path.
pub fn read_text(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_path_buf(), source })
}

/// A JSON file as `T`.
///
/// # Errors
/// [`Error::Read`] or [`Error::Form`] naming the path.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    serde_json::from_slice(&read_bytes(path)?).map_err(|error| Error::form(path, error.to_string()))
}

/// The folders (or files) directly in `folder`, sorted by name, hidden ones left out.
///
/// # Errors
/// [`Error::Read`] naming the folder.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let fail = |source| Error::Read { path: folder.to_path_buf(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// The last component of a path as text, for case names.
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A copy of the files directly in `folder`, in which `name` holds `bytes` instead. Removed when dropped.
///
/// # Errors
/// [`Error::Read`] naming the file that could not be copied.
pub fn copy_with(folder: &Path, name: &str, bytes: &[u8]) -> Result<tempfile::TempDir, Error> {
    let fail = |path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::Read { path, source }
    };
    let copy = tempfile::tempdir().map_err(fail(Path::new("a temporary folder")))?;
    for path in list(folder)? {
        if path.is_file() {
            // Written anew rather than copied: fixtures are read-only, and a copy would keep that.
            std::fs::write(copy.path().join(file_name(&path)), read_bytes(&path)?).map_err(fail(&path))?;
        }
    }
    std::fs::write(copy.path().join(name), bytes).map_err(fail(Path::new(name)))?;
    Ok(copy)
}
