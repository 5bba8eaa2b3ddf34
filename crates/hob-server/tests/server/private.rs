//! Folders that are marked as private: what is asked in a conversation of one never leaves, whoever says what.

use crate::client::Answer;
use crate::cloud::{POLICY, Set, hello, set, set_with};
use hob_chats::{Chats, Secret, Wrapping};
use hob_cloud::Mode;
use hob_server::{KeyBook, KeyWish, Keys, Scope};
use serde_json::{Value, json};

fn keep(set: &Set, id: &str, folder: Option<&str>, is_private: bool) {
    keep_knowing(set, id, folder, is_private, None);
}

/// Keeps a conversation as who knows a version of it; what it is then.
fn keep_knowing(set: &Set, id: &str, folder: Option<&str>, is_private: bool, version: Option<i64>) -> Value {
    let chat = json!({"id": id, "title": id, "created": 1, "updated": 1, "folder": folder, "is_private": is_private});
    let body = json!({"chat": chat, "version": version}).to_string();
    set.server.send("PUT", &format!("/hob/v1/chats/{id}"), JSON, &body).finish().ok()
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

fn mark(set: &Set, folder: &str, private: bool) -> Value {
    set.server.post("/hob/v1/chats/folders", &json!({"folder": folder, "private": private})).ok()
}

fn ask(set: &Set, model: &str, hob: Value) -> Answer {
    let mut hob = hob;
    hob["fresh"] = true.into();
    set.chat(model, json!({"hob": hob}))
}

fn why(answer: &Answer) -> (u16, Option<&str>) {
    (answer.status, answer.header("x-hob-why"))
}

#[test]
fn what_is_asked_in_a_private_folder_stays_by_the_router_and_by_name() {
    let set = set(Mode::Hybrid, |_| hello());
    set.policy(POLICY);
    keep(&set, "chat0001", Some("Doctor"), false);
    keep(&set, "chat0002", None, false);
    keep(&set, "chat0003", None, true);
    let (one, two, three) =
        (json!({"chat": "chat0001"}), json!({"chat": "chat0002"}), json!({"chat": "chat0003"}));
    assert_eq!(why(&ask(&set, "ember", one.clone())), (200, Some("insufficient")));
    assert_eq!(set.server.get("/hob/v1/chats/folders").ok(), json!({"private": []}));
    assert_eq!(mark(&set, "Doctor", true), json!({"private": ["Doctor"]}));
    let sent = set.api.asked().len();
    let stays = [
        one.clone(),
        three,
        json!({"folder": "Doctor"}),
        json!({"chat": "chat0002", "folder": "Doctor"}),
        json!({"chat": "notkept1", "folder": "Doctor"}),
        // The page may believe what it likes of where it lies.
        json!({"chat": "chat0001", "folder": "Open", "private": false}),
    ];
    for hob in stays {
        assert_eq!(why(&ask(&set, "ember", hob.clone())), (200, Some("private")), "{hob}");
        assert_eq!(ask(&set, "cloud/big", hob.clone()).refused(403)["code"], "private", "{hob}");
        let mut body = json!({"messages": [{"role": "user", "content": "Prove it."}]});
        hob.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
        let plan = set.server.post("/hob/v1/cloud/plan", &body).ok();
        assert_eq!((&plan["stays"], &plan["why"]), (&true.into(), &"private".into()), "{hob}");
        body["target"] = "big".into();
        assert_eq!(set.server.post("/hob/v1/cloud/plan", &body).refused(403)["code"], "private");
    }
    assert_eq!(set.api.asked().len(), sent, "nothing left");
    assert_eq!(why(&ask(&set, "ember", two.clone())), (200, Some("insufficient")));
    // Put into the folder, the next question stays; taken out of it, it may go.
    keep(&set, "chat0002", Some("Doctor"), false);
    assert_eq!(why(&ask(&set, "ember", two.clone())), (200, Some("private")));
    // Who does not know that it lies there takes nothing out, nor away that it is private.
    for version in [None, Some(1)] {
        let kept = keep_knowing(&set, "chat0002", Some("Bank"), false, version);
        assert_eq!(kept["folder"], "Doctor");
        assert_eq!(why(&ask(&set, "ember", two.clone())), (200, Some("private")));
    }
    assert_eq!(keep_knowing(&set, "chat0003", None, false, None)["is_private"], true);
    let known = keep_knowing(&set, "chat0002", Some("Doctor"), false, None)["version"].as_i64();
    assert_eq!(keep_knowing(&set, "chat0002", Some("Bank"), false, known)["folder"], "Bank");
    assert_eq!(why(&ask(&set, "ember", two)), (200, Some("insufficient")));
    assert_eq!(mark(&set, "Doctor", false), json!({"private": []}));
    assert_eq!(why(&ask(&set, "ember", one)), (200, Some("insufficient")));
    for wrong in [json!({"chat": "x"}), json!({"chat": 7}), json!({"folder": 7})] {
        assert_eq!(ask(&set, "ember", wrong.clone()).status, 400, "{wrong}");
    }
    for wrong in [json!({"folder": "", "private": true}), json!({"folder": "A"}), json!({"private": true})] {
        set.server.post("/hob/v1/chats/folders", &wrong).refused(400);
    }
}

#[test]
fn where_nobody_can_know_everything_stays() {
    let set = set(Mode::Hybrid, |_| hello());
    set.policy(POLICY);
    keep(&set, "chat0001", None, false);
    assert_eq!(why(&ask(&set, "ember", json!({"chat": "chat0001"}))), (200, Some("insufficient")));
    let sent = set.api.asked().len();
    // Another process encrypts them, and nobody tells the server the passphrase.
    let chats = Chats::in_data(set.folder.path());
    chats.encrypt(&Secret::passphrase("correct horse"), Wrapping::Passphrase).unwrap();
    for hob in [json!({"chat": "chat0001"}), json!({"chat": "notkept1"}), json!({"folder": "Open"})] {
        let here = ask(&set, "ember", hob.clone());
        assert_eq!((here.status, here.header("x-hob-route")), (200, Some("local")), "{hob}");
        assert!(here.header("x-hob-reason").unwrap().contains("cannot be known"), "{hob}");
        let refused = ask(&set, "cloud/big", hob.clone()).refused(423);
        assert_eq!(refused["code"], "chats_locked", "{hob}");
        assert!(refused["message"].as_str().unwrap().contains("cannot be known"), "{hob}");
    }
    assert_eq!(set.api.asked().len(), sent, "nothing left");
    // Who names no conversation is not asked about one.
    assert_eq!(ask(&set, "cloud/big", json!({})).status, 200);
    set.server.post("/hob/v1/chats/unlock", &json!({"passphrase": "correct horse"})).ok();
    assert_eq!(ask(&set, "cloud/big", json!({"chat": "chat0001"})).status, 200);
}

#[test]
fn a_response_that_goes_on_with_a_private_one_is_as_private() {
    let set = set(Mode::Hybrid, |_| hello());
    set.policy(POLICY);
    let respond = |more: Value| {
        let mut body = json!({"model": "ember", "input": "I am Maria Gonzalez.", "max_output_tokens": 8});
        more.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
        set.server.post("/v1/responses", &body)
    };
    let first = respond(json!({"hob": {"private": true}}));
    assert_eq!(first.header("x-hob-why"), Some("private"));
    let id = first.ok()["id"].clone();
    let second = respond(json!({"previous_response_id": id}));
    assert_eq!(second.header("x-hob-why"), Some("private"));
    let third = respond(json!({"previous_response_id": second.ok()["id"]}));
    assert_eq!(third.header("x-hob-why"), Some("private"));
    assert_eq!(set.api.asked().len(), 0);
    assert_eq!(respond(json!({})).header("x-hob-route"), Some("big"));
}

/// A server with a key that may only chat, and one that may do everything.
fn keyed() -> (Set, String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let book = KeyBook::in_data(folder.path());
    let wish = KeyWish {
        name: "program".into(),
        expires_at: None,
        models: Vec::new(),
        scopes: vec![Scope::Chat],
        cloud: true,
        private: false,
        tokens_per_day: None,
    };
    let key = book.add(wish, 1).unwrap().1;
    let keys = Keys::new(["planted-master"]).with_book(book, |_| {});
    (set_with(Mode::Hybrid, keys, |_| hello()), key, folder)
}

fn post(set: &Set, key: &str, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), JSON[0]];
    set.server
        .send(if path.contains("chat0") { "PUT" } else { "POST" }, path, &headers, &body.to_string())
        .finish()
}

#[test]
fn a_key_that_opens_no_conversations_learns_nothing_of_folders() {
    let (set, key, _book) = keyed();
    set.policy(POLICY);
    for (id, folder) in [("chat0001", json!("Doctor")), ("chat0002", Value::Null)] {
        let chat = json!({"id": id, "title": id, "created": 1, "updated": 1, "folder": folder});
        post(&set, "planted-master", &format!("/hob/v1/chats/{id}"), &json!({"chat": chat})).ok();
    }
    let mark = json!({"folder": "Doctor", "private": true});
    post(&set, "planted-master", "/hob/v1/chats/folders", &mark).ok();
    let plan = |key: &str, hob: &Value, target: Value| {
        let mut body = json!({"messages": [{"role": "user", "content": "Prove it."}], "model": "ember", "target": target});
        hob.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
        let answer = post(&set, key, "/hob/v1/cloud/plan", &body);
        (answer.status, answer.body)
    };
    let ask = |hob: &Value| {
        let body = json!({"model": "ember", "max_tokens": 4, "messages": [{"role": "user", "content": "Prove it."}], "hob": hob});
        let answer = post(&set, &key, "/v1/chat/completions", &body);
        ["x-hob-route", "x-hob-why", "x-hob-reason"].map(|name| answer.header(name).map(str::to_owned))
    };
    // Guesses, of which some are right.
    let guesses = [
        json!({"folder": "Doctor"}),
        json!({"folder": "Open"}),
        json!({"chat": "chat0001"}),
        json!({"chat": "chat0002"}),
        json!({"chat": "notkept1"}),
    ];
    for guess in &guesses {
        for target in [Value::Null, json!("big")] {
            let (status, told) = plan(&key, guess, target.clone());
            assert_eq!((status, &told), (status, &plan(&key, &guesses[0], target.clone()).1), "{guess}");
            assert!(told.contains("private") && !told.contains("Doctor"), "{told}");
        }
        assert_eq!(ask(guess), ask(&guesses[0]), "{guess}");
    }
    assert_eq!(ask(&json!({}))[0].as_deref(), Some("big"), "who names none may be sent on");
    // Who may open them is told.
    let whole =
        |guess: &Value| serde_json::from_str::<Value>(&plan("planted-master", guess, Value::Null).1).unwrap();
    let stays: Vec<Value> = guesses.iter().map(|guess| whole(guess)["stays"].clone()).collect();
    assert_eq!(stays, [true, false, true, false, false]);
}

#[test]
fn a_key_that_only_chats_sees_no_line_of_the_users_files() {
    let (set, key, _book) = keyed();
    // What is wrong with a line is told with the line.
    for wrong in ["[\"medical\"]", "[\"~/medical\" 7]"] {
        set.policy(&format!("allow = [\"cloud\"]\n[privacy]\nprivate_folders = {wrong}\n"));
        tells_no_line(&set, &key);
    }
}

fn tells_no_line(set: &Set, key: &str) {
    let place = set.folder.path().display().to_string();
    let messages = json!([{"role": "user", "content": "Prove it."}]);
    let all = |key: &str| {
        let bearer = format!("Bearer {key}");
        let report = set.server.send("GET", "/hob/v1/cloud", &[("authorization", &bearer)], "").finish();
        let plan = post(set, key, "/hob/v1/cloud/plan", &json!({"messages": messages, "target": "big"}));
        let body = json!({"model": "ember", "max_tokens": 4, "messages": messages});
        let here = post(set, key, "/v1/chat/completions", &body);
        let named =
            post(set, key, "/v1/chat/completions", &json!({"model": "cloud/big", "messages": messages}));
        assert_eq!((plan.status, here.status, named.status), (409, 200, 409));
        [report, plan, here, named].map(|answer| format!("{:?}{}", answer.headers, answer.body))
    };
    for told in all(key) {
        assert!(!told.contains("medical") && !told.contains(&place), "{told}");
        assert!(told.contains("hob cloud list"), "{told}");
    }
    for told in all("planted-master") {
        assert!(told.contains("policy.toml"), "{told}");
    }
}
