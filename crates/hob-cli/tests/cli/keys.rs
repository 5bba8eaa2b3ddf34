//! `hob key` and `hob service` as programs.

use crate::{Run, program};
use std::path::Path;

/// Runs the program with its data and everything else of a user below `home`.
fn at(home: &Path, args: &[&str]) -> Run {
    let mut command = program();
    command
        .args(args)
        .env("HOB_HOME", home.join("data"))
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home.join("config"));
    // Nothing of this machine is started or stopped.
    let output = command.env_remove("XDG_RUNTIME_DIR").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn keys_are_made_listed_and_revoked() {
    let home = tempfile::tempdir().unwrap();
    let hob = |args: &[&str]| at(home.path(), args);
    assert!(hob(&["key", "list"]).ok().contains("no keys yet"));
    let made =
        hob(&["key", "add", "editor", "--model", "ember", "--expires", "30d", "--tokens-per-day", "500"]);
    assert!(made.stderr.contains("only time"), "{}", made.stderr);
    let text = made.ok();
    assert!(text.starts_with("hob-") && text.ends_with('\n'), "{text}");
    let phone = hob(&["key", "add", "phone", "--for", "chat,history", "--private", "--json"]).json();
    assert_eq!((&phone["for"], &phone["private"]), (&serde_json::json!(["chat", "history"]), &true.into()));
    let listed = hob(&["key", "list"]).ok();
    assert!(
        listed.contains("editor") && listed.contains("500") && listed.contains("phone (private)"),
        "{listed}"
    );
    assert!(!listed.contains(text.trim()));
    assert_eq!(hob(&["key", "list", "--json"]).json().as_array().unwrap().len(), 2);
    assert_eq!(hob(&["key", "add", "Phone"]).code, Some(1));
    for wrong in [["--expires", "soon"], ["--for", "everything"], ["--tokens-per-day", "0"]] {
        assert_eq!(hob(&[&["key", "add", "x"], &wrong[..]].concat()).code, Some(2), "{wrong:?}");
    }
    assert_eq!(hob(&["key", "add", "x", "--private", "--cloud"]).code, Some(2));
    assert_eq!(hob(&["key", "add", ""]).code, Some(2));
    assert!(hob(&["key", "rm", "phone", "editor"]).ok().contains("phone opens nothing"));
    let gone = hob(&["key", "rm", "phone"]);
    assert!(gone.code == Some(1) && gone.stderr.contains("hob key list"), "{}", gone.stderr);
}

#[test]
fn a_service_comes_and_goes() {
    let home = tempfile::tempdir().unwrap();
    let hob = |args: &[&str]| at(home.path(), args);
    for (kind, file) in [
        ("systemd", "config/systemd/user/hob.service"),
        ("launchd", "Library/LaunchAgents/local.hob.serve.plist"),
    ] {
        let file = home.path().join(file);
        let hob = |args: &[&str], rest: &[&str]| hob(&[&["service"], args, &["--kind", kind], rest].concat());
        assert!(hob(&["status"], &[]).ok().contains("no service"));
        let installed = hob(&["install"], &["--no-start", "--", "--port", "1"]).ok();
        assert!(
            installed.contains(&file.display().to_string()) && installed.contains("type:"),
            "{installed}"
        );
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(env!("CARGO_BIN_EXE_hob")) && text.contains("data"), "{text}");
        let status = hob(&["status"], &[]).ok();
        assert!(status.contains("Hob does not answer on port 1\n"), "{status}");
        assert!(hob(&["uninstall"], &[]).ok().contains("removed") && !file.exists());
        assert!(hob(&["uninstall"], &[]).ok().contains("no service"));
    }
    let key = hob(&["service", "install", "--no-start", "--", "--api-key", "planted"]);
    assert!(key.code == Some(2) && key.stderr.contains("hob key add") && !key.stderr.contains("planted"));
    assert_eq!(hob(&["service", "install", "--", "--no-such-flag"]).code, Some(2));
    assert!(!home.path().join("config/systemd/user/hob.service").exists());
}

#[test]
fn a_phone_is_paired_in_the_terminal() {
    use std::io::{BufRead, BufReader};
    let home = tempfile::tempdir().unwrap();
    let local = at(home.path(), &["serve", "--pair", "phone"]);
    assert!(local.code == Some(2) && local.stderr.contains("--host"), "{}", local.stderr);
    let lone = at(home.path(), &["serve", "--tls-cert", "x.pem"]);
    assert_eq!(lone.code, Some(2));
    let mut command = program();
    command.args(["serve", "--port", "0", "--host", "127.0.0.2", "--tls", "--threads", "1"]);
    command
        .env("HOB_HOME", home.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said: Vec<String> = lines.take(2).map(Result::unwrap).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(said[0].starts_with("hob listens on https://127.0.0.2:"), "{said:?}");
    let print = said[1].strip_prefix("certificate (SHA-256): ").unwrap();
    assert_eq!(print.split(':').count(), 32, "{print}");
}
