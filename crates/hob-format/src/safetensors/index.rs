//! Models in several safetensors files, listed by `model.safetensors.index.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::SafeTensors;
use crate::error::shown;
use crate::{Error, TensorTable, json};

/// Largest index; models of 60,000 tensors need six megabytes.
const INDEX_BYTES_MAX: u64 = 64 << 20;
/// Most shards; the largest models in use have under three hundred.
const SHARDS_MAX: usize = 4096;

#[derive(Deserialize)]
struct Index {
    /// Tensor name to shard file name.
    weight_map: BTreeMap<String, String>,
}

/// The index at `path`, if there is one: between one and [`SHARDS_MAX`] shards, all named by plain file names.
fn read_index(path: &Path) -> Result<Option<Index>, Error> {
    let expected = "an index: {\"weight_map\": {\"TENSOR\": \"FILE\", ...}}";
    let Some(index) = json::read_optional::<Index>(path, INDEX_BYTES_MAX, expected)? else { return Ok(None) };
    let file = path.display().to_string();
    let shards: BTreeSet<&str> = index.weight_map.values().map(String::as_str).collect();
    if shards.is_empty() || shards.len() > SHARDS_MAX {
        let expected = format!("1 to {SHARDS_MAX} shard files");
        return Err(Error::malformed(&file, "weight_map", expected, shards.len()));
    }
    if let Some(bad) = shards.iter().find(|name| !is_plain_name(name)) {
        let expected = "shards named by plain file names ending in .safetensors";
        return Err(Error::malformed(&file, "weight_map", expected, format!("\"{}\"", shown(bad))));
    }
    Ok(Some(index))
}

/// Refuses a directory whose index, though a single file makes it unnecessary, names what it may not.
pub(crate) fn check_unused(path: &Path) -> Result<(), Error> {
    read_index(path).map(drop)
}

/// All shards that the index at `path` names, which lie beside it.
pub(crate) fn open_sharded(path: &Path) -> Result<TensorTable, Error> {
    let file = path.display().to_string();
    let dir = path.parent().unwrap_or(Path::new(""));
    let Some(index) = read_index(path)? else {
        let wanted = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Err(Error::Missing { dir: dir.to_owned(), wanted, hint: "download the model's index" });
    };
    let mut shards: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (tensor, shard) in &index.weight_map {
        shards.entry(shard).or_default().push(tensor);
    }
    let mut tables = Vec::new();
    for (shard, listed) in shards {
        tables.push(open_shard(&file, dir, shard, &listed)?);
    }
    TensorTable::concat(&file, tables)
}

/// The tensors of one shard, among which those the index lists for it must be.
fn open_shard(index: &str, dir: &Path, shard: &str, listed: &[&str]) -> Result<TensorTable, Error> {
    let path = dir.join(shard);
    if !path.is_file() {
        let hint = "download every shard that the index lists";
        return Err(Error::Missing { dir: dir.to_owned(), wanted: shown(shard), hint });
    }
    let table = SafeTensors::open(&path)?.tensors;
    match listed.iter().find(|name| table.get(name).is_none()) {
        Some(name) => {
            Err(Error::tensor(index, name, format!("the tensor in {shard}"), "none of that name there"))
        }
        None => Ok(table),
    }
}

/// Whether `name` can only mean a file in the directory itself, on every operating system.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_. +=@".contains(c);
    name.ends_with(".safetensors") && !name.starts_with('.') && name.len() <= 255 && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_shards() {
        assert!(is_plain_name("model-00001-of-00002.safetensors"));
        for bad in [
            "../x.safetensors",
            "/x.safetensors",
            "a/b.safetensors",
            "a\\b.safetensors",
            "c:x.safetensors",
            "..",
            "",
            "x.bin",
            ".safetensors",
            "a\0.safetensors",
        ] {
            assert!(!is_plain_name(bad), "{bad:?}");
        }
    }
}
