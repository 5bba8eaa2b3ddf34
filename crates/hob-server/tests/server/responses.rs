//! Answers that the server keeps.

use crate::client::start;
use serde_json::{Value, json};

const RESPONSES: &str = "/v1/responses";

fn ask(input: Value, more: Value) -> Value {
    let mut body = json!({"model": "ember", "input": input, "max_output_tokens": 24, "temperature": 0});
    more.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
    body
}

#[test]
fn a_conversation_goes_on_by_name() {
    let server = start();
    let first = server.post(RESPONSES, &ask("Who are you?".into(), json!({}))).ok();
    assert_eq!((&first["object"], &first["status"]), (&json!("response"), &json!("completed")));
    assert!(first["output"][0]["content"][0]["text"].as_str().unwrap().contains("Ember"), "{first}");
    let id = first["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("{RESPONSES}/{id}")).ok()["output"], first["output"]);
    let second =
        server.post(RESPONSES, &ask("And what can you do?".into(), json!({"previous_response_id": id}))).ok();
    assert!(second["usage"]["input_tokens"].as_u64() > first["usage"]["input_tokens"].as_u64());
    assert!(second["usage"]["input_tokens_details"]["cached_tokens"].as_u64().unwrap() > 0);
    let items = server.get(&format!("{RESPONSES}/{}/input_items", second["id"].as_str().unwrap())).ok();
    assert_eq!(items["data"].as_array().unwrap().len(), 3);
    assert_eq!(server.send("DELETE", &format!("{RESPONSES}/{id}"), &[], "").finish().ok()["deleted"], true);
    server.get(&format!("{RESPONSES}/{id}")).refused(404);
    server.post(RESPONSES, &ask("x".into(), json!({"previous_response_id": id}))).refused(404);
    let forgotten = server.post(RESPONSES, &ask("Hi".into(), json!({"store": false}))).ok();
    server.get(&format!("{RESPONSES}/{}", forgotten["id"].as_str().unwrap())).refused(404);
}

#[test]
fn events_are_numbered_and_complete() {
    let server = start();
    let whole = server.post(RESPONSES, &ask("Who are you?".into(), json!({}))).ok();
    let events = server.post(RESPONSES, &ask("Who are you?".into(), json!({"stream": true}))).events();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        &kinds[..4],
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added"
        ]
    );
    assert_eq!(
        &kinds[kinds.len() - 4..],
        [
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed"
        ]
    );
    let deltas: String = events
        .iter()
        .filter(|event| event["type"] == "response.output_text.delta")
        .map(|event| event["delta"].as_str().unwrap())
        .collect();
    assert_eq!(whole["output"][0]["content"][0]["text"], deltas);
    let id = events[events.len() - 1]["response"]["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("{RESPONSES}/{id}")).ok()["status"], "completed");
    let cut = server.post(RESPONSES, &ask("Tell me a story.".into(), json!({"max_output_tokens": 2}))).ok();
    assert_eq!(
        (&cut["status"], &cut["incomplete_details"]["reason"]),
        (&json!("incomplete"), &json!("max_output_tokens"))
    );
}

#[test]
fn functions_and_formats() {
    let server = start();
    let tool = json!({"type": "function", "name": "get_weather", "description": "Weather in a city", "parameters": {"type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"], "additionalProperties": false}});
    let more = json!({"tools": [tool], "tool_choice": "required", "max_output_tokens": 80});
    let whole = server.post(RESPONSES, &ask("What is the weather in Oslo?".into(), more.clone())).ok();
    let call = &whole["output"][0];
    assert!(call["type"] == "function_call" && call["name"] == "get_weather", "{whole}");
    let input = json!([{"role": "user", "content": "Weather?"}, call, {"type": "function_call_output", "call_id": call["call_id"], "output": "rain"}]);
    server.post(RESPONSES, &ask(input, json!({"tools": [tool]}))).ok();
    let mut streamed = more;
    streamed["stream"] = true.into();
    let events = server.post(RESPONSES, &ask("What is the weather in Oslo?".into(), streamed)).events();
    let done = events.iter().find(|event| event["type"] == "response.function_call_arguments.done").unwrap();
    assert_eq!(done["arguments"], call["arguments"]);
    let schema = json!({"type": "object", "properties": {"age": {"type": "integer", "maximum": 99}}, "required": ["age"], "additionalProperties": false});
    let text = json!({"format": {"type": "json_schema", "name": "age", "schema": schema}});
    let answer = server
        .post(RESPONSES, &ask("Peter is 7.".into(), json!({"text": text, "max_output_tokens": 60})))
        .ok();
    let value: Value =
        serde_json::from_str(answer["output"][0]["content"][0]["text"].as_str().unwrap()).unwrap();
    assert!(value["age"].is_i64());
    for (more, param) in [
        (json!({"input": 5}), "input"),
        (json!({"input": [{"type": "image"}]}), "input[0].type"),
        (json!({"background": true}), "background"),
        (json!({"tools": [{"type": "web_search"}]}), "tools[0].type"),
        (json!({"truncation": "some"}), "truncation"),
    ] {
        assert_eq!(server.post(RESPONSES, &ask("x".into(), more)).refused(400)["param"], param);
    }
}
