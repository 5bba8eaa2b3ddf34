//! Keys of the file: what they open, when they end, what they may use.

use crate::client::{Running, config, start_with};
use hob_server::{Folder, KeyBook, KeyWish, Keys, Level, Log, Scope, table};
use serde_json::{Value, json};
use std::sync::Mutex;
use tempfile::TempDir;

/// A server that wants keys, and the file of those.
fn server() -> (Running, KeyBook, TempDir) {
    let data = tempfile::tempdir().unwrap();
    let book = KeyBook::in_data(data.path());
    let mut config = config();
    config.keys = Keys::new(["planted-master"]).with_book(book.clone(), |_| {});
    (start_with(config, Folder::new(&[], None)), book, data)
}

fn wish(name: &str, scopes: &[Scope]) -> KeyWish {
    KeyWish {
        name: name.into(),
        expires_at: None,
        models: Vec::new(),
        scopes: scopes.to_vec(),
        cloud: false,
        private: false,
        tokens_per_day: None,
    }
}

/// Asks with a key: status, body, and the header `retry-after`.
fn ask(server: &Running, key: &str, method: &str, path: &str, body: &Value) -> (u16, Value, Option<String>) {
    let headers = [("x-api-key", key), ("content-type", "application/json")];
    let answer = server.send(method, path, &headers, &body.to_string()).finish();
    let retry = answer.header("retry-after").map(str::to_owned);
    (answer.status, serde_json::from_str(&answer.body).unwrap_or_default(), retry)
}

fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().cast_signed()
}

#[test]
fn a_key_opens_what_it_is_for_and_nothing_else() {
    let (server, book, _data) = server();
    let keys = Scope::ALL.map(|scope| (scope, book.add(wish(scope.name(), &[scope]), now()).unwrap().1));
    let mut closed = 0;
    for route in table() {
        let path = route
            .path
            .replace("{*id}", "none")
            .replace("{*file}", "x.js")
            .replace("{id}", "key_none")
            .replace("{message}", "x");
        if route.path == "/hob/v1/shelf/events" {
            continue; // It goes on for ever where it is open.
        }
        for (scope, key) in &keys {
            let (status, body, _) = ask(&server, key, route.method.as_str(), &path, &json!({}));
            let is_open = route.scope.is_none_or(|needed| needed == *scope);
            assert_eq!(status == 403, !is_open, "{} {path} with {scope:?}: {status} {body}", route.method);
            closed += usize::from(!is_open);
        }
    }
    assert!(closed > 100, "{closed}");
}

#[test]
fn refusals_are_in_the_words_of_each_interface() {
    let (server, book, _data) = server();
    let (_, embeds) = book.add(wish("embeds", &[Scope::Embeddings]), now()).unwrap();
    let (_, other) =
        book.add(KeyWish { models: vec!["other".into()], ..wish("other", &[Scope::Chat]) }, now()).unwrap();
    let body = json!({"model": "ember", "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]});
    for key in [&embeds, &other] {
        let (status, openai, _) = ask(&server, key, "POST", "/v1/chat/completions", &body);
        assert_eq!((status, &openai["error"]["type"]), (403, &json!("permission_error")), "{openai}");
        let (status, anthropic, _) = ask(&server, key, "POST", "/v1/messages", &body);
        assert_eq!((status, &anthropic["error"]["type"]), (403, &json!("permission_error")), "{anthropic}");
        assert_eq!(anthropic["type"], "error");
        let (status, ollama, _) = ask(&server, key, "POST", "/api/chat", &body);
        assert!(status == 403 && ollama["error"].is_string(), "{ollama}");
    }
    // Models that a key may not use are not shown to it either.
    assert_eq!(ask(&server, &other, "GET", "/v1/models", &json!({})).1["data"], json!([]));
    assert_eq!(ask(&server, &other, "GET", "/v1/models/ember", &json!({})).0, 403);
    assert_eq!(ask(&server, &other, "POST", "/api/show", &json!({"model": "ember"})).0, 403);
    let (_, ember) =
        book.add(KeyWish { models: vec!["ember".into()], ..wish("ember", &[Scope::Chat]) }, now()).unwrap();
    assert_eq!(ask(&server, &ember, "POST", "/v1/chat/completions", &body).0, 200);
}

#[test]
fn keys_end_with_their_time_and_when_they_are_revoked() {
    let (server, book, _data) = server();
    // It was made long ago and has ended since.
    let (_, old) = book.add(KeyWish { expires_at: Some(20), ..wish("old", &[Scope::Chat]) }, 10).unwrap();
    let (status, body, _) = ask(&server, &old, "GET", "/v1/models", &json!({}));
    assert_eq!((status, &body["error"]["code"]), (401, &json!("expired_api_key")));
    let (entry, key) = book.add(wish("new", &[Scope::Chat]), now()).unwrap();
    assert_eq!(ask(&server, &key, "GET", "/v1/models", &json!({})).0, 200);
    let path = format!("/hob/v1/keys/{}", entry.id);
    assert_eq!(ask(&server, "planted-master", "DELETE", &path, &json!({})).0, 200);
    assert_eq!(ask(&server, &key, "GET", "/v1/models", &json!({})).0, 401);
    assert_eq!(ask(&server, "planted-master", "DELETE", &path, &json!({})).0, 404);
}

#[test]
fn a_budget_is_used_up_and_said_so() {
    let (server, book, _data) = server();
    let (_, key) =
        book.add(KeyWish { tokens_per_day: Some(20), ..wish("small", &Scope::DEFAULT) }, now()).unwrap();
    let body = json!({"model": "ember", "max_tokens": 30, "temperature": 0, "messages": [{"role": "user", "content": "Count to ten."}]});
    let (status, first, _) = ask(&server, &key, "POST", "/v1/chat/completions", &body);
    assert_eq!(status, 200);
    let used = first["usage"]["total_tokens"].as_u64().unwrap();
    assert!(used >= 20, "{first}");
    let (_, listed, _) = ask(&server, "planted-master", "GET", "/hob/v1/keys", &json!({}));
    assert_eq!(listed["keys"][0]["tokens_today"], used, "{listed}");
    for (path, kind) in [("/v1/chat/completions", "insufficient_quota"), ("/v1/messages", "rate_limit_error")]
    {
        let (status, refused, retry) = ask(&server, &key, "POST", path, &body);
        assert_eq!((status, &refused["error"]["type"]), (429, &json!(kind)), "{refused}");
        assert!(retry.unwrap().parse::<u64>().is_ok_and(|seconds| (1..=86_400).contains(&seconds)));
    }
    let (status, refused, _) =
        ask(&server, &key, "POST", "/api/embed", &json!({"model": "ember", "input": "x"}));
    assert!(status == 429 && refused["error"].is_string(), "{refused}");
    // What uses no tokens goes on.
    assert_eq!(ask(&server, &key, "GET", "/v1/models", &json!({})).0, 200);
}

#[test]
fn keys_are_made_over_http_and_their_texts_told_once() {
    let (server, book, _data) = server();
    let master = "planted-master";
    let wanted = json!({"name": "phone", "scopes": ["chat", "history"], "models": ["ember"], "private": true,
        "tokens_per_day": 1000, "expires_in_seconds": 3600});
    let (status, made, _) = ask(&server, master, "POST", "/hob/v1/keys", &wanted);
    assert_eq!(status, 200, "{made}");
    let text = made["text"].as_str().unwrap();
    assert_eq!((&made["key"]["private"], &made["key"]["cloud"]), (&json!(true), &json!(false)));
    assert_eq!(ask(&server, text, "GET", "/v1/models", &json!({})).0, 200);
    assert_eq!(ask(&server, text, "GET", "/hob/v1/keys", &json!({})).0, 403);
    let (_, listed, _) = ask(&server, master, "GET", "/hob/v1/keys", &json!({}));
    assert!(!listed.to_string().contains(text) && listed["keys"][0]["name"] == "phone", "{listed}");
    assert_eq!(book.list().unwrap().len(), 1);
    for (bad, status) in [
        (json!({}), 400),
        (json!({"name": "phone"}), 409),
        (json!({"name": "x", "scopes": ["everything"]}), 400),
        (json!({"name": "x", "scopes": []}), 400),
        (json!({"name": "x", "scopes": "chat"}), 400),
        (json!({"name": "x", "tokens_per_day": -1}), 400),
        (json!({"name": "x", "expires_in_seconds": 1.5}), 400),
        (json!({"name": "x", "cloud": true, "private": true}), 400),
        (json!({"name": "\u{7}"}), 400),
    ] {
        assert_eq!(ask(&server, master, "POST", "/hob/v1/keys", &bad).0, status, "{bad}");
    }
    let without = crate::client::start();
    assert_eq!(without.get("/hob/v1/keys").refused(501)["code"], "no_keys");
}

#[test]
fn on_this_machine_keys_of_the_file_limit_those_who_use_them() {
    let data = tempfile::tempdir().unwrap();
    let book = KeyBook::in_data(data.path());
    let mut config = config();
    config.keys = Keys::default().with_book(book.clone(), |_| {});
    let server = start_with(config, Folder::new(&[], None));
    let (_, key) = book.add(wish("embeds", &[Scope::Embeddings]), now()).unwrap();
    assert_eq!(server.get("/hob/v1/keys").status, 200);
    assert_eq!(ask(&server, "what Ollama's clients send", "GET", "/hob/v1/keys", &json!({})).0, 200);
    assert_eq!(ask(&server, &key, "GET", "/hob/v1/keys", &json!({})).0, 403);
}

/// What the server logged.
static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[test]
fn requests_are_noted_without_what_was_said() {
    let data = tempfile::tempdir().unwrap();
    let book = KeyBook::in_data(data.path());
    let mut config = config();
    config.keys = Keys::new(["planted-master"]).with_book(book.clone(), |_| {});
    config.log = Log { level: Level::Debug, write: |line| LINES.lock().unwrap().push(line.into()) };
    let mut server = start_with(config, Folder::new(&[], None));
    let (entry, key) = book.add(wish("phone", &[Scope::Chat]), now()).unwrap();
    let body = json!({"model": "ember", "max_tokens": 4, "temperature": 0, "stream": true,
        "messages": [{"role": "user", "content": "planted-prompt"}]});
    assert_eq!(ask(&server, &key, "POST", "/v1/chat/completions?planted-query=1", &body).0, 200);
    ask(&server, "planted-wrong", "POST", "/v1/chat/completions", &body);
    ask(&server, &key, "POST", "/planted-path", &body);
    ask(&server, &key, "PLANTED", "/v1/models", &body);
    ask(
        &server,
        &key,
        "POST",
        "/v1/chat/completions",
        &json!({"model": "planted-model", "messages": [{"role": "user", "content": "x"}]}),
    );
    let (_, list, _) = ask(&server, "planted-master", "GET", "/hob/v1/requests", &json!({}));
    let all = list["requests"].as_array().unwrap();
    assert_eq!(all.len(), 5, "{list}");
    let statuses: Vec<u64> = all.iter().rev().map(|one| one["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 401, 404, 405, 404]);
    let first = &all[4];
    assert_eq!((&first["route"], &first["key"]), (&json!("/v1/chat/completions"), &json!("phone")));
    assert!(first["prompt_tokens"].as_u64() > Some(0) && first["is_complete"] == true, "{first}");
    assert!((1..=4).contains(&first["answer_tokens"].as_u64().unwrap()), "{first}");
    assert_eq!((&all[2]["route"], &all[1]["method"]), (&json!("none"), &json!("other")));
    let (_, place, _) = ask(&server, "planted-master", "GET", "/hob/v1/server", &json!({}));
    assert_eq!((&place["requests_live"], &place["needs_key"]), (&json!(0), &json!(true)), "{place}");
    assert!(place["answer_tokens"].as_u64() >= Some(1));
    server.end();
    let lines = LINES.lock().unwrap().join("\n");
    for event in ["listening", "request_begun", "request", "stopped"] {
        assert!(lines.contains(&format!("\"event\":\"{event}\"")), "{event}\n{lines}");
    }
    assert!(lines.contains(&entry.id), "{lines}");
    for secret in ["planted", "PLANTED", &key] {
        assert!(!lines.contains(secret) && !list.to_string().contains(secret), "{secret}\n{lines}\n{list}");
    }
}
