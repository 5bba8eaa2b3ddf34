//! Small JSON files: limited in size, and in depth by the parser's own limit of 128.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::Error;
use crate::error::shown_message;
use crate::mapping::Mapping;

/// Largest configuration file; the largest in use (tokenizer configurations that list every special token) have one
/// megabyte. A hostile one may take some thirty times its size once parsed.
pub(crate) const CONFIG_BYTES_MAX: u64 = 4 << 20;

/// The parsed content of `path`, or `None` when there is no such file.
pub(crate) fn read_optional<T: DeserializeOwned>(
    path: &Path,
    bytes_max: u64,
    expected: &'static str,
) -> Result<Option<T>, Error> {
    if !path.is_file() {
        return Ok(None);
    }
    let mapping = Mapping::open(path)?;
    parse(&path.display().to_string(), &mapping.bytes(), bytes_max, expected).map(Some)
}

/// The parsed content of `bytes`, which `file` names in errors.
pub(crate) fn parse<T: DeserializeOwned>(
    file: &str,
    bytes: &[u8],
    bytes_max: u64,
    expected: &'static str,
) -> Result<T, Error> {
    let found = bytes.len() as u64;
    if found > bytes_max {
        return Err(Error::Limit { file: file.to_owned(), what: "bytes of JSON", found, limit: bytes_max });
    }
    let wrong =
        |e: serde_json::Error| Error::Json { file: file.to_owned(), expected, message: shown_message(&e) };
    serde_json::from_slice(bytes).map_err(wrong)
}
