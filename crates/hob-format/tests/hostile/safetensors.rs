//! Hostile safetensors files, one rule broken in each.

use hob_format::{Dtype, Error};

use crate::build::safetensors;
use crate::{bytes_allowed, open_safetensors};

fn check(case: &str, bytes: &[u8], expected: &str) {
    let (result, held) = open_safetensors(bytes);
    let message = result.err().unwrap_or_else(|| panic!("{case}: opened")).to_string();
    assert!(message.contains(expected), "{case}: {message}");
    assert!(held <= bytes_allowed(bytes), "{case}: {held} bytes held for a file of {}", bytes.len());
}

fn entry(dtype: &str, shape: &str, start: u64, end: u64) -> String {
    format!(r#"{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{end}]}}"#)
}

/// A file of one tensor `a`.
fn one(dtype: &str, shape: &str, start: u64, end: u64, data_bytes: usize) -> Vec<u8> {
    safetensors(&format!(r#"{{"a":{}}}"#, entry(dtype, shape, start, end)), data_bytes)
}

#[test]
fn valid_files_open() {
    let header = format!(
        r#"{{"b":{},"__metadata__":{{"format":"pt"}},"a\u002eb":{},"none":{}}}   "#,
        entry("BF16", "[3,2]", 8, 20),
        entry("F32", "[2]", 0, 8),
        entry("U8", "[0,4]", 20, 20),
    );
    let opened = open_safetensors(&safetensors(&header, 20)).0.unwrap();
    assert_eq!(opened.tensors.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["a.b", "b", "none"]);
    let none = opened.tensors.get("none").unwrap();
    assert_eq!((none.dtype, none.bytes.len()), (Dtype::U8, 0));
    assert_eq!(opened.metadata["format"], "pt");
    assert!(open_safetensors(&safetensors("{}", 0)).0.unwrap().tensors.is_empty());
    assert_eq!(
        open_safetensors(&one("I64", "[]", 0, 8, 8)).0.unwrap().tensors.get("a").unwrap().elements(),
        1
    );
}

#[test]
fn headers() {
    check("no bytes", b"", "cut short");
    check("length", &u64::MAX.to_le_bytes(), "at most 100000000");
    check(
        "length past the end",
        &[&100u64.to_le_bytes(), b"{}".as_slice()].concat(),
        "100 bytes of the header",
    );
    check("nothing", &safetensors("", 0), "starting with \"{\"");
    check("array", &safetensors("[1]", 0), "starting with \"{\"");
    check("space first", &safetensors(" {}", 0), "starting with \"{\"");
    check("not JSON", &safetensors("{'a'}", 0), "line 1");
    check("more after it", &safetensors("{} x", 0), "trailing");
    check("unclosed", &safetensors("{\"a\":", 0), "EOF");
    let mut bytes = safetensors("{\"a\"}", 0);
    bytes[10] = 0xff;
    check("not UTF-8", &bytes, "UTF-8");
    let deep = "[".repeat(100_000);
    check("deep", &safetensors(&format!("{{\"a\":{deep}"), 0), "");
    check("deep shape", &safetensors(&format!("{{\"a\":{{\"shape\":{deep}"), 0), "tensor a");
    check("deep metadata", &safetensors(&format!("{{\"__metadata__\":{deep}"), 0), "");
    let twice = format!(r#"{{"a":{0},"a":{0}}}"#, entry("U8", "[0]", 0, 0));
    check("name twice", &safetensors(&twice, 0), "tensor a: expected unique");
    check("metadata twice", &safetensors(r#"{"__metadata__":{},"__metadata__":{}}"#, 0), "twice");
    check("metadata number", &safetensors(r#"{"__metadata__":{"a":1}}"#, 0), "string");
}

#[test]
fn tensors() {
    check("type", &one("F31", "[1]", 0, 4, 4), "tensor a: expected an element type among F32");
    check("negative", &one("F32", "[-2,-2]", 0, 16, 16), "tensor a: invalid value: integer `-2`");
    check("fraction", &one("F32", "[1.5]", 0, 4, 4), "tensor a");
    check("not a shape", &one("F32", "4", 0, 16, 16), "tensor a");
    check("many dimensions", &one("F32", "[1,1,1,1,1,1,1,1,1]", 0, 4, 4), "at most 8");
    check("overflow", &one("F32", "[4611686018427387904,4611686018427387904]", 0, 0, 0), "a size in 64 bits");
    check("overflow hidden by zero", &one("F32", "[9223372036854775807,9,0]", 0, 0, 0), "a size in 64 bits");
    check("size", &one("F32", "[3,3]", 0, 16, 16), "tensor a: expected 36 bytes");
    check("reversed", &one("F32", "[4]", 16, 0, 16), "in order");
    check("past the end", &one("F32", "[8]", 0, 32, 16), "within 16 bytes");
    check("wraps", &one("F32", "[4]", 0, u64::MAX, 16), "within 16 bytes");
    check("starts late", &one("F32", "[2]", 8, 16, 16), "starting at 0");
    check("rest", &one("F32", "[2]", 0, 8, 16), "8 bytes, the sum of the tensors");
    let two = |start, end| {
        let header =
            format!(r#"{{"a":{},"b":{}}}"#, entry("U8", "[8]", 0, 8), entry("U8", "[8]", start, end));
        safetensors(&header, 16)
    };
    assert!(open_safetensors(&two(8, 16)).0.is_ok());
    check("overlap", &two(4, 12), "tensor b: expected data starting at 8");
    check("same place", &two(0, 8), "starting at 8");
    let extra = r#"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}}"#;
    check("unknown field", &safetensors(extra, 0), "unknown field");
    let field_twice = r#"{"a":{"dtype":"U8","dtype":"I8","shape":[0],"data_offsets":[0,0]}}"#;
    check("field twice", &safetensors(field_twice, 0), "duplicate field");
    check("missing field", &safetensors(r#"{"a":{"dtype":"U8","shape":[0]}}"#, 0), "data_offsets");
    check(
        "three offsets",
        &safetensors(r#"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0,0]}}"#, 0),
        "tensor a",
    );
}

/// Files as dense as possible in entries that cost memory.
#[test]
fn many_small_entries_cost_memory_in_proportion() {
    let tensors: Vec<String> =
        (0..20_000).map(|i| format!("\"{i:x}\":{}", entry("U8", "[0]", 0, 0))).collect();
    let bytes = safetensors(&format!("{{{}}}", tensors.join(",")), 0);
    let (opened, held) = open_safetensors(&bytes);
    assert_eq!(opened.unwrap().tensors.len(), 20_000);
    assert!(held <= bytes_allowed(&bytes), "{held} for {}", bytes.len());

    let texts = |n: u32| {
        let texts: Vec<String> = (0..n).map(|i| format!("\"{i:x}\":\"\"")).collect();
        safetensors(&format!("{{\"__metadata__\":{{{}}}}}", texts.join(",")), 0)
    };
    let bytes = texts(4096);
    let (opened, held) = open_safetensors(&bytes);
    assert_eq!(opened.unwrap().metadata.len(), 4096);
    assert!(held <= bytes_allowed(&bytes), "{held} for {}", bytes.len());
    check("many texts", &texts(4097), "at most 4096 texts");
}

#[test]
fn escapes_in_names_do_not_reach_the_terminal() {
    let header = format!(r#"{{"\u001b[2Jx":{}}}"#, entry("F31", "[1]", 0, 4));
    let error = open_safetensors(&safetensors(&header, 4)).0.unwrap_err();
    assert!(matches!(error, Error::ElementType { .. }));
    assert!(!error.to_string().contains('\u{1b}'), "{error}");
}
