//! The old form, `.dat`: numbers and names in a row, without a magic.
//!
//! All integers are i32: the number of entries; of each entry the length of its name, the name, its calls (windows), the number
//! of its values, and as many f32; then, in newer files, the windows in all, and length and name of the text. The values
//! are means times calls; a stack of experts lies in one entry with one number of calls.

use std::collections::BTreeMap;

use super::{Importance, ImportanceMatrix, floats, not_one};
use crate::Error;
use crate::error::shown;
use crate::gguf::TENSOR_NAME_BYTES_MAX;
use crate::reader::Reader;

/// Smallest entry: three integers, a name of one byte and one value.
const ENTRY_BYTES_MIN: usize = 3 * 4 + 1 + 4;

/// The entries of a file, whose numbers the caller checks.
pub(super) fn read(file: &str, bytes: &[u8]) -> Result<ImportanceMatrix, Error> {
    let mut reader = Reader::new(file, bytes);
    let count = match reader.u32("the number of entries") {
        // Without a magic a plausible number is the only sign of the right kind of file.
        Ok(count) if count > 0 && count as usize <= reader.left() / ENTRY_BYTES_MIN => count,
        _ => return Err(not_one(file, "a file of another kind")),
    };
    let mut entries = BTreeMap::new();
    for _ in 0..count {
        let (name, importance) = entry(&mut reader)?;
        if entries.contains_key(&name) {
            return Err(Error::tensor(file, &name, "unique names", "the name twice"));
        }
        entries.insert(name, importance);
    }
    let mut matrix = ImportanceMatrix { entries, ..ImportanceMatrix::default() };
    if reader.left() > 0 {
        matrix.chunk_count = not_negative(&mut reader, "the number of windows")?;
        let length = not_negative(&mut reader, "the length of the text's name")?;
        let name = reader.take(length.into(), "the text's name")?;
        if !name.is_empty() {
            matrix.datasets.push(String::from_utf8_lossy(name).into_owned());
        }
    }
    if reader.left() > 0 {
        let found = format!("{} bytes more", reader.left());
        return Err(Error::malformed(file, "end", "the end after the text's name", found));
    }
    Ok(matrix)
}

fn entry(reader: &mut Reader<'_>) -> Result<(String, Importance), Error> {
    let file = reader.file();
    let place = format!("entry at byte {}", reader.position());
    let length = not_negative(reader, "the length of a name")?;
    if length == 0 || length as usize > TENSOR_NAME_BYTES_MAX {
        let expected = format!("a name of 1 to {TENSOR_NAME_BYTES_MAX} bytes");
        return Err(Error::malformed(file, &place, expected, format!("a length of {length}")));
    }
    let name = reader.take(length.into(), "a name")?;
    let Ok(name) = std::str::from_utf8(name) else {
        return Err(Error::malformed(
            file,
            &place,
            "a name in UTF-8",
            shown(&name.escape_ascii().to_string()),
        ));
    };
    // Files without calls hold means.
    let calls = not_negative(reader, "the number of calls")?.max(1);
    let values = not_negative(reader, "the number of values")?;
    let bytes = reader.take(u64::from(values) * 4, "the values of an entry")?;
    Ok((name.to_owned(), Importance::new(floats(bytes), calls as f32)))
}

fn not_negative(reader: &mut Reader<'_>, what: &'static str) -> Result<u32, Error> {
    let found = reader.u32(what)?.cast_signed();
    found
        .try_into()
        .map_err(|_| Error::malformed(reader.file(), what, "a number that is not negative", found))
}
