//! Conversations that are carried elsewhere and back.

use crate::{Bench, all, chat, id, say};
use hob_chats::{
    Above, Attachment, Call, Error, Format, Id, Imported, Message, Role, Settings, State, Stats, Trouble,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: i64 = 1_700_000_000_000;

fn import(bench: &Bench, bytes: &[u8]) -> Result<Imported, Error> {
    let mut count = 0;
    let mut new_id = || {
        count += 1;
        Id::parse(&format!("new{count:05}")).unwrap()
    };
    bench.chats.import(bytes, &mut Above { now: NOW, new_id: &mut new_id })
}

fn export(bench: &Bench, ids: Option<&[Id]>, format: Format) -> String {
    let mut out = Vec::new();
    bench.chats.export(ids, format, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn json_brings_everything_back() {
    let bench = Bench::new();
    assert_eq!(import(&bench, export(&bench, None, Format::Json).as_bytes()).unwrap(), Imported::default());
    for n in 0..5 {
        let answer = Message { role: Role::Assistant, ..say("answer", Some("first"), "An \u{0} answer\"\\") };
        bench.chats.put(&chat(&format!("c{n}"), Some("answer")), &[say("first", None, "Q"), answer]).unwrap();
    }
    let json = export(&bench, None, Format::Json);
    let other = Bench::new();
    assert_eq!(import(&other, json.as_bytes()).unwrap().taken, 5);
    assert_eq!(
        export(&other, Some(&[id("c2")]), Format::Json),
        export(&bench, Some(&[id("c2")]), Format::Json)
    );
    assert_eq!(all(&other.chats, &id("c4")), all(&bench.chats, &id("c4")));
    // What is there stays as it is.
    let mut changed = chat("c0", None);
    changed.title = "Changed".into();
    other.chats.put(&changed, &[]).unwrap();
    let again = import(&other, json.as_bytes()).unwrap();
    assert_eq!((again.taken, again.known), (0, 5));
    assert_eq!(other.chats.get(&id("c0")).unwrap().chat.title, "Changed");
    let unknown = bench.chats.export(Some(&[id("none")]), Format::Json, &mut Vec::new());
    assert!(matches!(unknown, Err(Error::UnknownChat { .. })));
    // Other programs write the keys of JSON in an order of their own.
    let sorted: Value = serde_json::from_str(&json).unwrap();
    let fresh = Bench::new();
    let with_format_first = sorted.to_string().replacen('{', "{\"format\":\"hob-chats\",", 1);
    assert_eq!(import(&fresh, with_format_first.as_bytes()).unwrap().taken, 5);
}

fn message() -> impl Strategy<Value = Message> {
    let text = "\\PC{0,20}|[\\x00-\\x7f]{0,8}";
    let stats = (any::<u32>(), any::<f64>().prop_filter("JSON", |f| f.is_finite()));
    (text, text, proptest::option::of(stats), any::<bool>(), 0..1_i64 << 50).prop_map(
        |(text, thought, stats, is_user, created)| {
            let stats =
                stats.map(|(n, f)| Stats { prompt_tokens: n.into(), per_second: f, ..Stats::default() });
            Message {
                role: if is_user { Role::User } else { Role::Assistant },
                attachments: vec![Attachment { name: thought.clone(), text: text.clone() }],
                error: is_user.then(|| Trouble { message: text.clone(), advice: None }),
                state: if is_user { State::Stopped } else { State::Running },
                thought,
                stats,
                created,
                ..say("m", None, &text)
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_conversation_survives_the_journey(
        messages in proptest::collection::vec((message(), any::<usize>()), 0..12),
        temperature in proptest::option::of(any::<f64>().prop_filter("JSON", |f| f.is_finite())),
        title in "\\PC{1,20}",
    ) {
        let bench = Bench::new();
        let mut kept: Vec<Message> = Vec::new();
        for (n, (message, parent)) in messages.into_iter().enumerate() {
            let parent = (parent % (n + 1)).checked_sub(1).map(|at| kept[at].id.clone());
            kept.push(Message { id: id(&format!("m{n}")), parent, ..message });
        }
        let mut one = chat("one", None);
        one.title = format!("a{title}");
        one.leaf = kept.last().map(|m| m.id.clone());
        one.settings = Settings { system: title, ..Settings::default() };
        one.settings.sampling.temperature = temperature;
        bench.chats.put(&one, &kept).unwrap();
        let other = Bench::new();
        prop_assert_eq!(import(&other, export(&bench, None, Format::Json).as_bytes()).unwrap().taken, 1);
        prop_assert_eq!(other.chats.get(&one.id).unwrap().chat, one.clone());
        prop_assert_eq!(all(&other.chats, &one.id), kept);
    }
}

#[test]
fn markdown_shows_one_branch() {
    let bench = Bench::new();
    let question = Message {
        attachments: vec![Attachment { name: "a.txt".into(), text: "x ``` y\n".into() }],
        ..say("question", None, "What is it?")
    };
    let call =
        Call { id: "c".into(), name: "look".into(), arguments: "{}".into(), result: Some("A box".into()) };
    let answer = |name: &str, text: &str| Message {
        role: Role::Assistant,
        model: Some("ember".into()),
        ..say(name, Some("question"), text)
    };
    let mut one = chat("one", Some("second"));
    one.title = "A\ntitle".into();
    one.settings.system = "Be brief.\nBe kind.".into();
    bench
        .chats
        .put(
            &one,
            &[
                question,
                answer("first", "No."),
                Message { calls: vec![call], ..answer("second", "A text.\n") },
            ],
        )
        .unwrap();
    bench.chats.put(&chat("two", None), &[]).unwrap();
    let expected = "# A title\n\n> System: Be brief.\n> Be kind.\n\n## You\n\n*Attached: a.txt*\n\n````\nx ``` y\n````\n\n\
        What is it?\n\n## ember\n\nA text.\n\n*Called: look*\n\n```\n{}\n```\n\n*Result*\n\n```\nA box\n```\n";
    assert_eq!(export(&bench, Some(&[id("one")]), Format::Markdown), expected);
    let both = export(&bench, None, Format::Markdown);
    assert!(both.contains("# Chat two\n\n---\n\n# A title"), "{both}");
}

#[test]
fn files_that_are_no_export_are_refused() {
    let bench = Bench::new();
    let deep = format!("[{}1{}]", "[".repeat(100_000), "]".repeat(100_000));
    for (bytes, words) in [
        (&b""[..], "empty"),
        (b"no", "neither a list nor"),
        (b"{}", "no conversations"),
        (b"{\"format\": \"other\", \"chats\": [{}]}", "no conversations"),
        (b"{\"format\": \"hob-chats\", \"version\": 9, \"chats\": []}", "newer Hob"),
        (b"{\"format\": \"hob-chats\", \"chats\": 5}", "no conversations"),
        (b"17", "neither a list nor"),
        (b"PK\x03\x04", "unpack it"),
        (b"\xff\xfe[", "neither a list nor"),
    ] {
        let error = import(&bench, bytes).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Import { taken: 0, .. }) && text.contains(words), "{text}");
        assert!(text.contains("nothing was imported"), "{text}");
    }
    let skipped = import(&bench, deep.as_bytes()).unwrap();
    assert_eq!((skipped.taken, skipped.skipped), (0, 1));
    assert!(!bench.file().exists());
    // What came before the break stays, and is told.
    bench.chats.put(&chat("one", None), &[]).unwrap();
    let json = export(&bench, None, Format::Json);
    let other = Bench::new();
    let error = import(&other, &json.as_bytes()[..json.len() - 4]).unwrap_err();
    assert!(matches!(error, Error::Import { taken: 1, .. }), "{error}");
    assert!(error.to_string().contains("one conversation before it was imported"), "{error}");
}

#[test]
fn a_conversation_that_makes_no_sense_is_left_out_and_named() {
    let bench = Bench::new();
    bench.chats.put(&chat("good", Some("m")), &[say("m", None, "x")]).unwrap();
    let mut file: Value = serde_json::from_str(&export(&bench, None, Format::Json)).unwrap();
    let good = file["chats"][0].clone();
    let bad = |change: &dyn Fn(&mut Value)| {
        let mut one = good.clone();
        one["chat"]["id"] = "another1".into();
        one["chat"]["title"] = "Odd one".into();
        change(&mut one);
        one
    };
    let messages = |parents: [(&str, Option<&str>); 2]| {
        let message =
            |(name, parent): (&str, Option<&str>)| serde_json::to_value(say(name, parent, "")).unwrap();
        Value::from(parents.map(message).to_vec())
    };
    let odd = [
        bad(&|v| v["chat"]["id"] = "../../up".into()),
        bad(&|v| v["chat"]["leaf"] = "nowhere0".into()),
        bad(&|v| v["messages"] = 5.into()),
        bad(&|v| v["messages"][0]["role"] = "root".into()),
        bad(&|v| v["messages"][0]["parent"] = "nowhere0".into()),
        bad(&|v| v["messages"] = messages([("a", Some("b")), ("b", Some("a"))])),
        bad(&|v| v["messages"] = messages([("a", None), ("a", None)])),
        bad(&|v| v["surprise"] = 1.into()),
        json!(null),
    ];
    let count = odd.len() as u64;
    file["chats"] = odd.into_iter().chain([bad(&|v| v["chat"]["id"] = "goodtoo1".into())]).collect();
    let json = file.to_string().replacen('{', "{\"format\":\"hob-chats\",", 1);
    let imported = import(&bench, json.as_bytes()).unwrap();
    assert_eq!((imported.taken, imported.known, imported.skipped), (1, 0, count), "{imported:?}");
    assert_eq!(imported.reasons.len() as u64, count);
    assert!(imported.reasons[..8].iter().all(|skipped| skipped.title == "Odd one"), "{imported:?}");
    assert_eq!(imported.reasons[8].title, "conversation 9");
    assert_eq!(bench.chats.list(None, 10).unwrap().chats.len(), 2);
}

/// A conversation as ChatGPT exports it: nodes under `mapping`, each knowing its parent and children.
fn chatgpt() -> Value {
    let node =
        |parent: Option<&str>, message: Value| json!({"message": message, "parent": parent, "children": []});
    let said = |role: &str, kind: &str, content: Value, time: f64, more: Value| {
        let mut content = content;
        content["content_type"] = kind.into();
        let mut message = json!({"id": "x", "author": {"role": role, "name": null, "metadata": {}}, "create_time": time,
            "update_time": null, "content": content, "status": "finished_successfully", "end_turn": true, "weight": 1.0,
            "metadata": {"model_slug": "gpt-5", "citations": []}, "recipient": "all", "channel": null});
        more.as_object().unwrap().iter().for_each(|(key, value)| message[key] = value.clone());
        message
    };
    let text = |text: &str| json!({"parts": [text]});
    let hidden = json!({"metadata": {"is_visually_hidden_from_conversation": true}});
    json!({
        "title": "Bread and butter", "create_time": 1_700_000_000.25, "update_time": 1_700_000_100.5,
        "conversation_id": "68a0c1d2-1111-4222-8333-444455556666", "id": "68a0c1d2-1111-4222-8333-444455556666",
        "current_node": "0000000a-0000-4000-8000-000000000009", "gizmo_id": null, "is_archived": false, "moderation_results": [],
        "mapping": {
            "0000000a-0000-4000-8000-000000000009": node(Some("0000000a-0000-4000-8000-000000000008"),
                said("assistant", "text", text("Rye\u{e200}cite\u{e202}turn0search1\u{e201}."), 1_700_000_050.0, json!({}))),
            "client-created-root": node(None, json!(null)),
            "0000000a-0000-4000-8000-000000000001": node(Some("client-created-root"), said("system", "text", text(""), 0.0, hidden)),
            "0000000a-0000-4000-8000-000000000002": node(Some("0000000a-0000-4000-8000-000000000001"),
                said("user", "multimodal_text", json!({"parts": [{"content_type": "image_asset_pointer", "asset_pointer": "file-service://x",
                    "width": 1}, "Which bread is this?"]}), 1_700_000_010.0, json!({}))),
            "0000000a-0000-4000-8000-000000000003": node(Some("0000000a-0000-4000-8000-000000000002"),
                said("assistant", "text", text("A loaf."), 1_700_000_020.0, json!({}))),
            "0000000a-0000-4000-8000-000000000005": node(Some("0000000a-0000-4000-8000-000000000002"),
                said("assistant", "thoughts", json!({"thoughts": [{"summary": "s", "content": "Dark crust."}, {"content": "Dense."}]}), 0.0, json!({}))),
            "0000000a-0000-4000-8000-000000000006": node(Some("0000000a-0000-4000-8000-000000000005"),
                said("assistant", "code", json!({"language": "unknown", "text": "search('rye')"}), 0.0, json!({"recipient": "web"}))),
            "0000000a-0000-4000-8000-000000000007": node(Some("0000000a-0000-4000-8000-000000000006"),
                said("tool", "text", text("results"), 0.0, json!({}))),
            "0000000a-0000-4000-8000-000000000008": node(Some("0000000a-0000-4000-8000-000000000007"),
                said("assistant", "reasoning_recap", json!({"content": "Thought for 5s"}), 0.0, json!({}))),
        }
    })
}

#[test]
fn chatgpt_s_trees_become_ours() {
    let bench = Bench::new();
    let file = json!([chatgpt(), {"title": "broken", "mapping": 5}, {"mapping": {}}]).to_string();
    let imported = import(&bench, format!("\u{feff}{file}").as_bytes()).unwrap();
    assert_eq!(
        (imported.taken, imported.skipped, imported.reasons[0].title.as_str()),
        (2, 1, "broken"),
        "{imported:?}"
    );
    let chat_id = Id::parse("68a0c1d2111142228333444455556666").unwrap();
    let kept = bench.chats.get(&chat_id).unwrap().chat;
    assert_eq!(
        (kept.title.as_str(), kept.created, kept.updated),
        ("Bread and butter", 1_700_000_000_250, 1_700_000_100_500)
    );
    let branch = bench.chats.branch(&chat_id).unwrap();
    let texts: Vec<_> = branch.iter().map(|m| (m.role, m.text.as_str(), m.thought.as_str())).collect();
    assert_eq!(
        texts,
        [
            (Role::User, "[image, not part of the export]\n\nWhich bread is this?", ""),
            (Role::Assistant, "Rye.", "Dark crust.\n\nDense."),
        ]
    );
    assert_eq!((branch[1].model.as_deref(), branch[1].created), (Some("gpt-5"), 1_700_000_050_000));
    let messages = all(&bench.chats, &chat_id);
    assert_eq!(messages.len(), 3);
    assert!(messages.iter().any(|m| m.text == "A loaf." && m.parent.as_ref() == Some(&branch[0].id)));
    let empty = bench.chats.get(&Id::parse("new00001").unwrap()).unwrap().chat;
    assert_eq!((empty.title.as_str(), empty.created, empty.leaf), ("Imported chat", NOW, None));
    let again = import(&bench, json!([chatgpt()]).to_string().as_bytes()).unwrap();
    assert_eq!((again.taken, again.known), (0, 1));
}

#[test]
fn hostile_trees_of_chatgpt_are_refused() {
    let bench = Bench::new();
    let node = |parent: &str| json!({"message": {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["x"]}}, "parent": parent});
    let odd = [
        json!({"mapping": {"a": node("b"), "b": node("a")}}),
        json!({"mapping": {"a": node("a")}}),
        json!({"mapping": {"a": {"message": {"author": 5}}}}),
        json!({"title": "t"}),
        json!([]),
    ];
    let count = odd.len() as u64;
    let imported = import(&bench, Value::from(odd.to_vec()).to_string().as_bytes()).unwrap();
    assert_eq!((imported.taken, imported.skipped), (0, count));
    // Odd, but a tree: a parent that is not there, times that are none, a node that is named like a path.
    let mut one = node("gone");
    one["message"]["create_time"] = 1e300.into();
    let imported = import(
        &bench,
        json!([{"create_time": -1.0, "mapping": {"../../x": one}, "current_node": "gone"}])
            .to_string()
            .as_bytes(),
    );
    assert_eq!(imported.unwrap().taken, 1);
    let kept = bench.chats.list(None, 1).unwrap().chats[0].chat.clone();
    assert_eq!((kept.title.as_str(), kept.created), ("x", NOW));
}

/// A file of many conversations is read one at a time: reading stops where keeping is refused.
#[test]
fn a_large_file_is_read_bit_by_bit() {
    struct Endless {
        given: usize,
    }
    impl std::io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let start: &[u8] = b"[\"";
            let count = if self.given < 2 {
                let count = start[self.given..].len().min(buffer.len());
                buffer[..count].copy_from_slice(&start[self.given..][..count]);
                count
            } else {
                buffer.fill(b'x');
                buffer.len()
            };
            self.given += count;
            Ok(count)
        }
    }
    let bench = Bench::new();
    let mut new_id = || id("new");
    let error =
        bench.chats.import(Endless { given: 0 }, &mut Above { now: NOW, new_id: &mut new_id }).unwrap_err();
    assert!(error.to_string().contains("one conversation is larger than"), "{error}");
}
