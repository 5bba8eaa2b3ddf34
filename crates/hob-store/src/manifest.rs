//! The description that lies beside a model's files: what they are called, what they contain, where they came from. It can
//! be written anew from the files.

use crate::{Digest, Error, FilePath, ModelName, disk};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The description's file name.
pub(crate) const FILE: &str = "hob.json";
/// Longest description read. A model of a thousand files has about 200 kB; licences and templates come on top.
const BYTES_MAX: u64 = 16 << 20;
const VERSION: u32 = 1;
/// Largest model believed in; sums of sizes stay far from overflowing.
const MODEL_BYTES_MAX: u64 = 1 << 50;

/// A model's description.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub(crate) version: u32,
    /// What it is called.
    pub name: ModelName,
    /// Where it came from.
    pub source: Source,
    /// Its files.
    pub files: Vec<StoredFile>,
    /// What opens it, when that lies outside the store; the store's own folder without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<PathBuf>,
    /// What is in it.
    #[serde(default)]
    pub details: Details,
    /// How it wants to be used, as far as the source says.
    #[serde(default)]
    pub settings: Settings,
    /// Seconds since 1970.
    pub added_at: u64,
}

/// Where a model came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Source {
    /// A repository at Hugging Face or a mirror.
    HuggingFace {
        /// `owner/name`.
        repo: String,
        /// The commit.
        revision: String,
    },
    /// Ollama's registry or a mirror.
    Ollama {
        /// `namespace/name:tag`.
        model: String,
    },
    /// A file or folder of this machine.
    Adopted {
        /// Where it lay.
        path: PathBuf,
        /// The program whose it was, if known.
        program: Option<String>,
    },
    /// Files that somebody laid into the store.
    Found,
}

/// A file of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// Its place in the model's folder.
    pub path: FilePath,
    /// Its place outside the store, when it only refers to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<PathBuf>,
    /// Its size.
    pub bytes: u64,
    /// What it should contain, if anybody said or it was computed.
    pub sha256: Option<Digest>,
    /// Whether its bytes were compared with that here.
    pub is_verified: bool,
}

/// What is in a model, from its own metadata.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    /// `gguf` or `safetensors`.
    pub format: Option<String>,
    /// The family, in the file's words.
    pub architecture: Option<String>,
    /// The type of most of the weights.
    pub quantization: Option<String>,
    /// Elements of all tensors.
    pub parameters: Option<u64>,
    /// Longest context it was trained for.
    pub context: Option<u64>,
    /// Width of its vectors.
    pub embedding: Option<u64>,
    /// Its licence, as the source says.
    pub license: Option<String>,
}

/// What Modelfiles and registries say about using a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The system prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// A template: in Jinja it is used, in Ollama's language (Go) it is noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// `PARAMETER` lines, or the parameters of a registry, as name and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<(String, String)>,
    /// Messages that every conversation begins with, as role and text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<(String, String)>,
    /// The text of the licence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license_text: Option<String>,
}

impl Manifest {
    /// A description of files in the store.
    pub(crate) fn new(name: ModelName, source: Source, files: Vec<StoredFile>, added_at: u64) -> Self {
        let (details, settings) = (Details::default(), Settings::default());
        Self { version: VERSION, name, source, files, outside: None, details, settings, added_at }
    }

    /// Reads the description in `folder`; `None` when there is none.
    pub(crate) fn load(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(FILE);
        let Some(bytes) = disk::read_small(&path, BYTES_MAX)? else { return Ok(None) };
        let refuse = |found: String| Error::Manifest { path: path.clone(), found };
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|e| refuse(e.to_string()))?;
        if manifest.version != VERSION {
            return Err(refuse(format!("version {}, from a newer Hob", manifest.version)));
        }
        let bytes = manifest.files.iter().fold(0u64, |sum, file| sum.saturating_add(file.bytes));
        if bytes > MODEL_BYTES_MAX {
            return Err(refuse(format!("files of {bytes} bytes")));
        }
        Ok(Some(manifest))
    }

    /// Writes the description into `folder`; it appears whole or not at all.
    pub(crate) fn save(&self, folder: &Path) -> Result<(), Error> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|e| Error::Manifest {
            path: folder.join(FILE),
            found: format!("what cannot be written as JSON: {e}"),
        })?;
        bytes.push(b'\n');
        disk::write_whole(&folder.join(FILE), &bytes)
    }

    /// What to hand to the engine. `folder` is where the description lies.
    pub(crate) fn opens_at(&self, folder: &Path) -> PathBuf {
        if let Some(outside) = &self.outside {
            return outside.clone();
        }
        // A part of a split set stands for the set; parts are listed in order.
        let first = self.files.iter().find(|f| f.path.as_str().to_ascii_lowercase().ends_with(".gguf"));
        first.map_or_else(|| folder.to_path_buf(), |file| file.path.below(folder))
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|f| f.bytes).sum()
    }

    /// One digest for the model: the file's, or for several files that of the list of their digests.
    pub fn digest(&self) -> Option<Digest> {
        if let [only] = self.files.as_slice() {
            return only.sha256;
        }
        let mut list = String::new();
        for file in &self.files {
            list += &format!("{}  {}\n", file.sha256?, file.path);
        }
        (!list.is_empty()).then(|| Digest::of(list.as_bytes()))
    }
}
