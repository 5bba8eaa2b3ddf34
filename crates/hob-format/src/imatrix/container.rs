//! The current form: a GGUF file with two tensors for each weight, `NAME.in_sum2` and `NAME.counts`.

use std::collections::BTreeMap;
use std::path::Path;

use hob_quant::TensorType;

use super::{Importance, ImportanceMatrix, floats, not_one};
use crate::error::shown;
use crate::write::Commit;
use crate::{ArrayView, Dtype, Error, Gguf, GgufLayout, GgufWriter, Metadata, Tensor};

const TYPE: &str = "imatrix";
const SUMS: &str = ".in_sum2";
const COUNTS: &str = ".counts";
/// Most texts named; each was a run of the program.
const DATASETS_MAX: usize = 4096;

/// The tensors of one weight, as they are found.
type Pair<'a> = (Option<&'a Tensor>, Option<&'a Tensor>);

/// The entries of `gguf`, whose numbers the caller checks.
pub(super) fn read(file: &str, gguf: &Gguf) -> Result<ImportanceMatrix, Error> {
    let found = gguf.metadata.str("general.type")?;
    if found != Some(TYPE) {
        let found = found
            .map_or_else(|| "a model".to_owned(), |found| format!("a GGUF file of type {}", shown(found)));
        return Err(not_one(file, found));
    }
    let mut entries = BTreeMap::new();
    for (name, pair) in pairs(gguf) {
        let (Some(sums), Some(counts)) = pair else {
            let expected = format!("tensors {SUMS} and {COUNTS}");
            return Err(Error::tensor(file, name, expected, "one of them"));
        };
        let entry = Importance { sums: numbers(file, sums)?, counts: numbers(file, counts)? };
        entries.insert(name.to_owned(), entry);
    }
    Ok(ImportanceMatrix {
        entries,
        chunk_size: number(file, gguf, "imatrix.chunk_size")?,
        chunk_count: number(file, gguf, "imatrix.chunk_count")?,
        datasets: datasets(file, gguf)?,
    })
}

/// Sums and counts by the weight's name; tensors with other suffixes are statistics that quantisers do not use.
fn pairs(gguf: &Gguf) -> BTreeMap<&str, Pair<'_>> {
    let mut pairs: BTreeMap<&str, Pair<'_>> = BTreeMap::new();
    for tensor in &gguf.tensors {
        if let Some(name) = tensor.name.strip_suffix(SUMS) {
            pairs.entry(name).or_default().0 = Some(tensor);
        } else if let Some(name) = tensor.name.strip_suffix(COUNTS) {
            pairs.entry(name).or_default().1 = Some(tensor);
        }
    }
    pairs
}

fn numbers(file: &str, tensor: &Tensor) -> Result<Vec<f32>, Error> {
    if tensor.dtype != Dtype::Block(TensorType::F32) {
        return Err(Error::tensor(file, &tensor.name, "elements of F32", tensor.dtype));
    }
    Ok(floats(&tensor.bytes))
}

/// A count that llama.cpp demands and keeps in 32 bits.
fn number(file: &str, gguf: &Gguf, key: &str) -> Result<u32, Error> {
    let place = format!("metadata key {key}");
    let absent = || Error::malformed(file, &place, "a number", "no such key");
    let found = gguf.metadata.usize(key)?.ok_or_else(absent)?;
    u32::try_from(found).map_err(|_| Error::malformed(file, &place, "a number of 32 bits", found))
}

fn datasets(file: &str, gguf: &Gguf) -> Result<Vec<String>, Error> {
    let key = "imatrix.datasets";
    let absent = || Error::malformed(file, &format!("metadata key {key}"), "names of texts", "no such key");
    let count = gguf.metadata.array(key)?.ok_or_else(absent)?.len();
    if count > DATASETS_MAX {
        let (found, limit) = (count as u64, DATASETS_MAX as u64);
        return Err(Error::Limit {
            file: file.to_owned(),
            what: "texts of an importance matrix",
            found,
            limit,
        });
    }
    let texts = gguf.metadata.strings(key)?.into_iter().flatten();
    Ok(texts.map(|text| String::from_utf8_lossy(text).into_owned()).collect())
}

/// Writes what [`read`] reads; `path` is named in errors.
pub(super) fn write(matrix: &ImportanceMatrix, sink: impl Commit, path: &Path) -> Result<(), Error> {
    let mut metadata = Metadata::new(&path.display().to_string());
    metadata.set("general.type", TYPE);
    metadata.set("imatrix.datasets", matrix.datasets.iter().collect::<ArrayView>());
    metadata.set("imatrix.chunk_count", matrix.chunk_count);
    metadata.set("imatrix.chunk_size", matrix.chunk_size);
    let mut layout = GgufLayout::new(metadata);
    for (name, entry) in &matrix.entries {
        let matrices = entry.counts.len();
        let shape = |columns| if matrices == 1 { vec![columns] } else { vec![matrices, columns] };
        layout.tensor(&format!("{name}{SUMS}"), TensorType::F32, &shape(entry.columns()));
        layout.tensor(&format!("{name}{COUNTS}"), TensorType::F32, &shape(1));
    }
    let mut writer = GgufWriter::new(sink, &layout)?;
    for (name, entry) in &matrix.entries {
        for (suffix, numbers) in [(SUMS, &entry.sums), (COUNTS, &entry.counts)] {
            writer.begin(&format!("{name}{suffix}"))?;
            let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
            writer.write(&bytes)?;
        }
    }
    writer.finish()
}
