//! Writing safetensors: header first, then tensor after tensor, holding none of them in memory.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::HEADER_BYTES_MAX;
use crate::error::shown;
use crate::write::{AtomicFile, Body, Commit, Slot};
use crate::{Dtype, Error};

/// What a safetensors file will hold: free texts, and tensors in the order their data will come.
#[derive(Clone, Debug, Default)]
pub struct SafetensorsLayout {
    /// The header's `__metadata__`; Hugging Face tools expect `format: pt`.
    pub metadata: BTreeMap<String, String>,
    tensors: Vec<(String, Dtype, Vec<usize>)>,
}

impl SafetensorsLayout {
    /// A layout without tensors, marked `format: pt`.
    pub fn new() -> Self {
        Self { metadata: BTreeMap::from([("format".to_owned(), "pt".to_owned())]), tensors: Vec::new() }
    }

    /// Adds a tensor; `shape` is row-major, outermost first.
    pub fn tensor(&mut self, name: &str, dtype: Dtype, shape: &[usize]) -> &mut Self {
        self.tensors.push((name.to_owned(), dtype, shape.to_owned()));
        self
    }

    fn encode(&self) -> Result<(Vec<u8>, Vec<Slot>), Error> {
        let mut header = Map::new();
        let mut slots = Vec::new();
        let mut offset = 0u64;
        if !self.metadata.is_empty() {
            header.insert("__metadata__".to_owned(), json!(self.metadata));
        }
        for (name, dtype, shape) in &self.tensors {
            let (entry, bytes) = entry(name, *dtype, shape, offset)?;
            if header.insert(name.clone(), entry).is_some() {
                return Err(unwritable(name, "each name once, and not `__metadata__`", "it again"));
            }
            offset += bytes as u64;
            slots.push(Slot { name: name.clone(), bytes, padding: 0 });
        }
        let mut text = Value::Object(header).to_string().into_bytes();
        // Spaces up to a multiple of 8 keep the data aligned, as the format's own writer does.
        text.resize(text.len().next_multiple_of(8), b' ');
        if text.len() as u64 > HEADER_BYTES_MAX {
            return Err(unwritable("header", "at most 100 MB", text.len()));
        }
        let mut out = (text.len() as u64).to_le_bytes().to_vec();
        out.extend(text);
        Ok((out, slots))
    }
}

/// A safetensors file being written; used like [`crate::GgufWriter`].
#[derive(Debug)]
pub struct SafetensorsWriter<W: Commit> {
    body: Body<W>,
}

impl SafetensorsWriter<AtomicFile> {
    /// Starts the file at `path`, which appears when [`SafetensorsWriter::finish`] succeeds.
    ///
    /// # Errors
    ///
    /// [`Error::Unwritable`] for a layout the format cannot express, [`Error::Io`] from the file system.
    pub fn create(path: &Path, layout: &SafetensorsLayout) -> Result<Self, Error> {
        let (header, slots) = layout.encode()?;
        Ok(Self { body: Body::new(AtomicFile::create(path)?, path, &header, slots)? })
    }
}

impl<W: Commit> SafetensorsWriter<W> {
    /// Starts a file in `sink`.
    ///
    /// # Errors
    ///
    /// As [`SafetensorsWriter::create`].
    pub fn new(sink: W, layout: &SafetensorsLayout) -> Result<Self, Error> {
        let (header, slots) = layout.encode()?;
        Ok(Self { body: Body::new(sink, Path::new("safetensors output"), &header, slots)? })
    }

    /// Starts the next tensor, which must be the layout's next. Panics when it is not, or the one before is incomplete.
    pub fn begin(&mut self, name: &str) -> Result<(), Error> {
        self.body.begin(name)
    }

    /// Appends bytes to the current tensor, in pieces of any length. Panics past the tensor's size.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.body.write(bytes)
    }

    /// Completes the file. Panics when tensors of the layout are missing.
    pub fn finish(self) -> Result<(), Error> {
        self.body.finish()
    }
}

fn entry(name: &str, dtype: Dtype, shape: &[usize], start: u64) -> Result<(Value, usize), Error> {
    let Some(type_name) = dtype.safetensors_name() else {
        let expected = format!("a type among {}", Dtype::safetensors_names());
        return Err(unwritable(name, &expected, dtype));
    };
    let size = dtype.tensor_bytes(shape).and_then(|bytes| Some((bytes, start.checked_add(bytes as u64)?)));
    let Some((bytes, end)) = size else {
        return Err(unwritable(name, "a size in 64 bits", format!("{shape:?}")));
    };
    Ok((json!({"dtype": type_name, "shape": shape, "data_offsets": [start, end]}), bytes))
}

fn unwritable(name: &str, expected: &str, found: impl ToString) -> Error {
    Error::Unwritable { place: shown(name), expected: expected.to_owned(), found: found.to_string() }
}
