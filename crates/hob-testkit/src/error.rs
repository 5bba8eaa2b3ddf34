//! Why a fixture could not be read.

use std::path::{Path, PathBuf};

/// A fixture that is not as its README says. Failures of the code under test are not errors but failed cases.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file was read but does not have the expected form.
    #[error("{path}: {message}")]
    Form {
        /// Which one.
        path: PathBuf,
        /// What was expected and what was found.
        message: String,
    },
}

impl Error {
    pub(crate) fn form(path: &Path, message: impl Into<String>) -> Self {
        Self::Form { path: path.to_path_buf(), message: message.into() }
    }
}

impl From<Error> for String {
    fn from(error: Error) -> Self {
        error.to_string()
    }
}
