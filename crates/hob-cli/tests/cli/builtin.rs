//! The model that is part of the program: there with nothing downloaded, whatever words it has.

use crate::{Run, hob, program, repl};
use serde_json::{Value, json};
use std::path::Path;

/// The file that was built in.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ember/ember.gguf");

/// What every answer here is drawn with.
const GREEDY: [&str; 6] = ["--temp", "0", "--max-tokens", "12", "--threads", "1"];

fn greedy(args: &[&str], stdin: &[u8]) -> Run {
    hob(&[&["chat"], args, &GREEDY].concat(), stdin)
}

#[test]
fn a_prompt_reaches_it_in_every_way() {
    let prompt = "Say hello to me.";
    let text = greedy(&["ember", prompt], b"").ok();
    assert_eq!(text, greedy(&["ember", prompt], b"").ok());
    assert_eq!(text, greedy(&[prompt], b"").ok());
    assert_eq!(text, greedy(&[], prompt.as_bytes()).ok());
    assert_eq!(text, greedy(&[FILE, prompt], b"").ok());
    let run = greedy(&[prompt, "--json"], b"");
    assert!(!run.stderr.contains("Ember"), "{}", run.stderr);
    assert_eq!(run.json()["text"].as_str().map(str::trim_end), Some(text.trim_end()));
}

#[test]
fn it_is_shown_as_a_part_of_the_program() {
    let text = hob(&["show", "ember"], b"").ok();
    assert!(text.starts_with("built in      ember is part of this program: "), "{text}");
    let (mut named, mut at) =
        (hob(&["show", "ember", "--json"], b"").json(), hob(&["show", FILE, "--json"], b"").json());
    assert_eq!((named["built_in"].take(), at["built_in"].take()), (json!(true), json!(false)));
    assert_eq!(named, at);
}

#[test]
fn the_doctor_knows_its_size() {
    let report: Vec<Value> =
        serde_json::from_str(&hob(&["doctor", "--quick", "--json"], b"").stdout).unwrap();
    let model = report.iter().find(|finding| finding["name"] == "model").expect("a line about the model");
    let bytes = std::fs::metadata(FILE).unwrap().len();
    assert_eq!((&model["status"], &model["data"]["bytes"]), (&json!("ok"), &json!(bytes)));
}

#[test]
fn its_answers_have_the_shape_asked_for() {
    let schema = r#"{"type":"object","properties":{"ok":{"type":"boolean"},"size":{"enum":["small","large"]}},"required":["ok","size"],"additionalProperties":false}"#;
    let run = hob(&["chat", "Are you small?", "--json-schema", schema, "--temp", "0"], b"");
    let value = run.json();
    assert!(value["ok"].is_boolean() && value["size"].is_string(), "{value}");
}

#[test]
fn a_word_that_leads_nowhere_is_no_prompt() {
    let run = hob(&["chat", "Hello"], b"");
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
    for words in ["cannot open Hello", "`ember` is the built-in model", "hob chat ember \"Hello\""] {
        assert!(run.stderr.contains(words), "{words:?} in {}", run.stderr);
    }
    let run = hob(&["chat", "no such folder/model.gguf"], b"");
    assert!(run.code == Some(1) && run.stderr.contains("check the path"), "{}", run.stderr);
}

/// Runs the program in `folder`.
fn hob_in(folder: &Path, args: &[&str]) -> Run {
    let output = program().args(args).current_dir(folder).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn a_file_or_folder_of_its_name_wins() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(FILE, folder.path().join("ember")).unwrap();
    let run = hob_in(folder.path(), &["show", "ember", "--json"]);
    assert!(run.stderr.contains("note: the file ember that lies here is opened"), "{}", run.stderr);
    assert_eq!(run.json()["built_in"], json!(false));
    std::fs::write(folder.path().join("ember"), "not a model").unwrap();
    let run = hob_in(folder.path(), &["chat", "ember", "Say hello."]);
    assert!(run.code == Some(1) && run.stderr.contains("expected a GGUF file"), "{}", run.stderr);
    hob_in(folder.path(), &[&["chat", "Say hello."][..], &GREEDY].concat()).ok();
    std::fs::remove_file(folder.path().join("ember")).unwrap();
    std::fs::create_dir(folder.path().join("ember")).unwrap();
    std::fs::copy(FILE, folder.path().join("ember/model.gguf")).unwrap();
    let run = hob_in(folder.path(), &["tokenize", "ember", "Hello"]);
    assert!(run.stderr.contains("note: the folder ember"), "{}", run.stderr);
    assert_eq!(run.ok(), hob(&["tokenize", "ember", "Hello"], b"").ok());
}

#[test]
fn every_command_takes_its_name() {
    let ids = hob(&["tokenize", "ember", "A small fire.", "--no-special"], b"").ok();
    let text =
        hob(&[&["detokenize", "ember"][..], &ids.split_whitespace().collect::<Vec<_>>()].concat(), b"");
    assert_eq!(text.ok().trim_start(), "A small fire.");
    let scores = hob(&["logits", "ember", "--ids", "1,2", "--last", "--json"], b"").json();
    assert_eq!(scores["logits"][0].as_array().map(|row| json!(row.len())), Some(scores["vocab"].clone()));
    let vector = hob(&["embed", "ember", "Hello", "--pooling", "mean", "--json"], b"").json();
    assert!(vector["dimensions"].as_u64() > Some(0), "{vector}");
    if !hob(&["show", "ember", "--json"], b"").json()["chat"].is_null() {
        let messages = br#"[{"role": "user", "content": "Hello"}]"#;
        assert!(hob(&["template", "ember", "--messages", "-"], messages).ok().contains("Hello"));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.txt");
    std::fs::write(&path, "A small fire burned in the hearth. ".repeat(20)).unwrap();
    let text = ["--file", path.to_str().unwrap(), "--context", "32", "--chunks", "2", "--json"];
    let p = hob(&[&["eval", "perplexity", "ember"][..], &text].concat(), b"").json();
    assert!(p["perplexity"].as_f64() > Some(1.0), "{p}");
    let d = hob(&[&["eval", "kl", "ember", "ember"][..], &text].concat(), b"").json();
    assert_eq!(d["mean"].as_f64(), Some(0.0));
    let args = ["bench", "ember", "--no-limits", "--repeat", "1", "--prompt", "4", "--tokens", "2", "--json"];
    assert!(hob(&args, b"").json()["start"]["first_token_s"].as_f64() > Some(0.0));
}

#[test]
fn a_recipe_can_go_on_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = "out = 'run'\n[model]\nfrom = 'ember'\n[[data]]\nfiles = ['text.txt']\n[training]\ntokens = 64\n\
                  sequence = 16\nbatch = 32\nrate = 0.001\n";
    std::fs::write(folder.path().join("recipe.toml"), recipe).unwrap();
    std::fs::write(folder.path().join("text.txt"), "A small fire burned in the hearth. ".repeat(20)).unwrap();
    hob_in(folder.path(), &["train", "recipe.toml", "--json"]).ok();
    let trained = hob_in(folder.path(), &["show", "run/model.gguf", "--json"]).json();
    assert_eq!(trained["parameters"], hob(&["show", "ember", "--json"], b"").json()["parameters"]);
}

#[test]
fn it_can_guess_for_itself_and_need_not_be_kept_in_memory() {
    let prompt = "Count from one to ten.";
    let run = greedy(&[prompt, "--draft", "ember", "--lock"], b"");
    assert!(run.stderr.contains("--lock has no effect"), "{}", run.stderr);
    assert_eq!(run.ok(), greedy(&[prompt, "--speculate", "off"], b"").ok());
}

/// The weights lie in the program's file, as those of a model lie in its own: there is no second copy of them.
#[cfg(target_os = "linux")]
#[test]
fn its_weights_are_not_copied() {
    /// Memory of two runs of one program differs by about as much.
    const NOISE: u64 = 256 << 10;
    let own = |model: &str| {
        let d = greedy(&[model, "Say hello.", "--json"], b"").json();
        d["memory"]["resident_anonymous"].as_u64().unwrap()
    };
    let (built_in, mapped) = (own("ember"), own(FILE));
    let copy = std::fs::metadata(FILE).unwrap().len();
    assert!(built_in < mapped + NOISE.max(copy / 2), "{built_in} beside {mapped}");
}

#[test]
fn a_terminal_alone_starts_a_conversation_that_can_be_saved() {
    let home = tempfile::tempdir().unwrap();
    let talk = home.path().join("talk.json").display().to_string();
    let lines = ["/set max-tokens 4", "Tell me of a fire.", &format!("/save {talk}")];
    let Some(screen) = repl::typed_into("", home.path(), &lines) else { return };
    for words in ["Ember is built into Hob and very small", "hob chat path/to/model.gguf", "Saved as "] {
        assert!(screen.contains(words), "{words:?} in {screen}");
    }
    let Some(screen) = repl::typed_into("chat", home.path(), &[&format!("/load {talk}")]) else { return };
    assert!(!screen.contains("error: ") && screen.contains("very small"), "{screen}");
    let Some(screen) = repl::typed_into("chat 'Say hello.' --max-tokens 4", home.path(), &[]) else { return };
    assert!(screen.contains("note: Ember answers, the very small built-in model"), "{screen}");
}
