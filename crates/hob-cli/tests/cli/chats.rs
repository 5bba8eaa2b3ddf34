//! Conversations that are kept: by `hob chat`, and what `hob chats` does with them.

use crate::repl::typed_into;
use crate::{Run, program};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Runs the program with a data folder.
fn hob(home: &Path, args: &[&str], stdin: &str) -> Run {
    let mut command = program();
    command.env("HOB_HOME", home).args(args);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn list(home: &Path) -> Vec<Value> {
    hob(home, &["chats", "list", "--json"], "").json().as_array().unwrap().clone()
}

/// Everything of a conversation.
fn carried(home: &Path, id: &str) -> Value {
    hob(home, &["chats", "show", id, "--json"], "").json()["chats"][0].clone()
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

#[test]
fn a_single_answer_is_kept_when_asked_and_gone_on_with() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let short = ["--max-tokens", "4", "--temp", "0"];
    let plain = hob(home, &[&["chat", "What is a hob?"], &short[..]].concat(), "");
    assert!(plain.code == Some(0) && files(home).is_empty(), "{}", plain.stderr);
    let none = hob(home, &["chat", "--continue", "and then?"], "");
    assert!(none.code == Some(2) && none.stderr.contains("no conversation is kept yet"), "{}", none.stderr);
    let kept =
        hob(home, &[&["chat", "What is a hob?", "--keep", "-s", "Be brief."], &short[..]].concat(), "a text");
    assert!(kept.stderr.contains("kept as"), "{}", kept.stderr);
    let chat = list(home)[0].clone();
    let id = chat["id"].as_str().unwrap();
    assert_eq!(
        (&chat["title"], &chat["settings"]["system"]),
        (&"What is a hob?".into(), &"Be brief.".into())
    );
    assert_eq!(chat["settings"]["model"], "ember");
    let next = hob(home, &[&["chat", "--continue", "and then, please?"], &short[..]].concat(), "");
    assert_eq!(next.code, Some(0), "{}", next.stderr);
    let next = hob(home, &[&["chat", "--resume", &id[..10], "and.gguf", "--json"], &short[..]].concat(), "");
    assert_eq!(next.code, Some(1), "a path is no prompt: {}", next.stderr);
    let all = carried(home, id);
    let messages = all["messages"].as_array().unwrap();
    let told: Vec<_> = messages.iter().map(|m| (m["role"].as_str().unwrap(), m["parent"].clone())).collect();
    assert_eq!(told.iter().map(|t| t.0).collect::<Vec<_>>(), ["user", "assistant", "user", "assistant"]);
    for (before, (_, parent)) in messages.iter().zip(&told[1..]) {
        assert_eq!(before["id"], *parent);
    }
    assert_eq!(messages[0]["attachments"][0]["name"], "standard input");
    assert_eq!((&messages[1]["model"], &messages[1]["finish"]), (&"ember".into(), &"length".into()));
    assert!(messages[3]["stats"]["prompt_tokens"].as_u64() > messages[1]["stats"]["prompt_tokens"].as_u64());
    let energy = &messages[3]["stats"]["energy"];
    let known = ["measured", "estimated"].map(Value::from);
    assert!(known.contains(&energy["method"]) && energy["joules_high"].as_f64() > Some(0.0), "{energy}");
    assert_eq!(all["chat"]["leaf"], messages[3]["id"]);
    // The model is known: a single word is what is said.
    let word = hob(home, &[&["chat", "--continue", "thanks"], &short[..]].concat(), "");
    assert_eq!(word.code, Some(0), "{}", word.stderr);
    assert_eq!(carried(home, id)["messages"][4]["text"], "thanks");
    let unknown = hob(home, &["chat", "--resume", "zzz", "and then?"], "");
    assert!(unknown.code == Some(1) && unknown.stderr.contains("no conversation zzz"), "{}", unknown.stderr);
    for wrong in [&["--continue", "--temporary"][..], &["--continue", "--raw"], &["--keep", "--temporary"]] {
        assert_eq!(hob(home, &[&["chat", "some words"], wrong].concat(), "").code, Some(2));
    }
}

#[test]
fn conversations_are_listed_found_carried_and_deleted() {
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (home, other) = (home.path(), other.path());
    assert!(hob(home, &["chats", "list"], "").ok().contains("No conversations yet"));
    assert_eq!(hob(home, &["chats", "search", "anything"], "").ok(), "Nothing found.\n");
    let file = r#"[{"title": "Bread \u001b[2J", "create_time": 1700000000.0, "update_time": 1700000000.0, "current_node": "b",
        "conversation_id": "68a0c1d2-1111-4222-8333-444455556666", "mapping": {
        "a": {"parent": null, "message": {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["Which flour?"]}}},
        "b": {"parent": "a", "message": {"author": {"role": "assistant"}, "content": {"content_type": "text", "parts": ["Rye, 東京."]}}}}},
        {"title": "Odd", "mapping": 7}]"#;
    let import = hob(home, &["chats", "import", "-"], file).ok();
    assert!(
        import.starts_with("imported 1 conversation; 1 left out:\n  Odd: ") && import.lines().count() == 2,
        "{import}"
    );
    assert!(
        hob(home, &["chats", "import", "-"], file)
            .ok()
            .starts_with("imported 0 conversations; 1 was here already")
    );
    let table = hob(home, &["chats", "list"], "").ok();
    assert!(
        table.starts_with("ID ") && table.contains("68a0c1d21111") && table.contains("Bread ␛[2J"),
        "{table}"
    );
    let found = hob(home, &["chats", "search", "東京"], "").ok();
    assert!(found.contains("Rye, 東京."), "{found}");
    assert!(hob(home, &["chats", "search", "bread"], "").ok().contains("68a0c1d21111"));
    let json = hob(home, &["chats", "search", "flour", "--json"], "").json();
    assert_eq!(json["messages"][0]["around"], "Which flour?");
    let shown = hob(home, &["chats", "show", "68a0"], "").ok();
    assert!(shown.contains("## You\n\nWhich flour?\n\n## Model\n\nRye, 東京."), "{shown}");

    let export = home.join("all.json").display().to_string();
    hob(home, &["chats", "export", "-o", &export], "").ok();
    assert_eq!(hob(other, &["chats", "import", &export], "").ok(), "imported 1 conversation\n");
    assert_eq!(hob(other, &["chats", "export"], "").ok(), hob(home, &["chats", "export", "68a0"], "").ok());
    assert!(hob(home, &["chats", "export", "--format", "md"], "").ok().starts_with("# Bread"));
    hob(home, &["chats", "rename", "68a0", " Flour  and water "], "").ok();
    assert_eq!(
        (&list(home)[0]["title"], &list(home)[0]["is_named"]),
        (&"Flour and water".into(), &true.into())
    );
    assert!(hob(home, &["chats", "rm", "68a0"], "").ok().contains("deleted 68a0c1d21111 (Flour and water)"));
    assert!(list(home).is_empty());

    for (args, code, words) in [
        (&["chats", "show", "none"][..], 1, "no conversation none"),
        (&["chats", "rm", "none"], 1, "no conversation none"),
        (&["chats", "rename", "none", " "], 2, "at least one word"),
        (&["chats", "import", "gone.json"], 1, "gone.json"),
        (&["chats", "export", "--format", "pdf"], 2, "json or markdown"),
        (&["chats"], 2, "Usage"),
    ] {
        let run = hob(home, args, "");
        assert!(
            run.code == Some(code) && run.stderr.contains(words),
            "{args:?}: {:?} {}",
            run.code,
            run.stderr
        );
    }
    let run = hob(home, &["chats", "import", "-"], "{}");
    assert!(run.code == Some(1) && run.stderr.contains("nothing was imported"), "{}", run.stderr);
}

#[test]
fn a_damaged_file_is_told_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("chats/chats.db");
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "a diary, not a database").unwrap();
    for args in [&["chats", "list"][..], &["chats", "import", "-"], &["chat", "--continue", "some words"]] {
        let run = hob(home.path(), args, "[{\"mapping\": {}}]");
        assert!(run.code == Some(1) && run.stderr.contains("left as it is"), "{args:?}: {}", run.stderr);
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"a diary, not a database");
}

#[test]
fn what_is_said_on_a_terminal_is_kept_unless_it_is_temporary() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let chat = "chat --max-tokens 3 --temp 0";
    let lines =
        ["Tell me of the hearth", "/regenerate", "/system Be kind.", "More of it", "/clear", "A second one"];
    let Some(screen) = typed_into(chat, home, &lines) else { return };
    for words in ["This conversation is kept", "Another conversation begins; the one before is kept"] {
        assert!(screen.contains(words), "{words:?} in {screen}");
    }
    let listed = list(home);
    let titles: Vec<_> = listed.iter().map(|one| one["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["A second one", "Tell me of the hearth"]);
    let first = carried(home, listed[1]["id"].as_str().unwrap());
    let messages = first["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 5, "a question, two answers to it, a question, an answer");
    assert_eq!(messages[1]["parent"], messages[2]["parent"]);
    assert_eq!(
        (&messages[3]["parent"], &first["chat"]["settings"]["system"]),
        (&messages[2]["id"], &"Be kind.".into())
    );

    let before = files(home);
    let secret = ["A secret word: Rumpelstiltskin", "/regenerate", "/system hush", "/clear", "More secrets"];
    let screen = typed_into(&format!("{chat} --temporary"), home, &secret).unwrap();
    assert!(screen.contains("Temporary: nothing of this conversation is written"), "{screen}");
    let once = hob(home, &["chat", "A secret word: Rumpelstiltskin", "--max-tokens", "3", "--temporary"], "");
    assert_eq!(once.code, Some(0), "{}", once.stderr);
    assert!(files(home) == before, "a temporary chat changed a file");

    let screen =
        typed_into(&format!("{chat} --continue"), home, &["And a third", "/temporary", "Rumpelstiltskin"])
            .unwrap();
    assert!(
        screen.contains("Going on with \"A second one\"")
            && screen.contains("From here on nothing is written"),
        "{screen}"
    );
    assert_eq!(carried(home, listed[0]["id"].as_str().unwrap())["messages"].as_array().unwrap().len(), 4);
    let holds = |bytes: &Vec<u8>| bytes.windows(15).any(|window| window == b"Rumpelstiltskin");
    assert!(!files(home).values().any(holds));
}

#[test]
fn what_kept_answers_took_is_told_with_both_bounds() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    assert!(hob(home, &["stats"], "").stdout.starts_with("No answers"));
    for prompt in ["Say hello", "Name a colour"] {
        let told = hob(home, &["chat", prompt, "--keep", "--max-tokens", "4", "--temp", "0"], "");
        assert_eq!(told.code, Some(0), "{}", told.stderr);
    }
    let found = hob(home, &["stats", "--json", "--watts", "10-40", "--price", "1/2"], "").json();
    assert_eq!(found["answers"], 2);
    let number = |value: &Value| value.as_f64().unwrap();
    let (low, high) = (number(&found["estimated_wh"]["low"]), number(&found["estimated_wh"]["high"]));
    assert!(
        (low - number(&found["seconds"]) * 10.0 / 3600.0).abs() < 1e-12 && (high / low - 4.0).abs() < 1e-9
    );
    let tokens = number(&found["prompt_tokens"]) + 2.0 * number(&found["answer_tokens"]);
    assert!((number(&found["money_elsewhere"]) - tokens / 1e6).abs() < 1e-12);
    let elsewhere = found["elsewhere"].as_array().unwrap();
    assert!(elsewhere.iter().all(|one| one["source"].is_string() && number(&one["wh"]["low"]) > 0.0));
    let text = hob(home, &["stats"], "").stdout;
    // On a machine whose counters may be read all of them were measured.
    let is_known = text.contains("estimated from the time") || text.contains("Wh, measured\n");
    assert!(is_known && text.contains(" here\n"), "{text}");
    assert_eq!(hob(home, &["stats", "--watts", "none"], "").code, Some(2));
}

#[test]
fn folders_are_marked_listed_and_let_go() {
    let home = tempfile::tempdir().unwrap();
    let private = |args: &[&str]| hob(home.path(), &[&["chats", "private"], args].concat(), "");
    assert_eq!(private(&[]).ok(), "No folder is private.\n");
    assert_eq!(private(&["Doctor"]).ok(), "Doctor\n");
    assert_eq!(private(&[" Bank  account "]).ok(), "Bank  account\nDoctor\n");
    assert_eq!(private(&["--json"]).json(), serde_json::json!({"private": ["Bank  account", "Doctor"]}));
    for wrong in [&["Elsewhere", "--off"][..], &["--off"]] {
        assert_eq!(private(wrong).code, Some(2), "{wrong:?}");
    }
    assert_eq!(private(&[" "]).code, Some(1));
    assert_eq!(private(&["Doctor", "--off"]).ok(), "Bank  account\n");
}
