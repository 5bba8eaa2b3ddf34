//! Conversations that are encrypted, as people meet them: what is asked, what is refused, and what lies on the disk.

use crate::repl::on_terminal;
use crate::{Run, program};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PASSPHRASE: &str = "correct horse battery";

/// The program with a data folder and variables.
fn command(home: &Path, set: &[(&str, &str)], args: &[&str]) -> Command {
    let mut command = program();
    command.env("HOB_HOME", home).args(args);
    command.envs(set.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn hob(home: &Path, set: &[(&str, &str)], args: &[&str], stdin: &str) -> Run {
    let mut child = command(home, set, args).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A folder and conversations in it, one with a word that stands nowhere else.
fn kept(word: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    hob(home.path(), &[], &["chats", "import", "-"], &conversation(word)).ok();
    home
}

fn conversation(word: &str) -> String {
    let chat = format!(
        r#"{{"id":"chat0001","title":"About {word}","is_named":true,"folder":"F {word}","created":1,"updated":2,
        "leaf":"message1","settings":{{"system":"Be {word}"}}}}"#
    );
    let message =
        format!(r#"{{"id":"message1","parent":null,"role":"user","text":"Say {word} please","created":3}}"#);
    format!(r#"{{"format":"hob-chats","version":1,"chats":[{{"chat":{chat},"messages":[{message}]}}]}}"#)
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => drop(found.insert(path.clone(), std::fs::read(&path).unwrap())),
        }
    }
    found
}

/// Files that hold a text.
fn holding(folder: &Path, text: &str) -> Vec<PathBuf> {
    let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    files(folder).into_iter().filter(|(_, bytes)| holds(bytes)).map(|(path, _)| path).collect()
}

#[test]
fn a_passphrase_is_wanted_wherever_conversations_are() {
    let home = kept("zebrafinch");
    let home = home.path();
    std::fs::write(home.join("chat_history"), "#V2\nzebrafinch, I typed\n").unwrap();
    assert_eq!(holding(home, "zebrafinch").len(), 2);
    let short = hob(home, &[], &["chats", "encrypt", "--passphrase-file", "-"], "short\n");
    assert!(short.code == Some(1) && short.stderr.contains("at least 8"), "{}", short.stderr);
    assert_eq!(holding(home, "zebrafinch").len(), 2);
    let blind = hob(home, &[], &["chats", "encrypt"], "");
    assert!(blind.code == Some(1) && blind.stderr.contains("--passphrase-file FILE"), "{}", blind.stderr);
    let done = hob(home, &[], &["chats", "encrypt", "--passphrase-file", "-"], &format!("{PASSPHRASE}\n"));
    assert!(
        done.stderr.contains("cannot be brought back") && done.stderr.contains("backups"),
        "{}",
        done.stderr
    );
    assert!(done.ok().contains("encrypted now"));
    assert_eq!(holding(home, "zebrafinch"), Vec::<PathBuf>::new());

    let right = [("HOB_CHATS_PASSPHRASE", PASSPHRASE)];
    let found = hob(home, &right, &["chats", "search", "zebrafinch"], "").ok();
    assert!(found.contains("Say zebrafinch please"), "{found}");
    let wrong = hob(home, &[("HOB_CHATS_PASSPHRASE", "another horse")], &["chats", "list"], "");
    assert!(wrong.code == Some(1) && wrong.stderr.contains("not the passphrase"), "{}", wrong.stderr);
    for args in [&["chats", "list"][..], &["chat", "--continue", "and then?"], &["stats"]] {
        let none = hob(home, &[], args, "");
        assert!(none.code == Some(1) && none.stderr.contains("HOB_CHATS_PASSPHRASE_FILE"), "{}", none.stderr);
    }
    let doctor = hob(home, &[], &["doctor", "--quick", "--json"], "").json();
    let chats = doctor.as_array().unwrap().iter().find(|finding| finding["name"] == "chats").unwrap();
    assert_eq!((&chats["data"]["encrypted"], &chats["data"]["by"]), (&true.into(), &"passphrase".into()));

    let file = home.join("secret");
    std::fs::write(&file, "another horse\r\n").unwrap();
    let file = file.display().to_string();
    hob(home, &right, &["chats", "passphrase", "--passphrase-file", &file], "").ok();
    let old = hob(home, &right, &["chats", "list"], "");
    assert_eq!(old.code, Some(1));
    let by_file = [("HOB_CHATS_PASSPHRASE_FILE", file.as_str())];
    hob(home, &by_file, &["chats", "rm", "chat0001", "--shred"], "").ok();
    assert_eq!(hob(home, &by_file, &["chats", "list", "--json"], "").json(), serde_json::json!([]));
    hob(home, &by_file, &["chats", "import", "-"], &conversation("zebrafinch")).ok();
    hob(home, &by_file, &["chats", "decrypt"], "").ok();
    assert!(hob(home, &[], &["chats", "search", "zebrafinch"], "").ok().contains("Say"));
    assert_eq!(holding(home, "zebrafinch").len(), 1);
}

#[test]
fn a_key_in_a_file_opens_them_wherever_it_is() {
    let home = kept("zebrafinch");
    let home = home.path();
    let stick = tempfile::tempdir().unwrap();
    let key = stick.path().join("hob.key");
    let told = key.display().to_string();
    hob(home, &[], &["chats", "encrypt", "--key-file", &told], "").ok();
    assert!(hob(home, &[], &["chats", "show", "chat0001"], "").ok().contains("zebrafinch"));
    let moved = stick.path().join("moved.key");
    std::fs::rename(&key, &moved).unwrap();
    let gone = hob(home, &[], &["chats", "list"], "");
    assert!(gone.code == Some(1) && gone.stderr.contains("HOB_CHATS_KEY_FILE"), "{}", gone.stderr);
    let moved = moved.display().to_string();
    assert!(hob(home, &[("HOB_CHATS_KEY_FILE", &moved)], &["chats", "list"], "").ok().contains("zebrafinch"));
    let unsure = hob(home, &[], &["chats", "shred"], "shred\n");
    assert!(unsure.code == Some(2) && unsure.stderr.contains("--yes"), "{}", unsure.stderr);
    hob(home, &[], &["chats", "shred", "--yes"], "").ok();
    assert!(
        hob(home, &[], &["chats", "list"], "").ok().contains("No conversations") || files(home).is_empty()
    );
}

/// A stand-in for the tool of the keyring, which keeps what it gets in a folder and writes down how it was called.
#[cfg(target_os = "linux")]
fn keyring(folder: &Path) -> String {
    use std::os::unix::fs::PermissionsExt;
    let tool = folder.join("secret-tool");
    let script = format!(
        "#!/bin/sh\ncd '{}' || exit 9\necho \"$@\" >> called\nfor last; do :; done\ncase \"$1\" in\n\
         store) cat > \"key-$last\" ;;\nlookup) test -f \"key-$last\" && cat \"key-$last\" ;;\nclear) rm \"key-$last\" ;;\nesac\n",
        folder.display()
    );
    std::fs::write(&tool, script).unwrap();
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default())
}

#[cfg(target_os = "linux")]
#[test]
fn a_key_in_the_keyring_opens_them_and_is_never_an_argument() {
    let home = kept("zebrafinch");
    let home = home.path();
    let nothing = tempfile::tempdir().unwrap();
    let without = [("PATH", nothing.path().to_str().unwrap())];
    let missing = hob(home, &without, &["chats", "encrypt", "--keyring"], "");
    assert!(
        missing.code == Some(1) && missing.stderr.contains("secret-tool is not installed"),
        "{}",
        missing.stderr
    );
    assert_eq!(holding(home, "zebrafinch").len(), 1);

    let ring = tempfile::tempdir().unwrap();
    let path = keyring(ring.path());
    let with = [("PATH", path.as_str())];
    hob(home, &with, &["chats", "encrypt", "--keyring"], "").ok();
    assert!(hob(home, &with, &["chats", "list"], "").ok().contains("zebrafinch"));
    let digits = |name: &Path| std::fs::read_to_string(name).unwrap();
    let keys: Vec<PathBuf> =
        files(ring.path()).into_keys().filter(|path| path.to_str().unwrap().contains("key-")).collect();
    assert_eq!((keys.len(), digits(&keys[0]).len()), (1, 64));
    assert!(!digits(&ring.path().join("called")).contains(&digits(&keys[0])));
    // Another key under the same name.
    std::fs::write(&keys[0], "5a".repeat(32)).unwrap();
    let other = hob(home, &with, &["chats", "list"], "");
    assert!(other.code == Some(1) && other.stderr.contains("is another one"), "{}", other.stderr);
    std::fs::remove_file(&keys[0]).unwrap();
    let none = hob(home, &with, &["chats", "list"], "");
    assert!(none.code == Some(1) && none.stderr.contains("keyring"), "{}", none.stderr);
}

/// The only key must not be thrown away because something went wrong after it began to count.
#[cfg(target_os = "linux")]
#[test]
fn a_key_that_counts_stays_in_the_keyring() {
    let home = kept("zebrafinch");
    let home = home.path();
    let ring = tempfile::tempdir().unwrap();
    let path = keyring(ring.path());
    let with = [("PATH", path.as_str())];
    // Can be neither opened nor overwritten.
    let stuck = home.join("chats/chats.db-journal");
    std::os::unix::fs::symlink(&stuck, &stuck).unwrap();
    let done = hob(home, &with, &["chats", "encrypt", "--keyring"], "");
    assert!(done.stderr.contains("not overwritten and removed yet: "), "{}", done.stderr);
    done.ok();
    assert!(hob(home, &with, &["chats", "list"], "").ok().contains("zebrafinch"));
    hob(home, &with, &["chats", "passphrase", "--keyring"], "").ok();
    assert!(hob(home, &with, &["chats", "list"], "").ok().contains("zebrafinch"));
    let names = files(ring.path()).into_keys();
    assert_eq!(names.filter(|path| path.to_str().unwrap().contains("key-")).count(), 1);

    // Nothing was changed here, so that the new key is of no use.
    std::fs::create_dir(home.join("chats/chats.key.new")).unwrap();
    let refused = hob(home, &with, &["chats", "passphrase", "--keyring"], "");
    assert!(refused.code == Some(1) && refused.stderr.contains("chats.key.new"), "{}", refused.stderr);
    let names = files(ring.path()).into_keys();
    assert_eq!(names.filter(|path| path.to_str().unwrap().contains("key-")).count(), 1);
    assert!(hob(home, &with, &["chats", "list"], "").ok().contains("zebrafinch"));
}

/// Types each line once the terminal has shown the words before it, and returns everything that it has shown.
fn type_when(args: &str, home: &Path, lines: &[(&str, &str)]) -> Option<String> {
    let mut child = on_terminal(args, home)?;
    let (mut keys, mut shown) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut screen, mut seen) = (Vec::new(), 0);
    for (words, line) in lines {
        while !String::from_utf8_lossy(&screen[seen..]).contains(words) {
            let mut some = [0; 1024];
            let count = shown.read(&mut some).unwrap();
            assert!(count > 0, "{words:?} in {}", String::from_utf8_lossy(&screen));
            screen.extend_from_slice(&some[..count]);
        }
        seen = screen.len();
        keys.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
    shown.read_to_end(&mut screen).unwrap();
    child.wait().unwrap();
    Some(String::from_utf8_lossy(&screen).into_owned())
}

#[test]
fn the_terminal_asks_and_shows_nothing() {
    let home = kept("zebrafinch");
    let (wanted, again) = ("New passphrase: ", "The same again: ");
    let lines = [(wanted, PASSPHRASE), (again, "something else"), (wanted, PASSPHRASE), (again, PASSPHRASE)];
    let Some(screen) = type_when("chats encrypt", home.path(), &lines) else { return };
    assert!(screen.contains("not the same") && screen.contains("encrypted now"), "{screen}");
    assert!(!screen.contains("horse") && !screen.contains("something else"), "{screen}");
    // A letter too many is taken back.
    let asked = "Passphrase of the conversations: ";
    let mistyped = format!("{PASSPHRASE}ü\u{7f}");
    let lines = [(asked, "wrong horse"), (asked, mistyped.as_str()), ("> ", "/exit")];
    let screen = type_when("chat --continue --max-tokens 2", home.path(), &lines).unwrap();
    assert!(screen.contains("not the passphrase") && screen.contains("About zebrafinch"), "{screen}");
    assert!(!screen.contains("horse"), "{screen}");
    assert!(!home.path().join("chat_history").exists());
    let screen = type_when("chats list", home.path(), &[(asked, "\u{3}")]).unwrap();
    assert!(!screen.contains("zebrafinch") && !screen.contains("panicked"), "{screen}");
}

#[test]
fn rules_are_set_shown_and_carried_out() {
    let home = kept("zebrafinch");
    let home = home.path();
    let keep = |args: &[&str]| hob(home, &[], &[&["chats", "keep"], args].concat(), "");
    assert!(keep(&[]).ok().contains("until somebody deletes"));
    for wrong in [&["--days", "0"][..], &["--days", "3", "--off"], &["--folder", "Work"], &["--off"]] {
        assert_eq!(keep(wrong).code, Some(2), "{wrong:?}");
    }
    assert!(keep(&["--now"]).ok().contains("nothing go"));
    let set = keep(&["--days", "30"]).ok();
    assert!(set.contains("30 days") && set.contains("1 conversation is due"), "{set}");
    keep(&["--forever", "--folder", "F zebrafinch"]).ok();
    assert_eq!(keep(&["--due", "--json"]).json(), serde_json::json!([]));
    keep(&["--off", "--folder", "F zebrafinch"]).ok();
    assert_eq!(keep(&["--due", "--json"]).json()[0]["id"], "chat0001");
    assert!(keep(&["--now"]).ok().contains("deleted  chat0001"));
    assert_eq!(hob(home, &[], &["chats", "list", "--json"], "").json(), serde_json::json!([]));
}

#[test]
fn the_record_says_what_is_so() {
    let home = kept("zebrafinch");
    let home = home.path();
    let record = |set: &[(&str, &str)]| hob(home, set, &["privacy", "records", "--json"], "").json();
    let open = record(&[]);
    assert_eq!(
        (&open["conversations"]["encrypted"], &open["conversations"]["count"]),
        (&false.into(), &1.into())
    );
    assert_eq!(
        (&open["transfers"]["ledger_is_whole"], &open["transfers"]["to"]),
        (&true.into(), &serde_json::json!([]))
    );
    let right = [("HOB_CHATS_PASSPHRASE", PASSPHRASE)];
    hob(home, &right, &["chats", "encrypt"], "").ok();
    hob(home, &right, &["chats", "keep", "--days", "30"], "").ok();
    hob(home, &right, &["chats", "private", "Doctor | B"], "").ok();
    std::fs::write(home.join("policy.toml"), "[privacy]\nprivate_folders = [\"~/medical\"]\n").unwrap();
    hob(home, &[], &["key", "add", "a | phone", "--for", "chat,history"], "").ok();
    let sealed = record(&right);
    let about = &sealed["conversations"];
    assert_eq!(
        (&about["encrypted"], &about["rules"][0]["days"], &about["due"]),
        (&true.into(), &30.into(), &1.into())
    );
    assert_eq!(about["private_folders"], serde_json::json!(["Doctor | B"]));
    assert_eq!(sealed["recipients"]["private_folders"], serde_json::json!(["~/medical"]));
    assert_eq!(sealed["access"]["keys"][0]["opens"], serde_json::json!(["chat", "history"]));
    let chats = sealed["kept"].as_array().unwrap().iter().find(|kept| kept["place"] == "chats").unwrap();
    assert!(chats["files"].as_u64() >= Some(2) && chats["bytes"].as_u64() > Some(4096));
    let locked = record(&[]);
    assert_eq!(
        (&locked["conversations"]["encrypted"], &locked["conversations"]["count"]),
        (&true.into(), &().into())
    );
    assert!(locked["conversations"]["private_folders"].is_null(), "their names are in what is locked");
    let text = hob(home, &right, &["privacy", "records"], "").ok();
    for words in [
        "AES-256-GCM",
        "| (all others) | 30 days |",
        "Due for deletion now: 1",
        "key `a \\| phone`",
        "Nothing has left",
        "never leaves this machine: \"Doctor \\| B\"",
        "not read for a model elsewhere: \"~/medical\"",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
}

fn ask(address: &str, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Two hundred words through the server, with the most talkative log: neither the data folder nor the folder for temporary files
/// nor the log has one of them.
#[test]
fn a_server_writes_no_word_in_the_clear() {
    const COUNT: usize = 200;
    let word = |n: usize| format!("qz{:05}xk{:05}vj", n * 7919 % 100_000, n * 104_729 % 100_000);
    let (home, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let home = home.path();
    hob(home, &[("HOB_CHATS_PASSPHRASE", PASSPHRASE)], &["chats", "encrypt"], "").ok();
    let set = [("TMPDIR", temporary.path().to_str().unwrap())];
    let mut command =
        command(home, &set, &["serve", "--port", "0", "--threads", "1", "--log-level", "debug"]);
    let log = home.join("log");
    command.stdin(Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("hob listens on http://").unwrap();
    assert!(ask(address, "GET", "/hob/v1/chats", "").starts_with("HTTP/1.1 423"));
    assert!(ask(address, "GET", "/v1/models", "").starts_with("HTTP/1.1 200"));
    let opened = ask(address, "POST", "/hob/v1/chats/unlock", &format!(r#"{{"passphrase":"{PASSPHRASE}"}}"#));
    assert!(opened.starts_with("HTTP/1.1 200"), "{opened}");
    for n in (0..COUNT).step_by(4) {
        let (a, b, c, d) = (word(n), word(n + 1), word(n + 2), word(n + 3));
        let body = format!(
            r#"{{"chat":{{"id":"chat{n:04}","title":"{a}","folder":"{b}","created":1,"updated":1,"leaf":"message1"}},
            "messages":[{{"id":"message1","parent":null,"role":"user","text":"say {c}","thought":"{d}","created":1}}]}}"#
        );
        assert!(ask(address, "PUT", &format!("/hob/v1/chats/chat{n:04}"), &body).starts_with("HTTP/1.1 200"));
        assert!(ask(address, "GET", &format!("/hob/v1/chats/search?q={c}"), "").contains(&a));
    }
    let body = format!(
        r#"{{"model":"ember","messages":[{{"role":"user","content":"{}"}}],"max_tokens":2}}"#,
        word(0)
    );
    let answer = ask(address, "POST", "/v1/chat/completions", &body);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(std::fs::metadata(&log).unwrap().len() > 1000, "the log says something");
    for n in 0..COUNT {
        for folder in [home, temporary.path()] {
            assert_eq!(holding(folder, &word(n)), Vec::<PathBuf>::new());
        }
    }
    assert_eq!(holding(home, PASSPHRASE), Vec::<PathBuf>::new());
}
