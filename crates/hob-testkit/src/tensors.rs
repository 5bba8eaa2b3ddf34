//! Expected numbers: the f32 tensors of an `expected.safetensors`.
//!
//! A reader of its own, so that what judges the code under test does not pass through it.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use crate::{Error, shared::read_bytes, subject::Rows};

/// Tensors by name.
#[derive(Debug, Default)]
pub struct Expectations {
    tensors: BTreeMap<String, Rows>,
    path: std::path::PathBuf,
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

impl Expectations {
    /// Reads a safetensors file that holds nothing but F32 tensors of one or two dimensions.
    ///
    /// # Errors
    /// [`Error`] when the file is not that.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let bytes = read_bytes(path)?;
        let tensors = parse(&bytes).map_err(|message| Error::form(path, message))?;
        Ok(Self { tensors, path: path.to_path_buf() })
    }

    /// The tensor `name` as rows; a vector is one row.
    ///
    /// # Errors
    /// [`Error::Form`] when the file has no such tensor.
    pub fn rows(&self, name: &str) -> Result<&Rows, Error> {
        self.tensors
            .get(name)
            .ok_or_else(|| Error::form(&self.path, format!("expected a tensor {name}, found none")))
    }

    /// Whether the file holds `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }
}

fn parse(bytes: &[u8]) -> Result<BTreeMap<String, Rows>, String> {
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or("shorter than its header length")?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|error| error.to_string())?;
    let (header, data) = rest.split_at_checked(length).ok_or("the header is longer than the file")?;
    let header: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(header).map_err(|error| format!("header: {error}"))?;
    let mut tensors = BTreeMap::new();
    for (name, value) in header {
        if name != "__metadata__" {
            let rows = parse_tensor(value, data).map_err(|message| format!("tensor {name}: {message}"))?;
            tensors.insert(name, rows);
        }
    }
    Ok(tensors)
}

fn parse_tensor(value: serde_json::Value, data: &[u8]) -> Result<Rows, String> {
    let entry: Entry = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let (count, width) = match entry.shape[..] {
        [width] => (1, width),
        [count, width] => (count, width),
        _ => return Err(format!("expected one or two dimensions, found {:?}", entry.shape)),
    };
    if entry.dtype != "F32" {
        return Err(format!("expected F32, found {}", entry.dtype));
    }
    let [start, end] = entry.data_offsets;
    let bytes = data.get(start..end).ok_or("its data lies outside the file")?;
    let (values, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() || Some(values.len()) != count.checked_mul(width) {
        return Err(format!("expected {count} x {width} values, found {} bytes", bytes.len()));
    }
    Ok(Rows::new(width, values.iter().map(|value| f32::from_le_bytes(*value)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, values: &[f32]) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        bytes
    }

    #[test]
    fn reads_rows() {
        let header = r#"{"__metadata__":{},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}"#;
        let tensors = parse(&file(header, &[1.0, 2.0])).unwrap();
        assert_eq!(tensors["a"], Rows::new(1, vec![1.0, 2.0]));
    }

    #[test]
    fn refuses_what_does_not_fit() {
        for header in [
            r#"{"a":{"dtype":"F32","shape":[3,1],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,12]}}"#,
            r#"{"a":{"dtype":"F16","shape":[2,1],"data_offsets":[0,8]}}"#,
        ] {
            assert!(parse(&file(header, &[1.0, 2.0])).is_err(), "{header}");
        }
        assert!(parse(&[0xff; 16]).is_err());
    }
}
