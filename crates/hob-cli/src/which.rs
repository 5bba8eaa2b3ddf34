//! Which model a command is about: the one at a path, one of the store, or the one that is built in.

use crate::fail::note;
use crate::{open, store};
use anyhow::{Context, anyhow};
use hob::BUILTIN_NAME;
use hob_format::{Gguf, ModelFiles};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A model, before its files are opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Ember.
    Builtin,
    /// What lies at a path.
    At(PathBuf),
    /// A model of the store.
    Stored {
        /// What it was called.
        name: PathBuf,
        /// What opens it.
        path: PathBuf,
    },
}

impl Which {
    /// The model that the argument MODEL means. A file or folder wins over a name, and for the built-in model that is said.
    pub fn named(name: &Path) -> Self {
        if is_builtin(name) {
            return Self::Builtin;
        }
        if let Some(path) = stored(name) {
            return Self::Stored { name: name.to_path_buf(), path };
        }
        if name.as_os_str() == BUILTIN_NAME {
            let what = if name.is_dir() { "folder" } else { "file" };
            note(&format!(
                "the {what} {BUILTIN_NAME} that lies here is opened; elsewhere the name means the built-in model"
            ));
        }
        Self::At(name.to_path_buf())
    }

    /// The model that a recipe calls `name`, whose paths begin where the recipe lies: `path` then.
    pub fn beside(name: &Path, path: &Path) -> Self {
        let is_free = name.as_os_str() == BUILTIN_NAME && !path.exists();
        if is_free { Self::Builtin } else { Self::At(path.to_path_buf()) }
    }

    /// The model and the prompt that the arguments of `hob chat` mean: MODEL alone may also be a prompt of several words.
    ///
    /// # Errors
    /// There is nothing at that path, and it is no prompt either.
    pub fn with_prompt(model: Option<&Path>, prompt: Option<&str>) -> anyhow::Result<(Self, Option<String>)> {
        let owned = prompt.map(str::to_string);
        let Some(name) = model else { return Ok((Self::Builtin, owned)) };
        if is_builtin(name) || name.exists() || stored(name).is_some() {
            return Ok((Self::named(name), owned));
        }
        match (name.to_str(), prompt) {
            (Some(text), None) if is_prompt(text) => Ok((Self::Builtin, Some(text.to_string()))),
            (Some(text), None) if !is_like_path(text) => Err(match exists(name) {
                Err(error) => anyhow!("{error}\n\nOr is it a prompt? hob chat {BUILTIN_NAME} {text:?}"),
                // It has just come to be.
                Ok(()) => anyhow!("{text} was not there and now is; try again"),
            }),
            _ => exists(name).map(|()| (Self::At(name.to_path_buf()), owned)),
        }
    }

    /// Opens the files.
    pub fn files(&self) -> anyhow::Result<ModelFiles> {
        match self {
            Self::Builtin => Ok(hob::builtin()?),
            Self::At(path) | Self::Stored { path, .. } => {
                hob_format::open(path).map_err(|e| open::explain(e.into(), self.name()))
            }
        }
    }

    /// Opens the files; a directory becomes what a GGUF file of it would be.
    pub fn gguf(&self) -> anyhow::Result<Gguf> {
        let files = self.files()?;
        let gguf = hob::as_gguf(&files).with_context(|| self.name().display().to_string())?;
        Ok(gguf.into_owned())
    }

    /// What messages call it.
    pub fn name(&self) -> &Path {
        match self {
            Self::Builtin => Path::new(BUILTIN_NAME),
            Self::At(path) => path,
            Self::Stored { name, .. } => name,
        }
    }

    /// Whether it is the built-in model.
    pub fn is_builtin(&self) -> bool {
        *self == Self::Builtin
    }
}

/// Whether `name` is a word that says something, rather than a model or the place of one.
pub fn is_word(name: &Path) -> bool {
    exists(name).is_err() && name.to_str().is_some_and(|text| !is_like_path(text))
}

/// Says at once that there is nothing at `path`, for commands that would first wait for input.
pub fn exists(path: &Path) -> anyhow::Result<()> {
    match std::fs::metadata(path) {
        Err(error) if !is_builtin(path) && stored(path).is_none() => {
            Err(anyhow!("cannot open {}: {error}; {}", path.display(), advice(error.kind(), path)))
        }
        _ => Ok(()),
    }
}

/// What to do about an error of the system at `path`.
pub fn advice(kind: ErrorKind, path: &Path) -> String {
    let text = path.to_str().unwrap_or_default();
    match kind {
        ErrorKind::NotFound if text.is_empty() || is_model_file(text) => "check the path".into(),
        ErrorKind::NotFound => match in_store(text) {
            Some(advice) => advice,
            None if is_like_path(text) => "check the path".into(),
            None => {
                "give the path of a GGUF file or of a model's directory, or a name that `hob list` shows; `ember` is the built-in model"
                    .into()
            }
        },
        ErrorKind::PermissionDenied => "check who may read it (`ls -l`)".into(),
        _ => "is the disk all right?".into(),
    }
}

/// What the store and the catalogue say of a name that leads nowhere, if they say anything.
fn in_store(text: &str) -> Option<String> {
    use hob_store::{Catalogue, Error};
    let in_catalogue = |name: &str| {
        let (name, quant) = name.split_once(':').map_or((name, None), |(name, quant)| (name, Some(quant)));
        Catalogue::built_in().find(name, quant).is_ok()
    };
    match store::open().and_then(|store| Ok(store.find(text)?)).err()?.downcast::<Error>().ok()? {
        Error::Ambiguous { names, .. } => Some(format!("it could be any of {}; say which", names.join(", "))),
        _ if in_catalogue(text) => Some(format!("it is not here yet; `hob pull {text}` fetches it")),
        Error::Unknown { near, .. } if !near.is_empty() => {
            Some(format!("did you mean {}?", near.join(" or ")))
        }
        _ => None,
    }
}

/// What opens the model of the store that `name` means, unless something lies at that path.
fn stored(name: &Path) -> Option<PathBuf> {
    let text = name.to_str().filter(|text| !text.is_empty() && !name.exists())?;
    store::open().ok()?.find(text).ok().map(|model| model.path)
}

/// Whether `name` means the built-in model.
fn is_builtin(name: &Path) -> bool {
    name.as_os_str() == BUILTIN_NAME && !name.exists()
}

/// Whether the argument was meant as words for a model: paths seldom have white space, and those of models end as they do.
fn is_prompt(text: &str) -> bool {
    text.trim().contains(char::is_whitespace) && !is_model_file(text)
}

/// Whether a text that leads nowhere was meant as a path.
fn is_like_path(text: &str) -> bool {
    is_model_file(text) || text.contains(std::path::is_separator)
}

fn is_model_file(text: &str) -> bool {
    Path::new(text).extension().is_some_and(|e| e == "gguf" || e == "safetensors")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(model: Option<&str>, prompt: Option<&str>) -> anyhow::Result<(Which, Option<String>)> {
        Which::with_prompt(model.map(Path::new), prompt)
    }

    #[test]
    fn words_are_a_prompt_and_a_word_is_not() {
        let builtin = |prompt: Option<&str>| (Which::Builtin, prompt.map(str::to_string));
        assert_eq!(chat(None, None).unwrap(), builtin(None));
        assert_eq!(chat(Some("ember"), None).unwrap(), builtin(None));
        assert_eq!(chat(Some("ember"), Some("Hi")).unwrap(), builtin(Some("Hi")));
        assert_eq!(chat(Some("yes and/or no?"), None).unwrap(), builtin(Some("yes and/or no?")));
        for (model, prompt) in [("Hello", None), ("yes and no", Some("Hi")), ("my models/a.gguf", None)] {
            assert!(chat(Some(model), prompt).is_err(), "{model}");
        }
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(chat(here.to_str(), None).unwrap(), (Which::At(here.to_path_buf()), None));
    }

    #[test]
    fn advice_depends_on_what_was_meant() {
        let error = |model| chat(Some(model), None).unwrap_err().to_string();
        let (word, file) = (error("llama3"), error("models/llama3.gguf"));
        assert!(word.contains("`ember`") && word.ends_with("hob chat ember \"llama3\""), "{word}");
        assert!(file.ends_with("check the path"), "{file}");
    }
}
