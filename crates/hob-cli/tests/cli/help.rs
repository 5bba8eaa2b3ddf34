//! Help texts, word for word. After a change run with `HOB_BLESS=1` and read the difference.

use crate::hob;
use std::path::Path;

fn matches_snapshot(name: &str, args: &[&str]) {
    let shown = hob(args, b"").ok();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/cli/snapshots/{name}.txt"));
    if std::env::var_os("HOB_BLESS").is_some() {
        std::fs::write(&path, &shown).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(shown, expected, "{} differs; HOB_BLESS=1 accepts the new text", path.display());
}

/// The commands, and those inside of others.
const COMMANDS: &str = "chat chats pull import list rm cp search verify du serve key service open desktop show embed tokenize \
     detokenize template logits eval bench train train-tokenizer distill shrink prune quantize export merge-lora imatrix cloud \
     stats route doctor completions man help";
const INSIDE: &[(&str, &str)] = &[
    ("chats", "list show search export import rm rename keep private encrypt decrypt passphrase rekey shred"),
    ("cloud", "mode add list test remove ask solve"),
    ("eval", "perplexity kl tasks"),
    ("key", "add list rm"),
    ("privacy", "find hide restore preview seal records"),
    ("privacy ledger", "show verify export"),
    ("route", "explain calibrate correct eval"),
    ("service", "install uninstall status"),
];

#[test]
fn every_command_explains_itself() {
    matches_snapshot("hob", &[]);
    for command in COMMANDS.split_whitespace() {
        matches_snapshot(command, &[command, "--help"]);
    }
    for (outer, inner) in INSIDE {
        for command in inner.split_whitespace() {
            let words: Vec<&str> = outer.split(' ').chain([command]).collect();
            matches_snapshot(&words.join("-"), &[&words[..], &["--help"]].concat());
        }
    }
}

#[test]
fn help_leads_to_every_command() {
    assert_eq!(hob(&["help"], b"").ok(), hob(&["--help"], b"").ok());
    assert_eq!(hob(&["help", "help"], b"").ok(), hob(&["help", "--help"], b"").ok());
    assert_eq!(hob(&["help", "eval", "kl"], b"").ok(), hob(&["eval", "kl", "--help"], b"").ok());
    let run = hob(&["help", "eval", "bogus"], b"");
    assert!(run.code == Some(2) && run.stderr.contains("no command \"eval bogus\""), "{}", run.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn help_that_cannot_be_written_is_a_failure() {
    for args in [&["--help"][..], &["--version"], &["help"], &["chat", "--help"]] {
        let full = std::fs::File::create("/dev/full").unwrap();
        let output = crate::program().args(args).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("cannot write to standard output"));
    }
}

#[test]
fn manual_and_completions_cover_all_commands() {
    let page = hob(&["man"], b"").ok();
    assert!(page.contains(".TH hob 1"), "{page}");
    let folder = tempfile::tempdir().unwrap();
    hob(&["man", "--out", folder.path().to_str().unwrap()], b"").ok();
    for page in ["hob.1", "hob-chat.1", "hob-eval-kl.1", "hob-doctor.1", "hob-help.1"] {
        assert!(folder.path().join(page).is_file(), "{page} is missing");
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = hob(&["completions", shell], b"").ok();
        assert!(script.contains("detokenize"), "{shell} lacks a command");
    }
}

#[test]
fn the_version_is_told() {
    assert_eq!(hob(&["--version"], b"").ok(), concat!("hob ", env!("CARGO_PKG_VERSION"), "\n"));
}
