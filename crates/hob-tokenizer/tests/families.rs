//! The model fixtures' tokenizers, from every form in which they come.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::path::{Path, PathBuf};

use common::{Metadata, files, gguf_tokenizer, ids, json, read, shared};
use hob_tokenizer::{ChatTemplate, EncodeOptions, Error, LocalTime, TemplateInput, Tokenizer};

fn families() -> Vec<PathBuf> {
    let Some(folder) = shared("fixtures/models") else { return Vec::new() };
    let mut found: Vec<PathBuf> =
        files(&folder, "").into_iter().filter(|p| p.join("expected.json").exists()).collect();
    found.retain(|path| path.is_dir());
    found
}

fn from_hf(folder: &Path) -> Result<Tokenizer, Error> {
    let config = json(folder.join("tokenizer_config.json"));
    Tokenizer::from_hf(&read(folder.join("tokenizer.json")), Some(&config))
}

/// Compares with what `expected.json` says; `decoded` where the form decodes as the original does.
fn check(label: &str, folder: &Path, tokenizer: &Tokenizer, wrong: &mut Vec<String>) {
    let expected = json(folder.join("expected.json"));
    let mut compare = |what: &str, text: &str, expected: Vec<u32>, found: Vec<u32>| {
        if expected != found {
            wrong.push(format!("{label} {what} {text:?}\n  expected {expected:?}\n  found    {found:?}"));
        }
    };
    for case in expected["tokenizer_checks"].as_array().into_iter().flatten() {
        let text = case["text"].as_str().unwrap();
        for (key, add_special) in [("ids", true), ("ids_no_special", false)] {
            let found = tokenizer.encode(text, EncodeOptions { add_special, parse_special: true });
            compare(key, text, ids(&case[key]), found);
        }
    }
    for case in expected["chat"].as_array().into_iter().flatten() {
        let text = case["rendered"].as_str().unwrap();
        let found = tokenizer.encode(text, EncodeOptions { add_special: false, parse_special: true });
        compare("chat", text, ids(&case["ids"]), found);
    }
    for case in expected["tokenizer_checks"].as_array().into_iter().flatten() {
        let decoded = tokenizer.decode(&ids(&case["ids_no_special"]), false);
        if decoded != case["decoded"].as_str().unwrap() {
            wrong.push(format!("{label} decoded: expected {:?}, found {decoded:?}", case["decoded"]));
        }
    }
}

#[test]
fn tokenizer_json() {
    let mut wrong = Vec::new();
    for folder in families().iter().filter(|f| f.join("tokenizer.json").exists()) {
        let tokenizer = from_hf(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        check(&folder.file_name().unwrap().to_string_lossy(), folder, &tokenizer, &mut wrong);
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn gguf() {
    let mut wrong = Vec::new();
    for folder in families() {
        let Some(path) = files(&folder, "Q8_0.gguf").pop() else { continue };
        let tokenizer = gguf_tokenizer(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        check(&path.file_name().unwrap().to_string_lossy(), &folder, &tokenizer, &mut wrong);
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn sentencepiece() {
    let mut wrong = Vec::new();
    for folder in families().iter().filter(|f| f.join("tokenizer.model").exists()) {
        let config = json(folder.join("tokenizer_config.json"));
        let tokenizer = Tokenizer::from_sentencepiece(&read(folder.join("tokenizer.model")), Some(&config))
            .unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        check(&folder.file_name().unwrap().to_string_lossy(), folder, &tokenizer, &mut wrong);
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn chats_render_as_recorded() {
    for folder in families().iter().filter(|f| f.join("chat_template.jinja").exists()) {
        let template =
            ChatTemplate::new(&String::from_utf8(read(folder.join("chat_template.jinja"))).unwrap()).unwrap();
        let tokenizer = from_hf(folder).unwrap();
        let text = |id: Option<u32>| {
            id.map(|id| String::from_utf8(tokenizer.token_bytes(id).unwrap().into()).unwrap())
        };
        let (bos, eos) = (text(tokenizer.special().bos), text(tokenizer.special().eos));
        for case in json(folder.join("expected.json"))["chat"].as_array().into_iter().flatten() {
            let input = TemplateInput {
                messages: case["messages"].as_array().unwrap(),
                add_generation_prompt: true,
                bos_token: bos.as_deref(),
                eos_token: eos.as_deref(),
                extra: case["kwargs"].as_object(),
                // The day on which the fixtures were made.
                now: Some(LocalTime { year: 2026, month: 11, day: 23, hour: 0, minute: 0, second: 0 }),
                ..TemplateInput::default()
            };
            assert_eq!(
                template.render(&input).unwrap(),
                case["rendered"].as_str().unwrap(),
                "{}",
                folder.display()
            );
        }
    }
}

#[test]
fn both_forms_know_the_same_roles() {
    for folder in families().iter().filter(|f| f.join("tokenizer.json").exists()) {
        let Some(path) = files(folder, "Q8_0.gguf").pop() else { continue };
        let (a, b) = (from_hf(folder).unwrap(), gguf_tokenizer(&path).unwrap());
        assert_eq!(a.special().eos.or(b.special().eos), b.special().eos, "{}", path.display());
        assert_eq!(a.special().bos.or(b.special().bos), b.special().bos, "{}", path.display());
        assert!(a.special().eos.is_none() || a.eog_ids() == b.eog_ids(), "{}", path.display());
    }
}

#[test]
fn malformed_tokenizers_are_refused() {
    let Some(folder) = shared("fixtures/malformed") else { return };
    let cases = files(&folder, ".json")
        .into_iter()
        .filter(|p| p.file_name().unwrap().to_string_lossy().starts_with("tk_"));
    let mut count = 0;
    for path in cases {
        let refused = Tokenizer::from_hf(&read(&path), None);
        assert!(refused.is_err(), "{} was accepted", path.display());
        eprintln!("{}: {}", path.file_name().unwrap().to_string_lossy(), refused.unwrap_err());
        count += 1;
    }
    assert!(count >= 8);
    let bytes = read(folder.join("eos_out_of_range.gguf"));
    let refused = Tokenizer::from_gguf(Metadata::read(&bytes).vocab());
    assert!(matches!(refused, Err(Error::IdOutOfRange { .. })));
    let refused = gguf_tokenizer(folder.join("token_not_utf8.gguf"));
    assert!(
        matches!(refused, Err(Error::UnknownMerge { .. })),
        "its merges name a token that the damage removed"
    );
    assert!(gguf_tokenizer(folder.join("valid_control.gguf")).is_ok());
}

#[test]
fn malformed_templates_are_refused() {
    let Some(folder) = shared("fixtures/malformed") else { return };
    let messages = [serde_json::json!({"role": "user", "content": "Hi"})];
    for path in files(&folder, ".jinja") {
        let source = String::from_utf8(read(&path)).unwrap();
        let input = TemplateInput { messages: &messages, ..TemplateInput::default() };
        let refused = ChatTemplate::new(&source).and_then(|template| template.render(&input));
        assert!(refused.is_err(), "{} was accepted", path.display());
        eprintln!("{}: {}", path.file_name().unwrap().to_string_lossy(), refused.unwrap_err());
    }
}
