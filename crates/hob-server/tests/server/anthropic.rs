//! The interface of Anthropic.

use crate::client::{Answer, start};
use serde_json::{Value, json};

const MESSAGES: &str = "/v1/messages";

fn ask(text: &str, more: Value) -> Value {
    let mut body = json!({"model": "ember", "max_tokens": 24, "temperature": 0, "messages": [{"role": "user", "content": text}]});
    more.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
    body
}

/// Names of events must be those of their data.
fn events(answer: &Answer) -> Vec<Value> {
    let names: Vec<&str> = answer.body.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    let events = answer.events();
    assert_eq!(names, events.iter().map(|event| event["type"].as_str().unwrap()).collect::<Vec<_>>());
    events
}

fn tools() -> Value {
    json!([{"name": "get_weather", "description": "Weather in a city", "input_schema": {"type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"], "additionalProperties": false}}])
}

#[test]
fn a_stream_says_what_one_piece_says() {
    let server = start();
    let whole = server.post(MESSAGES, &ask("Who are you?", json!({"system": "Be kind."}))).ok();
    assert_eq!(
        (&whole["type"], &whole["role"], &whole["stop_reason"]),
        (&json!("message"), &json!("assistant"), &json!("end_turn"))
    );
    let text = whole["content"][0]["text"].as_str().unwrap();
    let answer = server.post(MESSAGES, &ask("Who are you?", json!({"system": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}], "stream": true})));
    let events = events(&answer);
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(&kinds[..3], ["message_start", "ping", "content_block_start"]);
    assert_eq!(&kinds[kinds.len() - 3..], ["content_block_stop", "message_delta", "message_stop"]);
    let streamed: String = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
    assert_eq!(streamed, text);
    let last = &events[events.len() - 2];
    assert_eq!(
        (&last["delta"]["stop_reason"], &last["usage"]["output_tokens"]),
        (&json!("end_turn"), &whole["usage"]["output_tokens"])
    );
    assert!(last["usage"]["cache_read_input_tokens"].as_u64().unwrap() > 0);
}

#[test]
fn why_a_message_ended() {
    let server = start();
    let reason = |more: Value| server.post(MESSAGES, &ask("Who are you?", more)).ok();
    assert_eq!(reason(json!({"max_tokens": 2}))["stop_reason"], "max_tokens");
    let stopped = reason(json!({"stop_sequences": ["small"]}));
    assert_eq!(
        (&stopped["stop_reason"], &stopped["stop_sequence"]),
        (&json!("stop_sequence"), &json!("small"))
    );
    let begun = json!([{"role": "user", "content": "Who are you?"}, {"role": "assistant", "content": "I am Ember, the small"}]);
    let continued = reason(json!({"messages": begun}));
    assert!(continued["content"][0]["text"].as_str().unwrap().starts_with(" model"), "{continued}");
}

#[test]
fn tools_and_their_results() {
    let server = start();
    let any = json!({"tools": tools(), "tool_choice": {"type": "any"}, "max_tokens": 80});
    let whole = server.post(MESSAGES, &ask("What is the weather in Oslo?", any.clone())).ok();
    assert_eq!(whole["stop_reason"], "tool_use");
    let call = &whole["content"][0];
    assert!(
        call["type"] == "tool_use" && call["name"] == "get_weather" && call["input"]["city"].is_string(),
        "{call}"
    );
    let mut streamed = any;
    streamed["stream"] = true.into();
    let events = events(&server.post(MESSAGES, &ask("What is the weather in Oslo?", streamed)));
    let input: String = events.iter().filter_map(|event| event["delta"]["partial_json"].as_str()).collect();
    assert_eq!(serde_json::from_str::<Value>(&input).unwrap(), call["input"]);
    let messages = json!([{"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": [{"type": "text", "text": "Let me see."}, call]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call["id"], "content": [{"type": "text", "text": "rain"}]}, {"type": "text", "text": "Well?"}]}]);
    server.post(MESSAGES, &ask("", json!({"messages": messages, "tools": tools()}))).ok();
}

#[test]
fn tokens_are_counted_as_the_model_reads_them() {
    let server = start();
    let counted = server
        .post(
            "/v1/messages/count_tokens",
            &json!({"model": "ember", "messages": [{"role": "user", "content": "Who are you?"}]}),
        )
        .ok();
    let whole = server.post(MESSAGES, &ask("Who are you?", json!({"max_tokens": 1}))).ok();
    let used = whole["usage"]["input_tokens"].as_u64().unwrap()
        + whole["usage"]["cache_read_input_tokens"].as_u64().unwrap();
    assert_eq!(counted["input_tokens"], used);
}

#[test]
fn problems_have_their_form() {
    let server = start();
    for (more, status, kind) in [
        (json!({"max_tokens": null}), 400, "invalid_request_error"),
        (json!({"model": "none"}), 404, "not_found_error"),
        (json!({"messages": []}), 400, "invalid_request_error"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]}),
            400,
            "invalid_request_error",
        ),
        (
            json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
            400,
            "invalid_request_error",
        ),
        (json!({"temperature": 3}), 400, "invalid_request_error"),
        (json!({"tool_choice": {"type": "any"}}), 400, "invalid_request_error"),
    ] {
        let answer = server.post(MESSAGES, &ask("Hi", more.clone()));
        assert_eq!(answer.status, status, "{more}: {}", answer.body);
        assert_eq!(
            (&answer.json()["type"], &answer.json()["error"]["type"]),
            (&json!("error"), &json!(kind)),
            "{more}"
        );
    }
}
