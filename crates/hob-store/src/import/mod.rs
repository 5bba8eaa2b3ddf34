//! Adopting models that are on this machine already: found where other programs keep them, shared with them, not copied.

mod adopt;
mod folders;
mod huggingface;
mod modelfile;
mod ollama;
mod places;

pub use adopt::{Adoption, How};
pub use places::{Home, scan};

use crate::hub::quant::quant_of;
use crate::{Digest, Error, FilePath, ModelName, Settings, TAG_DEFAULT};
use std::fs;
use std::path::{Path, PathBuf};

/// A model that could be adopted.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// What it would be called.
    pub name: ModelName,
    /// Whose it is, if that is known.
    pub program: Option<&'static str>,
    /// What it is, for people: the file or folder that was found.
    pub place: PathBuf,
    /// Its files.
    pub files: Vec<CandidateFile>,
    /// What is said about using it.
    pub settings: Settings,
}

/// A file of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CandidateFile {
    /// Where its bytes are; no link.
    pub from: PathBuf,
    /// Where it was found; perhaps a link, with the name that parts of a split set need.
    pub seen: PathBuf,
    /// Its place in the model's folder.
    pub path: FilePath,
    /// Its size.
    pub bytes: u64,
    /// What it should contain, as the other program's name for it says.
    pub sha256: Option<Digest>,
}

impl Candidate {
    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|f| f.bytes).sum()
    }
}

impl CandidateFile {
    /// The file at `from`, links followed. `None` when it is no plain file.
    pub(crate) fn new(from: &Path, path: FilePath) -> Option<Self> {
        let seen = std::path::absolute(from).ok()?;
        let from = fs::canonicalize(from).ok()?;
        let found = fs::metadata(&from).ok()?;
        found.is_file().then_some(Self { bytes: found.len(), from, seen, path, sha256: None })
    }
}

/// The models at `path`: a GGUF file, a Modelfile, a model's folder, or a folder of models as Ollama, LM Studio, Jan,
/// GPT4All and the Hugging Face cache have them.
///
/// # Errors
/// [`Error::Import`] when there is none, and what the file system says.
pub fn look(path: &Path) -> Result<Vec<Candidate>, Error> {
    let found = fs::metadata(path).map_err(|e| Error::io(path, "open", e))?;
    let candidates = if found.is_file() {
        match modelfile::load(path)? {
            Some(candidate) => vec![candidate],
            None => folders::file(path)?,
        }
    } else if ollama::is_store(path) {
        ollama::models(path)?
    } else if let Some(cache) = huggingface::cache(path) {
        huggingface::models(&cache)?
    } else {
        folders::folder(path, None)?
    };
    if candidates.is_empty() {
        let found = "no model in there: expected GGUF files, or config.json with safetensors, or another program's models";
        return Err(Error::Import { path: path.to_path_buf(), found: found.into() });
    }
    Ok(candidates)
}

/// A name for a file or folder called `stem`: the type of its weights becomes the tag.
pub(crate) fn name_for(prefix: &str, stem: &str) -> Option<ModelName> {
    let last = stem.rsplit('/').next().unwrap_or(stem);
    let quant = quant_of(last);
    let upper = last.to_ascii_uppercase();
    let base = match &quant {
        Some(quant) => match upper.rfind(quant.as_str()) {
            Some(at) if at > 1 => last.get(..at - 1).unwrap_or(last),
            _ => last,
        },
        None => last,
    };
    let path: Vec<String> = prefix
        .split('/')
        .chain([base])
        .filter(|p| !p.is_empty())
        .map(plain)
        .filter(|p| !p.is_empty())
        .collect();
    let tag = quant.unwrap_or_else(|| TAG_DEFAULT.into());
    ModelName::parse(&format!("{}:{tag}", path.join("/"))).ok()
}

/// A part of a name that is like `text`.
fn plain(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        let c = if c.is_ascii_alphanumeric() || "._".contains(c) { c } else { '-' };
        let is_double = "-.".contains(c) && name.ends_with(c);
        if !is_double {
            name.push(c);
        }
    }
    name.trim_matches(['-', '.']).chars().take(90).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_from_files() {
        for (prefix, stem, name) in [
            ("", "Meta-Llama-3-8B-Instruct.Q4_0", "Meta-Llama-3-8B-Instruct:Q4_0"),
            (
                "lmstudio-community/Qwen3-4B-GGUF",
                "Qwen3-4B-Q4_K_M",
                "lmstudio-community/Qwen3-4B-GGUF/Qwen3-4B:Q4_K_M",
            ),
            ("", "my model (final)", "my-model-final"),
            ("", "phi-fp16", "phi-fp16:F16"),
            ("", "model-UD-Q4_K_XL", "model:UD-Q4_K_XL"),
        ] {
            assert_eq!(name_for(prefix, stem).unwrap().to_string(), name);
        }
        assert_eq!(name_for("", "..."), None);
    }
}
