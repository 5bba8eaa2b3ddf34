//! Header, metadata and tensor descriptions: bytes to plain data, nothing judged against the file's size yet.

use hob_base::SharedBytes;

use super::{DIMENSIONS_MAX, KEY_BYTES_MAX, MAGIC, TENSOR_NAME_BYTES_MAX};
use crate::array::ArrayView;
use crate::error::shown;
use crate::reader::Reader;
use crate::value::{Value, ValueType};
use crate::{Error, Metadata};

/// Most metadata keys; real files have under a hundred.
const KEYS_MAX: u64 = 65_536;
/// Most tensors; the largest mixture models have tens of thousands.
const TENSORS_MAX: u64 = 1 << 20;
/// Smallest encodings, so that a count is refused before the first entry is read.
const KEY_VALUE_BYTES_MIN: u64 = 8 + 4 + 1;
const TENSOR_INFO_BYTES_MIN: u64 = 8 + 4 + 8 + 4 + 8;
/// Most bytes of keys and texts copied out of one file; large vocabularies are arrays, which are not copied.
const TEXT_BYTES_MAX: u64 = 32 << 20;

/// A GGUF file up to its data section.
pub(super) struct Parsed {
    pub(super) version: u32,
    pub(super) metadata: Metadata,
    pub(super) infos: Vec<Info>,
    /// Bytes before the padding that precedes the data section.
    pub(super) header_bytes: usize,
}

/// A tensor's description as stored.
pub(super) struct Info {
    pub(super) name: String,
    /// Fastest dimension first.
    pub(super) ne: [u64; DIMENSIONS_MAX],
    pub(super) dimensions: usize,
    pub(super) type_id: u32,
    /// Relative to the data section.
    pub(super) offset: u64,
}

pub(super) fn parse(file: &str, bytes: &SharedBytes) -> Result<Parsed, Error> {
    let mut reader = Reader::new(file, bytes);
    let version = header(&mut reader)?;
    let tensor_count = reader.u64("the tensor count")?;
    let key_count = reader.u64("the metadata count")?;
    check_count(&reader, "tensor count", tensor_count, TENSORS_MAX, TENSOR_INFO_BYTES_MIN)?;
    check_count(&reader, "metadata count", key_count, KEYS_MAX, KEY_VALUE_BYTES_MIN)?;
    let mut parser = Parser { reader, bytes, text_left: TEXT_BYTES_MAX };
    let mut metadata = Metadata::new(file);
    for _ in 0..key_count {
        let (key, value) = parser.key_value()?;
        metadata.insert_new(key, value)?;
    }
    let mut infos = Vec::new();
    for _ in 0..tensor_count {
        infos.push(parser.info()?);
    }
    Ok(Parsed { version, metadata, infos, header_bytes: parser.reader.position() })
}

fn header(reader: &mut Reader<'_>) -> Result<u32, Error> {
    let file = reader.file();
    let magic: [u8; 4] = reader.array("the magic \"GGUF\"")?;
    if magic != *MAGIC {
        return Err(Error::malformed(file, "magic", "\"GGUF\"", format!("\"{}\"", magic.escape_ascii())));
    }
    let version = reader.u32("the version")?;
    let hint = match version {
        2 | 3 => return Ok(version),
        1 => "version 1 is obsolete: convert the original model anew",
        // No version comes near 2^16, so zeros in the low half mean swapped bytes.
        v if v & 0xffff == 0 && v != 0 => {
            let found = format!("big-endian version {}", v.swap_bytes());
            let hint = "convert the model for little-endian machines";
            return Err(Error::Version { file: file.to_owned(), found, hint });
        }
        _ => "update this program, or download the file again if it is damaged",
    };
    Err(Error::Version { file: file.to_owned(), found: version.to_string(), hint })
}

fn check_count(
    reader: &Reader<'_>,
    what: &'static str,
    count: u64,
    max: u64,
    bytes_each: u64,
) -> Result<(), Error> {
    let backed = reader.left() as u64 / bytes_each;
    if count > backed {
        let expected = format!("at most {backed} entries in the {} bytes that follow", reader.left());
        return Err(Error::malformed(reader.file(), what, expected, count));
    }
    if count > max {
        return Err(Error::Limit { file: reader.file().to_owned(), what, found: count, limit: max });
    }
    Ok(())
}

struct Parser<'a> {
    reader: Reader<'a>,
    bytes: &'a SharedBytes,
    text_left: u64,
}

impl Parser<'_> {
    fn key_value(&mut self) -> Result<(String, Value), Error> {
        let start = self.reader.position();
        let key = self.reader.string("a metadata key")?;
        let place = || format!("metadata key at byte {start}");
        if key.len() > KEY_BYTES_MAX {
            let expected = format!("at most {KEY_BYTES_MAX} bytes");
            return Err(Error::malformed(self.reader.file(), &place(), expected, key.len()));
        }
        let key = self.text(key, &place)?;
        let value = self.value(&key)?;
        Ok((key, value))
    }

    fn value(&mut self, key: &str) -> Result<Value, Error> {
        let value_type = self.value_type(key)?;
        let place = || format!("metadata key {}", shown(key));
        match (value_type, value_type.fixed_bytes()) {
            (ValueType::Array, _) => self.array(key).map(Value::Array),
            (_, Some(width)) => {
                let bytes = self.reader.take(width as u64, "a metadata value")?;
                let wrong = || Error::malformed(self.reader.file(), &place(), "a bool of 0 or 1", bytes[0]);
                Value::decode(value_type, bytes).ok_or_else(wrong)
            }
            (_, None) => {
                let text = self.reader.string("a metadata string")?;
                self.text(text, &place).map(Value::Str)
            }
        }
    }

    fn array(&mut self, key: &str) -> Result<ArrayView, Error> {
        let element = self.value_type(key)?;
        let place = || format!("metadata key {}", shown(key));
        let count = self.reader.u64("an array's count")?;
        let start = self.reader.position();
        match element.fixed_bytes() {
            Some(width) => {
                // An overflowing product saturates and is then more than any file holds.
                let items = self.reader.take(count.saturating_mul(width as u64), "a metadata array")?;
                if element == ValueType::Bool && items.iter().any(|&b| b > 1) {
                    return Err(Error::malformed(
                        self.reader.file(),
                        &place(),
                        "bools of 0 or 1",
                        "another byte",
                    ));
                }
            }
            None if element == ValueType::Array => {
                return Err(Error::malformed(
                    self.reader.file(),
                    &place(),
                    "an array of plain values",
                    "nested arrays",
                ));
            }
            None => {
                // Every text takes at least eight bytes, so the loop is bounded by the file, whatever the count.
                for _ in 0..count {
                    self.reader.string("a string in a metadata array")?;
                }
            }
        }
        let view =
            self.bytes.slice(start..self.reader.position()).expect("the reader stays inside the bytes");
        let count =
            usize::try_from(count).expect("every element but those of empty types was read from memory");
        Ok(ArrayView::new(element, count, view))
    }

    fn value_type(&mut self, key: &str) -> Result<ValueType, Error> {
        let id = self.reader.u32("a value type")?;
        let place = || format!("metadata key {}", shown(key));
        ValueType::from_id(id)
            .ok_or_else(|| Error::malformed(self.reader.file(), &place(), "a value type from 0 to 12", id))
    }

    /// Copies a text out of the file, so that it stays what it was checked to be.
    fn text(&mut self, bytes: &[u8], place: &dyn Fn() -> String) -> Result<String, Error> {
        let file = self.reader.file();
        let Some(left) = self.text_left.checked_sub(bytes.len() as u64) else {
            let found = TEXT_BYTES_MAX - self.text_left + bytes.len() as u64;
            let what = "bytes of metadata texts";
            return Err(Error::Limit { file: file.to_owned(), what, found, limit: TEXT_BYTES_MAX });
        };
        self.text_left = left;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(e) => Err(Error::malformed(
                file,
                &place(),
                "UTF-8 text",
                format!("byte {} that is not", e.valid_up_to()),
            )),
        }
    }

    fn info(&mut self) -> Result<Info, Error> {
        let start = self.reader.position();
        let name = self.reader.string("a tensor name")?;
        let place = || format!("tensor name at byte {start}");
        if name.is_empty() || name.len() > TENSOR_NAME_BYTES_MAX {
            let expected = format!("1 to {TENSOR_NAME_BYTES_MAX} bytes");
            return Err(Error::malformed(self.reader.file(), &place(), expected, name.len()));
        }
        let name = self.text(name, &place)?;
        let dimensions = self.reader.u32("a tensor's number of dimensions")?;
        if dimensions == 0 || dimensions as usize > DIMENSIONS_MAX {
            return Err(Error::tensor(self.reader.file(), &name, "1 to 4 dimensions", dimensions));
        }
        let mut ne = [1; DIMENSIONS_MAX];
        for n in &mut ne[..dimensions as usize] {
            *n = self.reader.u64("a tensor's dimension")?;
        }
        let type_id = self.reader.u32("a tensor's type")?;
        let offset = self.reader.u64("a tensor's offset")?;
        Ok(Info { name, ne, dimensions: dimensions as usize, type_id, offset })
    }
}
