//! What is kept comes back; what cannot be is refused, and changes nothing.

use crate::{Bench, all, chat, files, id, say};
use hob_chats::{
    Attachment, Call, Chat, Chats, Elsewhere, Error, Finish, Message, Place, Repaired, Role, Sampling,
    Settings, State, Stats, Taken, Tool, ToolChoice, Trouble, limits,
};
use std::collections::BTreeMap;

fn call(result: Option<&str>) -> Call {
    let arguments = "{\"b\": 1, \"a\": 1}".to_owned();
    Call { id: "call_1".into(), name: "add".into(), arguments, result: result.map(str::to_owned) }
}

/// So many places that somebody else wrote.
fn repaired(count: usize) -> Repaired {
    let place = Place { start: 1, end: 2, before: "\0 Rome 漢".into() };
    let left = Elsewhere { target: "big".into(), sent_bytes: 5, ..Elsewhere::default() };
    Repaired { left, asked: 8, places: vec![place; count] }
}

/// A message in which every field says something.
fn full() -> Message {
    Message {
        role: Role::Assistant,
        thought: "hm\0m".into(),
        attachments: vec![Attachment { name: "a \"b\".txt".into(), text: "x\r\n\u{0}y".into() }],
        created: 5,
        state: State::Failed,
        error: Some(Trouble { message: "broke".into(), advice: Some("again".into()) }),
        model: Some("ember".into()),
        finish: Some(Finish::ToolCalls),
        stats: Some(Stats {
            prompt_tokens: 7,
            per_second: 0.1 + 0.2,
            repaired: Some(repaired(1)),
            ..Stats::default()
        }),
        thought_ms: Some(1234),
        calls: vec![call(Some("2")), call(None)],
        ..say("answer", Some("first"), "Grüße 漢字 \u{1f525}\0 '); DROP TABLE chats; --")
    }
}

#[test]
fn everything_comes_back_as_it_was() {
    let bench = Bench::new();
    let mut kept = chat("one", Some("answer"));
    kept.title = "'\";--\0 Title 漢".into();
    (kept.is_named, kept.is_private, kept.folder) = (true, true, Some("Work".into()));
    let sampling = Sampling { temperature: Some(0.1), seed: Some(u64::MAX), ..Sampling::default() };
    let object = |text| serde_json::from_str(text).unwrap();
    let tool = Tool {
        name: "add".into(),
        description: "Adds".into(),
        parameters: object("{\"type\":\"object\"}"),
        strict: true,
    };
    kept.settings = Settings {
        model: Some("m".into()),
        think: Some(false),
        sampling,
        // Not in the order of the alphabet: answers are written in this one.
        schema: Some(object("{\"type\":\"object\",\"properties\":{\"b\":{},\"a\":{}}}")),
        tools: vec![tool],
        tool_choice: ToolChoice::Required,
        ..Settings::default()
    };
    let messages = vec![say("first", None, ""), full()];
    assert_eq!(bench.chats.put(&kept, &messages).unwrap(), 1);
    let other = bench.again();
    assert_eq!(other.get(&kept.id).unwrap().chat, kept);
    assert_eq!(all(&other, &kept.id), messages);
    assert_eq!(other.branch(&kept.id).unwrap(), messages);
    let schema = serde_json::to_string(&other.get(&kept.id).unwrap().chat.settings.schema).unwrap();
    assert_eq!(schema, "{\"type\":\"object\",\"properties\":{\"b\":{},\"a\":{}}}");
    kept.title = "Other".into();
    kept.created = 9;
    assert_eq!(other.put(&kept, &[]).unwrap(), 2);
    let now = bench.chats.get(&kept.id).unwrap();
    assert_eq!((now.chat.title.as_str(), now.chat.created, now.version), ("Other", 1, 2));
    assert_eq!(other.put_messages(&kept.id, &[Message { text: "new".into(), ..full() }]).unwrap(), 3);
    assert_eq!(all(&bench.chats, &kept.id)[1].text, "new");
    bench.chats.verify().unwrap();
}

/// Calls are kept beside the figures, which stay what they are, and a row without calls is as it was before there were any.
#[test]
fn calls_and_figures_do_not_mix() {
    let bench = Bench::new();
    let stats = Stats { answer_tokens: 3, ..Stats::default() };
    let answer = |name: &str, stats: Option<Stats>, calls: Vec<Call>| Message {
        role: Role::Assistant,
        stats,
        calls,
        ..say(name, None, "")
    };
    let messages = [
        answer("both", Some(stats.clone()), vec![call(Some("2"))]),
        answer("figures", Some(stats.clone()), Vec::new()),
        answer("calls", None, vec![call(None)]),
        answer("none", None, Vec::new()),
    ];
    bench.chats.put(&chat("one", None), &messages).unwrap();
    assert_eq!(all(&bench.chats, &id("one")), messages);
    let taken: Vec<Stats> = bench.chats.taken(0).unwrap().into_iter().map(|taken| taken.stats).collect();
    assert_eq!(taken, [stats.clone(), stats.clone()]);
    let file = rusqlite::Connection::open(bench.file()).unwrap();
    let column = |name: &str| {
        let sql = "SELECT stats FROM messages WHERE id = ?1";
        file.query_row(sql, [id(name).as_str()], |row| row.get::<_, Option<String>>(0)).unwrap()
    };
    assert_eq!(column("figures"), Some(serde_json::to_string(&stats).unwrap()));
    assert_eq!(column("none"), None);
    // What comes of a call is told later.
    let told = answer("calls", None, vec![call(Some("late"))]);
    bench.chats.put_messages(&id("one"), std::slice::from_ref(&told)).unwrap();
    assert_eq!(all(&bench.chats, &id("one"))[2], told);
}

#[test]
fn what_answers_took_is_told_from_a_moment_on() {
    let bench = Bench::new();
    assert_eq!(bench.chats.taken(0).unwrap(), []);
    let answer = |id: &str, created: i64, stats: Option<Stats>| Message {
        role: Role::Assistant,
        created,
        model: Some("m".into()),
        stats,
        ..say(id, Some("first"), "a")
    };
    let stats = Stats { answer_tokens: 3, per_second: 1.5, ..Stats::default() };
    let messages = [
        say("first", None, "q"),
        answer("old", 10, Some(stats.clone())),
        answer("untold", 30, None),
        answer("late", 40, Some(stats.clone())),
        answer("new", 20, Some(Stats::default())),
    ];
    bench.chats.put(&chat("one", Some("new")), &messages).unwrap();
    let taken = |created, stats: &Stats| Taken { created, model: Some("m".into()), stats: stats.clone() };
    assert_eq!(bench.chats.taken(20).unwrap(), [taken(20, &Stats::default()), taken(40, &stats)]);
    assert_eq!(bench.chats.taken(0).unwrap().len(), 3);
}

#[test]
fn who_knows_what_answers_took_hears_of_changes_alone() {
    let bench = Bench::new();
    let answer = |id: &str, tokens: u64| Message {
        role: Role::Assistant,
        stats: Some(Stats { answer_tokens: tokens, ..Stats::default() }),
        ..say(id, Some("first"), "a")
    };
    let mut known = BTreeMap::new();
    let mut look = |chats: &Chats| {
        let changes = chats.taken_since(&known).unwrap();
        for gone in &changes.gone {
            known.remove(gone);
        }
        let mut told = Vec::new();
        for (id, stand, taken) in changes.changed {
            let tokens: Vec<u64> = taken.iter().map(|one| one.stats.answer_tokens).collect();
            told.push((id.to_string(), tokens));
            known.insert(id, (stand, ()));
        }
        (told, changes.gone)
    };
    let name = |text: &str| id(text).to_string();
    assert_eq!(look(&bench.chats), (vec![], vec![]), "there is no file yet");
    for chat_id in ["one", "two"] {
        bench.chats.put(&chat(chat_id, Some("a")), &[say("first", None, "q"), answer("a", 3)]).unwrap();
    }
    assert_eq!(look(&bench.chats), (vec![(name("one"), vec![3]), (name("two"), vec![3])], vec![]));
    assert_eq!(look(&bench.chats), (vec![], vec![]));
    bench.again().put_messages(&id("two"), &[answer("b", 5)]).unwrap();
    assert_eq!(look(&bench.chats).0, [(name("two"), vec![3, 5])]);
    bench.chats.delete_message(&id("two"), &id("a")).unwrap();
    assert_eq!(look(&bench.chats).0, [(name("two"), vec![5])]);
    bench.chats.delete(&id("one")).unwrap();
    assert_eq!(look(&bench.chats), (vec![], vec![id("one")]));
    // Made anew under the same name, it has the same version again.
    bench.chats.delete(&id("two")).unwrap();
    let anew = Chat { created: 77, ..chat("two", None) };
    bench.chats.put(&anew, &[say("first", None, "q")]).unwrap();
    bench.chats.put_messages(&id("two"), &[answer("c", 9)]).unwrap();
    assert_eq!(look(&bench.chats).0, [(name("two"), vec![9])]);
}

#[test]
fn lists_and_messages_come_in_pages() {
    let bench = Bench::new();
    assert_eq!(bench.chats.list(None, 10).unwrap().chats, []);
    for n in 0..25 {
        let mut one = chat(&format!("c{n}"), None);
        one.updated = n / 2;
        bench.chats.put(&one, &[]).unwrap();
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = bench.chats.list(after, 10).unwrap();
        seen.extend(page.chats.iter().map(|listed| listed.chat.id.clone()));
        let Some(next) = page.next else { break };
        after = Some(next.to_string().parse().unwrap());
    }
    assert_eq!(seen, (0..25).rev().map(|n| id(&format!("c{n}"))).collect::<Vec<_>>());
    assert!("1".parse::<hob_chats::Cursor>().is_err() && "a-b".parse::<hob_chats::Cursor>().is_err());

    let large = Attachment { name: "large".into(), text: "x".repeat(5 << 20) };
    let with_file = |n| Message { attachments: vec![large.clone()], ..say(&format!("m{n}"), None, "") };
    let messages: Vec<Message> = (0..4).map(with_file).collect();
    bench.chats.put_messages(&id("c3"), &messages).unwrap();
    let page = bench.chats.messages(&id("c3"), None, 1000).unwrap();
    assert_eq!(page.messages.len(), 2, "a page ends with its bytes");
    assert_eq!(all(&bench.chats, &id("c3")), messages);
}

#[test]
fn conversations_are_found_by_the_start_of_their_ids() {
    let bench = Bench::new();
    for name in ["abcd1111", "abcd2222", "xyz12345"] {
        bench.chats.put(&chat(name, None), &[]).unwrap();
    }
    assert_eq!(bench.chats.find("x").unwrap().chat.id, id("xyz12345"));
    assert_eq!(bench.chats.find("abcd2").unwrap().chat.id, id("abcd2222"));
    assert!(matches!(bench.chats.find("abcd"), Err(Error::Ambiguous { .. })));
    for none in ["", "q", "%", "_", "x%", "xyz123456"] {
        let found = bench.chats.find(none);
        assert!(
            matches!(found, Err(Error::UnknownChat { .. } | Error::Ambiguous { .. })),
            "{none:?}: {found:?}"
        );
    }
}

#[test]
fn what_makes_no_tree_is_refused_and_nothing_of_it_stays() {
    let bench = Bench::new();
    bench.chats.put(&chat("one", Some("a")), &[say("a", None, "A"), say("b", Some("a"), "B")]).unwrap();
    bench.chats.put(&chat("two", None), &[say("other", None, "O")]).unwrap();
    let before = all(&bench.chats, &id("one"));
    let put = |messages: &[Message]| bench.chats.put_messages(&id("one"), messages);
    let new = say("new", None, "must not stay");
    let refused = |messages: &[Message]| {
        let with_new: Vec<Message> = [std::slice::from_ref(&new), messages].concat();
        put(&with_new).unwrap_err()
    };
    assert!(
        matches!(refused(&[say("c", Some("other"), "")]), Error::NoParent { .. }),
        "of another conversation"
    );
    assert!(
        matches!(refused(&[say("c", Some("d"), ""), say("d", Some("c"), "")]), Error::NoParent { .. }),
        "a circle"
    );
    assert!(matches!(refused(&[say("c", Some("c"), "")]), Error::NoParent { .. }), "itself");
    assert!(
        matches!(refused(&[say("a", Some("b"), "A")]), Error::Moved { .. }),
        "a circle out of what is there"
    );
    assert!(matches!(
        refused(&[Message { role: Role::Assistant, ..say("b", Some("a"), "") }]),
        Error::Moved { .. }
    ));
    let gone = chat("one", Some("gone"));
    assert!(matches!(bench.chats.put(&gone, &[]), Err(Error::UnknownMessage { .. })));
    assert!(matches!(bench.chats.put_messages(&id("none"), &[]), Err(Error::UnknownChat { .. })));
    // A page that still shows what was deleted elsewhere brings no half of it back.
    let late = bench.chats.put(&chat("deleted", Some("late")), &[say("late", Some("early"), "")]);
    assert!(matches!(late, Err(Error::NoParent { .. })));
    assert!(bench.chats.get(&id("deleted")).is_err());
    assert_eq!(all(&bench.chats, &id("one")), before);
    bench.chats.verify().unwrap();
}

#[test]
fn what_is_too_large_or_makes_no_sense_is_refused() {
    let bench = Bench::new();
    for wrong in ["", "short", "with-hyphen", "änderung", "../../etc", &"x".repeat(33), "a b c d e f"] {
        assert!(matches!(hob_chats::Id::parse(wrong), Err(Error::Id { .. })), "{wrong:?}");
    }
    let base = || chat("one", None);
    let long = |max: usize| "x".repeat(max + 1);
    let mut wrong = vec![base(); 10];
    wrong[0].title = long(limits::TITLE_BYTES_MAX);
    wrong[1].title = " ".into();
    wrong[2].folder = Some(long(limits::FOLDER_BYTES_MAX));
    wrong[3].settings.system = long(limits::SYSTEM_BYTES_MAX);
    wrong[4].updated = -1;
    wrong[5].settings.sampling.temperature = Some(f64::NAN);
    wrong[6].created = limits::TIME_MAX + 1;
    let tool = |name: String| Tool {
        name,
        description: String::new(),
        parameters: serde_json::Map::new(),
        strict: false,
    };
    let large = serde_json::Map::from_iter([("title".to_owned(), long(limits::SCHEMA_BYTES_MAX).into())]);
    wrong[7].settings.schema = Some(large);
    wrong[8].settings.tools = vec![tool("a".into()); limits::TOOLS_MAX + 1];
    wrong[9].settings.tools = vec![tool(String::new())];
    for chat in wrong {
        assert!(matches!(bench.chats.put(&chat, &[]), Err(Error::Field { .. })));
    }
    let base = || say("m", None, "");
    let file = |text: String| Attachment { name: "n".into(), text };
    let mut wrong = vec![base(); 9];
    let many = repaired(limits::PLACES_MAX + 1);
    wrong[8].stats = Some(Stats { repaired: Some(many), ..Stats::default() });
    wrong[0].text = long(limits::TEXT_BYTES_MAX);
    wrong[1].thought = long(limits::TEXT_BYTES_MAX);
    wrong[2].attachments = vec![file(String::new()); limits::ATTACHMENTS_MAX + 1];
    wrong[3].attachments = vec![file(long(limits::ATTACHMENTS_BYTES_MAX))];
    wrong[4].thought_ms = Some(-1);
    wrong[5].stats = Some(Stats { per_second: f64::INFINITY, ..Stats::default() });
    wrong[6].calls = vec![Call { result: Some(long(limits::CALL_BYTES_MAX)), ..call(None) }];
    wrong[7].calls = vec![Call { name: String::new(), ..call(None) }];
    for message in wrong {
        assert!(matches!(bench.chats.put(&chat("one", None), &[message]), Err(Error::Field { .. })));
    }
    assert!(!bench.file().exists(), "nothing was worth a file");
}

#[test]
fn what_is_deleted_is_gone_from_the_disk() {
    let bench = Bench::new();
    let secret = "Rumpelstiltskin-41c1a8";
    bench.chats.put(&chat("one", None), &[say("a", None, secret)]).unwrap();
    bench
        .chats
        .put(
            &chat("two", Some("c")),
            &[say("a", None, "x"), say("b", Some("a"), secret), say("c", Some("b"), "y")],
        )
        .unwrap();
    let holds = || {
        let files = files(bench.dir.path());
        files.values().any(|bytes| bytes.windows(secret.len()).any(|window| window == secret.as_bytes()))
    };
    assert!(holds());
    bench.chats.delete(&id("one")).unwrap();
    assert!(holds(), "the other conversation has it, too");
    assert_eq!(bench.chats.delete_message(&id("two"), &id("b")).unwrap(), 2);
    assert!(!holds());
    assert_eq!(bench.chats.get(&id("two")).unwrap().chat.leaf, Some(id("a")));
    assert!(matches!(bench.chats.delete(&id("one")), Err(Error::UnknownChat { .. })));
    assert!(matches!(bench.chats.delete_message(&id("two"), &id("b")), Err(Error::UnknownMessage { .. })));
    assert_eq!(bench.chats.delete_message(&id("two"), &id("a")).unwrap(), 1);
    assert_eq!(bench.chats.get(&id("two")).unwrap().chat.leaf, None);
    bench.chats.verify().unwrap();
}

/// Reading, and changing what is not there, leaves no trace: what is never put is never on the disk.
#[test]
fn nothing_is_made_before_something_is_kept() {
    let bench = Bench::new();
    let none = id("none");
    assert!(
        bench.chats.list(None, 10).unwrap().chats.is_empty()
            && bench.chats.search("text", 10).unwrap().is_empty()
    );
    assert!(
        bench.chats.get(&none).is_err()
            && bench.chats.find("n").is_err()
            && bench.chats.branch(&none).is_err()
    );
    assert!(bench.chats.messages(&none, None, 10).is_err());
    assert!(bench.chats.delete(&none).is_err() && bench.chats.delete_message(&none, &none).is_err());
    bench.chats.verify().unwrap();
    assert!(files(bench.dir.path()).is_empty());
}

#[test]
fn a_long_chain_is_walked_and_removed() {
    let bench = Bench::new();
    let name = |n: usize| format!("m{n}");
    let messages: Vec<Message> =
        (0..3000).map(|n| say(&name(n), n.checked_sub(1).map(name).as_deref(), &n.to_string())).collect();
    bench.chats.put(&chat("long", Some("m2999")), &messages).unwrap();
    assert_eq!(bench.chats.branch(&id("long")).unwrap().len(), 3000);
    assert_eq!(bench.chats.delete_message(&id("long"), &id("m5")).unwrap(), 2995);
    assert_eq!(bench.chats.get(&id("long")).unwrap().chat.leaf, Some(id("m4")));
    bench.chats.delete(&id("long")).unwrap();
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_them() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    bench.chats.put(&chat("one", None), &[]).unwrap();
    let folder = bench.file().parent().unwrap().to_path_buf();
    let modes = || {
        let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        entries.map(|path| mode(&path)).chain([mode(&folder) & !0o100]).collect::<Vec<_>>()
    };
    assert!(modes().len() >= 3 && modes().iter().all(|mode| *mode == 0o600), "{:?}", modes());
    // A copy may have brought other permissions.
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(bench.file(), PermissionsExt::from_mode(0o644)).unwrap();
    bench.again().list(None, 1).unwrap();
    assert!(modes().iter().all(|mode| *mode == 0o600), "{:?}", modes());
}
