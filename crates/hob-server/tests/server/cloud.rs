//! Models elsewhere behind the server: who decides, what leaves, what comes back in each interface, and what happens when they fail.

use crate::client::{Answer, Running, cloud_at, config, start_with};
use hob_chats::Chats;
use hob_cloud::{Cloud, Mode, Protocol, Target, Zone};
use hob_server::{ChatsAt, Config, Folder, KeyBook, KeyWish, Keys, Scope};
use hob_testhub::{Api, Asked, Reply, Said};
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;
use std::time::Duration;

pub const POLICY: &str = "allow = [\"cloud\", \"organisation\"]\nquality = 1.0\n";

pub struct Set {
    pub server: Running,
    pub cloud: Cloud,
    pub api: Api,
    pub folder: tempfile::TempDir,
}

pub fn set(mode: Mode, script: impl FnMut(&Asked) -> Reply + Send + 'static) -> Set {
    set_with(mode, Keys::default(), script)
}

pub fn set_with(mode: Mode, keys: Keys, script: impl FnMut(&Asked) -> Reply + Send + 'static) -> Set {
    let (folder, api) = (tempfile::tempdir().unwrap(), Api::start(script));
    let cloud = cloud_at(folder.path());
    let mut target = Target::new(&format!("{}/v1", api.address()), Protocol::OpenAi, "big-1", Zone::Cloud);
    (target.input_price, target.output_price) = (3.0, 15.0);
    cloud.add("big", &target, None).unwrap();
    cloud.set_mode(mode).unwrap();
    let chats = ChatsAt::File(Arc::new(Chats::in_data(folder.path())));
    let config = Config { keys, chats, cloud: Some(cloud.clone()), ..config() };
    Set { server: start_with(config, Folder::new(&[], None)), cloud, api, folder }
}

impl Set {
    pub fn policy(&self, text: &str) {
        fs::write(self.cloud.policy_path(), text).unwrap();
    }

    pub fn chat(&self, model: &str, more: Value) -> Answer {
        self.server.post("/v1/chat/completions", &chat(model, more))
    }
}

fn chat(model: &str, more: Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "I am Maria Gonzalez. Prove it."}], "max_tokens": 8});
    more.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
    body
}

pub fn text(answer: &Answer) -> String {
    answer.ok()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

pub fn hello() -> Reply {
    Reply::said(Said::text(&["Hi [PER", "SON_1]", "!"]))
}

#[test]
fn offline_everything_stays_and_names_of_targets_are_refused() {
    let set = set(Mode::Offline, |_| hello());
    set.policy(POLICY);
    let here = set.chat("ember", json!({}));
    assert_eq!((here.status, here.header("x-hob-route")), (200, None));
    let refused = set.chat("cloud/big", json!({})).refused(403);
    assert!(refused["message"].as_str().unwrap().contains("hob cloud mode ask"), "{refused}");
    let listed = set.server.get("/v1/models").ok();
    assert!(listed["data"].as_array().unwrap().iter().all(|model| model["owned_by"] == "hob"));
    let report = set.server.get("/hob/v1/cloud").ok();
    assert_eq!((&report["mode"], &report["targets"][0]["name"]), (&"offline".into(), &"big".into()));
    assert_eq!(set.api.asked().len(), 0);
}

#[test]
fn a_target_asked_by_name_answers_in_every_interface() {
    let set = set(Mode::Ask, |_| hello());
    let fresh = json!({"hob": {"fresh": true}});
    let answer = set.chat("cloud/big", fresh.clone());
    assert_eq!(text(&answer), "Hi Maria Gonzalez!");
    for (name, value) in
        [("x-hob-route", "big"), ("x-hob-why", "named"), ("x-hob-hidden", "1"), ("x-hob-ledger-entry", "1")]
    {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let sent = set.api.asked()[0].body.len().to_string();
    assert_eq!(answer.header("x-hob-sent-bytes"), Some(sent.as_str()));
    let told = &answer.ok()["hob"];
    assert_eq!(
        (&told["route"], &told["hidden"]["PERSON"], &told["dollars"]),
        (&"big".into(), &1.into(), &json!(0.000138))
    );
    let usage = &answer.ok()["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&11.into(), &7.into()));
    // The name alone, where no model here has it; streamed.
    let mut body = chat("big", fresh.clone());
    body["stream"] = true.into();
    let streamed = set.server.post("/v1/chat/completions", &body);
    assert_eq!(streamed.header("x-hob-route"), Some("big"));
    let events = streamed.events();
    let said: String =
        events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(said, "Hi Maria Gonzalez!");
    assert_eq!(events.last().unwrap()["hob"]["ledger_entry"], 3);
    let messages = json!([{"role": "user", "content": "I am Maria Gonzalez"}]);
    let anthropic = set.server.post(
        "/v1/messages",
        &json!({"model": "cloud/big", "max_tokens": 9, "messages": messages, "hob": {"fresh": true}}),
    );
    assert_eq!(anthropic.ok()["content"][0]["text"], "Hi Maria Gonzalez!");
    let ollama = set.server.post(
        "/api/chat",
        &json!({"model": "cloud/big", "messages": messages, "stream": false, "hob": {"fresh": true}}),
    );
    assert_eq!(ollama.ok()["message"]["content"], "Hi Maria Gonzalez!");
    let responses = set.server.post(
        "/v1/responses",
        &json!({"model": "cloud/big", "input": "I am Maria Gonzalez", "hob": {"fresh": true}}),
    );
    assert_eq!(responses.ok()["output"][0]["content"][0]["text"], "Hi Maria Gonzalez!");
    assert!(set.api.asked().iter().all(|asked| !asked.body.contains("Maria")));
    let listed = set.server.get("/v1/models").ok();
    assert!(listed["data"].as_array().unwrap().iter().any(|model| model["id"] == "cloud/big"));
    let ledger = set.server.get("/hob/v1/cloud/ledger?limit=2").ok();
    assert_eq!((ledger["requests"].as_array().unwrap().len(), &ledger["entries"]), (2, &10.into()));
    assert_eq!(ledger["requests"][0]["hidden"], json!([{"kind": "PERSON", "count": 1}]));
    // What only a model here does is refused, not done in another way.
    let refused = set.chat("cloud/big", json!({"n": 2})).refused(400);
    assert!(refused["message"].as_str().unwrap().contains("only a model of this machine"));
    assert_eq!(set.chat("cloud/none", json!({})).status, 404);
}

#[test]
fn tools_and_schemas_come_back_as_they_do_from_here() {
    let tool = json!({"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {"who": {"type": "string"}}}}});
    let set = set(Mode::Ask, |asked| match asked.json()["tools"].is_array() {
        true => Reply::said(Said {
            calls: vec![("look".into(), json!({"who": "[PERSON_1]"}))],
            ..Said::default()
        }),
        false => Reply::said(Said::text(&["{\"who\":", "\"[PERSON_1]\"}"])),
    });
    let called = set.chat("cloud/big", json!({"tools": [tool], "tool_choice": "required"})).ok();
    let choice = &called["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let call = &choice["message"]["tool_calls"][0]["function"];
    assert_eq!((&call["name"], &call["arguments"]), (&"look".into(), &"{\"who\":\"Maria Gonzalez\"}".into()));
    let schema = json!({"type": "object", "properties": {"who": {"type": "string"}}, "required": ["who"], "additionalProperties": false});
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "who", "strict": true, "schema": schema}});
    let whole = set.chat("cloud/big", json!({"response_format": format}));
    assert_eq!(text(&whole), "{\"who\":\"Maria Gonzalez\"}");
}

#[test]
fn hybrid_mode_follows_the_policy_and_says_why() {
    let set = set(Mode::Hybrid, |_| hello());
    // A zone that the policy does not allow.
    set.policy("quality = 1.0");
    let here = set.chat("ember", json!({}));
    assert_eq!((here.header("x-hob-route"), here.header("x-hob-why")), (Some("local"), Some("nobody")));
    set.policy(POLICY);
    let there = set.chat("ember", json!({}));
    assert_eq!((there.header("x-hob-route"), there.header("x-hob-why")), (Some("big"), Some("insufficient")));
    assert!(there.header("x-hob-reason").unwrap().contains("probability"));
    assert_eq!(text(&set.chat("auto", json!({"hob": {"fresh": true}}))), "Hi Maria Gonzalez!");
    let sent = set.api.asked().len();
    for (more, why) in [
        (json!({"hob": {"private": true}}), Some("private")),
        (json!({"hob": {"stay": true}}), None),
        (json!({"n": 2}), Some("fallback")),
    ] {
        let here = set.chat("ember", more.clone());
        assert_eq!((here.status, here.header("x-hob-why")), (200, why), "{more}");
        assert_ne!(here.header("x-hob-route"), Some("big"), "{more}");
    }
    // What the policy blocks, a policy that makes no sense, a ledger that was changed: all of it stays.
    set.policy(&format!("{POLICY}[privacy.labels]\nPERSON = \"block\"\n"));
    let blocked = set.chat("ember", json!({}));
    assert_eq!(blocked.header("x-hob-why"), Some("fallback"));
    assert!(blocked.header("x-hob-reason").unwrap().contains("PERSON"));
    set.policy("quality = 7");
    assert_eq!(set.chat("ember", json!({})).header("x-hob-why"), Some("fallback"));
    set.policy(POLICY);
    let ledger = set.folder.path().join("ledger/ledger.jsonl");
    let mut bytes = fs::read(&ledger).unwrap();
    let last = bytes.len() - 10;
    bytes[last] ^= 1;
    fs::write(&ledger, bytes).unwrap();
    let stays = set.chat("ember", json!({}));
    assert_eq!((stays.status, stays.header("x-hob-why")), (200, Some("fallback")));
    assert_eq!(set.api.asked().len(), sent);
    assert!(set.server.get("/hob/v1/cloud").ok()["trouble"].is_string());
}

#[test]
fn a_target_that_fails_leaves_the_answer_to_this_machine() {
    let down = set(Mode::Hybrid, |_| Reply::status(401, "no such key"));
    down.policy(POLICY);
    let here = down.chat("ember", json!({}));
    assert_eq!((here.header("x-hob-route"), here.header("x-hob-why")), (Some("local"), Some("fallback")));
    assert!(here.header("x-hob-reason").unwrap().contains("no such key"));
    assert!(!text(&here).is_empty());
    // The question left all the same.
    let bytes = down.api.asked()[0].body.len() as u64;
    assert_eq!(here.ok()["hob"]["sent_bytes"], bytes);
    assert_eq!(here.header("x-hob-sent-bytes"), Some(bytes.to_string().as_str()));
    assert!(here.ok()["hob"]["ledger_entry"].is_u64());
    // As often as it was tried.
    let gone = set(Mode::Hybrid, |_| Reply::Hangup);
    gone.policy(POLICY);
    let told = gone.chat("ember", json!({})).ok();
    let asked = gone.api.asked();
    let bytes: usize = asked.iter().map(|asked| asked.body.len()).sum();
    assert!(
        asked.len() > 1 && told["hob"]["sent_bytes"] == bytes && told["hob"]["route"] == "local",
        "{told}"
    );
    // Whom nobody can reach got nothing.
    let mut closed = set(Mode::Hybrid, |_| Reply::Hangup);
    closed.policy(POLICY);
    // At another address; the one that is known is free again.
    closed.api = Api::start(|_| Reply::Hangup);
    let told = closed.chat("ember", json!({})).ok();
    assert_eq!((&told["hob"]["why"], &told["hob"]["sent_bytes"]), (&"fallback".into(), &0.into()), "{told}");
    let named = down.chat("cloud/big", json!({"hob": {"fresh": true}}));
    assert_eq!(named.refused(502)["code"], "target");

    // It breaks off in the middle: what was said stays, and the local model goes on.
    let cut = set(Mode::Hybrid, |_| Reply::Cut(Said::text(&["Dear [PERSON_1], ", "there was once "]), 500));
    cut.policy(POLICY);
    let whole = cut.chat("ember", json!({"max_tokens": 40}));
    let said = text(&whole);
    assert!(said.starts_with("Dear Maria Gonzalez, there was once ") && said.len() > 37, "{said}");
    let note = whole.ok()["hob"]["note"].as_str().unwrap().to_owned();
    assert!(note.ends_with("this machine went on"), "{note}");
    let mut body = chat("ember", json!({"hob": {"fresh": true}, "max_tokens": 40}));
    body["stream"] = true.into();
    let events = cut.server.post("/v1/chat/completions", &body).events();
    let streamed: String =
        events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert!(
        streamed.starts_with("Dear Maria Gonzalez, there was once ") && streamed.len() > 37,
        "{streamed}"
    );
    assert!(events.last().unwrap()["hob"]["note"].is_string());
    // Who asked for the target by its name is told that it broke off.
    assert_eq!(cut.chat("cloud/big", json!({"hob": {"fresh": true}})).status, 502);
}

#[test]
fn keys_say_whether_what_is_asked_with_them_may_leave() {
    let folder = tempfile::tempdir().unwrap();
    let book = KeyBook::in_data(folder.path());
    let key = |name: &str, cloud, private| {
        let scopes = vec![Scope::Chat];
        let wish = KeyWish {
            name: name.into(),
            expires_at: None,
            models: Vec::new(),
            scopes,
            cloud,
            private,
            tokens_per_day: None,
        };
        book.add(wish, 0).unwrap().1
    };
    let (none, cloud, private) =
        (key("none", false, false), key("cloud", true, false), key("private", false, true));
    let set = set_with(
        Mode::Hybrid,
        Keys::default().with_book(KeyBook::in_data(folder.path()), |_| {}).required(),
        |_| hello(),
    );
    set.policy(POLICY);
    let ask = |key: &str, model: &str| {
        let headers =
            [("authorization", format!("Bearer {key}")), ("content-type", "application/json".into())];
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        set.server
            .send("POST", "/v1/chat/completions", &headers, &chat(model, json!({})).to_string())
            .finish()
    };
    for key in [&none, &private] {
        let here = ask(key, "ember");
        assert_eq!((here.status, here.header("x-hob-route")), (200, Some("local")));
        assert_eq!(ask(key, "cloud/big").refused(403)["code"], "cloud_not_allowed");
    }
    assert_eq!(set.api.asked().len(), 0);
    assert_eq!(ask(&cloud, "ember").header("x-hob-route"), Some("big"));
    // Where those are is no business of a key that may not ask them.
    let targets = |key: &str| {
        let bearer = format!("Bearer {key}");
        let report = set.server.send("GET", "/hob/v1/cloud", &[("authorization", &bearer)], "").finish().ok();
        report["targets"].as_array().unwrap().len()
    };
    assert_eq!([&none, &private, &cloud].map(|key| targets(key)), [0, 0, 1]);
    // Whom to ask, and whether anybody may be asked, a key for chats does not say.
    let mode = set.server.send(
        "POST",
        "/hob/v1/cloud/mode",
        &[("authorization", &format!("Bearer {cloud}")), ("content-type", "application/json")],
        "{\"mode\":\"offline\"}",
    );
    assert_eq!(mode.finish().status, 403);
}

#[test]
fn who_hangs_up_ends_the_answer_elsewhere_too() {
    let set = set(Mode::Ask, |_| Reply::Endless(Said::text(&["on and on "])));
    let mut body = chat("cloud/big", json!({"stream": true, "max_tokens": 2000}));
    body["messages"][0]["content"] = "Hello".into();
    let mut open = set.server.open("/v1/chat/completions", &body);
    assert!(open.chunk().is_some());
    drop(open);
    // Its entry is closed once the connection is.
    let closed = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        set.server.get("/hob/v1/cloud/ledger").ok()["entries"] == 2
    });
    assert!(closed);
    // What was said until then counts for the key that asked.
    let requests = set.server.get("/hob/v1/requests").ok();
    let asked =
        requests["requests"].as_array().unwrap().iter().find(|one| one["route"] == "/v1/chat/completions");
    assert!(asked.unwrap()["answer_tokens"].as_u64() > Some(0), "{requests}");
}

#[test]
fn plans_show_what_would_leave_and_send_nothing() {
    let set = set(Mode::Ask, |_| hello());
    set.policy(POLICY);
    let messages = json!([{"role": "user", "content": "I am Maria Gonzalez. Prove it."}]);
    let plan = |more: Value| {
        let mut body = json!({"messages": messages});
        more.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
        set.server.post("/hob/v1/cloud/plan", &body)
    };
    let advice = plan(json!({})).ok();
    assert_eq!(
        (&advice["is_advice"], &advice["stays"], &advice["target"]),
        (&true.into(), &false.into(), &"big".into())
    );
    assert_eq!(advice["hidden"], json!([{"kind": "PERSON", "count": 1}]));
    let sent: String =
        advice["preview"].as_array().unwrap().iter().map(|line| line["sent"].as_str().unwrap()).collect();
    assert_eq!(advice["bytes"], sent.len());
    assert!(sent.contains("[PERSON_1]") && !sent.contains("Maria"));
    assert!(advice["suffices"].is_f64() && advice["dollars_max"].as_f64() > advice["dollars"].as_f64());
    let named = plan(json!({"target": "big"})).ok();
    assert_eq!((&named["why"], &named["is_advice"]), (&"named".into(), &false.into()));
    let private = plan(json!({"private": true})).ok();
    assert_eq!((&private["why"], &private["stays"]), (&"private".into(), &true.into()));
    assert_eq!(plan(json!({"target": "none"})).status, 404);
    assert_eq!(plan(json!({"messages": []})).status, 400);
    let set_mode = |mode: &str| set.server.post("/hob/v1/cloud/mode", &json!({"mode": mode}));
    assert_eq!(set_mode("open").status, 400);
    assert_eq!(set_mode("offline").ok()["mode"], "offline");
    assert_eq!(plan(json!({})).ok()["why"], "mode");
    assert_eq!(plan(json!({"target": "big"})).status, 403);
    assert_eq!(set.api.asked().len(), 0);
}

#[test]
fn targets_come_go_and_are_tried_over_http() {
    let set = set(Mode::Ask, |_| Reply::said(Said::text(&["ok"])));
    let address = set.api.address();
    let add = |name: &str, more: Value| {
        let mut body = json!({"name": name, "address": address, "model": "m", "protocol": "anthropic", "key": "sk-planted"});
        more.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
        set.server.post("/hob/v1/cloud/targets", &body)
    };
    add("other", json!({})).ok();
    assert_eq!(add("other", json!({})).status, 409);
    for (more, param) in [
        (json!({"zone": "moon"}), "zone"),
        (json!({"address": "ftp://x"}), "address"),
        (json!({"model": "a b"}), "model"),
        (json!({"name": "../x"}), "name"),
    ] {
        assert_eq!(add("third", more).refused(400)["param"], param);
    }
    let report = set.server.get("/hob/v1/cloud").ok();
    assert!(!report.to_string().contains("planted"));
    assert_eq!(report["targets"][1]["key"], "file");
    let tested = set.server.post("/hob/v1/cloud/targets/big/test", &json!({})).ok();
    assert_eq!((&tested["said"], &tested["ledger_entry"]), (&"ok".into(), &1.into()));
    set.server.delete("/hob/v1/cloud/targets/other").ok();
    assert_eq!(set.server.delete("/hob/v1/cloud/targets/other").status, 404);
}
