//! `hob cloud` as a program, with stand-ins for models elsewhere and for the keyring, and a Hob of its own as the organisation's.

use crate::{Run, program};
use hob_testhub::{Api, Reply, Said};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};

fn run(home: &Path, args: &[&str], stdin: &str) -> Run {
    let mut command = program();
    let path = format!("{}:{}", home.join("bin").display(), std::env::var("PATH").unwrap_or_default());
    command.args(args).env("HOB_HOME", home.join("data")).env("PATH", path).env("PLANTED_KEY", "sk-variable");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn nothing_is_sent_until_the_user_says_so() {
    let (home, api) =
        (tempfile::tempdir().unwrap(), Api::start(|_| Reply::said(Said::text(&["Hi [PERS", "ON_1]!"]))));
    let hob = |args: &[&str]| run(home.path(), args, "");
    let url = format!("{}/v1", api.address());
    assert!(hob(&["cloud", "list"]).ok().contains("no targets"));
    assert!(hob(&["cloud", "mode"]).ok().starts_with("offline: "));
    let prices =
        ["--input-price", "3", "--output-price", "15", "--zone", "cloud", "--key", "env:PLANTED_KEY"];
    let add = [&["cloud", "add", "big", &url, "--model", "big-1"], &prices[..]].concat();
    assert!(hob(&add).ok().contains("while the privacy mode is offline"));
    assert_eq!(hob(&add).code, Some(2));
    for args in [&["cloud", "ask", "big", "Hello"][..], &["cloud", "test", "big"]] {
        let refused = hob(args);
        assert!(
            refused.code == Some(1) && refused.stderr.contains("hob cloud mode ask"),
            "{}",
            refused.stderr
        );
    }
    assert_eq!(hob(&["cloud", "mode", "open"]).code, Some(2));
    hob(&["cloud", "mode", "ask"]).ok();
    let question = "I am Maria Gonzalez.";
    let preview = hob(&["cloud", "ask", "big", question, "--preview"]).ok();
    assert!(
        preview.contains("+ ") && preview.contains("[PERSON_1]") && preview.contains("nothing was sent"),
        "{preview}"
    );
    assert_eq!(api.asked().len(), 0);
    let answer = hob(&["cloud", "ask", "big", question]);
    assert!(answer.stderr.contains("1 values hidden, $0.0001, entry 1"), "{}", answer.stderr);
    assert_eq!(answer.ok(), "Hi Maria Gonzalez!\n");
    let asked = api.asked();
    assert_eq!(asked[0].header("authorization"), Some("Bearer sk-variable"));
    assert!(!asked[0].body.contains("Maria"));
    let whole = hob(&["cloud", "ask", "big", "Again: I am Maria Gonzalez.", "--json"]).json();
    assert_eq!((&whole["text"], &whole["hidden"]["PERSON"]), (&"Hi Maria Gonzalez!".into(), &1.into()));
    assert!(hob(&["cloud", "test", "big"]).ok().contains("big answers after"));
    let list = hob(&["cloud", "list", "--json"]).json();
    assert!(list["targets"][0]["dollars_today"].as_f64().unwrap() > 0.0);
    assert!(!list.to_string().contains("sk-variable"));
    let stats = hob(&["stats", "--json"]).json();
    assert_eq!(stats["sent"]["questions"], 3);
    assert!(hob(&["stats"]).ok().contains("paid for 3 questions elsewhere"));
    assert!(hob(&["privacy", "ledger", "verify"]).ok().contains("6 entries"));
    // What the system was told to refuse is refused, whatever the mode.
    assert_eq!(hob(&["--offline", "cloud", "ask", "big", "Hello"]).code, Some(1));
    hob(&["cloud", "remove", "big"]).ok();
    assert!(hob(&["cloud", "ask", "big", "Hello"]).stderr.contains("there is no target"));
    assert_eq!(api.asked().len(), 3);
}

#[test]
#[cfg(unix)]
fn keys_are_kept_where_the_user_wants_them() {
    use std::os::unix::fs::PermissionsExt;
    let (home, api) = (tempfile::tempdir().unwrap(), Api::start(|_| Reply::said(Said::text(&["ok"]))));
    let url = api.address();
    let hob = |args: &[&str], stdin: &str| run(home.path(), args, stdin);
    let add = |name: &str, key: &str, stdin: &str| {
        hob(&["cloud", "add", name, &url, "--model", "m", "--protocol", "anthropic", "--key", key], stdin)
    };
    hob(&["cloud", "mode", "ask"], "").ok();
    add("one", "file", "sk-of-a-file\n").ok();
    // Without the system's tool nothing is left behind.
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let tool = bin.join(if cfg!(target_os = "macos") { "security" } else { "secret-tool" });
    let script = |text: &str| {
        fs::write(&tool, format!("#!/bin/sh\n{text}")).unwrap();
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    };
    script("echo locked >&2; exit 1");
    let refused = add("two", "keyring", "sk-of-a-ring");
    assert!(refused.code == Some(1) && refused.stderr.contains("locked"), "{}", refused.stderr);
    // A stand-in that keeps what it gets and notes how it was called.
    let folder = home.path().display();
    script(&format!(
        "echo \"$@\" >> {folder}/calls\ncase \"$*\" in *store*|-i) cat > {folder}/ring;; *lookup*|*find*) cat {folder}/ring;; *) rm {folder}/ring;; esac"
    ));
    if cfg!(target_os = "linux") {
        add("two", "keyring", "sk-of-a-ring").ok();
        hob(&["cloud", "test", "two"], "").ok();
    }
    hob(&["cloud", "test", "one"], "").ok();
    let keys: Vec<_> =
        api.asked().iter().map(|asked| asked.header("x-api-key").unwrap().to_owned()).collect();
    assert_eq!(keys.last().map(String::as_str), Some("sk-of-a-file"));
    if cfg!(target_os = "linux") {
        assert_eq!(keys[0], "sk-of-a-ring");
        hob(&["cloud", "remove", "two"], "").ok();
        assert!(!home.path().join("ring").exists());
        assert!(!fs::read_to_string(home.path().join("calls")).unwrap().contains("sk-"));
    }
    let typed = add("three", "sk-typed-in-the-wrong-place", "");
    assert!(typed.code == Some(2) && !typed.stderr.contains("wrong-place"), "{}", typed.stderr);
    let target = home.path().join("data/targets/one.toml");
    assert_eq!(fs::metadata(target).unwrap().permissions().mode() & 0o077, 0);
}

/// A server with the built-in model, and its address.
fn serve(home: &Path) -> (Child, String) {
    let mut command = program();
    command.args(["serve", "--port", "0"]).env("HOB_HOME", home).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().rsplit(' ').next().unwrap().to_owned())
}

#[test]
fn a_hob_of_the_organisation_answers() {
    let home = tempfile::tempdir().unwrap();
    let (mut server, address) = serve(&home.path().join("other"));
    let hob = |args: &[&str]| run(home.path(), args, "");
    hob(&["cloud", "add", "desk", &format!("{address}/v1"), "--model", "ember"]).ok();
    hob(&["cloud", "add", "desk2", &address, "--model", "ember", "--protocol", "anthropic"]).ok();
    hob(&["cloud", "mode", "ask"]).ok();
    for name in ["desk", "desk2"] {
        let whole =
            hob(&["cloud", "ask", name, "Tell me a story about a cat.", "--max-tokens", "20", "--json"])
                .json();
        assert!(!whole["text"].as_str().unwrap().is_empty(), "{whole}");
        assert_eq!(whole["zone"], "organisation");
        let tokens = &whole["tokens"];
        assert!(tokens["read"].as_u64() > Some(5) && tokens["written"].as_u64() <= Some(20), "{tokens}");
    }
    server.kill().unwrap();
    server.wait().unwrap();
    let gone = hob(&["cloud", "ask", "desk", "Hello"]);
    assert_eq!(gone.code, Some(1), "{}", gone.stdout);
}

/// What a file of a private folder says does not leave, and neither does a question about it.
#[test]
#[cfg(unix)]
fn files_of_private_folders_are_refused() {
    let (home, api) = (tempfile::tempdir().unwrap(), Api::start(|_| Reply::said(Said::text(&["ok"]))));
    let at = |name: &str| home.path().join(name);
    fs::create_dir_all(at("medical/2025")).unwrap();
    fs::create_dir_all(at("notes")).unwrap();
    fs::write(at("medical/2025/report.md"), "# Report\n\nA word.\n").unwrap();
    fs::write(at("notes/list.md"), "# List\n\nA word.\n").unwrap();
    std::os::unix::fs::symlink(at("medical"), at("notes/link")).unwrap();
    let hob = |args: &[&str]| {
        let output =
            program().args(args).env("HOME", home.path()).env("HOB_HOME", at("data")).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    };
    hob(&["cloud", "add", "big", &format!("{}/v1", api.address()), "--model", "big-1", "--zone", "cloud"])
        .ok();
    hob(&["cloud", "mode", "ask"]).ok();
    fs::write(at("data/policy.toml"), "[privacy]\nprivate_folders = [\"~/Medical\"]\n").unwrap();
    let solve = |file: &str| {
        let file = at(file).display().to_string();
        hob(&["cloud", "solve", "big", &file, "Which word?", "--preview"])
    };
    for file in ["medical/2025/report.md", "notes/../medical/2025/report.md", "notes/link/2025/report.md"] {
        let refused = solve(file);
        assert_eq!(refused.code, Some(1), "{file}: {}", refused.stdout);
        assert!(
            refused.stderr.contains("lies in \"~/Medical\"") && refused.stderr.contains(file),
            "{}",
            refused.stderr
        );
    }
    assert!(solve("notes/list.md").ok().contains("nothing was sent"));
    assert!(solve("notes/none.md").stderr.contains("none.md: cannot find"));
    if cfg!(target_os = "linux") {
        let ask = |file: &str| {
            let mut command = program();
            command.args(["cloud", "ask", "big", "--preview"]).env("HOME", home.path());
            command.env("HOB_HOME", at("data")).stdin(fs::File::open(at(file)).unwrap()).output().unwrap()
        };
        let refused = ask("notes/link/2025/report.md");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("lies in \"~/Medical\""), "{refused:?}");
        assert!(ask("notes/list.md").status.success());
    }
    assert_eq!(api.asked().len(), 0);
    // A policy that means another folder with each place it is run from is none.
    fs::write(at("data/policy.toml"), "[privacy]\nprivate_folders = [\"medical\"]\n").unwrap();
    assert!(solve("notes/list.md").stderr.contains("from / or ~/ on"));
}
