//! Every line of the shared tokenizer fixtures, made with the original tokenizers.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{files, gguf_tokenizer, ids, json, read, shared};
use hob_tokenizer::EncodeOptions;

const PLAIN: EncodeOptions = EncodeOptions { add_special: false, parse_special: false };
const PARSE: EncodeOptions = EncodeOptions { add_special: false, parse_special: true };
const ADD: EncodeOptions = EncodeOptions { add_special: true, parse_special: true };

#[test]
fn published_pairs() {
    for folder in ["fixtures/tokenizers", "models/vocab"] {
        let Some(folder) = shared(folder) else { return };
        let mut wrong = Vec::new();
        for path in files(&folder, ".gguf") {
            let tokenizer = gguf_tokenizer(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let texts = String::from_utf8(read(path.with_added_extension("inp"))).unwrap();
            let expected = String::from_utf8(read(path.with_added_extension("out"))).unwrap();
            // The two collections end their files differently; a line feed before the separator belongs to it.
            let texts: Vec<&str> = texts.split("\n__ggml_vocab_test__\n").collect();
            let expected: Vec<&str> = expected.lines().collect();
            assert!(texts.len() >= expected.len() && expected.len() > 40, "{}", path.display());
            for (text, line) in texts.iter().zip(expected) {
                let line: Vec<u32> = line.split_whitespace().map(|id| id.parse().unwrap()).collect();
                let found = tokenizer.encode(text, PLAIN);
                if found != line {
                    wrong.push(format!(
                        "{}: {text:?}\n  expected {line:?}\n  found    {found:?}",
                        path.display()
                    ));
                }
            }
        }
        assert!(wrong.is_empty(), "{} lines differ:\n{}", wrong.len(), wrong.join("\n"));
    }
}

#[test]
fn further_texts() {
    let Some(folder) = shared("fixtures/tokenizers") else { return };
    let mut wrong = Vec::new();
    for path in files(&folder, ".json") {
        let cases = json(&path);
        let name = path.file_stem().unwrap().to_string_lossy().replace("extra-", "");
        let tokenizer = gguf_tokenizer(folder.join(format!("ggml-vocab-{name}.gguf"))).unwrap();
        for case in cases["cases"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            for (key, options) in [("ids", PLAIN), ("ids_parse_special", PARSE), ("ids_add_special", ADD)] {
                let (expected, found) = (ids(&case[key]), tokenizer.encode(text, options));
                // Where transformers disagrees with the recorded ids they only inform, says the fixtures' README.
                let informs = case["also_by_transformers"] == false;
                if found != expected && informs {
                    eprintln!("{name} {key}: {text:?} differs where the references differ, too");
                } else if found != expected {
                    wrong.push(format!(
                        "{name} {key} (transformers agrees: {}): {text:?}\n  expected {expected:?}\n  found    {found:?}",
                        case["also_by_transformers"]
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
