//! Tokenizers as `tokenizer.json` holds them.
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

fn through_gguf(tokenizer: &Tokenizer, by_merges: bool) -> Tokenizer {
    let keys = tokenizer.to_gguf("model", tokenizer.vocab_size(), by_merges).unwrap();
    Tokenizer::from_gguf(keys.as_vocab("model")).unwrap()
}

#[test]
fn a_tokenizer_read_back_gives_the_recorded_ids() {
    let cases: Value = serde_json::from_slice(include_bytes!("../testdata/cases.json")).unwrap();
    for (name, tokenizer) in [
        ("byte-level", hf(BYTE_LEVEL)),
        ("byte-level", through_gguf(&hf(BYTE_LEVEL), false)),
        ("sentencepiece-like", hf(BYTE_FALLBACK)),
        ("sentencepiece-like", through_gguf(&hf(BYTE_FALLBACK), true)),
        ("scored", Tokenizer::from_sentencepiece(SCORED, None).unwrap()),
        ("scored", through_gguf(&Tokenizer::from_sentencepiece(SCORED, None).unwrap(), false)),
    ] {
        let files = tokenizer.to_json().unwrap();
        let read = Tokenizer::from_hf(files.tokenizer.as_bytes(), Some(&files.config)).unwrap();
        for case in cases[name].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            for (key, add_special) in [("ids", true), ("ids_no_special", false)] {
                let found = read.encode(text, EncodeOptions { add_special, parse_special: true });
                assert_eq!(found, common::ids(&case[key]), "{name}: {text:?}");
            }
        }
        assert_eq!((read.eog_ids(), read.framing()), (tokenizer.eog_ids(), tokenizer.framing()), "{name}");
    }
}

#[test]
fn files_say_what_other_readers_need() {
    let files = through_gguf(&hf(BYTE_LEVEL), false).to_json().unwrap();
    let written: Value = serde_json::from_str(&files.tokenizer).unwrap();
    assert_eq!(written["model"]["type"], "BPE");
    let last = written["pre_tokenizer"]["pretokenizers"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["type"], &last["use_regex"]), (&"ByteLevel".into(), &false.into()));
    // Added tokens keep their ids only where the model has them, too.
    for added in written["added_tokens"].as_array().unwrap() {
        assert_eq!(written["model"]["vocab"][added["content"].as_str().unwrap()], added["id"]);
    }
    assert_eq!(files.config["tokenizer_class"], "PreTrainedTokenizerFast");
    let scored = Tokenizer::from_sentencepiece(SCORED, None).unwrap().to_json().unwrap();
    let written: Value = serde_json::from_str(&scored.tokenizer).unwrap();
    assert_eq!(
        (&written["model"]["byte_fallback"], &scored.config["bos_token"]),
        (&true.into(), &"<s>".into())
    );
    assert_eq!(written["post_processor"]["single"][0]["SpecialToken"]["id"], "<s>");
}

#[test]
fn what_the_file_cannot_say_is_refused() {
    let pieces = json!({
        "added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "Split", "pattern": {"String": "-"},
        "behavior": "Isolated"}, "post_processor": null, "decoder": {"type": "Fuse"},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"[UNK]": 0, "a": 1, "##b": 2}},
    });
    let mut classes = pieces.clone();
    classes["pre_tokenizer"] = json!({"type": "BertPreTokenizer"});
    let mut spaced = pieces.clone();
    spaced["decoder"] = json!({"type": "WordPiece", "prefix": "##", "cleanup": true});
    let mut cleaned = pieces.clone();
    cleaned["normalizer"] = json!({"type": "BertNormalizer"});
    for (file, expected) in
        [(pieces, "WordPiece"), (classes, "classes"), (spaced, "joined"), (cleaned, "rewritten")]
    {
        let error = hf(file.to_string().as_bytes()).to_json().unwrap_err();
        assert!(matches!(error, Error::NotInJson { .. }) && error.to_string().contains(expected), "{error}");
    }
    // Two tokens of a GGUF file may have one text; keys of a JSON object may not.
    let keys = hf(BYTE_LEVEL).to_gguf("model", 0, false).unwrap();
    let mut vocab = keys.as_vocab("model");
    let (first, types) = (vocab.tokens[300], vocab.token_types.clone().unwrap());
    vocab.tokens.push(first);
    vocab.token_types = Some([types, vec![5]].concat());
    let error = Tokenizer::from_gguf(vocab).unwrap().to_json().unwrap_err();
    assert!(error.to_string().contains("spelled like"), "{error}");
    let mut vocab = keys.as_vocab("model");
    let last = vocab.tokens.len() - 1;
    vocab.tokens[last] = b"\xFF\xFE";
    vocab.token_types.as_mut().unwrap()[last] = 3;
    let error = Tokenizer::from_gguf(vocab).and_then(|tokenizer| tokenizer.to_json().map(drop)).unwrap_err();
    assert!(!error.to_string().is_empty());
}

#[test]
fn every_published_vocabulary_is_written() {
    let Some(folder) = common::shared("fixtures/tokenizers") else { return };
    for name in ["gpt-2", "llama-spm", "phi-3"] {
        let tokenizer = common::gguf_tokenizer(folder.join(format!("ggml-vocab-{name}.gguf"))).unwrap();
        tokenizer.to_json().unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    let bert = common::gguf_tokenizer(folder.join("ggml-vocab-bert-bge.gguf")).unwrap();
    assert!(matches!(bert.to_json(), Err(Error::NotInJson { .. })));
}
