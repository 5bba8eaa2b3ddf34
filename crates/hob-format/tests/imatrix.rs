//! Importance matrices: files of llama-imatrix, our own, and wrong ones.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests read fixtures and stop at the first surprise"
)]

use std::collections::BTreeMap;
use std::path::Path;

use hob_format::{ArrayView, Error, GgufLayout, GgufWriter, Importance, ImportanceMatrix, Metadata};
use hob_quant::TensorType;

const CHUNK_SIZE: u32 = 64;
const CHUNKS: u32 = 4;
/// Five layers of seven weights.
const ENTRIES: usize = 35;
const WIDTH: usize = 64;

/// Both were written by llama-imatrix in one run's settings; `testdata/README.md` tells how.
fn fixture(name: &str) -> ImportanceMatrix {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
    ImportanceMatrix::load(&path).unwrap()
}

fn small() -> ImportanceMatrix {
    let experts = Importance { sums: vec![1.0, 4.0, 0.0, 0.0, 9.0, 0.5], counts: vec![3.0, 0.0, 2.0] };
    let entries = BTreeMap::from([
        ("blk.0.attn_q.weight".to_owned(), Importance::new(vec![0.25, 1e9, 0.0], 512.0)),
        ("blk.0.ffn_up_exps.weight".to_owned(), experts),
    ]);
    let datasets = vec!["a.txt".to_owned(), "längs".to_owned()];
    ImportanceMatrix { entries, chunk_size: 512, chunk_count: 1, datasets }
}

#[test]
fn what_is_saved_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("i.gguf");
    for mut matrix in [small(), fixture("imatrix.gguf"), fixture("imatrix.dat")] {
        matrix.save(&path).unwrap();
        assert_eq!(ImportanceMatrix::load(&path).unwrap(), matrix);
        matrix.datasets.clear();
        matrix.save(&path).unwrap();
        assert_eq!(ImportanceMatrix::load(&path).unwrap(), matrix);
    }
}

#[test]
fn files_of_llama_imatrix_are_read() {
    let new = fixture("imatrix.gguf");
    assert_eq!((new.chunk_size, new.chunk_count, new.datasets.len()), (CHUNK_SIZE, CHUNKS, 1));
    assert_eq!(new.entries.len(), ENTRIES);
    let up = &new.entries["blk.0.ffn_up.weight"];
    assert_eq!((up.columns(), up.counts.as_slice()), (WIDTH, [(CHUNK_SIZE * CHUNKS) as f32].as_slice()));
    // Gate and up multiply the same vectors.
    assert_eq!(up, &new.entries["blk.0.ffn_gate.weight"]);
}

#[test]
fn both_forms_say_the_same() {
    let (new, old) = (fixture("imatrix.gguf"), fixture("imatrix.dat"));
    assert_eq!((old.chunk_size, old.chunk_count, &old.datasets), (0, CHUNKS, &new.datasets));
    assert!(new.entries.keys().eq(old.entries.keys()));
    for (name, entry) in &new.entries {
        for (a, b) in entry.mean().iter().zip(old.entries[name].mean()) {
            // The old form went through one division and one multiplication more, each rounded.
            assert!((a - b).abs() <= 3.0 * f32::EPSILON * a, "{name}: {a} and {b}");
        }
    }
}

#[test]
fn names_that_leave_no_room_for_a_suffix_are_not_written() {
    let mut matrix = small();
    matrix.entries.insert("n".repeat(56), Importance::new(vec![1.0], 1.0));
    let error = matrix.write(&mut Vec::new()).unwrap_err();
    assert!(matches!(error, Error::Unwritable { .. }), "{error}");
}

/// A file with these keys and F32 tensors of one dimension.
fn gguf(metadata: Metadata, tensors: &[(&str, &[f32])]) -> Vec<u8> {
    let mut layout = GgufLayout::new(metadata);
    for (name, numbers) in tensors {
        layout.tensor(name, TensorType::F32, &[numbers.len()]);
    }
    let mut bytes = Vec::new();
    let mut writer = GgufWriter::new(&mut bytes, &layout).unwrap();
    for (name, numbers) in tensors {
        writer.begin(name).unwrap();
        writer.write(&numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    }
    writer.finish().unwrap();
    bytes
}

fn metadata() -> Metadata {
    let mut metadata = Metadata::new("test");
    metadata.set("general.type", "imatrix");
    metadata.set("imatrix.datasets", ["t"].iter().collect::<ArrayView>());
    metadata.set("imatrix.chunk_count", 1u32);
    metadata.set("imatrix.chunk_size", 512u32);
    metadata
}

fn refusal(bytes: Vec<u8>) -> String {
    ImportanceMatrix::from_bytes(bytes.into()).unwrap_err().to_string()
}

#[test]
fn wrong_numbers_are_refused_by_name() {
    for (sums, counts, words) in [
        ([1.0, f32::NAN].as_slice(), [1.0].as_slice(), "tensor w: expected sums of squares, found NaN"),
        (&[1.0, -1.0], &[1.0], "found -1"),
        (&[f32::INFINITY], &[1.0], "found inf"),
        (&[1.0], &[f32::NAN], "tensor w: expected whole counts, found NaN"),
        (&[1.0], &[0.5], "found 0.5"),
        (&[1.0, 2.0, 3.0], &[1.0, 1.0], "found 3 sums for 2 counts"),
    ] {
        let error = refusal(gguf(metadata(), &[("w.in_sum2", sums), ("w.counts", counts)]));
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn missing_and_strange_tensors_are_refused() {
    for (name, words) in [
        ("w.in_sum2", "tensor w: expected tensors .in_sum2 and .counts, found one of them"),
        ("w.counts", "tensor w: expected tensors .in_sum2 and .counts, found one of them"),
        ("w.mean", "entries: expected at least one, found none"),
    ] {
        let error = refusal(gguf(metadata(), &[(name, &[1.0])]));
        assert!(error.contains(words), "{error}");
    }
    let mut layout = GgufLayout::new(metadata());
    layout.tensor("w.in_sum2", TensorType::F16, &[1]).tensor("w.counts", TensorType::F32, &[1]);
    let mut bytes = Vec::new();
    let mut writer = GgufWriter::new(&mut bytes, &layout).unwrap();
    for (name, length) in [("w.in_sum2", 2), ("w.counts", 4)] {
        writer.begin(name).and_then(|()| writer.write(&vec![0; length])).unwrap();
    }
    writer.finish().unwrap();
    assert!(refusal(bytes).contains("tensor w.in_sum2: expected elements of F32"));
}

#[test]
fn wrong_metadata_is_refused_by_key() {
    let tensors = [("w.in_sum2", [1.0f32].as_slice()), ("w.counts", &[1.0])];
    for key in ["imatrix.datasets", "imatrix.chunk_count", "imatrix.chunk_size"] {
        let mut without = metadata();
        without.remove(key);
        assert!(refusal(gguf(without, &tensors)).contains(key));
        let mut other = metadata();
        other.set(key, 0.5f32);
        assert!(refusal(gguf(other, &tensors)).contains(key));
    }
    let mut model = metadata();
    model.set("general.type", "model");
    assert!(refusal(gguf(model, &tensors)).contains("found a GGUF file of type model"));
    assert!(refusal(gguf(Metadata::new("test"), &tensors)).contains("found a model"));
}

/// An entry of the old form.
fn entry(name: &[u8], calls: i32, values: &[f32]) -> Vec<u8> {
    let mut out = (name.len() as i32).to_le_bytes().to_vec();
    out.extend(name);
    out.extend(calls.to_le_bytes());
    out.extend((values.len() as i32).to_le_bytes());
    out.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    out
}

fn old(count: i32, parts: &[&[u8]]) -> Vec<u8> {
    [&count.to_le_bytes(), parts.concat().as_slice()].concat()
}

#[test]
fn old_files_may_end_early_and_count_nothing() {
    let matrix = ImportanceMatrix::from_bytes(old(1, &[&entry(b"w", 0, &[2.0, 4.0])]).into()).unwrap();
    assert_eq!(matrix.entries["w"].mean(), [2.0, 4.0]);
    assert_eq!((matrix.chunk_count, matrix.datasets.len()), (0, 0));
}

#[test]
fn wrong_old_files_are_refused() {
    let good = entry(b"w", 2, &[1.0, 2.0]);
    for (bytes, words) in [
        (Vec::new(), "expected an importance matrix"),
        (b"Once upon a time".to_vec(), "expected an importance matrix"),
        (old(0, &[&good]), "expected an importance matrix"),
        (old(-1, &[&good]), "expected an importance matrix"),
        (old(2, &[&good, &good]), "tensor w: expected unique names"),
        (old(1, &[&entry(b"", 1, &[1.0, 2.0])]), "expected a name of 1 to 63 bytes"),
        (old(1, &[&entry(&[b'n'; 64], 1, &[1.0])]), "found a length of 64"),
        (old(1, &[&entry(b"\xff\xff", 1, &[1.0])]), "expected a name in UTF-8"),
        (
            old(1, &[&entry(b"w", -5, &[1.0])]),
            "number of calls: expected a number that is not negative, found -5",
        ),
        (old(1, &[&entry(b"w", 5, &[f32::NAN])]), "tensor w: expected sums of squares, found NaN"),
        (old(1, &[&entry(b"wwwww", 5, &[])]), "found 0 sums for 1 counts"),
        (old(1, &[&good, &[1, 0, 0, 0, 0, 0, 0, 0, 9]]), "found 1 bytes more"),
        (old(1, &[&good, &[1, 0, 0, 0, 255, 255, 255, 127]]), "2147483647 bytes of the text's name"),
    ] {
        let error = refusal(bytes);
        assert!(error.contains(words), "{error}");
    }
}
