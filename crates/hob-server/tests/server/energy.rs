//! What answers take in energy: told with each, kept with it, summed up by day.

use crate::client::{Running, cloud_at, cloud_with, config, start_with};
use crate::shape::Document;
use hob_chats::Chats;
use hob_cloud::{Mode, Protocol, Target, Zone};
use hob_energy::Scope as Of;
use hob_server::{ChatsAt, Config, Count, EnergyCounter, Folder, KeyBook, KeyWish, Keys, Machine, Scope};
use hob_testhub::{Api, Reply, Said};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A machine whose counter goes on by a joule whenever it is read.
fn counted() -> Machine {
    let joules = AtomicU64::new(0);
    let read = move || Some(Count { joules: joules.fetch_add(1, Ordering::Relaxed) as f64, era: 0 });
    let counter = EnergyCounter {
        name: "dial".into(),
        scope: Of::Processor,
        settles: Duration::ZERO,
        read: Arc::new(read),
    };
    Machine { energy: Some(counter), ..Machine::unknown() }
}

fn serve(machine: Machine) -> Running {
    start_with(Config { machine, ..config() }, Folder::new(&[], None))
}

fn question(more: Value) -> Value {
    let mut body =
        json!({"model": "ember", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8});
    more.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
    body
}

/// What the counter of a server says, which is a joule more each time.
fn reading(server: &Running) -> f64 {
    let metrics = server.get("/metrics").body;
    let line = metrics.lines().find(|line| line.starts_with("hob_energy_joules_total")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

fn bounds(energy: &Value) -> (f64, f64) {
    (energy["joules_low"].as_f64().unwrap(), energy["joules_high"].as_f64().unwrap())
}

#[test]
fn an_answer_without_a_counter_says_between_what_it_took() {
    let server = serve(Machine::unknown());
    let whole = server.post("/v1/chat/completions", &question(json!({}))).ok();
    assert_eq!(whole["hob"]["route"], "local");
    let energy = &whole["hob"]["energy"];
    assert_eq!((&energy["method"], &energy["scope"]), (&json!("estimated"), &json!("cores")));
    let (low, high) = bounds(energy);
    assert!(0.0 < low && low < high, "{energy}");
    assert!(energy["about"].as_str().unwrap().contains("1 core at 1.5 to 10.6 W"), "{energy}");
    // Streamed it comes at the end, once.
    let events = server.post("/v1/chat/completions", &question(json!({"stream": true}))).events();
    let told: Vec<&Value> = events.iter().filter(|event| event["hob"].is_object()).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["hob"]["energy"]["method"], "estimated");
    assert!(told[0]["choices"][0]["finish_reason"].is_string());
}

#[test]
fn a_counter_gives_a_number_to_a_request_however_many_answers_it_has() {
    let server = serve(counted());
    let whole = server.post("/v1/chat/completions", &question(json!({}))).ok();
    let energy = &whole["hob"]["energy"];
    assert_eq!((&energy["method"], &energy["scope"]), (&json!("measured"), &json!("processor")));
    let (low, high) = bounds(energy);
    assert!(low >= 1.0 && low == high, "{energy}");
    assert!(!energy["about"].as_str().unwrap().contains("other answers"), "{energy}");
    // Both answers share what was used from the first one's begin to the second one's end: it counts once. Nobody else reads the
    // counter meanwhile, but for the look at its end.
    let reads = || reading(&server);
    let before = reads();
    let two = server.post("/v1/chat/completions", &question(json!({"n": 2, "max_tokens": 48}))).ok();
    let spent = reads() - before;
    let energy = &two["hob"]["energy"];
    assert_eq!(energy["method"], "measured");
    let (low, high) = bounds(energy);
    assert!(low == high && 1.0 <= high && high <= spent, "{energy} of {spent}");
    assert!(!energy["about"].as_str().unwrap().contains("other answers"), "{energy}");
    // Nothing goes on counting as company when it has ended.
    let alone = server.post("/v1/chat/completions", &question(json!({}))).ok();
    let (low, high) = bounds(&alone["hob"]["energy"]);
    assert!(low == high, "{alone}");
    assert!(server.get("/metrics").body.contains("hob_energy_joules_total{method=\"measured\"}"));
}

#[test]
fn interfaces_that_others_made_say_nothing_of_it() {
    let server = serve(counted());
    let messages = json!([{"role": "user", "content": "Hello"}]);
    let said = [
        ("/v1/messages", json!({"model": "ember", "max_tokens": 4, "messages": messages})),
        ("/api/chat", json!({"model": "ember", "stream": false, "messages": messages})),
        ("/v1/completions", json!({"model": "ember", "max_tokens": 4, "prompt": "Hello"})),
        ("/v1/responses", json!({"model": "ember", "input": "Hello", "max_output_tokens": 4})),
    ];
    for (path, body) in said {
        let whole = server.post(path, &body).ok().to_string();
        assert!(!whole.contains("joules"), "{path}: {whole}");
    }
}

#[test]
fn an_answer_from_elsewhere_has_what_is_published_and_nothing_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let api = Api::start(|_| Reply::said(Said::text(&["Hi"])));
    let cloud = cloud_at(folder.path());
    let address = format!("{}/v1", api.address());
    cloud.add("big", &Target::new(&address, Protocol::OpenAi, "big-1", Zone::Cloud), None).unwrap();
    cloud.set_mode(Mode::Ask).unwrap();
    let server =
        start_with(Config { machine: counted(), cloud: Some(cloud), ..config() }, Folder::new(&[], None));
    let ask = || server.post("/v1/chat/completions", &question(json!({"model": "cloud/big"}))).ok();
    let told = ask()["hob"].clone();
    assert_eq!(told["energy"], Value::Null);
    let there = &told["energy_elsewhere"];
    assert_eq!((&there["method"], &there["scope"]), (&json!("assumed"), &json!("prompt")));
    let (low, high) = bounds(there);
    assert!(low < high && there["about"].as_str().unwrap().contains("Google (2025)"), "{there}");
    let metrics = server.get("/metrics").body;
    let sent = format!("hob_cloud_sent_bytes_month {}", told["sent_bytes"]);
    assert!(metrics.lines().any(|line| line == sent), "{sent} is not in {metrics}");
    // The same from memory: nothing was computed anywhere.
    let again = ask()["hob"].clone();
    assert_eq!((&again["ledger_entry"], &again["energy_elsewhere"]), (&Value::Null, &Value::Null));
}

const CHAT: &str = "chatchat1";

fn keeping(folder: &Path) -> Config {
    let chats = ChatsAt::File(Arc::new(Chats::in_data(folder)));
    Config { chats, ..config() }
}

fn keep(server: &Running, answers: &[Value]) {
    let mut messages = vec![json!({"id": "question1", "role": "user", "text": "?"})];
    for (at, stats) in answers.iter().enumerate() {
        messages.push(json!({"id": format!("answer00{at}"), "parent": "question1", "role": "assistant",
            "created": now_ms(), "stats": stats}));
    }
    let chat = json!({"id": CHAT, "title": "T", "created": 1, "updated": 1, "leaf": "answer000"});
    server.put(&format!("/hob/v1/chats/{CHAT}"), &json!({"chat": chat, "messages": messages})).ok();
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

#[test]
fn days_are_summed_up_with_both_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let server = start_with(keeping(folder.path()), Folder::new(&[], None));
    let energy = json!({"method": "measured", "scope": "processor", "joules_low": 36.0, "joules_high": 36.0, "about": "a"});
    let old = json!({"prompt_tokens": 10, "answer_tokens": 20, "per_second": 10.0, "first_token_ms": 500.0});
    let mut new = old.clone();
    new["energy"] = energy.clone();
    let mut there = old.clone();
    there["elsewhere"] = json!({"target": "big", "ledger_entry": 4});
    there["energy"] = json!({"method": "estimated", "scope": "cores", "joules_low": 36.0, "joules_high": 36.0, "about": "a"});
    keep(&server, &[old, new, there]);
    // What is kept comes back as it was, and what nobody measured says so.
    let kept = server.get(&format!("/hob/v1/chats/{CHAT}/messages")).ok();
    let of = |id: &str| {
        let messages = kept["messages"].as_array().unwrap();
        messages.iter().find(|message| message["id"] == id).unwrap()["stats"]["energy"].clone()
    };
    assert_eq!((of("answer000"), of("answer001")), (Value::Null, energy));
    let found = server.get("/hob/v1/stats?days=7").ok();
    Document::of(&server).check("get", "/hob/v1/stats", &found);
    let days = found["days"].as_array().unwrap();
    assert_eq!(days.len(), 7);
    assert_eq!(days[6]["took"], found["all"], "all of it was today");
    assert_eq!(days[0]["took"]["here"]["answers"], 0);
    let here = &found["all"]["here"];
    assert_eq!(
        (
            &here["answers"],
            &here["measured"]["answers"],
            &here["estimated"]["answers"],
            &here["answer_tokens"]
        ),
        (&json!(2), &json!(1), &json!(1), &json!(40))
    );
    // 2.5 s on one core, and 36 J; of the answer from elsewhere another 36 J, which a time at work gave. Never one sum.
    let is = |known: &str, low: f64, high: f64| {
        let wh = &here[known]["wh"];
        let near = |bound: &str, value: f64| (wh[bound].as_f64().unwrap() - value).abs() < 1e-9;
        assert!(near("low", low) && near("high", high), "{here}");
    };
    is("measured", 0.01, 0.01);
    is("estimated", 0.01 + 2.5 * 1.5 / 3600.0, 0.01 + 2.5 * 10.6 / 3600.0);
    assert_eq!(here["parts"], 1);
    assert_eq!(found["all"]["there"]["answers"], 1);
    assert!(found["compared"].as_array().unwrap().iter().all(|one| {
        one["source"].is_string()
            && one["year"].is_u64()
            && one["scope"].is_string()
            && one["verdict"].is_string()
    }));
    assert_eq!(found["trouble"], json!([]));
    // What was added up before is not read again, and what is new is found.
    let again = || server.get("/hob/v1/stats?days=7").ok();
    assert_eq!(again()["all"], found["all"]);
    let more = json!({"messages": [{"id": "answer009", "parent": "question1", "role": "assistant", "created": now_ms(),
        "stats": {"answer_tokens": 5}}]});
    server.put(&format!("/hob/v1/chats/{CHAT}/messages"), &more).ok();
    assert_eq!(again()["all"]["here"]["answer_tokens"], 45);
    server.delete(&format!("/hob/v1/chats/{CHAT}/messages/answer009")).ok();
    assert_eq!(again()["all"], found["all"]);
    // Absurd numbers of days are bounded.
    assert_eq!(server.get("/hob/v1/stats?days=100000").ok()["days"].as_array().unwrap().len(), 366);
    assert_eq!(server.get("/hob/v1/stats?days=x").status, 400);
}

#[test]
fn a_machine_where_more_is_taken_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let server = start_with(keeping(folder.path()), Folder::new(&[], None));
    let energy = json!({"method": "measured", "scope": "computer", "joules_low": 9e6, "joules_high": 9e6, "about": "a"});
    keep(&server, &[json!({"answer_tokens": 20, "energy": energy})]);
    let found = server.get("/hob/v1/stats").ok();
    for one in found["compared"].as_array().unwrap() {
        assert_eq!(one["verdict"], "more", "{one}");
        assert!(one["words"].as_str().unwrap().contains("MORE here"), "{one}");
    }
}

#[test]
fn keys_that_may_only_chat_do_not_see_it() {
    let folder = tempfile::tempdir().unwrap();
    let book = KeyBook::in_data(folder.path());
    let key = |name: &str, scope| {
        let wish = KeyWish {
            name: name.into(),
            expires_at: None,
            models: Vec::new(),
            scopes: vec![scope],
            cloud: false,
            private: false,
            tokens_per_day: None,
        };
        book.add(wish, i64::try_from(now_ms() / 1000).unwrap()).unwrap().1
    };
    let (chat, metrics) = (key("chat", Scope::Chat), key("metrics", Scope::Metrics));
    let keys = Keys::new(["planted-master"]).with_book(book, |_| {});
    let server = start_with(Config { keys, ..keeping(folder.path()) }, Folder::new(&[], None));
    let status = |key: &str| {
        let bearer = format!("Bearer {key}");
        server.send("GET", "/hob/v1/stats", &[("authorization", &bearer)], "").finish().status
    };
    assert_eq!((status(&chat), status(&metrics), status("nobody")), (403, 200, 401));
}

#[test]
fn where_nothing_is_kept_what_left_is_told_all_the_same() {
    let server = serve(Machine::unknown());
    let found = server.get("/hob/v1/stats").ok();
    assert_eq!(found["days"].as_array().unwrap().len(), 30);
    let trouble = found["trouble"].as_array().unwrap();
    assert!(trouble.len() == 1 && trouble[0].as_str().unwrap().contains("not counted"), "{found}");
}

#[test]
fn what_left_is_counted_on_from_where_it_was_and_anew_where_the_ledger_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let api = Api::start(|_| Reply::said(Said::text(&["Hi"])));
    let cloud = cloud_with(folder.path(), || now_ms().cast_signed());
    let address = format!("{}/v1", api.address());
    let mut target = Target::new(&address, Protocol::OpenAi, "big-1", Zone::Cloud);
    target.input_price = 3.0;
    cloud.add("big", &target, None).unwrap();
    cloud.set_mode(Mode::Ask).unwrap();
    let server = start_with(Config { cloud: Some(cloud), ..config() }, Folder::new(&[], None));
    let ask = || {
        let more = json!({"model": "cloud/big", "hob": {"fresh": true}});
        server.post("/v1/chat/completions", &question(more)).ok()["hob"].clone()
    };
    let found = || {
        let found = server.get("/hob/v1/stats").ok();
        (found["all"]["sent"]["questions"].as_u64(), found["trouble"].to_string().contains("What left"))
    };
    assert_eq!(found(), (Some(0), false));
    for asked in 1..3 {
        ask();
        assert_eq!(found(), (Some(asked), false));
    }
    let whole = server.get("/hob/v1/stats").ok()["all"]["sent"].clone();
    let sent: Vec<usize> = api.asked().iter().map(|asked| asked.body.len()).collect();
    assert_eq!(whole["bytes"], sent.iter().sum::<usize>());
    // Of what came back, the target told that it was 11 and 7 tokens.
    assert!((whole["dollars"].as_f64().unwrap() - 2.0 * 33e-6).abs() < 1e-12, "{whole}");
    // Somebody moves the ledger aside: the next one is begun, and is read from its beginning.
    std::fs::rename(folder.path().join("ledger"), folder.path().join("old")).unwrap();
    server.post("/hob/v1/cloud/targets", &json!({"name": "other", "address": address, "model": "m"})).ok();
    ask();
    assert_eq!(found(), (Some(1), false));
    // Lines that are missing are told of, and what is left of them is not counted.
    std::fs::remove_file(folder.path().join("ledger/ledger.jsonl")).unwrap();
    assert_eq!(found(), (Some(0), true));
}
