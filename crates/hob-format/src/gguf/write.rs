//! Writing GGUF v3: description first, then tensor after tensor, holding none of them in memory.

use std::collections::BTreeSet;
use std::path::Path;

use hob_quant::TensorType;

use super::{DIMENSIONS_MAX, KEY_BYTES_MAX, MAGIC, TENSOR_NAME_BYTES_MAX, plan};
use crate::array::ArrayView;
use crate::error::shown;
use crate::value::Value;
use crate::write::{AtomicFile, Body, Commit, Slot};
use crate::{Dtype, Error, Metadata};

pub(super) const VERSION: u32 = 3;

/// What a GGUF file will hold: metadata, and tensors in the order their data will come.
#[derive(Clone, Debug, Default)]
pub struct GgufLayout {
    /// The metadata. `general.alignment` sets the alignment (default 32).
    pub metadata: Metadata,
    tensors: Vec<(String, TensorType, Vec<usize>)>,
}

impl GgufLayout {
    /// A layout without tensors.
    pub fn new(metadata: Metadata) -> Self {
        Self { metadata, tensors: Vec::new() }
    }

    /// Adds a tensor; `shape` is row-major, outermost first.
    pub fn tensor(&mut self, name: &str, tensor_type: TensorType, shape: &[usize]) -> &mut Self {
        self.tensors.push((name.to_owned(), tensor_type, shape.to_owned()));
        self
    }

    /// The tensors' names, types and shapes in order.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = (&str, TensorType, &[usize])> {
        self.tensors.iter().map(|(name, t, shape)| (name.as_str(), *t, shape.as_slice()))
    }

    /// Header bytes up to the data section, and the space each tensor takes there.
    fn encode(&self) -> Result<(Vec<u8>, Vec<Slot>), Error> {
        let alignment = plan::alignment("layout", &self.metadata)?;
        let mut out = Vec::new();
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in self.metadata.iter() {
            check("metadata key", key, key.len() <= KEY_BYTES_MAX, "at most 65535 bytes")?;
            put_text(&mut out, key.as_bytes());
            put_typed(&mut out, value);
        }
        let mut names = BTreeSet::new();
        let mut slots = Vec::new();
        let mut offset = 0u64;
        for (name, tensor_type, shape) in &self.tensors {
            check("tensor", name, names.insert(name), "each name once")?;
            let slot = slot(name, *tensor_type, shape, alignment)?;
            put_info(&mut out, name, shape, *tensor_type, offset);
            offset += (slot.bytes + slot.padding) as u64;
            slots.push(slot);
        }
        out.resize(out.len().next_multiple_of(alignment), 0);
        Ok((out, slots))
    }
}

/// A GGUF file being written.
///
/// ```
/// use hob_format::{Gguf, GgufLayout, GgufWriter, Metadata};
/// use hob_quant::TensorType;
///
/// let mut metadata = Metadata::new("example");
/// metadata.set("general.architecture", "llama");
/// let mut layout = GgufLayout::new(metadata);
/// layout.tensor("token_embd.weight", TensorType::F32, &[2, 3]);
///
/// let mut bytes = Vec::new();
/// let mut writer = GgufWriter::new(&mut bytes, &layout)?;
/// writer.begin("token_embd.weight")?;
/// for row in [[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]] {
///     writer.write(&row.map(f32::to_le_bytes).concat())?;
/// }
/// writer.finish()?;
/// assert_eq!(Gguf::from_bytes(bytes.into())?.tensors.get("token_embd.weight").unwrap().shape, [2, 3]);
/// # Ok::<(), hob_format::Error>(())
/// ```
#[derive(Debug)]
pub struct GgufWriter<W: Commit> {
    body: Body<W>,
}

impl GgufWriter<AtomicFile> {
    /// Starts the file at `path`, which appears when [`GgufWriter::finish`] succeeds.
    ///
    /// # Errors
    ///
    /// [`Error::Unwritable`] for a layout the format cannot express, [`Error::Io`] from the file system.
    pub fn create(path: &Path, layout: &GgufLayout) -> Result<Self, Error> {
        let (header, slots) = layout.encode()?;
        Ok(Self { body: Body::new(AtomicFile::create(path)?, path, &header, slots)? })
    }
}

impl<W: Commit> GgufWriter<W> {
    /// Starts a file in `sink`.
    ///
    /// # Errors
    ///
    /// As [`GgufWriter::create`].
    pub fn new(sink: W, layout: &GgufLayout) -> Result<Self, Error> {
        let (header, slots) = layout.encode()?;
        Ok(Self { body: Body::new(sink, Path::new("GGUF output"), &header, slots)? })
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

fn slot(name: &str, tensor_type: TensorType, shape: &[usize], alignment: usize) -> Result<Slot, Error> {
    check(
        "tensor",
        name,
        !name.is_empty() && name.len() <= TENSOR_NAME_BYTES_MAX,
        "a name of 1 to 63 bytes",
    )?;
    let plausible = (1..=DIMENSIONS_MAX).contains(&shape.len()) && shape.iter().all(|&n| n > 0);
    let sized = Dtype::Block(tensor_type).tensor_bytes(shape).filter(|_| plausible);
    let padded = sized.and_then(|bytes| Some((bytes, bytes.checked_next_multiple_of(alignment)? - bytes)));
    let Some((bytes, padding)) = padded else {
        let place = format!("tensor {}", shown(name));
        let expected = format!("1 to 4 positive dimensions with rows of whole {tensor_type} blocks");
        return Err(Error::Unwritable { place, expected, found: format!("{shape:?}") });
    };
    Ok(Slot { name: name.to_owned(), bytes, padding })
}

fn check(kind: &str, name: &str, fine: bool, expected: &str) -> Result<(), Error> {
    if fine {
        return Ok(());
    }
    let (place, found) =
        (format!("{kind} {}", shown(name)), format!("{} bytes: \"{}\"", name.len(), shown(name)));
    Err(Error::Unwritable { place, expected: expected.to_owned(), found })
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text);
}

fn put_typed(out: &mut Vec<u8>, value: &Value) {
    out.extend((value.value_type() as u32).to_le_bytes());
    match value {
        Value::U8(v) => out.extend(v.to_le_bytes()),
        Value::I8(v) => out.extend(v.to_le_bytes()),
        Value::U16(v) => out.extend(v.to_le_bytes()),
        Value::I16(v) => out.extend(v.to_le_bytes()),
        Value::U32(v) => out.extend(v.to_le_bytes()),
        Value::I32(v) => out.extend(v.to_le_bytes()),
        Value::F32(v) => out.extend(v.to_le_bytes()),
        Value::U64(v) => out.extend(v.to_le_bytes()),
        Value::I64(v) => out.extend(v.to_le_bytes()),
        Value::F64(v) => out.extend(v.to_le_bytes()),
        Value::Bool(v) => out.push((*v).into()),
        Value::Str(text) => put_text(out, text.as_bytes()),
        Value::Array(array) => put_array(out, array),
    }
}

fn put_array(out: &mut Vec<u8>, array: &ArrayView) {
    out.extend((array.element_type() as u32).to_le_bytes());
    out.extend((array.len() as u64).to_le_bytes());
    out.extend_from_slice(array.bytes());
}

fn put_info(out: &mut Vec<u8>, name: &str, shape: &[usize], tensor_type: TensorType, offset: u64) {
    put_text(out, name.as_bytes());
    out.extend((shape.len() as u32).to_le_bytes());
    for &n in shape.iter().rev() {
        out.extend((n as u64).to_le_bytes());
    }
    out.extend(tensor_type.ggml_id().to_le_bytes());
    out.extend(offset.to_le_bytes());
}
