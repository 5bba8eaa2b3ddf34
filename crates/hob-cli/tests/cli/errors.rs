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
fn a_model_or_a_prompt_is_needed() {
    fails(&["chat"], b"", 2, &["no prompt: give one as an argument"]);
    fails(&["show"], b"", 2, &["<MODEL>", "--help"]);
    fails(&["bench"], b"", 2, &["--synthetic NAME:TYPE"]);
}

#[test]
fn paths_that_lead_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fails(&["chat", &path("no.gguf"), "hi"], b"", 1, &["cannot open", "no.gguf", "check the path"]);
    fails(
        &["chat", "llama3", "hi"],
        b"",
        1,
        &["cannot open llama3", "give the path of a GGUF file", "`ember`"],
    );
    fails(&["chat", &path("no.gguf")], b"", 1, &["cannot open", "no.gguf", "check the path"]);
    fails(&["show", &path("")], b"", 1, &["a directory without config.json", "give the path of a GGUF file"]);
    std::fs::write(path("notes.txt"), "not a model").unwrap();
    fails(&["show", &path("notes.txt")], b"", 1, &["expected a GGUF file", "models are .gguf files"]);
    std::fs::write(path("cut.gguf"), b"GGUF\x03\0\0\0").unwrap();
    fails(&["tokenize", &path("cut.gguf"), "x"], b"", 1, &["cut.gguf", "download it again"]);
}

#[test]
fn a_bench_of_more_than_the_context_is_refused_at_once() {
    for flags in [["--depth", "99999999"], ["--prompt", "2049"], ["--tokens", "4294967295"]] {
        let words = ["at most 2048 tokens, the model's context", "measure fewer"];
        fails(&[&["bench", "ember"][..], &flags].concat(), b"", 2, &words);
    }
}

#[test]
fn flags_out_of_range() {
    let Some(model) = stories() else { return };
    let chat = |flags: &[&str], code: i32, words: &[&str]| {
        fails(&[&["chat", model.as_str(), "hi", "--raw"][..], flags].concat(), b"", code, words);
    };
    chat(&["--temp", "warm"], 2, &["--temp", "warm"]);
    chat(&["--temp", "-1"], 2, &["--temp: expected a number from 0 to 100, found -1"]);
    chat(&["--top-p", "1.5"], 2, &["--top-p: expected", "from 0 to 1"]);
    chat(&["--context", "none"], 2, &["expected a number of tokens, `shift`", "none"]);
    chat(&["--max-tokens", "0"], 2, &["at least 1"]);
    chat(&["--logit-bias", "7"], 2, &["ID=VALUE"]);
    chat(&["--logit-bias", "99999=1"], 2, &["an id of the vocabulary"]);
    chat(&["--threads", "0"], 2, &["--threads"]);
    chat(&["--mirostat-eta", "0.1"], 2, &["--mirostat TAU"]);
    chat(&["--xtc-probability", "3"], 2, &["--xtc-probability: expected a number from 0 to 1"]);
    chat(&["--logprobs", "3"], 2, &["--json"]);
    chat(&["--json", "--logprobs", "99999999"], 2, &["0..=1000"]);
    chat(&["--system", "Be brief."], 2, &["--system: a system message needs a chat template"]);
    chat(&["--stop", ""], 2, &["--stop", "a text that ends the answer"]);
    chat(&["--regex", "("], 2, &["regex at"]);
    chat(&["--json-schema", "{oops"], 2, &["--json-schema: expected JSON"]);
    chat(&["--json-schema", "{\"contains\": {}}"], 2, &["JSON schema at #/contains"]);
    chat(&["--json-schema", "5"], 2, &["expected a schema such as", "or the path of a file", "\"5\""]);
    chat(&["--json-whitespace", "compact"], 2, &["--json-schema"]);
    chat(&["--grammar", "a.txt"], 2, &[".gbnf or .lark"]);
    fails(&["show", &model, "--context", "0"], b"", 2, &["--context", "at least 2"]);
    fails(&["show", &model, "--context", "1"], b"", 2, &["at least 2"]);
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
fn texts_without_a_vector() {
    let Some(bert) = crate::shared("fixtures/models/bert_bge") else { return };
    fails(&["embed", &bert, ""], b"", 1, &["TEXT: expected a text, found none"]);
    fails(&["embed", &bert], b" \n", 1, &["standard input: expected a text, found none"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.txt");
    std::fs::write(&path, "word ".repeat(1000)).unwrap();
    let words = ["long.txt: this model reads at most 128 tokens, found ", "embed the parts"];
    fails(&["embed", &bert, "--file", path.to_str().unwrap()], b"", 1, &words);
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
    fails(&["template", &model, "--messages", "-"], b"5", 1, &["an array of messages"]);
    fails(&["template", &model, "--messages", "-"], b"{", 1, &["standard input: expected JSON"]);
    let wrong = |json: &str, words: &[&str]| {
        fails(&["template", &model, "--messages", "-"], json.as_bytes(), 1, words);
    };
    wrong("[1]", &["standard input: message 1 of 1: expected a role"]);
    wrong("[]", &["at least one message"]);
    wrong(r#"[{"role": "user"}]"#, &["message 1 of 1", "\"content\""]);
    wrong(r#"[{"role": "bogus", "content": "Hi"}]"#, &["one of the roles system", "\"bogus\""]);
    wrong(r#"{"messages": [{"role": "user", "content": "Hi"}], "tools": {}}"#, &["an array of tools"]);
    wrong(
        r#"{"messages": [{"role": "user", "content": "Hi"}], "tools": [{"name": "add"}]}"#,
        &["tool 1 of 1"],
    );
}
