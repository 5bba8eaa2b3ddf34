//! Opening reads the description of a model and none of its weights.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "the test writes a file and reads /proc")]

use std::io::Write;

use hob_format::{
    Dtype, Gguf, GgufLayout, GgufWriter, Metadata, SafeTensors, SafetensorsLayout, SafetensorsWriter,
};
use hob_quant::TensorType;

/// Bytes of the one tensor; a hole in the file, so that it takes no disk.
const WEIGHT_BYTES: usize = 1 << 30;
/// What opening may add to resident memory: page tables, read-ahead around the header, noise of the test process.
const RESIDENT_MAX: usize = 32 << 20;

fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// A file that starts with `header` and goes on with zeros that were never written.
fn sparse(header: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(header).unwrap();
    file.as_file().set_len((header.len() + WEIGHT_BYTES) as u64).unwrap();
    file
}

#[test]
fn opening_leaves_the_weights_on_disk() {
    let shape = [WEIGHT_BYTES / 4096, 4096];
    let mut header = Vec::new();
    let mut layout = GgufLayout::new(Metadata::new("t"));
    layout.tensor("a", TensorType::I8, &shape);
    drop(GgufWriter::new(&mut header, &layout).unwrap());
    let gguf = sparse(&header);

    let mut header = Vec::new();
    let mut layout = SafetensorsLayout::new();
    layout.tensor("a", Dtype::U8, &shape);
    drop(SafetensorsWriter::new(&mut header, &layout).unwrap());
    let st = sparse(&header);

    let before = resident_bytes();
    let gguf = Gguf::open(gguf.path()).unwrap();
    let st = SafeTensors::open(st.path()).unwrap();
    let grown = resident_bytes().saturating_sub(before);
    assert_eq!(gguf.tensors.total_bytes() + st.tensors.total_bytes(), 2 * WEIGHT_BYTES as u64);
    assert!(grown < RESIDENT_MAX, "resident memory grew by {grown} bytes");

    // The measure works: touching one of them shows.
    let sum: u64 =
        st.tensors.get("a").unwrap().bytes.iter().step_by(4096).take(20_000).map(|&b| u64::from(b)).sum();
    assert_eq!(sum, 0);
    assert!(resident_bytes() - before > RESIDENT_MAX, "reading 80 MB did not show in resident memory");
}
