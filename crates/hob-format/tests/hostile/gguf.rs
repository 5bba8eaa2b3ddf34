//! Hostile GGUF files, one rule broken in each.

use hob_format::Error;

use crate::build::{ARRAY, BOOL, RawGguf, STRING, U32, array, key, long_text, text, valid_gguf};
use crate::{bytes_allowed, open_gguf};

fn check(case: &str, bytes: &[u8], expected: &str) {
    let (result, held) = open_gguf(bytes);
    let message = result.err().unwrap_or_else(|| panic!("{case}: opened")).to_string();
    assert!(message.contains(expected), "{case}: {message}");
    assert!(held <= bytes_allowed(bytes), "{case}: {held} bytes held for a file of {}", bytes.len());
}

fn broken(change: impl FnOnce(&mut RawGguf)) -> Vec<u8> {
    let mut raw = valid_gguf();
    change(&mut raw);
    raw.bytes()
}

#[test]
fn the_unbroken_file_opens() {
    let (gguf, _) = open_gguf(&valid_gguf().bytes());
    let gguf = gguf.unwrap();
    assert_eq!(gguf.tensors.get("b.weight").unwrap().shape, [2, 32]);
    assert_eq!(gguf.metadata.bools("llama.flags", 2).unwrap(), Some(vec![false, true]));
    assert!(open_gguf(&broken(|f| f.version = 2)).0.is_ok());
}

#[test]
fn headers() {
    check("no bytes", b"", "cut short");
    check("magic", &broken(|f| f.magic = *b"GGML"), "expected \"GGUF\", found \"GGML\"");
    check("version 1", &broken(|f| f.version = 1), "obsolete");
    check("version 0", &broken(|f| f.version = 0), "found 0");
    check("future version", &broken(|f| f.version = 4), "update this program");
    check("big-endian", &broken(|f| f.version = 3 << 24), "big-endian version 3");
    check("keys", &broken(|f| f.key_count = Some(u64::MAX)), "metadata count");
    check("tensors", &broken(|f| f.tensor_count = Some(u64::MAX)), "tensor count");
    check("one key more", &broken(|f| f.key_count = Some(5)), "");
    check("one key less", &broken(|f| f.key_count = Some(3)), "");
}

#[test]
fn metadata() {
    let with = |bytes: Vec<u8>| broken(|f| f.keys.push(bytes));
    check("key length", &with(long_text(u64::MAX, b"x")), "a metadata key");
    check("key text", &with([text(b"\xff"), vec![0; 5]].concat()), "UTF-8");
    check("long key", &with(key(&"k".repeat(65_536), U32, &[0; 4])), "65535");
    check(
        "same key",
        &with(key("llama.block_count", U32, &[2, 0, 0, 0])),
        "llama.block_count: expected each key once",
    );
    check("type", &with(key("x", 13, &[0; 4])), "x: expected a value type");
    check("string length", &with(key("x", STRING, &long_text(1 << 63, b""))), "a metadata string");
    check("string text", &with(key("x", STRING, &text(b"ok\xc0"))), "x: expected UTF-8 text, found byte 2");
    check("bool", &with(key("x", BOOL, &[2])), "x: expected a bool");
    check("array overflow", &with(key("x", ARRAY, &array(U32, u64::MAX / 4 + 2, &[]))), "a metadata array");
    check(
        "array of many strings",
        &with(key("x", ARRAY, &array(STRING, 1 << 32, &[]))),
        "in a metadata array",
    );
    check("array of bools", &with(key("x", ARRAY, &array(BOOL, 2, &[0, 3]))), "x: expected bools");
    check("array type", &with(key("x", ARRAY, &array(99, 0, &[]))), "x: expected a value type");
    let nested = array(ARRAY, 1, &[]).repeat(20_000);
    check("nested arrays", &with(key("x", ARRAY, &nested)), "nested arrays");
    for alignment in [0, 3, 4, 1 << 30] {
        let bytes = with(key("general.alignment", U32, &u32::to_le_bytes(alignment)));
        check("alignment", &bytes, "general.alignment: expected a power of two");
    }
    check("alignment type", &with(key("general.alignment", STRING, &text(b"32"))), "a non-negative integer");
    check("split part", &with(key("split.count", U32, &[2, 0, 0, 0])), "a whole model");
}

#[test]
fn tensors() {
    check("name length", &broken(|f| f.infos[0].name = vec![b'a'; 64]), "1 to 63 bytes");
    check("no name", &broken(|f| f.infos[0].name.clear()), "1 to 63 bytes");
    check("name text", &broken(|f| f.infos[0].name = vec![0xff]), "UTF-8");
    check("name twice", &broken(|f| f.infos[1].name = f.infos[0].name.clone()), "a.weight: expected unique");
    check("no dimensions", &broken(|f| f.infos[0].dimensions = Some(0)), "1 to 4 dimensions, found 0");
    check("dimensions", &broken(|f| f.infos[0].dimensions = Some(u32::MAX)), "1 to 4 dimensions");
    check("zero", &broken(|f| f.infos[0].ne[1] = 0), "a.weight: expected positive dimensions");
    check("negative", &broken(|f| f.infos[0].ne[1] = -3i64 as u64), "a.weight: expected positive dimensions");
    check("overflow", &broken(|f| f.infos[0].ne = vec![1 << 33; 2]), "a.weight: expected rows of whole");
    check("wraps to fit", &broken(|f| f.infos[0].ne = vec![1 << 62, 4]), "a.weight: expected");
    check("block multiple", &broken(|f| f.infos[1].ne[0] = 33), "b.weight: expected rows of whole Q4_0");
    for id in [4, 5, 36, 255, u32::MAX] {
        check("type", &broken(|f| f.infos[0].type_id = id), "a.weight: expected an element type among F32");
    }
    check(
        "alignment",
        &broken(|f| f.infos[1].offset = 65),
        "b.weight: expected an offset that is a multiple of 32",
    );
    check("wraps", &broken(|f| f.infos[1].offset = u64::MAX - 31), "b.weight: expected data inside");
    check("past the end", &broken(|f| f.infos[1].offset = 1 << 40), "b.weight: expected data inside");
    check("cut data", &broken(|f| f.data_bytes -= 1), "b.weight: expected data inside");
    check("overlap", &broken(|f| f.infos[1].offset = 32), "b.weight: expected offset 64");
    check("same place", &broken(|f| f.infos[1].offset = 0), "b.weight: expected offset 64");
    check("gap", &broken(|f| (f.infos[1].offset, f.data_bytes) = (96, 200)), "b.weight: expected offset 64");
}

/// Files as dense as possible in entries that cost memory.
#[test]
fn many_small_entries_cost_memory_in_proportion() {
    let keys = |i: u32| key(&format!("{i:x}"), BOOL, &[1]);
    let bytes = broken(|f| f.keys = (0..60_000).map(keys).collect());
    let (gguf, held) = open_gguf(&bytes);
    assert_eq!(gguf.unwrap().metadata.len(), 60_000);
    assert!(held <= bytes_allowed(&bytes), "{held} for {}", bytes.len());

    let bytes = broken(|f| {
        f.infos = (0..30_000)
            .map(|i: u64| crate::build::RawInfo {
                name: format!("{i:x}").into(),
                dimensions: None,
                ne: vec![1],
                type_id: 24,
                offset: 32 * i,
            })
            .collect();
        f.data_bytes = 30_000 * 32;
    });
    let (gguf, held) = open_gguf(&bytes);
    assert_eq!(gguf.unwrap().tensors.len(), 30_000);
    assert!(held <= bytes_allowed(&bytes), "{held} for {}", bytes.len());
}

#[test]
fn too_many_keys_and_too_much_text_are_refused() {
    let bytes = broken(|f| f.keys = (0..70_000).map(|i: u32| key(&format!("{i:x}"), BOOL, &[1])).collect());
    assert!(matches!(open_gguf(&bytes).0, Err(Error::Limit { what: "metadata count", .. })));
    let long = text(&vec![b'x'; 17 << 20]);
    let bytes = broken(|f| f.keys.extend(["p", "q"].map(|k| key(k, STRING, &long))));
    assert!(matches!(open_gguf(&bytes).0, Err(Error::Limit { .. })));
}

/// Arrays cost nothing, however long.
#[test]
fn vocabularies_are_not_copied() {
    let tokens: Vec<u8> = (0..100_000).flat_map(|i| text(format!("t{i}").as_bytes())).collect();
    let bytes = broken(|f| f.keys[2] = key("tokenizer.ggml.tokens", ARRAY, &array(STRING, 100_000, &tokens)));
    let (gguf, held) = open_gguf(&bytes);
    assert_eq!(gguf.unwrap().metadata.strings("tokenizer.ggml.tokens").unwrap().unwrap().count(), 100_000);
    assert!(held < 10_000, "{held}");
}
