//! Names of a model's files. They come from hubs, manifests and other programs; none leads out of the model's folder.

use crate::Error;
use crate::name::is_reserved;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// Folders inside one another in a model.
const DEPTH_MAX: usize = 4;
/// Longest part; every file system takes 255 bytes.
const PART_CHARS_MAX: usize = 200;

/// The path of a file inside a model's folder, with `/` between parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FilePath(String);

impl FilePath {
    /// Reads a path that a hub, a manifest or a file system gives.
    ///
    /// # Errors
    /// [`Error::FileName`] for absolute paths, `..`, hidden files, other separators, controls, names that some system
    /// reserves.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = text.split('/').collect();
        let is_fine = parts.len() <= DEPTH_MAX && parts.iter().all(|part| is_file_part(part));
        if is_fine { Ok(Self(text.to_owned())) } else { Err(Error::FileName { name: shown(text) }) }
    }

    /// As text, with `/` between parts.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The path below `folder`.
    pub(crate) fn below(&self, folder: &Path) -> PathBuf {
        self.0.split('/').fold(folder.to_path_buf(), |path, part| path.join(part))
    }

    /// One component that stands for the whole path.
    pub(crate) fn flat(&self) -> String {
        self.0.replace('/', "--")
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for FilePath {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::parse(&text)
    }
}

impl From<FilePath> for String {
    fn from(path: FilePath) -> Self {
        path.0
    }
}

fn is_file_part(part: &str) -> bool {
    let is_char = |c: char| c.is_ascii_graphic() && !"\\/:*?\"<>|".contains(c) || c == ' ';
    !part.is_empty()
        && part.len() <= PART_CHARS_MAX
        && part.chars().all(is_char)
        && !part.starts_with(['.', ' '])
        && !part.ends_with(['.', ' '])
        && !part.eq_ignore_ascii_case(crate::manifest::FILE)
        && !is_reserved(part)
}

fn shown(text: &str) -> String {
    text.chars().take(120).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stay_inside_their_folder() {
        for text in ["model.gguf", "1_Pooling/config.json", "a b+c(1).gguf", "Model-00001-of-00002.gguf"] {
            assert_eq!(FilePath::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "",
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a//b",
            "a/",
            "./a",
            ".hidden",
            "a\\..\\b",
            "C:a",
            "a\0",
            "a\n",
            "nul.gguf",
            "hob.json",
            "x/HOB.JSON",
            "a.",
            "a ",
            "é.gguf",
            "1/2/3/4/5",
        ] {
            assert!(FilePath::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(FilePath::parse("a/b").unwrap().below(Path::new("r")), Path::new("r").join("a").join("b"));
    }
}
