//! Tokenizers of other files as GGUF files hold them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use hob_tokenizer::{EncodeOptions, Error, Tokenizer};
use serde_json::{Value, json};

const BYTE_LEVEL: &[u8] = include_bytes!("../testdata/byte_level.json");
const BYTE_FALLBACK: &[u8] = include_bytes!("../testdata/byte_fallback.json");
const SCORED: &[u8] = include_bytes!("../testdata/scored.model");

fn hf(json: &[u8]) -> Tokenizer {
    Tokenizer::from_hf(json, None).unwrap()
}

fn changed(json: &[u8], change: impl FnOnce(&mut Value)) -> Tokenizer {
    let mut value: Value = serde_json::from_slice(json).unwrap();
    change(&mut value);
    hf(value.to_string().as_bytes())
}

#[test]
fn a_vocabulary_read_back_gives_the_recorded_ids() {
    let cases: Value = serde_json::from_slice(include_bytes!("../testdata/cases.json")).unwrap();
    let scored = Tokenizer::from_sentencepiece(SCORED, None).unwrap();
    for (name, tokenizer, by_merges, model) in [
        ("byte-level", hf(BYTE_LEVEL), false, "gpt2"),
        ("sentencepiece-like", hf(BYTE_FALLBACK), false, "llama"),
        ("sentencepiece-like", hf(BYTE_FALLBACK), true, "gemma4"),
        ("scored", scored, false, "llama"),
    ] {
        let keys = tokenizer.to_gguf("model", tokenizer.vocab_size(), by_merges).unwrap();
        assert_eq!((keys.model, keys.merges.is_some()), (model, model != "llama"));
        assert_eq!(keys.scores.is_some(), model == "llama");
        let read = Tokenizer::from_gguf(keys.as_vocab("model")).unwrap();
        for case in cases[name].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            for (key, add_special) in [("ids", true), ("ids_no_special", false)] {
                let found = read.encode(text, EncodeOptions { add_special, parse_special: true });
                assert_eq!(found, common::ids(&case[key]), "{name} as {model}: {text:?}");
            }
        }
        assert_eq!(read.eog_ids(), tokenizer.eog_ids(), "{name}");
    }
}

#[test]
fn rows_without_a_token_get_one_that_no_text_becomes() {
    let tokenizer = hf(BYTE_LEVEL);
    let rows = tokenizer.vocab_size() + 3;
    let keys = tokenizer.to_gguf("model", rows, false).unwrap();
    assert_eq!((keys.tokens.len(), keys.token_types.len()), (rows, rows));
    let read = Tokenizer::from_gguf(keys.as_vocab("model")).unwrap();
    let pad = format!("[PAD{}]", rows - 1);
    assert_eq!(read.id_of(&pad), Some(rows as u32 - 1));
    let options = EncodeOptions { add_special: false, parse_special: true };
    assert_eq!(read.encode(&pad, options), tokenizer.encode(&pad, options));
}

#[test]
fn what_a_gguf_file_cannot_say_is_refused() {
    let lower = changed(BYTE_LEVEL, |v| v["normalizer"] = json!({"type": "Lowercase"}));
    let pattern = changed(BYTE_LEVEL, |v| {
        v["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = json!("[a-c]+|[^a-c]+");
    });
    let lower_pieces = changed(BYTE_FALLBACK, |v| {
        let replace = v["normalizer"].clone();
        v["normalizer"] = json!({"type": "Sequence", "normalizers": [{"type": "Lowercase"}, replace]});
    });
    let pieces = json!({
        "added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": null, "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"[UNK]": 0, "a": 1, "##b": 2}},
    });
    for (tokenizer, expected) in [
        (lower, "rewritten first"),
        (pattern, "no tokenizer.ggml.pre"),
        (lower_pieces, "would become"),
        (hf(pieces.to_string().as_bytes()), "WordPiece"),
    ] {
        let error = tokenizer.to_gguf("model", 0, false).unwrap_err();
        assert!(matches!(error, Error::NotInGguf { .. }) && error.to_string().contains(expected), "{error}");
    }
}
