//! The interface of OpenAI.

use crate::client::{Running, config, start, start_with};
use hob_server::Folder;
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

const CHAT: &str = "/v1/chat/completions";

fn ask(text: &str, more: Value) -> Value {
    let mut body = json!({"model": "ember", "messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 24});
    more.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
    body
}

/// The text of a stream's deltas.
fn joined(events: &[Value]) -> String {
    events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect()
}

#[test]
fn models_are_listed_and_found() {
    let server = start();
    let list = server.get("/v1/models").ok();
    assert_eq!((&list["object"], &list["data"][0]["id"]), (&json!("list"), &json!("ember")));
    assert_eq!(server.get("/v1/models/ember").ok()["object"], "model");
    assert_eq!(server.get("/v1/models/none").refused(404)["code"], "model_not_found");
    let missing = server.post(CHAT, &ask("Hi", json!({"model": "gpt-x"}))).refused(404);
    assert!(missing["message"].as_str().unwrap().contains("ember"), "{missing}");
}

#[test]
fn a_stream_says_what_one_piece_says() {
    let server = start();
    let whole = server.post(CHAT, &ask("Who are you?", json!({}))).ok();
    let text = whole["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.contains("Ember"), "{whole}");
    assert_eq!(whole["choices"][0]["finish_reason"], "stop");
    let usage = &whole["usage"];
    let total = usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], total);
    assert!(whole["timings"]["predicted_n"].as_u64().unwrap() > 0);

    let more = json!({"stream": true, "stream_options": {"include_usage": true}});
    let answer = server.post(CHAT, &ask("Who are you?", more));
    assert!(answer.body.ends_with("data: [DONE]\n\n"));
    let events = answer.events();
    assert_eq!(joined(&events), text);
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    let last = &events[events.len() - 1];
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], usage["completion_tokens"]);
    // The second time the prompt was remembered, all but its last token.
    assert!(last["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap() > 0, "{last}");
    assert!(
        events
            .iter()
            .all(|event| event["id"] == events[0]["id"] && event["object"] == "chat.completion.chunk")
    );
}

#[test]
fn what_limits_an_answer() {
    let server = start();
    let length = server.post(CHAT, &ask("Tell me a story.", json!({"max_tokens": 3}))).ok();
    assert_eq!(
        (&length["choices"][0]["finish_reason"], &length["usage"]["completion_tokens"]),
        (&json!("length"), &json!(3))
    );
    let length = server.post(CHAT, &ask("Tell me a story.", json!({"max_completion_tokens": 2}))).ok();
    assert_eq!(length["usage"]["completion_tokens"], 2);
    for stop in [json!("small"), json!(["zebra", "small"])] {
        let stopped = server.post(CHAT, &ask("Who are you?", json!({"stop": stop}))).ok();
        let text = stopped["choices"][0]["message"]["content"].as_str().unwrap();
        assert!(text.ends_with("the ") && stopped["choices"][0]["finish_reason"] == "stop", "{text}");
    }
    let full = server
        .post(CHAT, &ask("Tell me a story.", json!({"num_ctx": 24, "max_tokens": 400, "ignore": 1})))
        .ok();
    assert_eq!(full["choices"][0]["finish_reason"], "length");
}

#[test]
fn a_text_that_does_not_fit_is_told() {
    let server = start();
    let long = "word ".repeat(600);
    for more in [json!({}), json!({"stream": true})] {
        let error = server.post(CHAT, &ask(&long, more)).refused(400);
        assert_eq!(error["code"], "context_length_exceeded", "{error}");
        // Programs that shorten a conversation and try again look for these words.
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("this model's maximum context length is"), "{message}");
    }
    let cut = server.post(CHAT, &ask(&long, json!({"truncate": true})));
    assert_eq!(cut.header("x-hob-context-truncated"), Some("true"));
    assert!(cut.ok()["usage"]["dropped_tokens"].as_u64().unwrap() > 0);
}

#[test]
fn several_answers_differ_by_seed_and_repeat_by_seed() {
    let server = start();
    let body = ask("Tell me a story.", json!({"n": 3, "temperature": 1.5, "seed": 7, "max_tokens": 12}));
    let texts = |answer: &Value| -> Vec<String> {
        answer["choices"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["message"]["content"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = server.post(CHAT, &body).ok();
    let again = server.post(CHAT, &body).ok();
    assert_eq!((texts(&first).len(), texts(&first)), (3, texts(&again)));
    assert!(texts(&first)[0] != texts(&first)[1] || texts(&first)[1] != texts(&first)[2]);
    assert!(first["usage"]["completion_tokens"].as_u64().unwrap() <= 36);
    let streamed = server
        .post(CHAT, &ask("Tell me a story.", json!({"n": 2, "stream": true, "max_tokens": 4})))
        .events();
    let indices: Vec<u64> =
        streamed.iter().map(|event| event["choices"][0]["index"].as_u64().unwrap()).collect();
    assert!(indices.contains(&0) && indices.contains(&1));
}

#[test]
fn log_probabilities() {
    let server = start();
    let whole = server
        .post(CHAT, &ask("Who are you?", json!({"logprobs": true, "top_logprobs": 2, "max_tokens": 4})))
        .ok();
    let content = whole["choices"][0]["logprobs"]["content"].as_array().unwrap();
    assert_eq!(content.len(), 4);
    for token in content {
        assert!(token["logprob"].as_f64().unwrap() <= 0.0);
        assert_eq!(token["top_logprobs"].as_array().unwrap().len(), 2);
        // Drawn without chance, the token is the likeliest.
        assert_eq!(token["top_logprobs"][0]["token"], token["token"]);
    }
    let text: String = content.iter().map(|token| token["token"].as_str().unwrap()).collect();
    assert_eq!(whole["choices"][0]["message"]["content"], text);
    let events = server
        .post(CHAT, &ask("Who are you?", json!({"logprobs": true, "stream": true, "max_tokens": 4})))
        .events();
    let entries: usize = events
        .iter()
        .filter_map(|event| event["choices"][0]["logprobs"]["content"].as_array().map(Vec::len))
        .sum();
    assert_eq!(entries, 4);
}

#[test]
fn json_by_schema() {
    let server = start();
    let schema = json!({"type": "object", "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "maximum": 99}},
        "required": ["name", "age"], "additionalProperties": false});
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "person", "strict": true, "schema": schema}});
    for stream in [false, true] {
        let body = ask(
            "Extract: Peter is 7.",
            json!({"response_format": format, "stream": stream, "temperature": 1.0, "max_tokens": 100}),
        );
        let answer = server.post(CHAT, &body);
        let text = if stream {
            joined(&answer.events())
        } else {
            answer.ok()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
        };
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(value["name"].is_string() && value["age"].is_i64(), "{value}");
    }
    let refused =
        json!({"type": "json_schema", "json_schema": {"schema": {"type": "object", "contains": {}}}});
    let error = server.post(CHAT, &ask("Hi", json!({"response_format": refused}))).refused(400);
    assert!(
        error["param"] == "response_format" && error["message"].as_str().unwrap().contains("#/contains"),
        "{error}"
    );
}

fn tools() -> Value {
    json!([{"type": "function", "function": {"name": "get_weather", "description": "Weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"], "additionalProperties": false}}},
        {"type": "function", "function": {"name": "add", "description": "Adds two numbers",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer", "maximum": 999}, "b": {"type": "integer", "maximum": 999}}, "required": ["a", "b"], "additionalProperties": false}}}])
}

#[test]
fn tools_are_called_as_chosen() {
    let server = start();
    let call = |choice: Value| {
        let body = ask(
            "What is the weather in Oslo?",
            json!({"tools": tools(), "tool_choice": choice, "max_tokens": 80}),
        );
        server.post(CHAT, &body).ok()["choices"][0].clone()
    };
    let named = call(json!({"type": "function", "function": {"name": "add"}}));
    assert_eq!((&named["finish_reason"], &named["message"]["content"]), (&json!("tool_calls"), &Value::Null));
    let function = &named["message"]["tool_calls"][0]["function"];
    let arguments: Value = serde_json::from_str(function["arguments"].as_str().unwrap()).unwrap();
    assert!(function["name"] == "add" && arguments["a"].is_i64() && arguments["b"].is_i64(), "{function}");
    assert!(
        call(json!("required"))["message"]["tool_calls"].as_array().is_some_and(|calls| !calls.is_empty())
    );
    assert!(call(json!("none"))["message"].get("tool_calls").is_none());
    assert_eq!(call(json!("auto"))["message"]["tool_calls"][0]["function"]["name"], "get_weather");
    let allowed = json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "add"}}]}});
    assert_eq!(call(allowed)["message"]["tool_calls"][0]["function"]["name"], "add");

    let body = ask(
        "What is the weather in Oslo?",
        json!({"tools": tools(), "tool_choice": "required", "stream": true, "max_tokens": 80}),
    );
    let events = server.post(CHAT, &body).events();
    let calls: Vec<&Value> = events
        .iter()
        .map(|event| &event["choices"][0]["delta"]["tool_calls"][0])
        .filter(|c| c.is_object())
        .collect();
    let arguments: String = calls.iter().filter_map(|call| call["function"]["arguments"].as_str()).collect();
    assert!(
        calls[0]["id"].is_string() && serde_json::from_str::<Value>(&arguments).unwrap()["city"].is_string(),
        "{calls:?}"
    );
}

#[test]
fn results_of_tools_are_read() {
    let server = start();
    let messages = json!([{"role": "user", "content": "What is the weather in Oslo?"},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\": \"Oslo\"}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain, 4 degrees"}]);
    let answer = server.post(CHAT, &json!({"model": "ember", "messages": messages, "tools": tools(), "max_tokens": 30, "temperature": 0})).ok();
    assert!(answer["usage"]["prompt_tokens"].as_u64().unwrap() > 40, "{answer}");
}

#[test]
fn wrong_fields_are_named() {
    let server = start();
    for (more, param) in [
        (json!({"model": 7}), "model"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": "hi"}), "messages"),
        (json!({"messages": [{"role": "king", "content": "x"}]}), "messages[0].role"),
        (json!({"messages": [{"role": "user", "content": 5}]}), "messages[0].content"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]}),
            "messages",
        ),
        (json!({"temperature": "hot"}), "temperature"),
        (json!({"temperature": 2.5}), "temperature"),
        (json!({"top_p": -1}), "top_p"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"n": 1_000_000}), "n"),
        (json!({"stop": [1]}), "stop"),
        (json!({"stream": "yes"}), "stream"),
        (json!({"seed": 1.5}), "seed"),
        (json!({"logit_bias": {"99999999": 1}}), "logit_bias"),
        (json!({"top_logprobs": 30}), "top_logprobs"),
        (json!({"response_format": {"type": "xml"}}), "response_format.type"),
        (json!({"tools": [{"type": "function"}]}), "tools[0].function"),
        (json!({"tools": [{"type": "custom", "custom": {}}]}), "tools[0].type"),
        (json!({"tool_choice": "required"}), "tool_choice"),
        (json!({"audio": {}}), "audio"),
        (json!({"keep_alive": "soon"}), "keep_alive"),
        (json!({"options": {"temperature": "x"}}), "options.temperature"),
    ] {
        let error = server.post(CHAT, &ask("Hi", more.clone())).refused(400);
        assert_eq!(
            (&error["param"], &error["type"]),
            (&json!(param), &json!("invalid_request_error")),
            "{more}: {error}"
        );
    }
}

#[test]
fn texts_are_continued() {
    let server = start();
    let body = json!({"model": "ember", "prompt": "Once upon a time", "max_tokens": 8, "temperature": 0, "logprobs": 2, "echo": true});
    let one = server.post("/v1/completions", &body).ok();
    let text = one["choices"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("Once upon a time") && text.len() > 20, "{text}");
    assert_eq!(one["choices"][0]["logprobs"]["tokens"].as_array().unwrap().len(), 8);
    let many = server
        .post(
            "/v1/completions",
            &json!({"model": "ember", "prompt": ["One", "Two"], "n": 2, "max_tokens": 2}),
        )
        .ok();
    assert_eq!(many["choices"].as_array().unwrap().len(), 4);
    assert_eq!(many["choices"][3]["index"], 3);
    assert_eq!(server.post("/v1/completions", &json!({"model": "ember", "prompt": [1, 2, 3]})).status, 200);
    let mut body = body;
    body["stream"] = true.into();
    let events = server.post("/v1/completions", &body).events();
    let streamed: String = events.iter().filter_map(|event| event["choices"][0]["text"].as_str()).collect();
    assert_eq!(streamed, text);
    for prompt in [json!([999_999]), json!({}), json!([["a"]]), json!([-1])] {
        server.post("/v1/completions", &json!({"model": "ember", "prompt": prompt})).refused(400);
    }
}

#[test]
fn texts_become_vectors() {
    let server = start();
    let body = json!({"model": "ember", "input": ["a cat", "a dog"]});
    let floats = server.post("/v1/embeddings", &body).ok();
    let vector: Vec<f64> =
        floats["data"][1]["embedding"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
    assert!((vector.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-4);
    assert!(floats["usage"]["prompt_tokens"].as_u64().unwrap() >= 4);
    let coded = server
        .post("/v1/embeddings", &json!({"model": "ember", "input": "a cat", "encoding_format": "base64"}))
        .ok();
    assert_eq!(coded["data"][0]["embedding"].as_str().unwrap().len(), (vector.len() * 4).div_ceil(3) * 4);
    let short =
        server.post("/v1/embeddings", &json!({"model": "ember", "input": "a cat", "dimensions": 8})).ok();
    assert_eq!(short["data"][0]["embedding"].as_array().unwrap().len(), 8);
    for input in [json!([]), json!(5), json!("word ".repeat(600))] {
        server.post("/v1/embeddings", &json!({"model": "ember", "input": input})).refused(400);
    }
}

/// Waits until `is_so`, at most ten seconds.
fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(10), "it never came to be");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn doing(server: &Running, what: &str) -> u64 {
    server.get("/hob/v1/status").ok()["loaded"][0][what].as_u64().unwrap_or(0)
}

#[test]
fn who_hangs_up_is_not_answered() {
    let server = start();
    // A bias against every end makes an answer long.
    let endless =
        json!({"stream": true, "max_tokens": 450, "logit_bias": {}, "temperature": 1.0, "stop": []});
    let open: Vec<_> =
        (0..4).map(|_| server.open(CHAT, &ask("Tell me a long story.", endless.clone()))).collect();
    drop(open);
    until(|| doing(&server, "running") == 0);
    let cancelled = || -> u64 {
        let page = server.get("/metrics").body;
        let line = page.lines().find_map(|line| line.strip_prefix("hob_answers_cancelled_total "));
        line.unwrap().parse().unwrap()
    };
    let before = cancelled();
    assert!(before > 0);
    // Neither does a client that waits for the whole keep a place once it has gone.
    let mut stream = TcpStream::connect(server.address).unwrap();
    let body =
        ask("Tell me a long story.", json!({"max_tokens": 450, "temperature": 1.0, "n": 8, "seed": 3}))
            .to_string();
    let head =
        format!("POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    until(|| doing(&server, "running") > 0);
    drop(stream);
    until(|| doing(&server, "running") == 0 && cancelled() > before);
}

#[test]
fn a_full_queue_is_told_with_a_time() {
    let mut config = config();
    config.models.parallel = 1;
    let server = start_with(config, Folder::new(&[], None));
    let body =
        ask("Tell me a long story.", json!({"stream": true, "max_tokens": 400, "n": 8, "temperature": 1.0}));
    let open: Vec<_> = (0..12).map(|_| server.open(CHAT, &body)).collect();
    let statuses: Vec<u16> = open.iter().map(|open| open.status).collect();
    let refused =
        open.into_iter().find(|open| open.status == 503).unwrap_or_else(|| panic!("{statuses:?}")).finish();
    assert!(refused.header("retry-after").is_some() && refused.json()["error"]["code"] == "queue_full");
}

#[test]
fn many_at_once_are_each_answered() {
    let server = start();
    let expected =
        server.post(CHAT, &ask("Who are you?", json!({}))).ok()["choices"][0]["message"]["content"].clone();
    std::thread::scope(|scope| {
        let one = || {
            server.post(CHAT, &ask("Who are you?", json!({}))).ok()["choices"][0]["message"]["content"]
                .clone()
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(one)).collect();
        threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), expected));
    });
}

#[test]
fn functions_are_tools_by_their_older_name() {
    let server = start();
    let city = json!({"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}}, "required": ["city"]});
    let function = json!({"name": "get_weather", "description": "Weather in a city", "parameters": city});
    let more = json!({"functions": [function], "function_call": {"name": "get_weather"}, "max_tokens": 60});
    let question = "What is the weather in Oslo?";
    let whole = server.post(CHAT, &ask(question, more.clone())).ok();
    let choice = &whole["choices"][0];
    assert_eq!(choice["finish_reason"], "function_call", "{whole}");
    assert!(choice["message"]["tool_calls"].is_null());
    let call = &choice["message"]["function_call"];
    let arguments: Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
    assert!(call["name"] == "get_weather" && arguments["city"].is_string());

    let mut streamed = ask(question, more);
    streamed["stream"] = true.into();
    let events = server.post(CHAT, &streamed).events();
    let calls: Vec<&Value> = events.iter().map(|e| &e["choices"][0]["delta"]["function_call"]).collect();
    let parts: String = calls.iter().filter_map(|call| call["arguments"].as_str()).collect();
    assert_eq!(parts, call["arguments"].as_str().unwrap());
    assert_eq!(events.last().unwrap()["choices"][0]["finish_reason"], "function_call");

    let mut answered = ask(question, json!({"functions": [function]}));
    let more = [
        json!({"role": "assistant", "content": null, "function_call": call}),
        json!({"role": "function", "name": "get_weather", "content": "rain"}),
    ];
    answered["messages"].as_array_mut().unwrap().extend(more);
    let second = server.post(CHAT, &answered).ok();
    assert!(second["usage"]["prompt_tokens"].as_u64() > whole["usage"]["prompt_tokens"].as_u64());
    let none =
        server.post(CHAT, &ask(question, json!({"functions": [function], "function_call": "none"}))).ok();
    assert!(none["choices"][0]["message"]["function_call"].is_null());
    let wrong = ask(question, json!({"functions": [function], "function_call": 5}));
    assert_eq!(server.post(CHAT, &wrong).refused(400)["param"], "function_call");
}

#[test]
fn objects_get_the_members_that_their_schema_names() {
    let server = start();
    let person =
        json!({"type": "object", "properties": {"age": {"type": "integer", "minimum": 1, "maximum": 9}}});
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": person}});
    for seed in 0..4 {
        let more = json!({"response_format": format, "temperature": 1.5, "seed": seed, "max_tokens": 40});
        let answer = server.post(CHAT, &ask("Who?", more)).ok();
        let found: Value =
            serde_json::from_str(answer["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
        assert!(found.as_object().unwrap().keys().all(|key| key == "age"), "{found}");
    }
    let tool = json!({"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}});
    let more =
        json!({"tools": [tool], "tool_choice": "required", "parallel_tool_calls": false, "max_tokens": 40});
    let answer = server.post(CHAT, &ask("When?", more)).ok();
    assert_eq!(answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"], "{}", "{answer}");
}

#[test]
fn an_answer_that_was_cut_is_gone_on_with() {
    let server = start();
    let talk = |extra: &[Value], cut: bool| {
        let mut messages = vec![json!({"role": "user", "content": "Tell me about the sea."})];
        messages.extend_from_slice(extra);
        json!({"model": "ember", "temperature": 0, "max_tokens": if cut { 6 } else { 12 }, "messages": messages,
            "continue_final_message": !extra.is_empty()})
    };
    let text = |answer: &Value| answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    let whole = text(&server.post("/v1/chat/completions", &talk(&[], false)).ok());
    let begun = text(&server.post("/v1/chat/completions", &talk(&[], true)).ok());
    let said = json!({"role": "assistant", "content": begun});
    let rest = text(&server.post("/v1/chat/completions", &talk(&[said], true)).ok());
    assert_eq!(begun + &rest, whole);
    let wrong = json!({"model": "ember", "continue_final_message": true, "messages": [{"role": "user", "content": "x"}]});
    assert_eq!(server.post("/v1/chat/completions", &wrong).refused(400)["param"], "continue_final_message");
}
