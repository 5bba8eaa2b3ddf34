//! Kinds for which the user wants to be asked: the plan says which values those are, and nothing leaves without an answer for
//! each of them.

use crate::client::Answer;
use crate::cloud::{POLICY, Set, hello, set};
use hob_cloud::Mode;
use serde_json::{Value, json};
use std::fs;

const TEXT: &str = "From ann@mail.example to bob@mail.example, card 4111 1111 1111 1111.";

fn asking(mode: Mode) -> Set {
    let set = set(mode, |_| hello());
    set.policy(&format!("{POLICY}[privacy.labels]\nEMAIL = \"ask\"\n"));
    set
}

fn messages(text: &str) -> Value {
    json!([{"role": "user", "content": text}])
}

fn ask(set: &Set, model: &str, text: &str, hob: Value) -> Answer {
    set.chat(model, json!({"messages": messages(text), "hob": hob}))
}

/// What a plan asks about: ids by values.
fn asks(set: &Set, more: Value) -> Vec<(String, String)> {
    let mut body = json!({"messages": messages(TEXT), "target": "big"});
    more.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
    let plan = set.server.post("/hob/v1/cloud/plan", &body).ok();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    plan["asks"].as_array().unwrap().iter().map(|one| (text(&one["value"]), text(&one["id"]))).collect()
}

fn says_nothing_of_it(answer: &Answer) {
    let all = format!("{:?}{}", answer.headers, answer.body);
    assert!(!all.contains("@mail") && !all.contains("4111"), "{all}");
}

#[test]
fn a_program_that_has_not_answered_is_told_how() {
    let set = asking(Mode::Hybrid);
    let refused = ask(&set, "cloud/big", TEXT, json!({}));
    says_nothing_of_it(&refused);
    let refused = refused.refused(409);
    assert_eq!(refused["code"], "unanswered");
    let message = refused["message"].as_str().unwrap();
    for words in ["2 of kind EMAIL", "/hob/v1/cloud/plan", "\"answers\"", "nothing was sent"] {
        assert!(message.contains(words), "{words} in {message}");
    }
    // The router leaves it to this machine, unless somebody waits to be asked.
    let here = ask(&set, "ember", TEXT, json!({}));
    assert_eq!((here.status, here.header("x-hob-why")), (200, Some("fallback")));
    assert!(here.header("x-hob-reason").unwrap().contains("2 of kind EMAIL"));
    assert_eq!(ask(&set, "ember", TEXT, json!({"ask": true})).refused(409)["code"], "unanswered");
    assert_eq!(set.api.asked().len(), 0);
    for wrong in [json!({"answers": {"a": "perhaps"}}), json!({"answers": []}), json!({"ask": 1})] {
        assert_eq!(ask(&set, "ember", TEXT, wrong.clone()).status, 400, "{wrong}");
    }
}

#[test]
fn answers_hold_for_the_values_that_they_were_given_for() {
    let set = asking(Mode::Hybrid);
    let found = asks(&set, json!({}));
    let values: Vec<&str> = found.iter().map(|(value, _)| value.as_str()).collect();
    assert_eq!(values, ["ann@mail.example", "bob@mail.example"]);
    let answers = json!({&found[0].1: "show", &found[1].1: "hide"});
    // The preview follows the answers, to the byte.
    let mut body = json!({"messages": messages(TEXT), "target": "big", "answers": answers});
    let plan = set.server.post("/hob/v1/cloud/plan", &body).ok();
    let sent: String =
        plan["preview"].as_array().unwrap().iter().map(|line| line["sent"].as_str().unwrap()).collect();
    assert!(sent.contains("ann@mail.example") && !sent.contains("bob@") && !sent.contains("4111"), "{sent}");
    let said: Vec<&Value> = plan["asks"].as_array().unwrap().iter().map(|one| &one["answer"]).collect();
    assert_eq!(said, ["show", "hide"]);
    assert_eq!(plan["shown"], json!([{"kind": "EMAIL", "count": 1}]));
    for model in ["cloud/big", "ember"] {
        let there = ask(&set, model, TEXT, json!({"answers": answers, "fresh": true}));
        assert_eq!((there.status, there.header("x-hob-route")), (200, Some("big")), "{model}");
        let told = format!("{:?}", there.headers);
        assert!(!told.contains("@mail"), "{told}");
    }
    let asked = set.api.asked();
    assert!(asked.iter().all(|one| one.body.contains("ann@mail.example") && !one.body.contains("bob@")));
    // A text that says another value is asked about again; "refuse" keeps the whole of it here.
    let changed = format!("{TEXT} Copy to eve@mail.example.");
    let again = ask(&set, "cloud/big", &changed, json!({"answers": answers})).refused(409);
    assert!(again["message"].as_str().unwrap().starts_with("1 of kind EMAIL"), "{again}");
    let refuse = json!({&found[0].1: "show", &found[1].1: "refuse"});
    assert_eq!(ask(&set, "cloud/big", TEXT, json!({"answers": refuse})).refused(403)["code"], "private");
    let here = ask(&set, "ember", TEXT, json!({"answers": refuse, "ask": true}));
    assert_eq!((here.status, here.header("x-hob-route")), (200, Some("local")));
    body["answers"] = refuse;
    assert_eq!(set.server.post("/hob/v1/cloud/plan", &body).refused(403)["code"], "private");
    assert_eq!(set.api.asked().len(), 2);
    // Nothing of it stands where anybody reads later what happened.
    let log = set.server.get("/hob/v1/requests").ok().to_string();
    let ledger = fs::read_to_string(set.folder.path().join("ledger/ledger.jsonl")).unwrap();
    assert!(ledger.contains("EMAIL") && !format!("{log}{ledger}").contains("@mail"));
}

#[test]
fn what_tools_and_schemas_say_is_asked_about_too() {
    let set = asking(Mode::Ask);
    let tool = json!({"type": "function", "function": {"name": "mail", "description": "Mails tim@mail.example", "parameters": {"type": "object"}}});
    let schema = json!({"type": "object", "properties": {"to": {"type": "string", "description": "Such as pam@mail.example"}}, "required": ["to"], "additionalProperties": false});
    let more = json!({"tools": [tool], "tool_choice": "auto", "response_format": {"type": "json_schema", "json_schema": {"name": "mail", "strict": true, "schema": schema}}});
    let found = asks(&set, more.clone());
    assert_eq!(found.len(), 4, "{found:?}");
    let answers: Value =
        found.iter().map(|(_, id)| (id.clone(), json!("hide"))).collect::<serde_json::Map<_, _>>().into();
    let mut whole = more;
    whole["messages"] = messages(TEXT);
    assert_eq!(set.chat("cloud/big", whole.clone()).refused(409)["code"], "unanswered");
    whole["hob"] = json!({"answers": answers});
    assert_eq!(set.chat("cloud/big", whole).status, 200);
    assert!(!set.api.asked()[0].body.contains("@mail"));
}

#[test]
fn what_is_shown_is_what_is_sent_whatever_else_the_request_says() {
    let set = asking(Mode::Hybrid);
    let answers: serde_json::Map<_, _> =
        asks(&set, json!({})).into_iter().map(|(_, id)| (id, json!("hide"))).collect();
    let all = [
        json!({"max_tokens": 7}),
        json!({"max_completion_tokens": 9, "temperature": 0.3}),
        json!({"temperature": 0, "top_p": 0.9, "stop": ["END"], "seed": 3}),
        json!({"options": {"num_predict": 11, "temperature": 1.5}}),
        json!({}),
    ];
    for (at, more) in all.iter().enumerate() {
        let mut body = json!({"messages": messages(TEXT)});
        more.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
        let mut question = body.clone();
        (question["target"], question["answers"]) = ("big".into(), answers.clone().into());
        let plan = set.server.post("/hob/v1/cloud/plan", &question).ok();
        let lines = plan["preview"].as_array().unwrap();
        let shown: String = lines.iter().map(|line| line["sent"].as_str().unwrap()).collect();
        (body["model"], body["hob"]) = ("cloud/big".into(), json!({"answers": answers, "fresh": true}));
        let there = set.server.post("/v1/chat/completions", &body);
        assert_eq!(there.status, 200, "{more}");
        let sent = &set.api.asked()[at].body;
        assert_eq!((&shown, plan["bytes"].as_u64()), (sent, Some(sent.len() as u64)), "{more}");
        // A dollar is a million millionths; each byte may be a token.
        let tokens = serde_json::from_str::<Value>(sent).unwrap()["max_tokens"].as_u64();
        let most = (sent.len() as f64 * 3.0 + tokens.unwrap_or(2048) as f64 * 15.0).ceil() / 1e6;
        assert!((plan["dollars_max"].as_f64().unwrap() - most).abs() < 1e-9, "{more}: {plan}");
    }
}

#[test]
fn a_limit_of_money_for_one_question_does_not_keep_short_answers_from_being_asked_about() {
    let set = set(Mode::Hybrid, |_| hello());
    // Less than the longest answer that the target gives, more than a short one.
    set.policy(&format!("{POLICY}budget = {{ request = 0.005 }}\n[privacy.labels]\nEMAIL = \"ask\"\n"));
    let body = json!({"messages": messages(TEXT), "target": "big", "max_tokens": 8});
    let plan = set.server.post("/hob/v1/cloud/plan", &body).ok();
    assert_eq!(plan["asks"].as_array().unwrap().len(), 2);
    assert!(plan["dollars_max"].as_f64().unwrap() < 0.005);
    let long = json!({"messages": messages(TEXT), "target": "big"});
    assert_eq!(set.server.post("/hob/v1/cloud/plan", &long).refused(429)["code"], "budget");
}

#[test]
fn plans_stay_where_the_request_would() {
    let set = asking(Mode::Hybrid);
    let plan = |more: Value| {
        let mut body = json!({"model": "ember", "messages": messages("Prove it.")});
        more.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
        set.server.post("/hob/v1/cloud/plan", &body)
    };
    assert_eq!(plan(json!({})).ok()["stays"], false);
    let several = plan(json!({"n": 2})).ok();
    assert_eq!((&several["stays"], &several["why"]), (&true.into(), &"fallback".into()));
    assert!(several["reason"].as_str().unwrap().starts_with("several answers at once"));
    assert_eq!(plan(json!({"n": 2, "target": "big"})).refused(400)["code"], "only_here");
    assert_eq!(plan(json!({"hob": {"stay": true}})).ok()["stays"], true);
    assert_eq!(plan(json!({"hob": {"private": true}})).ok()["why"], "private");
    assert_eq!(plan(json!({"max_tokens": -1})).status, 400);
    // Rules of the policy see the kind of task.
    set.policy(&format!("{POLICY}[[rule]]\nname = \"sums\"\ntask = \"sums\"\nthen = \"stay\"\n"));
    assert_eq!(plan(json!({"hob": {"task": "sums"}})).ok()["why"], "rule");
}
