//! The models that requests may name.

use hob_store::Settings;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a model is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the program.
    Builtin,
    /// In a file or directory.
    At(PathBuf),
}

/// A model that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What requests call it.
    pub name: String,
    /// Where it is.
    pub source: Source,
    /// Bytes on disk.
    pub bytes: u64,
    /// When it was last changed, in seconds since 1970.
    pub modified: i64,
    /// The SHA-256 of its file, where it is known.
    pub digest: Option<String>,
    /// How it wants to be used, as far as it came with a word about that.
    pub settings: Arc<Settings>,
}

/// Knows models by name. Names never become paths: a name either is in the list or it is not.
pub trait Catalogue: Send + Sync {
    /// All models, in the order in which they are shown.
    fn list(&self) -> Vec<Listed>;

    /// The model that is meant where a request names none.
    fn default_name(&self) -> String {
        hob::BUILTIN_NAME.to_owned()
    }

    /// The model that a request means.
    fn find(&self, name: &str) -> Option<Listed> {
        best(self.list(), name)
    }
}

impl<C: Catalogue + ?Sized> Catalogue for Arc<C> {
    fn list(&self) -> Vec<Listed> {
        (**self).list()
    }

    fn default_name(&self) -> String {
        (**self).default_name()
    }

    fn find(&self, name: &str) -> Option<Listed> {
        (**self).find(name)
    }
}

/// The model of this name. Ollama's clients add `:latest` to names, and people forget capitals.
pub fn best(list: Vec<Listed>, name: &str) -> Option<Listed> {
    let plain = name.strip_suffix(":latest").unwrap_or(name);
    let exact = |listed: &Listed| listed.name == name || listed.name == plain;
    let loose = |listed: &Listed| listed.name.eq_ignore_ascii_case(plain);
    let found = list.iter().position(exact).or_else(|| list.iter().position(loose))?;
    list.into_iter().nth(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_as_clients_write_them() {
        let listed = |name: &str| Listed {
            name: name.into(),
            source: Source::Builtin,
            bytes: 0,
            modified: 0,
            digest: None,
            settings: Arc::default(),
        };
        let list = || vec![listed("Qwen3"), listed("qwen3"), listed("a/b")];
        for (asked, found) in
            [("qwen3", "qwen3"), ("Qwen3:latest", "Qwen3"), ("QWEN3", "Qwen3"), ("a/b", "a/b")]
        {
            assert_eq!(best(list(), asked).unwrap().name, found);
        }
        for asked in ["qwen", "", "../a/b", "b"] {
            assert_eq!(best(list(), asked), None, "{asked}");
        }
    }
}
