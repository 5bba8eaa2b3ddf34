//! The description of Hob's own interface against the routes and the answers.

use crate::client::{Running, cloud_at, config, start, start_with};
use crate::shape::Document;
use hob_chats::Chats;
use hob_server::{ChatsAt, Config, Folder, KeyBook, Keys, Probe, ShelfConfig, table};
use hob_store::Store;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

fn described(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let methods = |item: &Value| item.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    paths
        .iter()
        .flat_map(|(path, item)| methods(item).into_iter().map(|method| (method, path.clone())))
        .collect()
}

#[test]
fn every_native_route_is_described_and_nothing_that_is_not_there() {
    let described = described(&start().get("/hob/v1/openapi.json").ok());
    let routes = table();
    let all = routes
        .iter()
        .map(|route| (route.method.as_str().to_ascii_lowercase(), route.path.replace("{*", "{")));
    let all: BTreeSet<(String, String)> = all.collect();
    let native: BTreeSet<_> = all.iter().filter(|(_, path)| path.starts_with("/hob/v1/")).cloned().collect();
    assert!(native.len() >= 4);
    assert_eq!(
        native.difference(&described).collect::<Vec<_>>(),
        Vec::<&(String, String)>::new(),
        "not described"
    );
    assert_eq!(described.difference(&all).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "not there");
}

const CHAT: &str = "chatchat1";

/// A conversation in which everything says something, so that no list is empty.
fn fill(server: &Running) {
    let messages = json!([
        {"id": "question1", "role": "user", "text": "a word", "attachments": [{"name": "a", "text": "b"}]},
        {"id": "answer001", "parent": "question1", "role": "assistant", "state": "failed", "finish": "tool_calls",
         "model": "ember", "thought_ms": 5, "stats": {"per_second": 1.5}, "error": {"message": "broke"},
         "calls": [{"id": "c", "name": "add", "arguments": "{}", "result": "1"}]},
    ]);
    let settings =
        json!({"schema": {"type": "object"}, "tools": [{"name": "add"}], "tool_choice": "required"});
    let chat = json!({"id": CHAT, "title": "T", "created": 1, "updated": 1, "leaf": "answer001", "settings": settings});
    let kept =
        server.put(&format!("/hob/v1/chats/{CHAT}"), &json!({"chat": chat, "messages": messages})).ok();
    Document::of(server).check("put", "/hob/v1/chats/{id}", &kept);
}

#[test]
fn changes_of_conversations_are_answered_as_described() {
    let data = tempfile::tempdir().unwrap();
    let chats = ChatsAt::File(Arc::new(Chats::in_data(data.path())));
    let server = start_with(Config { chats, ..config() }, Folder::new(&[], None));
    fill(&server);
    let document = Document::of(&server);
    let at = |rest: &str| format!("/hob/v1/chats/{CHAT}{rest}");
    let said = json!({"messages": [{"id": "question2", "role": "user"}]});
    document.check("put", "/hob/v1/chats/{id}/messages", &server.put(&at("/messages"), &said).ok());
    let gone = server.delete(&at("/messages/question2")).ok();
    document.check("delete", "/hob/v1/chats/{id}/messages/{message}", &gone);
    let hits = server.get("/hob/v1/chats/search?q=word").ok();
    assert_eq!(hits["hits"].as_array().unwrap().len(), 1);
    document.check("get", "/hob/v1/chats/search", &hits);
    // A page that is not the last one.
    server.put(&at("/messages"), &said).ok();
    let page = server.get(&at("/messages?limit=1")).ok();
    assert!(page["next"].is_i64(), "{page}");
    document.check("get", "/hob/v1/chats/{id}/messages", &page);
    let mut file = server.get("/hob/v1/chats/export").ok();
    let mut odd = file["chats"][0].clone();
    file["chats"][0]["chat"]["id"] = "otherchat".into();
    (odd["chat"]["id"], odd["chat"]["leaf"]) = ("oddoddodd".into(), "nowhere1".into());
    file["chats"].as_array_mut().unwrap().push(odd);
    let told = server.post("/hob/v1/chats/import", &file).ok();
    assert_eq!((&told["imported"], &told["skipped"]), (&json!(1), &json!(1)), "{told}");
    document.check("post", "/hob/v1/chats/import", &told);
    document.check("delete", "/hob/v1/chats/{id}", &server.delete(&at("")).ok());
}

#[test]
fn answers_are_as_described() {
    let data = tempfile::tempdir().unwrap();
    let mut config = config();
    let book = KeyBook::in_data(data.path());
    config.keys = Keys::default().with_book(book, |_| {});
    config.chats = ChatsAt::File(Arc::new(Chats::in_data(data.path())));
    config.cloud = Some(cloud_at(data.path()));
    config.shelf = Some(ShelfConfig {
        store: Store::in_data(data.path()),
        connect: Box::new(|| Err("nothing is fetched here".into())),
        places: || None,
        probe: Probe::new(|| None),
    });
    let server = start_with(config, Folder::new(&[], None));
    fill(&server);
    server.post("/api/generate", &json!({"model": "ember", "keep_alive": "5m"})).ok();
    let document = Document::of(&server);
    let made = server.post("/hob/v1/keys", &json!({"name": "a"})).ok();
    document.check("post", "/hob/v1/keys", &made);
    let wanted = &document.0["components"]["schemas"]["KeyWanted"];
    assert_eq!(wanted["required"], json!(["name"]));
    let mut checked = 0;
    for (path, item) in document.0["paths"].as_object().unwrap() {
        // Events go on for ever; models and pulls have names that `shelf.rs` knows.
        let is_elsewhere = path.starts_with("/hob/v1/shelf/") && path.contains('{');
        if item["get"].is_null() || is_elsewhere || document.schema("get", path).is_null() {
            continue;
        }
        let asked =
            if path.ends_with("/search") { format!("{path}?q=word") } else { path.replace("{id}", CHAT) };
        document.check("get", path, &server.get(&asked).ok());
        checked += 1;
    }
    assert!(checked >= 15, "{checked}");
    let refused = server.get("/nothing");
    let error = &document.0["components"]["schemas"]["ErrorBody"];
    assert!(document.fits(error, &refused.json()), "{}", refused.body);
}

/// Nothing stands there as an object of which nothing is said, but what is somebody else's document.
#[test]
fn every_answer_has_members() {
    let document = Document::of(&start());
    let bare = |schema: &Value| schema == &json!({"type": "object"});
    for (path, item) in document.0["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let content = operation["responses"]["200"]["content"].as_object().unwrap();
            let is_bare = content.values().any(|body| bare(&body["schema"]));
            assert_eq!(is_bare, path == "/hob/v1/openapi.json", "{method} {path}");
            assert!(
                !bare(&operation["requestBody"]["content"]["application/json"]["schema"]),
                "{method} {path}"
            );
        }
    }
}
