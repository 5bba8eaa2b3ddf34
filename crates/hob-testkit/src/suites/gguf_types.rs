//! Block types: dequantisation against the values of an independent implementation.

use std::{collections::BTreeMap, path::Path};

use hob_quant::{TensorType, dequantize_row};
use serde::Deserialize;

use super::Run;
use crate::{
    Error,
    report::Report,
    shared::{read_bytes, read_json},
};

/// Types whose decoding is a single f32 multiply: there the bits are determined.
const EXACT: [&str; 8] = ["F32", "Q4_0", "Q5_0", "Q8_0", "IQ4_NL", "MXFP4", "BF16", "F16"];

/// Elsewhere the order of f32 roundings is free; relative to the value and to its block's largest.
const TOLERANCE: f32 = 1e-6;

#[derive(Deserialize)]
struct Manifest {
    types: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    group: String,
    ggml_type_id: u32,
    block_size: usize,
    block_bytes: usize,
    blocks: usize,
}

/// Runs the suite over `gguf_types/manifest.json`.
///
/// # Errors
/// [`Error`] when the manifest is unreadable.
pub fn run(run: Run<'_>, report: &mut Report) -> Result<(), Error> {
    let folder = run.root.join("gguf_types");
    let manifest: Manifest = read_json(&folder.join("manifest.json"))?;
    for (name, entry) in &manifest.types {
        let ty = TensorType::from_ggml_id(entry.ggml_type_id).filter(|ty| ty.can_dequantize());
        match ty {
            None if entry.group != "core" => report.skip(name, "optional type that this build cannot read"),
            _ => report.case(name, || check_type(&folder, name, entry, ty)),
        }
    }
    report.case("all_types.gguf", || check_container(&folder, &manifest));
    Ok(())
}

fn check_type(folder: &Path, name: &str, entry: &Entry, ty: Option<TensorType>) -> Result<(), String> {
    let ty = ty.ok_or_else(|| format!("type id {} is not supported", entry.ggml_type_id))?;
    let blocks = read_bytes(&folder.join(format!("{name}.bin")))?;
    if blocks.len() != entry.blocks * entry.block_bytes {
        return Err(format!("the fixture has {} bytes, its manifest says otherwise", blocks.len()));
    }
    check_values(&read_expected(folder, name)?, &blocks, ty, entry, EXACT.contains(&name))
}

fn read_expected(folder: &Path, name: &str) -> Result<Vec<f32>, String> {
    let bytes = read_bytes(&folder.join(format!("{name}.f32")))?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect())
}

fn check_values(
    expected: &[f32],
    blocks: &[u8],
    ty: TensorType,
    entry: &Entry,
    exact: bool,
) -> Result<(), String> {
    let mut found = vec![f32::NAN; expected.len()];
    dequantize_row(ty, blocks, &mut found);
    for (block, (e, f)) in expected.chunks(entry.block_size).zip(found.chunks(entry.block_size)).enumerate() {
        let block_max = e.iter().filter(|v| v.is_finite()).fold(0.0_f32, |max, v| max.max(v.abs()));
        for (index, (&e, &f)) in e.iter().zip(f).enumerate() {
            // Equal infinities and zeros of either sign are equal here, as the manifest asks.
            let close = e == f
                || (e.is_nan() && f.is_nan())
                || (!exact && (e - f).abs() <= TOLERANCE * (e.abs() + block_max));
            if !close {
                return Err(format!("block {block}, element {index}: expected {e:e}, found {f:e}"));
            }
        }
    }
    Ok(())
}

/// The same blocks inside a GGUF file: ids, shapes and offsets have to lead to the same values.
fn check_container(folder: &Path, manifest: &Manifest) -> Result<(), String> {
    let file = hob_format::Gguf::open(&folder.join("all_types.gguf")).map_err(|error| error.to_string())?;
    for (name, entry) in &manifest.types {
        let Some(tensor) = file.tensors.get(name) else { return Err(format!("tensor {name} is not listed")) };
        let blocks = read_bytes(&folder.join(format!("{name}.bin")))?;
        if tensor.bytes[..] != blocks[..] {
            return Err(format!(
                "tensor {name} ({} blocks) does not hold the bytes of {name}.bin",
                entry.blocks
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_is_found() {
        let entry =
            Entry { group: "core".to_owned(), ggml_type_id: 0, block_size: 1, block_bytes: 4, blocks: 2 };
        let bytes: Vec<u8> = [1.0_f32, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let check = |expected: &[f32], exact| check_values(expected, &bytes, TensorType::F32, &entry, exact);
        assert!(check(&[1.0, 2.0], true).is_ok());
        assert!(check(&[1.0, f32::from_bits(2.0_f32.to_bits() + 1)], true).is_err());
        assert!(check(&[1.0, f32::from_bits(2.0_f32.to_bits() + 1)], false).is_ok());
        assert!(check(&[1.0, 2.1], false).is_err());
    }
}
