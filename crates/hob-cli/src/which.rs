//! Which model a command is about: the one at a path, or the one that is built in.

use crate::fail::note;
use crate::open;
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
}

impl Which {
    /// The model that the argument MODEL means. A file or folder wins over the built-in model's name, and that is said.
    pub fn named(name: &Path) -> Self {
        if is_builtin(name) {
            return Self::Builtin;
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
        if is_builtin(name) || name.exists() {
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
            Self::At(path) => hob_format::open(path).map_err(|e| open::explain(e.into(), path)),
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
        }
    }

    /// Whether it is the built-in model.
    pub fn is_builtin(&self) -> bool {
        *self == Self::Builtin
    }
}

/// Says at once that there is nothing at `path`, for commands that would first wait for input.
pub fn exists(path: &Path) -> anyhow::Result<()> {
    match std::fs::metadata(path) {
        Err(error) if !is_builtin(path) => {
            Err(anyhow!("cannot open {}: {error}; {}", path.display(), advice(error.kind(), path)))
        }
        _ => Ok(()),
    }
}

/// What to do about an error of the system at `path`.
pub fn advice(kind: ErrorKind, path: &Path) -> &'static str {
    match kind {
        ErrorKind::NotFound if path.to_str().is_none_or(is_like_path) => "check the path",
        ErrorKind::NotFound => {
            "give the path of a GGUF file or of a model's directory; the only model with a name is `ember`, the built-in one"
        }
        ErrorKind::PermissionDenied => "check who may read it (`ls -l`)",
        _ => "is the disk all right?",
    }
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
