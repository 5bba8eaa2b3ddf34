//! Decides by content what a path holds, and opens it.

use std::path::{Path, PathBuf};

use crate::gguf::{MAGIC, SplitName};
use crate::mapping::Mapping;
use crate::{Access, Error, Gguf, HfModel, Metadata, Tensor, TensorTable};

/// Most directory entries looked at when searching for a GGUF file.
const DIR_ENTRIES_MAX: usize = 10_000;
const EXPECTED: &str = "a GGUF file or a Hugging Face directory";

/// An opened model in either form.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "one of them per model, and matched on everywhere")]
pub enum ModelFiles {
    /// A GGUF file or split set.
    Gguf(Gguf),
    /// A Hugging Face directory.
    Hf(HfModel),
}

impl ModelFiles {
    /// The model's tensors.
    pub fn tensors(&self) -> &TensorTable {
        match self {
            Self::Gguf(gguf) => &gguf.tensors,
            Self::Hf(hf) => &hf.tensors,
        }
    }

    /// The GGUF metadata; `None` for a directory, which has a configuration instead.
    pub fn gguf_metadata(&self) -> Option<&Metadata> {
        if let Self::Gguf(gguf) = self { Some(&gguf.metadata) } else { None }
    }

    /// Tells the operating system that rows of `tensor` will be read here and there. See [`TensorTable::advise`].
    pub fn advise_random(&self, tensor: &Tensor) {
        self.tensors().advise(tensor, Access::Random);
    }
}

/// Opens the model at `path`: a GGUF file, any part of a split set, a Hugging Face directory, a directory with one GGUF
/// model in it, or a file (`config.json`, `*.safetensors`) of a Hugging Face directory.
///
/// # Errors
///
/// [`Error::NotAModel`] when `path` is something else, with advice where it is a known mistake (a Git LFS pointer, a web
/// page, a pickle); else what the reader of that form reports.
pub fn open(path: &Path) -> Result<ModelFiles, Error> {
    let kind = std::fs::metadata(path).map_err(|e| Error::io(path, "open", e))?;
    if kind.is_dir() {
        return open_dir(path);
    }
    let mapping = Mapping::open(path)?;
    let bytes = mapping.bytes();
    if bytes.starts_with(MAGIC) {
        return Gguf::open(path).map(ModelFiles::Gguf);
    }
    let (found, hint) = recognise(&bytes);
    let refuse = |found: &str, hint| {
        Err(Error::NotAModel { path: path.to_owned(), expected: EXPECTED, found: found.to_owned(), hint })
    };
    if let Some(found) = found {
        return refuse(found, hint);
    }
    if !is_hf_file(path) {
        return refuse(
            "a file of another kind",
            "models are .gguf files, or directories with config.json and model.safetensors",
        );
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if dir.join("config.json").is_file() {
        return HfModel::open(dir).map(ModelFiles::Hf);
    }
    refuse(
        "weights without config.json beside them",
        "download the model's whole directory and give its path",
    )
}

/// Whether the file is of the kinds that make up a Hugging Face directory.
fn is_hf_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".safetensors") || name == "config.json" || name == "model.safetensors.index.json"
}

/// What a file that is no GGUF is, where its first bytes tell, and what to do about it.
fn recognise(bytes: &[u8]) -> (Option<&'static str>, &'static str) {
    let head = &bytes[..bytes.len().min(64)];
    let lower = head.to_ascii_lowercase();
    let starts = |prefix: &[u8]| head.starts_with(prefix);
    if head.is_empty() {
        (Some("an empty file"), "download it again")
    } else if starts(b"version https://git-lfs") {
        (
            Some("a Git LFS pointer, not the model"),
            "run `git lfs pull` in its directory or download the file itself",
        )
    } else if lower.starts_with(b"<!doctype") || lower.starts_with(b"<html") {
        (Some("a web page"), "download the file itself, not the page that shows it")
    } else if [b"lmgg", b"fmgg", b"tjgg", b"algg"].iter().any(|magic| starts(*magic)) {
        (Some("a GGML file from before GGUF"), "convert the original model to GGUF")
    } else if starts(b"PK\x03\x04") || starts(b"\x80\x02") {
        (
            Some("a pickle or zip archive"),
            "such files can run code and are never read: get the model as GGUF or safetensors",
        )
    } else {
        (None, "")
    }
}

fn open_dir(dir: &Path) -> Result<ModelFiles, Error> {
    if dir.join("config.json").is_file() {
        // A GGUF may lie beside the original model; the directory then still means the original.
        return HfModel::open(dir).map(ModelFiles::Hf);
    }
    let refuse =
        |found: String, hint| Err(Error::NotAModel { path: dir.to_owned(), expected: EXPECTED, found, hint });
    let models = gguf_models(dir)?;
    match models.as_slice() {
        [one] => Gguf::open(one).map(ModelFiles::Gguf),
        [] => refuse(
            "a directory without config.json and without .gguf files".to_owned(),
            "give the path of a GGUF file or download the model's whole directory",
        ),
        many => {
            refuse(format!("a directory with {} GGUF models", many.len()), "give the path of one of them")
        }
    }
}

/// The GGUF files of a directory, of a split set only the first part, sorted.
fn gguf_models(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let list = std::fs::read_dir(dir).map_err(|e| Error::io(dir, "list", e))?;
    let mut models = Vec::new();
    for entry in list.take(DIR_ENTRIES_MAX) {
        let path = entry.map_err(|e| Error::io(dir, "list", e))?.path();
        if path.extension().is_some_and(|e| e == "gguf") && path.is_file() {
            models.push(SplitName::of(&path).map_or(path, |split| split.path(1)));
        }
    }
    models.sort();
    models.dedup();
    Ok(models)
}
