//! Who is let in, and how the server ends.

use crate::client::{config, start, start_with};
use hob_server::{Error, Folder, Keys, Server, table};
use serde_json::json;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::time::Duration;

#[test]
fn every_route_wants_the_key_and_refuses_strangers() {
    let mut config = config();
    config.keys = Keys::new(["the key"]);
    let server = start_with(config, Folder::new(&[], None));
    let public = ["/", "/health", "/v1/health", "/page/{*file}"];
    let table = table();
    assert!(table.len() >= 10);
    for route in &table {
        let path = route
            .path
            .replace("{*id}", "ember")
            .replace("{*file}", "x.js")
            .replace("{id}", "x")
            .replace("{message}", "x")
            .replace("{slot}", "0");
        let ask =
            |headers: &[(&str, &str)]| server.send(route.method.as_str(), &path, headers, "{}").finish();
        let what = format!("{} {path}", route.method);
        let bare = ask(&[]);
        assert_eq!(bare.status == 401, !public.contains(&route.path), "{what}: {}", bare.body);
        for key in [("authorization", "Bearer the key"), ("x-api-key", "the key")] {
            assert_ne!(ask(&[key]).status, 401, "{what}");
        }
        assert_eq!(ask(&[("authorization", "Bearer the kex")]).status == 401, !public.contains(&route.path));
        let key = ("x-api-key", "the key");
        for foreign in
            [("host", "evil.example"), ("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]
        {
            let answer = ask(&[key, foreign]);
            assert_eq!(answer.status, 403, "{what} with {foreign:?}");
            // An answer to HEAD has no body.
            let has_error = |body: serde_json::Value| body["error"].is_object() || body["error"].is_string();
            assert!(route.method == "HEAD" || has_error(answer.json()));
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    }
}

#[test]
fn nothing_there_is_told_in_json() {
    let server = start();
    assert_eq!(server.get("/nothing").refused(404)["code"], "unknown_url");
    assert_eq!(server.get("/v1/chat/completions").refused(405)["type"], "invalid_request_error");
    let deep = "[".repeat(100_000);
    for (body, status) in
        [("", 400), ("{", 400), ("[1]", 400), ("nul", 400), (deep.as_str(), 400), ("\u{0}", 400)]
    {
        let answer = server.send("POST", "/v1/chat/completions", &[], body).finish();
        assert_eq!(answer.status, status, "{body:.20}: {}", answer.body);
        assert!(answer.json()["error"]["message"].is_string());
    }
    assert_eq!(server.get("/health").ok(), json!({"status": "ok"}));
}

#[test]
fn a_body_that_is_too_large_is_not_read() {
    let server = start();
    let mut stream = TcpStream::connect(server.address).unwrap();
    let head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let block = vec![b' '; 1 << 20];
    // The server stops reading: either writing fails, or the answer is there.
    while stream.write_all(&block).is_ok() {}
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn an_address_that_others_reach_needs_a_key() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bind = |keys: Keys| {
        let host = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let config = hob_server::Config { host, keys, ..config() };
        runtime.block_on(Server::bind(config, Box::new(Folder::new(&[], None))))
    };
    let error = bind(Keys::default()).err().unwrap();
    assert!(matches!(error, Error::Open { .. }) && error.to_string().contains("--api-key"), "{error}");
    assert!(bind(Keys::new(["k"])).is_ok());
}

#[test]
fn answers_that_run_come_to_their_end() {
    let mut server = start();
    let body = json!({"model": "ember", "messages": [{"role": "user", "content": "Tell me a story."}], "stream": true,
        "max_tokens": 60, "temperature": 0, "logit_bias": {}});
    let mut open = server.open("/v1/chat/completions", &body);
    let first = open.chunk().unwrap();
    server.tell_to_end();
    std::thread::sleep(Duration::from_millis(50));
    let answer = open.finish();
    assert!(answer.body.ends_with("data: [DONE]\n\n"), "{first}{}", answer.body);
    assert!(server.end());
    assert!(TcpStream::connect(server.address).is_err());
}

/// What the server said to whoever runs it.
static SAID: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());

#[test]
fn secrets_stay_between_client_and_server() {
    let mut config = config();
    config.keys = Keys::new(["planted-key-of-ours"]);
    config.models.notice = |text| SAID.lock().unwrap().push(text.to_owned());
    let server = start_with(config, Folder::new(&[], None));
    let ask = |method: &str, path: &str, key: &str, body: &str| {
        let headers =
            [("authorization", format!("Bearer {key}")), ("content-type", "application/json".into())];
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        server.send(method, path, &headers, body).finish()
    };
    let key = "planted-key-of-ours";
    let secrets = ["planted-prompt", "planted-key", "planted-wrong"];
    let said = json!({"model": "ember", "max_tokens": 3, "messages": [{"role": "user", "content": "planted-prompt"}]});
    assert_eq!(ask("POST", "/v1/chat/completions", key, &said.to_string()).status, 200);
    assert_eq!(ask("POST", "/v1/messages", key, &said.to_string()).status, 200);
    assert_eq!(ask("POST", "/api/chat", key, &said.to_string()).status, 200);
    let stored = json!({"model": "ember", "max_output_tokens": 3, "input": "planted-prompt"});
    assert_eq!(ask("POST", "/v1/responses", key, &stored.to_string()).status, 200);
    // Requests that are refused, with secrets in every place that a message could repeat.
    let wrong = [
        json!({"model": "ember", "messages": "planted-prompt"}).to_string(),
        json!({"model": "ember", "messages": [{"role": "user", "content": {"planted-prompt": 1}}]}).to_string(),
        json!({"model": "ember", "messages": [{"role": "planted-prompt", "content": "x"}]}).to_string(),
        json!({"model": "ember", "temperature": "planted-prompt", "messages": [{"role": "user", "content": "x"}]}).to_string(),
        format!("{}planted-prompt", json!({"model": "ember"})),
    ];
    for body in &wrong {
        let answer = ask("POST", "/v1/chat/completions", key, body);
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(secrets.iter().all(|secret| !answer.body.contains(secret)), "{}", answer.body);
    }
    let refused = ask("POST", "/v1/chat/completions", "planted-wrong-key", &said.to_string());
    assert!(refused.status == 401 && !refused.body.contains("planted"), "{}", refused.body);
    for path in [
        "/metrics",
        "/hob/v1/status",
        "/hob/v1/models",
        "/v1/models",
        "/api/ps",
        "/slots",
        "/props",
        "/nothing",
    ] {
        let answer = ask("GET", path, key, "");
        let head = format!("{:?}", answer.headers);
        assert!(
            secrets.iter().all(|secret| !answer.body.contains(secret) && !head.contains(secret)),
            "{path}"
        );
    }
    let said = SAID.lock().unwrap().join("\n");
    assert!(said.contains("ember") && !said.contains("planted"), "{said}");
}
