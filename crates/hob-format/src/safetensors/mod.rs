//! Safetensors: a JSON header, then raw tensors. One file, or shards under an index.

mod header;
mod index;
pub(crate) mod write;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use hob_base::SharedBytes;

use crate::mapping::Mapping;
use crate::reader::Reader;
use crate::{Error, Tensor, TensorTable};

pub(crate) use index::{check_unused, open_sharded};

/// Largest header, as in the format's reference reader.
const HEADER_BYTES_MAX: u64 = 100_000_000;

/// An opened safetensors file.
#[derive(Clone, Debug)]
pub struct SafeTensors {
    /// All tensors in the order of their data.
    pub tensors: TensorTable,
    /// The header's `__metadata__`: free texts such as `format: pt`.
    pub metadata: BTreeMap<String, String>,
}

impl SafeTensors {
    /// Maps the file at `path` and checks its whole header; touches no weights.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with the file, by tensor; see [`Error`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mapping = Mapping::open(path)?;
        let mut opened = Self::parse(&path.display().to_string(), mapping.bytes())?;
        opened.tensors = opened.tensors.with_mappings(vec![Arc::clone(&mapping)]);
        Ok(opened)
    }

    /// Parses a whole file from memory.
    ///
    /// # Errors
    ///
    /// As [`SafeTensors::open`].
    pub fn from_bytes(bytes: SharedBytes) -> Result<Self, Error> {
        Self::parse("safetensors bytes", bytes)
    }

    fn parse(file: &str, bytes: SharedBytes) -> Result<Self, Error> {
        let mut reader = Reader::new(file, &bytes);
        let header_bytes = reader.u64("the header's length")?;
        if header_bytes > HEADER_BYTES_MAX {
            let (what, limit) = ("bytes of header", HEADER_BYTES_MAX);
            return Err(Error::Limit { file: file.to_owned(), what, found: header_bytes, limit });
        }
        let json = reader.take(header_bytes, "the header")?;
        let data = bytes.slice(reader.position()..bytes.len()).expect("the reader stays inside the bytes");
        let header = header::parse(file, json)?;
        header::check_layout(file, &header, data.len())?;
        let view = |entry: header::Entry| Tensor {
            bytes: data.slice(entry.start..entry.end).expect("the layout was checked against the data"),
            name: entry.name,
            dtype: entry.dtype,
            shape: entry.shape,
        };
        let tensors = header.entries.into_iter().map(view).collect();
        Ok(Self { tensors: TensorTable::new(file, tensors)?, metadata: header.metadata })
    }
}
