//! Conversations through the server, and who else sees them.

use crate::client::{Running, config, start, start_with};
use hob_chats::{Chats, Rule, Secret, Wrapping};
use hob_server::{ChatsAt, Folder};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn serve(data: &Path) -> Running {
    let mut config = config();
    config.chats = ChatsAt::File(Arc::new(Chats::in_data(data)));
    start_with(config, Folder::new(&[], None))
}

fn chat(id: &str, leaf: Option<&str>) -> Value {
    json!({"id": id, "title": format!("Chat {id}"), "created": 1, "updated": 2, "leaf": leaf})
}

fn message(id: &str, parent: Option<&str>, text: &str) -> Value {
    json!({"id": id, "parent": parent, "role": "user", "text": text, "created": 3})
}

#[test]
fn conversations_are_kept_listed_found_and_deleted() {
    let data = tempfile::tempdir().unwrap();
    let server = serve(data.path());
    assert_eq!(server.get("/hob/v1/chats").ok(), json!({"chats": [], "next": null}));
    let body = json!({"chat": chat("chat0001", Some("message2")), "messages": [
        message("message1", None, "Where is the hearth?"), message("message2", Some("message1"), "東京")]});
    let kept = json!({"version": 1, "is_private": false, "folder": null});
    assert_eq!(server.put("/hob/v1/chats/chat0001", &body).ok(), kept);
    assert_eq!(
        server.put("/hob/v1/chats/chat0002", &json!({"chat": chat("chat0002", None)})).ok()["version"],
        1
    );
    let more = json!({"messages": [message("message3", Some("message1"), "a branch")]});
    assert_eq!(server.put("/hob/v1/chats/chat0001/messages", &more).ok()["version"], 2);
    let got = server.get("/hob/v1/chats/chat0001").ok();
    assert_eq!(
        (&got["version"], &got["leaf"], &got["settings"]["think"]),
        (&json!(2), &json!("message2"), &json!(null))
    );

    let first = server.get("/hob/v1/chats?limit=1").ok();
    assert_eq!(first["chats"][0]["id"], "chat0002");
    let rest = server.get(&format!("/hob/v1/chats?after={}", first["next"].as_str().unwrap())).ok();
    assert_eq!((rest["chats"][0]["id"].as_str(), &rest["next"]), (Some("chat0001"), &json!(null)));
    let page = server.get("/hob/v1/chats/chat0001/messages?limit=2").ok();
    assert_eq!(page["messages"].as_array().unwrap().len(), 2);
    let page = server.get(&format!("/hob/v1/chats/chat0001/messages?after={}", page["next"])).ok();
    assert_eq!((page["messages"][0]["text"].as_str(), &page["next"]), (Some("a branch"), &json!(null)));

    let hits = |q: &str| server.get(&format!("/hob/v1/chats/search?q={q}")).ok()["hits"].clone();
    assert_eq!(hits("HEARTH%3F")[0]["message"], "message1");
    assert_eq!(hits("%E6%9D%B1%E4%BA%AC")[0]["chat"], "chat0001");
    assert_eq!(hits("%22%20*%20NEAR(a"), json!([]));

    // Another program sees the same, and the server sees what it does.
    let other = Chats::in_data(data.path());
    assert_eq!(other.list(None, 10).unwrap().chats.len(), 2);
    other.delete(&hob_chats::Id::parse("chat0002").unwrap()).unwrap();
    assert_eq!(server.get("/hob/v1/chats/chat0002").refused(404)["code"], "chat_not_found");
    assert_eq!(server.delete("/hob/v1/chats/chat0001/messages/message2").ok()["deleted"], 1);
    assert_eq!(server.get("/hob/v1/chats/chat0001").ok()["leaf"], "message3");
    assert_eq!(server.delete("/hob/v1/chats/chat0001").ok()["deleted"], 1);
    assert_eq!(server.get("/hob/v1/chats").ok()["chats"], json!([]));
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    let data = tempfile::tempdir().unwrap();
    let server = serve(data.path());
    let good = json!({"chat": chat("chat0001", None), "messages": []});
    server.put("/hob/v1/chats/chat0001", &good).ok();
    let put = |body: Value| server.put("/hob/v1/chats/chat0001", &body);
    for (body, param) in [
        (json!({}), "chat"),
        (json!([]), "chat"),
        (json!({"chat": 5}), "chat"),
        (json!({"chat": {"id": "chat0001"}}), "chat"),
        (json!({"chat": chat("chat0002", None)}), "chat.id"),
        (json!({"chat": chat("chat0001", None), "messages": {}}), "messages"),
        (json!({"chat": chat("chat0001", None), "messages": [{"id": "x"}]}), "messages"),
        (
            json!({"chat": chat("chat0001", None), "messages": [message("message1", Some("missing1"), "")]}),
            "messages",
        ),
        (
            json!({"chat": chat("chat0001", None), "messages": vec![message("message1", None, ""); 5000]}),
            "messages",
        ),
    ] {
        let error = put(body).refused(400);
        assert_eq!(error["param"], param, "{error}");
    }
    let mut long = chat("chat0001", None);
    long["title"] = "x".repeat(5000).into();
    assert_eq!(put(json!({"chat": long})).refused(400)["param"], "title");
    assert_eq!(
        put(json!({"chat": chat("chat0001", Some("missing1"))})).refused(404)["code"],
        "message_not_found"
    );
    for path in [
        "/hob/v1/chats/x",
        "/hob/v1/chats/..%2f..%2fup",
        "/hob/v1/chats/chat0001/messages?after=x",
        "/hob/v1/chats?after=x",
        "/hob/v1/chats?limit=-1",
        "/hob/v1/chats/search?q=%ff",
        "/hob/v1/chats/export?format=pdf",
    ] {
        server.get(path).refused(400);
    }
    let long = "x".repeat(2000);
    server.get(&format!("/hob/v1/chats/search?q={long}")).refused(400);
    for path in
        ["/hob/v1/chats/none0000", "/hob/v1/chats/none0000/messages", "/hob/v1/chats/export?id=none0000"]
    {
        server.get(path).refused(404);
    }
    server.delete("/hob/v1/chats/none0000").refused(404);
    server.delete("/hob/v1/chats/chat0001/messages/none0000").refused(404);
    server.put("/hob/v1/chats/none0000/messages", &json!({"messages": []})).refused(404);
}

#[test]
fn files_go_out_and_come_in() {
    let (data, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (server, second) = (serve(data.path()), serve(other.path()));
    for n in 0..30 {
        let id = format!("chat00{n:02}");
        let messages = [
            message("message1", None, &format!("text {n} ").repeat(2000)),
            message("message2", Some("message1"), "end"),
        ];
        server
            .put(
                &format!("/hob/v1/chats/{id}"),
                &json!({"chat": chat(&id, Some("message2")), "messages": messages}),
            )
            .ok();
    }
    let all = server.get("/hob/v1/chats/export");
    assert_eq!((all.status, all.header("content-type")), (200, Some("application/json")));
    let import = |body: &str| {
        second.send("POST", "/hob/v1/chats/import", &[("content-type", "application/json")], body).finish()
    };
    let told = import(&all.body).ok();
    assert_eq!(told, json!({"imported": 30, "known": 0, "skipped": 0, "reasons": []}));
    assert_eq!(import(&all.body).ok()["known"], 30);
    let one = "/hob/v1/chats/export?id=chat0007&format=json";
    assert_eq!(second.get(one).body, server.get(one).body);
    let text = server.get("/hob/v1/chats/export?id=chat0007&format=markdown");
    assert!(
        text.header("content-type").unwrap().starts_with("text/markdown")
            && text.body.starts_with("# Chat chat0007\n")
    );
    let error = import("{\"no\": 1}").refused(400);
    assert_eq!(error["code"], "invalid_import", "{error}");
    let odd = import("[{\"title\": \"Odd\"}]").ok();
    assert_eq!((&odd["skipped"], &odd["reasons"][0]["title"]), (&json!(1), &json!("Odd")));
    // A page elsewhere may not post a form.
    let form = second.send(
        "POST",
        "/hob/v1/chats/import",
        &[("content-type", "text/plain"), ("origin", &format!("http://{}", second.address))],
        &all.body,
    );
    assert_eq!(form.finish().status, 400);
}

#[test]
fn a_server_that_keeps_nothing_says_so() {
    let server = start();
    for path in
        ["/hob/v1/chats", "/hob/v1/chats/chat0001", "/hob/v1/chats/search?q=x", "/hob/v1/chats/export"]
    {
        let error = server.get(path).refused(501);
        assert!(
            error["code"] == "chats_not_kept"
                && error["message"].as_str().unwrap().contains("a test wants none")
        );
    }
    let data = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(data.path().join("chats")).unwrap();
    std::fs::write(data.path().join("chats/chats.db"), "no database at all, but a diary").unwrap();
    let server = serve(data.path());
    let error = server.get("/hob/v1/chats").refused(500);
    assert!(error["message"].as_str().unwrap().contains("left as it is"), "{error}");
    assert_eq!(
        std::fs::read(data.path().join("chats/chats.db")).unwrap(),
        b"no database at all, but a diary"
    );
    server.get("/health").ok();
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

/// What is said in a temporary chat reaches the server as a question only, and questions are written nowhere.
#[test]
fn answers_alone_write_nothing() {
    let data = tempfile::tempdir().unwrap();
    let server = serve(data.path());
    let ask = || {
        let messages = json!([{"role": "user", "content": "A secret word: Rumpelstiltskin"}]);
        for path in ["/v1/chat/completions", "/v1/responses", "/api/chat", "/v1/messages"] {
            let body = json!({"model": "ember", "messages": messages, "input": messages, "max_tokens": 4, "stream": false});
            server.post(path, &body).ok();
        }
    };
    ask();
    assert!(files(data.path()).is_empty());
    server.put("/hob/v1/chats/chat0001", &json!({"chat": chat("chat0001", None)})).ok();
    let before = files(data.path());
    ask();
    assert!(files(data.path()) == before);
}

fn sealed(data: &Path) {
    let chats = Chats::in_data(data);
    chats.encrypt(&Secret::passphrase("correct horse"), Wrapping::Passphrase).unwrap();
}

#[test]
fn encrypted_conversations_are_opened_with_the_passphrase() {
    let data = tempfile::tempdir().unwrap();
    sealed(data.path());
    let server = serve(data.path());
    let chat = json!({"chat": chat("chat0001", None)});
    for answer in [server.get("/hob/v1/chats"), server.put("/hob/v1/chats/chat0001", &chat)] {
        assert_eq!(answer.refused(423)["code"], "chats_locked");
    }
    assert_eq!(server.get("/hob/v1/chats/export").refused(423)["code"], "chats_locked");
    server.get("/v1/models").ok();
    let unlock = |passphrase: &Value| server.post("/hob/v1/chats/unlock", &json!({"passphrase": passphrase}));
    assert_eq!(unlock(&json!(7)).refused(400)["param"], "passphrase");
    assert_eq!(unlock(&json!("x".repeat(2000))).refused(400)["param"], "passphrase");
    for _ in 0..4 {
        assert_eq!(unlock(&json!("wrong horse")).refused(403)["code"], "wrong_passphrase");
    }
    let waiting = unlock(&json!("correct horse"));
    assert_eq!(waiting.refused(429)["code"], "too_many_tries");
    std::thread::sleep(std::time::Duration::from_secs(
        waiting.header("retry-after").unwrap().parse().unwrap(),
    ));
    assert_eq!(unlock(&json!("correct horse")).ok(), json!({"unlocked": true}));
    server.put("/hob/v1/chats/chat0001", &chat).ok();
    assert_eq!(server.get("/hob/v1/chats/chat0001").ok()["title"], "Chat chat0001");
    assert_eq!(unlock(&json!("whatever")).ok(), json!({"unlocked": true}), "they are open");
}

#[test]
fn a_passphrase_is_not_taken_over_a_network_in_the_clear() {
    let data = tempfile::tempdir().unwrap();
    sealed(data.path());
    let mut config = config();
    config.host = std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
    config.keys = hob_server::Keys::new(["a-key-of-some-length".to_owned()]);
    config.chats = ChatsAt::File(Arc::new(Chats::in_data(data.path())));
    let server = start_with(config, Folder::new(&[], None));
    let headers = [("authorization", "Bearer a-key-of-some-length"), ("content-type", "application/json")];
    let body = json!({"passphrase": "correct horse"}).to_string();
    let answer = server.send("POST", "/hob/v1/chats/unlock", &headers, &body).finish();
    assert_eq!(answer.refused(403)["code"], "not_private");
}

#[test]
fn what_a_rule_lets_go_is_deleted_when_the_server_starts() {
    let data = tempfile::tempdir().unwrap();
    let chats = Chats::in_data(data.path());
    let put = |id: &str, updated: i64| {
        let mut one: hob_chats::Chat = serde_json::from_value(chat(id, None)).unwrap();
        one.updated = updated;
        chats.put(&one, &[]).unwrap();
    };
    put("chat0001", 5);
    put("chat0002", 8_000_000_000_000_000);
    let server = serve(data.path());
    server.get("/hob/v1/chats/chat0001").ok();
    drop(server);
    chats.set_rule(&Rule { folder: None, days: Some(30) }).unwrap();
    let server = serve(data.path());
    while server.get("/hob/v1/chats/chat0001").status == 200 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(server.get("/hob/v1/chats/chat0001").refused(404)["code"], "chat_not_found");
    server.get("/hob/v1/chats/chat0002").ok();
}
