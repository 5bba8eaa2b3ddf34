//! What goes wrong is said with what to do next.

use crate::{hob, llama, stories};

/// Runs `args`, which must fail with `code` and a message that contains all of `words`.
fn fails(args: &[&str], stdin: &[u8], code: i32, words: &[&str]) {
    let run = hob(args, stdin);
    assert_eq!(run.code, Some(code), "{args:?}: {} {}", run.stdout, run.stderr);
    assert!(
        run.stderr.starts_with("error: ") || run.stderr.contains("\nerror: "),
        "{args:?}: {}",
        run.stderr
    );
    for word in words {
        assert!(run.stderr.contains(word), "{args:?}: {word:?} in {}", run.stderr);
    }
    assert_eq!(run.stdout, "", "{args:?}");
}

#[test]
fn a_model_is_needed() {
    fails(&["chat"], b"hello", 2, &["which model?", "hob chat path/to/model.gguf"]);
    fails(&["show"], b"", 2, &["<MODEL>", "--help"]);
    fails(&["bench"], b"", 2, &["--synthetic NAME:TYPE"]);
}

#[test]
fn paths_that_lead_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fails(&["chat", &path("no.gguf"), "hi"], b"", 1, &["cannot open", "no.gguf", "check the path"]);
    fails(&["chat", "llama3", "hi"], b"", 1, &["cannot open llama3", "give the path of a GGUF file"]);
    fails(&["show", &path("")], b"", 1, &["a directory without config.json", "give the path of a GGUF file"]);
    std::fs::write(path("notes.txt"), "not a model").unwrap();
    fails(&["show", &path("notes.txt")], b"", 1, &["expected a GGUF file", "models are .gguf files"]);
    std::fs::write(path("cut.gguf"), b"GGUF\x03\0\0\0").unwrap();
    fails(&["tokenize", &path("cut.gguf"), "x"], b"", 1, &["cut.gguf", "download it again"]);
}

#[test]
fn flags_out_of_range() {
    let Some(model) = stories() else { return };
    let chat = |flags: &[&str], code: i32, words: &[&str]| {
        fails(&[&["chat", model.as_str(), "hi", "--raw"][..], flags].concat(), b"", code, words);
    };
    chat(&["--temp", "warm"], 2, &["--temp", "warm"]);
    chat(&["--temp", "-1"], 2, &["temperature", "a number from 0 to 100"]);
    chat(&["--top-p", "1.5"], 2, &["top_p", "from 0 to 1"]);
    chat(&["--context", "none"], 2, &["expected a number of tokens, `shift`", "none"]);
    chat(&["--max-tokens", "0"], 2, &["at least 1"]);
    chat(&["--logit-bias", "7"], 2, &["ID=VALUE"]);
    chat(&["--logit-bias", "99999=1"], 2, &["an id of the vocabulary"]);
    chat(&["--threads", "0"], 2, &["--threads"]);
    chat(&["--mirostat-eta", "0.1"], 2, &["--mirostat TAU"]);
    chat(&["--logprobs", "3"], 2, &["--json"]);
    chat(&["--system", "Be brief."], 1, &["a system message needs a chat template"]);
    chat(&["--regex", "("], 1, &["regex at"]);
    chat(&["--json-schema", "{oops"], 1, &["expected JSON"]);
    chat(&["--grammar", "a.txt"], 2, &[".gbnf or .lark"]);
}

#[test]
fn prompts_that_cannot_be_answered() {
    let Some(model) = stories() else { return };
    fails(&["chat", &model], b"", 2, &["no prompt"]);
    fails(
        &["chat", &model, "--raw"],
        b"ab\xff",
        1,
        &["standard input: expected UTF-8 text", "0xff at offset 2"],
    );
    fails(&["chat", &model, "x", "--raw", "--file", "/no/such/file"], b"", 1, &["cannot open /no/such/file"]);
    let long = "Once upon a time. ".repeat(300);
    fails(&["chat", &model, "--raw"], long.as_bytes(), 1, &["the context holds 512", "--context N"]);
}

#[test]
fn commands_for_other_models() {
    let (Some(model), Some(bert)) = (stories(), crate::shared("fixtures/models/bert_bge")) else { return };
    fails(&["chat", &bert, "hi"], b"", 1, &["hob embed"]);
    fails(&["logits", &bert, "--ids", "1"], b"", 1, &["hob embed"]);
    fails(&["embed", &model, "hi"], b"", 2, &["--pooling mean, cls or last"]);
    fails(&["detokenize", &model, "1", "99999"], b"", 1, &["below 512", "99999"]);
    fails(&["logits", &model, "--ids", "99999"], b"", 1, &["99999"]);
    fails(&["template", &model, "--messages", "-"], b"[]", 1, &["no chat template"]);
}

#[test]
fn conversations_in_other_shapes() {
    let Some(model) = llama() else { return };
    fails(&["template", &model, "--messages", "-"], b"[1]", 1, &["an array of messages"]);
    fails(&["template", &model, "--messages", "-"], b"{", 1, &["-: expected JSON"]);
}
