//! Conversations as clients of the OpenAI interface send them, through published templates.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests read fixtures and may panic")]

use std::path::{Path, PathBuf};

use hob::{Chat, ChatOptions, Error, LanguageModel, LocalTime, Options};
use serde_json::{Value, json};

const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");

/// A model that has no template of its own, and the folder of published ones.
fn shared() -> Option<(PathBuf, PathBuf)> {
    let model = Path::new(SHARED).join("models/stories260K-f32.gguf");
    let templates = Path::new(SHARED).join("fixtures/chat_templates");
    let missing = [&model, &templates].into_iter().find(|path| !path.exists());
    if let Some(path) = missing {
        eprintln!("SKIPPED: {} is not here", path.display());
        return None;
    }
    Some((model, templates))
}

fn chat(model: &Path, template: &Path) -> Chat {
    let template = Some(std::fs::read_to_string(template).unwrap());
    let model = LanguageModel::open(model, &Options { template, threads: 1, ..Options::default() }).unwrap();
    let now = LocalTime { year: 2026, month: 7, day: 26, hour: 12, minute: 34, second: 56 };
    model.chat(ChatOptions { now: Some(now), ..ChatOptions::default() })
}

/// The published templates with their names.
fn published() -> Vec<(String, Chat)> {
    let Some((model, folder)) = shared() else { return Vec::new() };
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jinja"));
    paths.sort();
    assert!(paths.len() >= 25, "{} templates", paths.len());
    let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    let open = |path: &PathBuf| {
        let (name, mut chat) = (name(path), chat(&model, path));
        // Those made for tools don't do without.
        chat.set_tools(name.ends_with("tool_use").then(tools));
        (name, chat)
    };
    paths.iter().map(open).collect()
}

fn one(name: &str) -> Option<Chat> {
    let (model, folder) = shared()?;
    Some(chat(&model, &folder.join(format!("{name}.jinja"))))
}

fn tools() -> Vec<Value> {
    let parameters =
        json!({"type": "object", "properties": {"city": {"type": "string", "description": "c"}}});
    let function = json!({"name": "get_weather", "description": "Weather.", "parameters": parameters});
    vec![json!({"type": "function", "function": function})]
}

/// A call with its result, in the form that transformers documents.
fn documented() -> Vec<Value> {
    let function = json!({"name": "get_weather", "arguments": {"city": "Paris"}});
    vec![
        json!({"role": "user", "content": "Weather in Paris?"}),
        json!({"role": "assistant", "content": "", "tool_calls": [{"id": "call00001", "type": "function", "function": function}]}),
        json!({"role": "tool", "tool_call_id": "call00001", "name": "get_weather", "content": "21 C"}),
    ]
}

/// The same as a client sends it.
fn sent(content: &Value) -> Vec<Value> {
    let function = json!({"name": "get_weather", "arguments": "{\"city\": \"Paris\"}"});
    let calls = json!([{"id": "call00001", "type": "function", "function": function}]);
    vec![
        json!({"role": "user", "content": [{"type": "text", "text": "Weather in Paris?"}], "name": null}),
        json!({"role": "assistant", "content": content, "refusal": null, "tool_calls": calls}),
        json!({"role": "tool", "tool_call_id": "call00001", "content": [{"type": "text", "text": "21 C"}]}),
    ]
}

#[test]
fn calls_of_tools_render_as_in_the_documented_form() {
    let (mut same, mut lost) = (Vec::new(), Vec::new());
    for (name, mut chat) in published() {
        chat.set_tools(Some(tools()));
        chat.set_messages(documented());
        let expected = chat.render_verbatim();
        // DeepSeek's template ends the turn twice beside empty text; beside null it does not.
        let content = if name.starts_with("deepseek") { json!("") } else { Value::Null };
        chat.set_messages(sent(&content));
        let found = chat.render();
        if chat.loses_tool_calls() {
            assert!(found.is_err() || !found.unwrap().contains("\"Paris\""), "{name}");
            lost.push(name);
        } else if let Ok(expected) = expected {
            assert_eq!(found.unwrap(), expected, "{name}");
            same.push(name);
        } else {
            // Only takes what clients send, such as arguments in a string.
            assert!(found.unwrap().contains("Paris"), "{name}");
        }
    }
    if same.is_empty() && lost.is_empty() {
        return;
    }
    for name in ["Qwen-Qwen3-0.6B", "meta-llama-Llama-3.2-3B-Instruct", "google-gemma-4-31B-it"] {
        assert!(same.iter().any(|same| same == name), "{name} is not among {same:?}");
    }
    for name in ["google-gemma-2-2b-it", "microsoft-Phi-3.5-mini-instruct"] {
        assert!(lost.iter().any(|lost| lost == name), "{name} is not among {lost:?}");
    }
}

#[test]
fn only_conversations_with_calls_lose_them() {
    let Some(mut chat) = one("microsoft-Phi-3.5-mini-instruct") else { return };
    chat.say("Hi");
    assert!(!chat.loses_tool_calls());
    chat.set_messages(sent(&Value::Null));
    assert!(chat.loses_tool_calls());
}

#[test]
fn instructions_reach_every_family() {
    for (name, mut chat) in published() {
        for role in ["system", "developer"] {
            chat.set_messages(vec![
                json!({"role": role, "content": "Be very brief."}),
                json!({"role": "user", "content": "Why is the sky blue?"}),
            ]);
            let text = chat.render().unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(text.contains("Be very brief.") && text.contains("sky blue?"), "{name}: {text}");
        }
    }
    let Some(mut chat) = one("google-gemma-2-2b-it") else { return };
    chat.set_system(Some("Be brief."));
    chat.say("Hi");
    assert!(chat.render_verbatim().is_err());
    assert!(chat.render().unwrap().contains("user\nBe brief.\n\nHi<"));
}

#[test]
fn an_answer_that_was_begun_is_left_open() {
    for (name, mut chat) in published() {
        chat.set_messages(vec![
            json!({"role": "user", "content": "Continue: one, two,"}),
            json!({"role": "assistant", "content": [{"type": "text", "text": "three, four,"}]}),
        ]);
        let text = chat.render_continued().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(text.ends_with("three, four,") && text.contains("one, two,"), "{name}: {text}");
    }
}

#[test]
fn pictures_are_refused_with_their_place() {
    let Some(mut chat) = one("Qwen-Qwen3-0.6B") else { return };
    chat.say("Hi");
    let picture = json!([{"type": "image_url", "image_url": {"url": "data:"}}]);
    chat.set_messages([chat.messages(), &[json!({"role": "user", "content": picture})]].concat());
    let error = chat.render().unwrap_err();
    assert!(matches!(error, Error::Tokenizer(_)));
    assert!(
        error.to_string().starts_with("message 2: expected parts of type text, found image_url"),
        "{error}"
    );
}
