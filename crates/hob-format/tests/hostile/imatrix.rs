//! Importance matrices cut short and changed byte by byte, in both forms.

use std::collections::BTreeMap;

use hob_format::{Error, Importance, ImportanceMatrix};

use crate::{alloc, bytes_allowed};

fn current() -> Vec<u8> {
    let experts = Importance { sums: vec![1.0, 2.0, 3.0, 4.0], counts: vec![1.0, 2.0] };
    let entries = BTreeMap::from([
        ("a.weight".to_owned(), Importance::new(vec![0.5; 3], 7.0)),
        ("b.weight".to_owned(), experts),
    ]);
    let matrix =
        ImportanceMatrix { entries, chunk_size: 512, chunk_count: 3, datasets: vec!["text".to_owned()] };
    let mut bytes = Vec::new();
    matrix.write(&mut bytes).unwrap();
    bytes
}

fn old() -> Vec<u8> {
    let mut bytes = 2i32.to_le_bytes().to_vec();
    for name in [b"a.weight", b"b.weight"] {
        bytes.extend(8i32.to_le_bytes());
        bytes.extend(name);
        bytes.extend([3i32, 4].map(i32::to_le_bytes).concat());
        bytes.extend([0.5f32; 4].map(f32::to_le_bytes).concat());
    }
    bytes.extend([3i32, 4].map(i32::to_le_bytes).concat());
    bytes.extend(b"text");
    bytes
}

fn load(bytes: &[u8]) -> Result<ImportanceMatrix, Error> {
    let shared = bytes.to_vec().into();
    let (result, held) = alloc::peak(|| ImportanceMatrix::from_bytes(shared));
    assert!(held <= bytes_allowed(bytes), "{held} bytes held for a file of {}", bytes.len());
    result
}

#[test]
fn every_prefix_is_refused() {
    let current = current();
    // After the last tensor's two numbers come zeros up to the alignment, which no reader needs.
    for length in 0..current.len() - 24 {
        assert!(load(&current[..length]).is_err(), "the first {length} bytes loaded");
    }
    // Files from before the text was noted end after the entries.
    let old = old();
    let without_text = old.len() - 12;
    for length in (0..old.len()).filter(|&length| length != without_text) {
        assert!(load(&old[..length]).is_err(), "the first {length} bytes loaded");
    }
    assert!(load(&old[..without_text]).is_ok());
}

/// What still loads keeps the promises that quantisers rely on.
#[test]
fn every_changed_byte_is_survived() {
    for original in [current(), old()] {
        let mut bytes = original.clone();
        for position in 0..bytes.len() {
            for change in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
                bytes[position] = original[position] ^ change;
                for entry in load(&bytes).into_iter().flat_map(|matrix| matrix.entries.into_values()) {
                    assert_eq!(entry.mean().len(), entry.sums.len());
                    assert!(entry.sums.iter().chain(&entry.counts).all(|n| n.is_finite() && *n >= 0.0));
                }
            }
            bytes[position] = original[position];
        }
    }
}
