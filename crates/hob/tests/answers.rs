//! Many answers at once with the built-in model: the same text as alone, calls in the form of its template.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use hob::{
    AnswerEvent, AnswerOptions, Answers, Calling, ChatOptions, Conversation, Grammar, LanguageModel, OnFull,
    Options, Piece, Prepared, Prompt, Reply, SamplerConfig, SchedulerConfig, ToolChoice,
};
use hob_engine::SessionConfig;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

fn ember() -> LanguageModel {
    LanguageModel::new(hob::builtin().unwrap(), &Options { threads: 1, ..Options::default() }).unwrap()
}

fn options(max_tokens: usize) -> AnswerOptions<'static> {
    AnswerOptions {
        sampler: Some(SamplerConfig::greedy()),
        max_tokens: Some(max_tokens),
        ..AnswerOptions::default()
    }
}

fn asked(text: &str) -> Conversation {
    Conversation { messages: vec![json!({"role": "user", "content": text})], ..Conversation::default() }
}

/// Runs everything to its end. The pieces of an answer, joined, are its reply.
fn run(model: &LanguageModel, all: Vec<Prepared>) -> Vec<Reply> {
    let mut answers = Answers::new(model.clone(), SchedulerConfig::default());
    let session = SessionConfig { context: 512, on_full: OnFull::Error };
    let ids: Vec<_> = all.into_iter().map(|prepared| answers.submit(prepared, session).unwrap()).collect();
    let (mut said, mut replies) = (BTreeMap::<_, String>::new(), BTreeMap::new());
    while !answers.is_idle() {
        answers.step(Duration::ZERO, &mut |id, event| {
            let pieces = match event {
                AnswerEvent::Token { pieces, .. } => pieces,
                AnswerEvent::Ended { pieces, reply, .. } => {
                    assert!(replies.insert(id, *reply).is_none(), "ended twice");
                    pieces
                }
                AnswerEvent::Failed(error) => panic!("{error}"),
                AnswerEvent::Prefill { .. } => Vec::new(),
            };
            for piece in pieces {
                if let Piece::Text(text) = piece {
                    said.entry(id).or_default().push_str(&text);
                }
            }
        });
    }
    ids.iter().for_each(|id| assert_eq!(said.get(id).cloned().unwrap_or_default(), replies[id].text));
    ids.iter().map(|id| replies[id].clone()).collect()
}

#[test]
fn together_as_alone() {
    let model = ember();
    let questions = ["Who are you?", "What is the capital of France?", "Tell me a story about a fox."];
    let alone: Vec<Reply> = questions
        .iter()
        .map(|question| {
            let mut chat = model.chat(ChatOptions { context: Some(512), ..ChatOptions::default() });
            chat.say(question);
            chat.answer(&mut options(24)).unwrap().finish().unwrap()
        })
        .collect();
    let prepared = questions.iter().map(|question| {
        let prompt = Prompt::chat(&model, &asked(question), None).unwrap();
        Prepared::new(&model, &prompt, &options(24)).unwrap()
    });
    let together = run(&model, prepared.collect());
    for (one, other) in alone.iter().zip(&together) {
        assert_eq!((&one.text, one.tokens, one.finish), (&other.text, other.tokens, other.finish));
    }
}

#[test]
fn a_stop_text_ends_an_answer_and_is_named() {
    let model = ember();
    let prompt = Prompt::chat(&model, &asked("Who are you?"), None).unwrap();
    let with_stop = AnswerOptions { stop: vec!["zebra".into(), "small".into()], ..options(24) };
    let reply = run(&model, vec![Prepared::new(&model, &prompt, &with_stop).unwrap()]).remove(0);
    assert_eq!(reply.stopped_by.as_deref(), Some("small"));
    assert!(reply.text.ends_with("the ") && !reply.text.contains("small"), "{:?}", reply.text);
}

fn tools() -> Vec<Value> {
    let text = json!({"type": "string"});
    let weather = json!({"type": "object", "properties": {"city": text}, "required": ["city"], "additionalProperties": false});
    let add = json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"], "additionalProperties": false});
    vec![
        json!({"type": "function", "function": {"name": "get_weather", "description": "Weather in a city", "parameters": weather}}),
        json!({"type": "function", "function": {"name": "add", "description": "Adds two numbers", "parameters": add}}),
    ]
}

fn call(text: &str, choice: ToolChoice, parallel: bool, grammar: Option<Grammar>) -> Reply {
    let model = ember();
    assert!(model.can_call_tools());
    let conversation = Conversation { tools: Some(tools()), ..asked(text) };
    let calling = Calling::new(&tools(), choice, parallel).unwrap();
    let prompt = Prompt::chat(&model, &conversation, Some(&calling)).unwrap();
    let options = AnswerOptions { grammar, ..options(80) };
    run(&model, vec![Prepared::new(&model, &prompt, &options).unwrap()]).remove(0)
}

#[test]
fn required_and_named_tools_are_called_with_arguments_that_fit() {
    let reply = call("What is the weather in Oslo?", ToolChoice::Required, false, None);
    assert_eq!((reply.calls.len(), reply.text.as_str()), (1, ""), "{reply:?}");
    let named = call("What is the weather in Oslo?", ToolChoice::Named("add".into()), false, None);
    assert_eq!(named.calls[0].name, "add");
    assert!(named.calls[0].arguments["a"].is_i64() && named.calls[0].arguments.len() == 2, "{named:?}");
}

#[test]
fn a_model_may_call_or_not() {
    let reply = call("What is the weather in Oslo?", ToolChoice::Auto, true, None);
    assert_eq!(reply.calls.first().map(|call| call.name.as_str()), Some("get_weather"), "{reply:?}");
    let reply = call("Who are you?", ToolChoice::Auto, true, None);
    assert!(reply.calls.is_empty() && reply.text.contains("Ember"), "{reply:?}");
    let schema = json!({"type": "object", "properties": {"who": {"type": "string", "maxLength": 9}}, "required": ["who"],
        "additionalProperties": false});
    let reply = call("Who are you?", ToolChoice::Auto, true, Some(Grammar::json_schema(schema)));
    assert!(
        !reply.calls.is_empty() || serde_json::from_str::<Value>(&reply.text).unwrap()["who"].is_string(),
        "{reply:?}"
    );
}

#[test]
fn tools_that_cannot_be_offered_are_refused() {
    assert!(Calling::new(&[json!({"function": {}})], ToolChoice::Auto, true).is_err());
    assert!(Calling::new(&tools(), ToolChoice::Named("gone".into()), true).is_err());
    let strict = |strict: bool| {
        let parameters = json!({"type": "object", "contains": {}});
        let tool = json!({"type": "function", "function": {"name": "f", "parameters": parameters, "strict": strict}});
        let calling = Calling::new(&[tool], ToolChoice::Required, true).unwrap();
        let model = ember();
        let prompt = Prompt::chat(&model, &asked("a"), Some(&calling)).unwrap();
        Prepared::new(&model, &prompt, &options(8)).map(drop)
    };
    assert!(strict(true).is_err() && strict(false).is_ok());
}
