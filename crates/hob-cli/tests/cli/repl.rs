//! A conversation on a terminal, which `script` of util-linux pretends to be.

use crate::{program, stories};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

/// Starts `hob ARGS` on a terminal.
pub fn on_terminal(args: &str, home: &std::path::Path) -> Option<Child> {
    let hob = program().get_program().to_string_lossy().into_owned();
    let mut command = Command::new("script");
    command.args(["-qec", &format!("'{hob}' {args}"), "/dev/null"]);
    command.env("HOB_HOME", home).env("TERM", "dumb").stdin(Stdio::piped()).stdout(Stdio::piped());
    let child = command.spawn();
    if child.is_err() {
        eprintln!("SKIPPED: this system has no `script` to make a terminal with");
    }
    child.ok()
}

/// Types `lines` into `hob chat ARGS` and returns what the terminal shows.
fn typed(args: &str, home: &std::path::Path, lines: &[&str]) -> Option<String> {
    typed_into(&format!("chat {args}"), home, lines)
}

/// Types `lines` into `hob ARGS` and returns what the terminal shows.
pub fn typed_into(args: &str, home: &std::path::Path, lines: &[&str]) -> Option<String> {
    let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
    typed_bytes(args, home, &lines)
}

/// [`typed_into`] for keys that are no text.
fn typed_bytes(args: &str, home: &std::path::Path, lines: &[&[u8]]) -> Option<String> {
    let mut child = on_terminal(args, home)?;
    let mut keys = child.stdin.take().unwrap();
    for line in lines {
        keys.write_all(&[line, &b"\n"[..]].concat()).unwrap();
    }
    // Ctrl-D at the prompt.
    keys.write_all(b"\x04").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_conversation_can_be_led_saved_and_taken_up_again() {
    let Some(model) = stories() else { return };
    let home = tempfile::tempdir().unwrap();
    let talk = home.path().join("talk.json").display().to_string();
    let args = format!("'{model}' --raw --temp 0 --max-tokens 8");
    let lines = [
        "Once upon\\",
        " a time",
        "/set max-tokens 4",
        "/regenerate",
        "/set top-p 2",
        "/set nonsense 1",
        "/set temperature 1",
        "/set stop END",
        "/set stop -",
        "/set logit-bias 5=1",
        "/set",
        "/set xtc_probability 3",
        "/save /no/such/talk.json",
        "/stats",
        &format!("/save {talk}"),
        "/nonsense",
    ];
    let Some(screen) = typed(&args, home.path(), &lines) else { return };
    for words in [
        "Context: 512 tokens (all the model was trained for)",
        "stopped after 8 tokens",
        "stopped after 4 tokens",
        "expected a number from 0 to 1, found 2",
        "nonsense is no setting",
        "did you mean temp?",
        "From the next answer on: max-tokens 4",
        "logit-bias [(5, 1.0)], stop []",
        "xtc-probability: expected a number from 0 to 1",
        "/no/such/talk.json: cannot save",
        "used of 512",
        "Saved as ",
        "/nonsense is no command",
    ] {
        assert!(screen.contains(words), "{words:?} in {screen}");
    }
    assert!(!screen.contains("/.talk.json") && !screen.contains("'--"), "{screen}");
    let saved: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&talk).unwrap()).unwrap();
    assert!(saved["text"].as_str().unwrap().starts_with("Once upon\n a time"), "{saved}");
    let history = std::fs::read_to_string(home.path().join("chat_history")).unwrap();
    assert!(history.contains("/set max-tokens 4"), "{history}");

    let lines = [&format!("/load {talk}"), "/set max-tokens 2", "/regenerate", "/help", "/exit"];
    let Some(screen) = typed(&args, home.path(), &lines) else { return };
    for words in [" a time", "stopped after 2 tokens", "/regenerate        answer the last message anew"] {
        assert!(screen.contains(words), "{words:?} in {screen}");
    }
    assert!(!screen.contains("there is no answer"), "{screen}");
}

#[test]
fn a_saved_text_whose_answer_lies_nowhere_is_refused() {
    let Some(model) = stories() else { return };
    let home = tempfile::tempdir().unwrap();
    let talk = home.path().join("talk.json").display().to_string();
    let saved = serde_json::json!({"format": "hob-chat/1", "text": "für", "answer_at": 2});
    std::fs::write(&talk, saved.to_string()).unwrap();
    let args = format!("'{model}' --raw");
    let Some(screen) = typed(&args, home.path(), &[&format!("/load {talk}")]) else { return };
    assert!(screen.contains("expected a place in the text (4 bytes), found 2"), "{screen}");
}

#[test]
fn keys_that_are_no_text_end_a_message_and_not_the_conversation() {
    let Some(model) = stories() else { return };
    let home = tempfile::tempdir().unwrap();
    let args = format!("chat '{model}' --raw --temp 0 --max-tokens 3");
    let lines = [&b"Once upon"[..], b"\"\"\"half of a", b"gr\xfc\xdfe", b"/stats"];
    let Some(screen) = typed_bytes(&args, home.path(), &lines) else { return };
    let told = screen.find("is not UTF-8").expect("a word about it");
    assert!(screen[told..].contains("used of 512"), "{screen}");
}

/// Terminals show Ctrl-C as `^C` unless they are told not to.
#[test]
fn an_interrupted_answer_is_not_written_into() {
    let Some(model) = stories() else { return };
    let home = tempfile::tempdir().unwrap();
    let endless = "--raw --context 128,shift --logit-bias 1=-1000 --logit-bias 2=-1000 --seed 1";
    let Some(mut child) = on_terminal(&format!("chat '{model}' 'Once upon a time' {endless}"), home.path())
    else {
        return;
    };
    let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut shown = vec![0; 200];
    screen.read_exact(&mut shown).unwrap();
    keys.write_all(b"\x03").unwrap();
    screen.read_to_end(&mut shown).unwrap();
    let shown = String::from_utf8_lossy(&shown);
    assert!(!shown.contains("^C"), "{shown}");
    assert_eq!(child.wait().unwrap().code(), Some(130), "{shown}");
}
