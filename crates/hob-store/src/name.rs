//! Names of models. They come from strangers; what they become on disk is decided here.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The tag that need not be said.
pub const TAG_DEFAULT: &str = "latest";
/// Longest part of a name.
const PART_CHARS_MAX: usize = 96;
/// Parts between slashes: host, owner, model.
const PARTS_MAX: usize = 4;
/// Longest folder; every file system takes 255 bytes.
const FOLDER_CHARS_MAX: usize = 200;

/// What a model is called: `NAME[:TAG]`, where NAME may have parts between slashes (`hf.co/owner/model:Q4_K_M`).
///
/// Letters keep their case and do not differ by it, so that the same names work on every system.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelName {
    path: String,
    tag: String,
}

impl ModelName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`Error::Name`] for what could not stand in a path on every system, or would lead out of the store.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let refuse = |expected| Error::Name { name: text.chars().take(120).collect(), expected };
        let (path, tag) = match text.rsplit_once(':') {
            Some((path, tag)) => (path, tag),
            None => (text, TAG_DEFAULT),
        };
        let parts: Vec<&str> = path.split('/').collect();
        if parts.len() > PARTS_MAX {
            return Err(refuse("at most four parts between slashes"));
        }
        if !parts.iter().chain([&tag]).all(|part| is_part(part)) {
            return Err(refuse(
                "letters, digits, '.', '_' and single '-', as in qwen3-4b:q4_k_m or hf.co/owner/model",
            ));
        }
        let name = Self { path: path.to_owned(), tag: tag.to_owned() };
        if name.folder().len() > FOLDER_CHARS_MAX {
            return Err(refuse("a shorter name"));
        }
        Ok(name)
    }

    /// The name without its tag.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The last part of the name, without its tag.
    pub fn short(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The tag.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The folder's name in the store: one readable component.
    pub(crate) fn folder(&self) -> String {
        let path = self.path.replace('/', "--");
        if self.tag == TAG_DEFAULT { path } else { format!("{path}@{}", self.tag) }
    }

    /// The name of the model in a folder of the store, if a model's folder can be called so.
    pub(crate) fn from_folder(folder: &str) -> Option<Self> {
        let (path, tag) = folder.split_once('@').unwrap_or((folder, TAG_DEFAULT));
        Self::parse(&format!("{}:{tag}", path.replace("--", "/"))).ok()
    }

    fn key(&self) -> (String, String) {
        (self.path.to_ascii_lowercase(), self.tag.to_ascii_lowercase())
    }
}

impl PartialEq for ModelName {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ModelName {}

impl PartialOrd for ModelName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ModelName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if self.tag.eq_ignore_ascii_case(TAG_DEFAULT) { Ok(()) } else { write!(f, ":{}", self.tag) }
    }
}

impl TryFrom<String> for ModelName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::parse(&text)
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> Self {
        name.to_string()
    }
}

fn is_part(part: &str) -> bool {
    let is_char = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let is_edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    part.len() <= PART_CHARS_MAX
        && part.chars().all(is_char)
        && is_edge(part.chars().next())
        && is_edge(part.chars().last())
        && !part.contains("--")
        && !part.contains("..")
        && !is_reserved(part)
}

/// Whether Windows means a device by it, with whatever ending.
pub(crate) fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_port = |s: &str| {
        s.len() == 4 && (s.starts_with("com") || s.starts_with("lpt")) && s.as_bytes()[3].is_ascii_digit()
    };
    matches!(stem.as_str(), "con" | "prn" | "aux" | "nul") || is_port(&stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_folders_are_the_same_thing() {
        for (text, shown, folder) in [
            ("qwen3-4b", "qwen3-4b", "qwen3-4b"),
            ("qwen3-4b:latest", "qwen3-4b", "qwen3-4b"),
            ("qwen3-4b:Q4_K_M", "qwen3-4b:Q4_K_M", "qwen3-4b@Q4_K_M"),
            (
                "hf.co/Qwen/Qwen3-0.6B-GGUF:Q8_0",
                "hf.co/Qwen/Qwen3-0.6B-GGUF:Q8_0",
                "hf.co--Qwen--Qwen3-0.6B-GGUF@Q8_0",
            ),
        ] {
            let name = ModelName::parse(text).unwrap();
            assert_eq!((name.to_string().as_str(), name.folder().as_str()), (shown, folder));
            assert_eq!(ModelName::from_folder(folder).unwrap(), name);
        }
        assert_eq!(ModelName::parse("A/b:Q8").unwrap(), ModelName::parse("a/B:q8").unwrap());
        assert_eq!(ModelName::parse("a/b/c:d").unwrap().short(), "c");
    }

    #[test]
    fn names_never_become_paths() {
        for text in [
            "",
            ":",
            "a:",
            ":b",
            "a::b",
            "..",
            "../a",
            "a/..",
            "a/../b",
            "/a",
            "a/",
            "a//b",
            "a\\b",
            "a b",
            "a\0b",
            "a--b",
            "-a",
            "a-",
            ".a",
            "a.",
            "con",
            "a/NUL",
            "com1.x",
            "a:aux",
            "é",
            "a/b/c/d/e",
            "C:/a",
            "a@b",
            "%2e%2e",
            "~",
        ] {
            assert!(ModelName::parse(text).is_err(), "{text:?}");
        }
        assert!(ModelName::parse(&"a".repeat(97)).is_err());
        assert!(ModelName::parse(&["a".repeat(90), "b".repeat(90), "c".repeat(90)].join("/")).is_err());
    }
}
