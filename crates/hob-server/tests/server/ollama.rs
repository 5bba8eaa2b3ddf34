//! The interface of Ollama.

use crate::client::start;
use serde_json::{Value, json};

fn chat(text: &str, more: Value) -> Value {
    let mut body = json!({"model": "ember", "messages": [{"role": "user", "content": text}],
        "options": {"temperature": 0, "num_predict": 24}});
    more.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
    body
}

#[test]
fn models_are_told() {
    let server = start();
    assert!(server.get("/api/version").ok()["version"].is_string());
    let tags = server.get("/api/tags").ok();
    assert_eq!(tags["models"][0]["name"], "ember");
    assert_eq!(tags["models"][0]["digest"].as_str().unwrap().len(), 64);
    assert_eq!(server.get("/api/ps").ok()["models"], json!([]));
    let show = server.post("/api/show", &json!({"model": "ember:latest"})).ok();
    assert!(show["capabilities"].as_array().unwrap().contains(&json!("tools")), "{show}");
    assert_eq!(show["model_info"]["general.architecture"], show["details"]["family"]);
    assert!(show["details"]["parameter_size"].as_str().unwrap().ends_with('M'), "{show}");
    assert!(server.post("/api/show", &json!({"model": "none"})).refused(404).is_string());
    for (path, method) in [
        ("/api/pull", "POST"),
        ("/api/push", "POST"),
        ("/api/create", "POST"),
        ("/api/copy", "POST"),
        ("/api/delete", "DELETE"),
    ] {
        // A server without a place for models.
        let body =
            json!({"model": "x", "from": "ember", "source": "ember", "destination": "x", "stream": false});
        let answer = server.send(method, path, &[], &body.to_string()).finish();
        assert!(answer.refused(501).is_string(), "{path}");
    }
}

#[test]
fn lines_say_what_one_piece_says() {
    let server = start();
    let whole = server.post("/api/chat", &chat("Who are you?", json!({"stream": false}))).ok();
    let text = whole["message"]["content"].as_str().unwrap();
    assert!(text.contains("Ember") && whole["done"] == true && whole["done_reason"] == "stop", "{whole}");
    for key in [
        "total_duration",
        "load_duration",
        "prompt_eval_count",
        "prompt_eval_duration",
        "eval_count",
        "eval_duration",
    ] {
        assert!(whole[key].is_u64(), "{key}: {whole}");
    }
    let answer = server.post("/api/chat", &chat("Who are you?", json!({})));
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let lines = answer.lines();
    let streamed: String = lines.iter().map(|line| line["message"]["content"].as_str().unwrap()).collect();
    assert_eq!(streamed, text);
    assert!(lines[..lines.len() - 1].iter().all(|line| line["done"] == false));
    let last = &lines[lines.len() - 1];
    assert_eq!((&last["done"], &last["eval_count"]), (&json!(true), &whole["eval_count"]));
    let ps = server.get("/api/ps").ok();
    assert!(ps["models"][0]["context_length"] == 512 && ps["models"][0]["expires_at"].is_string(), "{ps}");
}

#[test]
fn one_text_is_answered_or_continued() {
    let server = start();
    let body = json!({"model": "ember", "prompt": "Who are you?", "stream": false, "options": {"temperature": 0, "num_predict": 20}});
    assert!(server.post("/api/generate", &body).ok()["response"].as_str().unwrap().contains("Ember"));
    let mut raw = body.clone();
    raw["raw"] = true.into();
    assert_ne!(
        server.post("/api/generate", &raw).ok()["response"],
        server.post("/api/generate", &body).ok()["response"]
    );
    let stopped = json!({"model": "ember", "prompt": "Who are you?", "stream": false, "options": {"temperature": 0, "stop": ["small"]}});
    assert!(server.post("/api/generate", &stopped).ok()["response"].as_str().unwrap().ends_with("the "));
    for more in [
        json!({"suffix": "x"}),
        json!({"context": [1]}),
        json!({"images": ["aGk="]}),
        json!({"template": "x"}),
        json!({"options": {"top_k": "many"}}),
        json!({"think": true}),
        json!({"format": 5}),
    ] {
        let mut body = body.clone();
        more.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
        assert!(server.post("/api/generate", &body).refused(400).is_string(), "{more}");
    }
}

#[test]
fn models_come_and_go_as_asked() {
    let server = start();
    let load = server.post("/api/generate", &json!({"model": "ember", "keep_alive": "10m"})).ok();
    assert_eq!((&load["done_reason"], &load["response"]), (&json!("load"), &json!("")));
    assert_eq!(server.get("/api/ps").ok()["models"].as_array().unwrap().len(), 1);
    let unload = server.post("/api/chat", &json!({"model": "ember", "messages": [], "keep_alive": 0})).ok();
    assert_eq!(unload["done_reason"], "unload");
    assert_eq!(server.get("/api/ps").ok()["models"], json!([]));
    assert!(server.get("/hob/v1/status").ok()["unloaded"][0]["reason"].is_string());
    // With no time to stay, a model goes once its answer is there.
    server.post("/api/chat", &chat("Hi", json!({"stream": false, "keep_alive": "0s"}))).ok();
    std::thread::sleep(std::time::Duration::from_millis(900));
    assert_eq!(server.get("/api/ps").ok()["models"], json!([]));
}

#[test]
fn formats_and_tools() {
    let server = start();
    let schema = json!({"type": "object", "properties": {"age": {"type": "integer", "maximum": 99}}, "required": ["age"], "additionalProperties": false});
    let body = chat("Peter is 7 years old.", json!({"stream": false, "format": schema}));
    let text = server.post("/api/chat", &body).ok()["message"]["content"].as_str().unwrap().to_owned();
    assert!(serde_json::from_str::<Value>(&text).unwrap()["age"].is_i64(), "{text}");
    let tool = json!({"type": "function", "function": {"name": "get_weather", "description": "Weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"]}}});
    for stream in [false, true] {
        let more =
            json!({"stream": stream, "tools": [tool], "options": {"temperature": 0, "num_predict": 80}});
        let answer = server.post("/api/chat", &chat("What is the weather in Oslo?", more));
        let call = answer
            .lines()
            .iter()
            .find_map(|line| line["message"]["tool_calls"][0]["function"].as_object().cloned());
        let call = call.unwrap_or_else(|| panic!("{}", answer.body));
        assert!(call["name"] == "get_weather" && call["arguments"]["city"].is_string());
    }
    let messages = json!([{"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "get_weather", "arguments": {"city": "Oslo"}}}]},
        {"role": "tool", "tool_name": "get_weather", "content": "rain"}]);
    server
        .post(
            "/api/chat",
            &json!({"model": "ember", "messages": messages, "stream": false, "options": {"num_predict": 8}}),
        )
        .ok();
}

#[test]
fn vectors() {
    let server = start();
    let many = server.post("/api/embed", &json!({"model": "ember", "input": ["a", "b"]})).ok();
    assert_eq!(many["embeddings"].as_array().unwrap().len(), 2);
    let one = server.post("/api/embeddings", &json!({"model": "ember", "prompt": "a"})).ok();
    assert_eq!(one["embedding"], many["embeddings"][0]);
    assert!(
        server
            .post("/api/embed", &json!({"model": "ember", "input": "word ".repeat(600)}))
            .refused(400)
            .is_string()
    );
    server
        .post("/api/embed", &json!({"model": "ember", "input": "word ".repeat(600), "truncate": true}))
        .ok();
}
