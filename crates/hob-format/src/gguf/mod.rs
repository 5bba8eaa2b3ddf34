//! GGUF files: one file or a split set, opened without touching the weights.

mod parse;
mod plan;
mod split;
pub(crate) mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hob_base::SharedBytes;

use crate::mapping::Mapping;
use crate::{Error, Metadata, TensorTable};

pub(crate) use split::SplitName;

/// The first four bytes of every GGUF file.
pub(crate) const MAGIC: &[u8; 4] = b"GGUF";
/// Where tensors start when `general.alignment` does not say otherwise.
pub(crate) const ALIGNMENT_DEFAULT: usize = 32;
/// Longest tensor name; llama.cpp keeps names in 64 bytes with a terminator.
pub(crate) const TENSOR_NAME_BYTES_MAX: usize = 63;
/// Longest metadata key, from the format description.
pub(crate) const KEY_BYTES_MAX: usize = 65_535;
/// Most dimensions of a tensor.
pub(crate) const DIMENSIONS_MAX: usize = 4;

/// An opened GGUF model.
///
/// ```no_run
/// let model = hob_format::Gguf::open("model-Q4_0.gguf".as_ref())?;
/// let width = model.metadata.usize("llama.embedding_length")?;
/// let first = model.tensors.get("token_embd.weight");
/// # Ok::<(), hob_format::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gguf {
    /// The key-value metadata; of a split set, that of the first part.
    pub metadata: Metadata,
    /// All tensors in file order; of a split set, those of all parts.
    pub tensors: TensorTable,
    version: u32,
    file_bytes: u64,
    paths: Vec<PathBuf>,
}

impl Gguf {
    /// Opens the file at `path`; when it is a part of a split set (`...-00002-of-00003.gguf`), opens the whole set.
    ///
    /// Maps the files, reads header, metadata and tensor descriptions, and checks the whole plan of tensors before the
    /// first view of one exists. Cost: milliseconds, independent of the size of the weights.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with the files, named by file and key or tensor; see [`Error`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let (first, part) = Self::open_one(path)?;
        match part {
            None => Ok(first),
            Some(part) => split::open_set(path, first, part),
        }
    }

    /// Parses a whole, unsplit file from memory.
    ///
    /// # Errors
    ///
    /// As [`Gguf::open`]; a part of a split set is refused.
    pub fn from_bytes(bytes: SharedBytes) -> Result<Self, Error> {
        Self::from_named_bytes("GGUF bytes", bytes)
    }

    /// A model that is in no GGUF file, as one would hold it: keys and names are GGUF's.
    pub fn from_parts(metadata: Metadata, tensors: TensorTable) -> Self {
        let file_bytes = tensors.total_bytes();
        Self { metadata, tensors, version: write::VERSION, file_bytes, paths: Vec::new() }
    }

    /// As [`Gguf::from_bytes`]; `file` is named in errors.
    pub(crate) fn from_named_bytes(file: &str, bytes: SharedBytes) -> Result<Self, Error> {
        let (gguf, part) = Self::parse(file, bytes)?;
        match part {
            None => Ok(gguf),
            Some(part) => Err(part.alone(file)),
        }
    }

    fn open_one(path: &Path) -> Result<(Self, Option<split::Part>), Error> {
        let mapping = Mapping::open(path)?;
        let (mut file, part) = Self::parse(&path.display().to_string(), mapping.bytes())?;
        file.tensors = file.tensors.with_mappings(vec![Arc::clone(&mapping)]);
        file.paths.push(path.to_owned());
        Ok((file, part))
    }

    fn parse(file: &str, bytes: SharedBytes) -> Result<(Self, Option<split::Part>), Error> {
        let parsed = parse::parse(file, &bytes)?;
        let part = split::Part::of(file, &parsed.metadata)?;
        let tensors = plan::tensors(file, &bytes, &parsed)?;
        let file_bytes = bytes.len() as u64;
        let gguf = Self {
            metadata: parsed.metadata,
            tensors: TensorTable::new(file, tensors)?,
            version: parsed.version,
            file_bytes,
            paths: Vec::new(),
        };
        Ok((gguf, part))
    }

    /// The format version: 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Bytes of the file, or of all parts together.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// The file, or the parts in order; empty when parsed from memory.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }
}
