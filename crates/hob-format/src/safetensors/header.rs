//! The JSON header: read as a stream into exactly the structure the format allows, so that depth and size stay bounded
//! by the header's own length.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::error::{shown, shown_message};
use crate::{Dtype, Error};

/// Most dimensions of a tensor; models use up to five (video convolutions).
const DIMENSIONS_MAX: usize = 8;
/// Most tensors; the largest mixture models have tens of thousands per model.
const TENSORS_MAX: usize = 1 << 20;
/// Most texts in `__metadata__`; files in use have one to a dozen.
const TEXTS_MAX: usize = 4096;

/// The header's tensors in order of their data, and its free texts.
#[derive(Debug, Default)]
pub(super) struct Header {
    pub(super) entries: Vec<Entry>,
    pub(super) metadata: BTreeMap<String, String>,
}

/// A tensor's description; `start` and `end` are relative to the data section.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Parses the header and sorts the tensors by position.
pub(super) fn parse(file: &str, json: &[u8]) -> Result<Header, Error> {
    let wrong = |e: serde_json::Error| Error::Json {
        file: file.to_owned(),
        expected: "a safetensors header: {\"NAME\": {\"dtype\", \"shape\", \"data_offsets\"}, ...}",
        message: shown_message(&e),
    };
    // The reference format starts with `{` directly and pads with spaces at the end only.
    if json.first() != Some(&b'{') {
        let found = json.first().map_or("nothing".to_owned(), |b| format!("\"{}\"", b.escape_ascii()));
        return Err(Error::malformed(file, "header", "a JSON object starting with \"{\"", found));
    }
    let text = std::str::from_utf8(json).map_err(|e| {
        Error::malformed(file, "header", "UTF-8 text", format!("byte {} that is not", e.valid_up_to()))
    })?;
    let mut parser = serde_json::Deserializer::from_str(text);
    let mut header = parser.deserialize_map(HeaderVisitor { file }).map_err(wrong)??;
    parser.end().map_err(wrong)?;
    header.entries.sort_by_key(|e| (e.start, e.end));
    Ok(header)
}

/// Tensors must tile the data section: in order, without gap, overlap or rest, each as long as its shape says.
pub(super) fn check_layout(file: &str, header: &Header, data_bytes: usize) -> Result<(), Error> {
    let mut next = 0;
    for entry in &header.entries {
        let wrong = |expected: String, found: String| Err(Error::tensor(file, &entry.name, expected, found));
        let Some(size) = entry.dtype.tensor_bytes(&entry.shape) else {
            return wrong("a size in 64 bits".to_owned(), format!("shape {:?}", entry.shape));
        };
        if entry.end < entry.start || entry.end > data_bytes {
            let found = format!("[{}, {}]", entry.start, entry.end);
            return wrong(format!("data_offsets in order and within {data_bytes} bytes"), found);
        }
        if entry.start != next {
            return wrong(
                format!("data starting at {next}, where the tensor before ends"),
                entry.start.to_string(),
            );
        }
        if entry.end - entry.start != size {
            let expected = format!("{size} bytes for {} {:?}", entry.dtype, entry.shape);
            return wrong(expected, (entry.end - entry.start).to_string());
        }
        next = entry.end;
    }
    if next != data_bytes {
        let (place, expected) = ("data section", format!("{next} bytes, the sum of the tensors"));
        return Err(Error::malformed(file, place, expected, data_bytes));
    }
    Ok(())
}

/// Yields the header, or our own error where the JSON is fine but its meaning is not.
struct HeaderVisitor<'f> {
    file: &'f str,
}

impl<'de> Visitor<'de> for HeaderVisitor<'_> {
    type Value = Result<Header, Error>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut header = Header::default();
        let mut has_metadata = false;
        while let Some(Text(name)) = map.next_key::<Text<'de>>()? {
            if name == "__metadata__" {
                if std::mem::replace(&mut has_metadata, true) {
                    return Err(de::Error::custom("__metadata__ twice"));
                }
                header.metadata = map.next_value::<Texts>()?.0;
                continue;
            }
            if header.entries.len() == TENSORS_MAX {
                return Err(de::Error::custom(format_args!("more than {TENSORS_MAX} tensors")));
            }
            let raw: RawEntry<'de> = map.next_value().map_err(|e| in_tensor(&name, &e))?;
            match raw.named(self.file, &name) {
                Ok(entry) => header.entries.push(entry),
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(header))
    }
}

/// Says which tensor a JSON problem is in. (serde_json finds line and column in the text and keeps them.)
fn in_tensor<E: de::Error>(name: &str, error: &E) -> E {
    E::custom(format_args!("tensor {}: {error}", shown(name)))
}

/// A tensor's description as written. Unknown and repeated fields are refused.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry<'a> {
    #[serde(borrow)]
    dtype: Text<'a>,
    shape: Shape,
    data_offsets: (u64, u64),
}

impl RawEntry<'_> {
    fn named(self, file: &str, name: &str) -> Result<Entry, Error> {
        let unknown = || Error::ElementType {
            file: file.to_owned(),
            tensor: shown(name),
            supported: Dtype::safetensors_names(),
            found: shown(&self.dtype.0),
        };
        let dtype = Dtype::from_safetensors_name(&self.dtype.0).ok_or_else(unknown)?;
        let (start, end) = self.data_offsets;
        // On 32-bit machines an offset may not fit; the largest one is then past the end of any file.
        let [start, end] = [start, end].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        Ok(Entry { name: name.to_owned(), dtype, shape: self.shape.0, start, end })
    }
}

/// A JSON string, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Dimensions, refused as soon as there are too many.
struct Shape(Vec<usize>);

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ShapeVisitor;

        impl<'de> Visitor<'de> for ShapeVisitor {
            type Value = Shape;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a shape of at most {DIMENSIONS_MAX} non-negative dimensions")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
                let mut shape = Vec::new();
                while let Some(n) = seq.next_element::<usize>()? {
                    if shape.len() == DIMENSIONS_MAX {
                        return Err(de::Error::invalid_length(DIMENSIONS_MAX + 1, &self));
                    }
                    shape.push(n);
                }
                Ok(Shape(shape))
            }
        }

        deserializer.deserialize_seq(ShapeVisitor)
    }
}

/// The free texts, refused as soon as there are too many.
struct Texts(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextsVisitor;

        impl<'de> Visitor<'de> for TextsVisitor {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {TEXTS_MAX} texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
                let mut texts = BTreeMap::new();
                while let Some((key, value)) = map.next_entry()? {
                    if texts.len() == TEXTS_MAX {
                        return Err(de::Error::invalid_length(TEXTS_MAX + 1, &self));
                    }
                    texts.insert(key, value);
                }
                Ok(Texts(texts))
            }
        }

        deserializer.deserialize_map(TextsVisitor)
    }
}
