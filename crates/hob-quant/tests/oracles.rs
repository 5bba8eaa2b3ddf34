//! Bytes and values from the PyPI package `gguf`: the committed sample, and the fixture folder when it is there.

#![expect(clippy::disallowed_methods, reason = "tests read their own data")]

use std::fs;
use std::path::Path;

use hob_quant::{TensorType, dequantize_row, quantize_row};
use serde_json::Value;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata");
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures/gguf_types");

/// The order of `encoded.bin`, as in `tools/make_quant_testdata.py`.
const ENCODED: &str = "F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 TQ1_0 TQ2_0 MXFP4";
/// The order of `blocks.bin`, as there.
const DECODED: &str = "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS TQ1_0 TQ2_0 MXFP4 NVFP4 \
                       IQ2_XXS IQ2_XS IQ2_S IQ3_XXS IQ3_S IQ1_S IQ1_M";

fn types(names: &str) -> impl Iterator<Item = TensorType> {
    names.split_whitespace().map(|name| TensorType::from_name(name).expect("a type of this crate"))
}

fn floats(path: &Path) -> Vec<f32> {
    let bytes = fs::read(path).expect("test data is readable");
    bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

fn assert_decodes(ty: TensorType, bytes: &[u8], expected: &[f32]) {
    let mut found = vec![0.0; expected.len()];
    dequantize_row(ty, bytes, &mut found);
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        // Equality as numbers: +0 and -0 are the same weight.
        assert!(f == e || (f.is_nan() && e.is_nan()), "{ty} element {i}: expected {e:e}, found {f:e}");
    }
}

#[test]
fn sample_blocks_decode_to_the_same_values() {
    let bytes = fs::read(format!("{DATA}/blocks.bin")).unwrap();
    let values = floats(format!("{DATA}/blocks.f32").as_ref());
    let (mut bytes, mut values) = (&bytes[..], &values[..]);
    for ty in types(DECODED) {
        let (block, expected);
        (block, bytes) = bytes.split_at(ty.block_bytes());
        (expected, values) = values.split_at(ty.block_size());
        assert_decodes(ty, block, expected);
    }
    assert!(bytes.is_empty() && values.is_empty());
}

#[test]
fn sample_rows_encode_to_the_same_bytes() {
    let input = floats(format!("{DATA}/input.f32").as_ref());
    let bytes = fs::read(format!("{DATA}/encoded.bin")).unwrap();
    let mut bytes = &bytes[..];
    for ty in types(ENCODED) {
        let expected;
        (expected, bytes) = bytes.split_at(ty.row_bytes(input.len()).unwrap());
        let mut found = vec![0xAA; expected.len()];
        quantize_row(ty, &input, &mut found).unwrap();
        for (i, (found, expected)) in
            found.chunks(ty.block_bytes()).zip(expected.chunks(ty.block_bytes())).enumerate()
        {
            assert_eq!(found, expected, "{ty} block {i}");
        }
    }
    assert!(bytes.is_empty());
}

#[test]
fn all_fixtures_decode_to_the_same_values() {
    let Ok(manifest) = fs::read_to_string(format!("{FIXTURES}/manifest.json")) else {
        eprintln!("SKIPPED: {FIXTURES} is not here; only the committed sample was checked");
        return;
    };
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let mut checked = 0;
    for (name, facts) in manifest["types"].as_object().unwrap() {
        let ty = TensorType::from_name(name).expect("a type of this crate");
        assert_eq!(facts["ggml_type_id"], ty.ggml_id());
        assert_eq!(facts["block_size"], ty.block_size());
        assert_eq!(facts["block_bytes"], ty.block_bytes());
        let bytes = fs::read(format!("{FIXTURES}/{name}.bin")).unwrap();
        assert_decodes(ty, &bytes, &floats(format!("{FIXTURES}/{name}.f32").as_ref()));
        checked += 1;
    }
    assert!(checked >= 26, "only {checked} types were checked");
}
