//! Chat completions, as OpenAI has them and many others do.
//!
//! Source: OpenAI's API reference, "Chat completions"; vLLM and llama-server for `reasoning_content`.

use super::{Part, parse, put_arguments, put_decimal, put_form, put_schema, put_written, separated, text_at};
use crate::answer::Finish;
use crate::question::{calls, text};
use crate::{Choice, Error, Question, Target};
use hob_privacy::Draft;
use serde_json::Value;

/// The host that knows the limit of an answer by its newer name only.
const NEWER: &str = "api.openai.com";

pub(super) fn draft(target: &Target, question: &Question, max_tokens: u64) -> Result<Draft, Error> {
    let mut draft = Draft::new();
    draft.fixed("{\"model\":");
    draft.name(&target.model)?;
    draft.fixed(",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    let is_newer = target.endpoint()?.origin().host() == NEWER;
    draft.fixed(if is_newer { ",\"max_completion_tokens\":" } else { ",\"max_tokens\":" });
    draft.number(max_tokens);
    put_decimal(&mut draft, ",\"temperature\":", question.temperature);
    put_decimal(&mut draft, ",\"top_p\":", question.top_p);
    draft.fixed(",\"messages\":[");
    if let Some(own) = &question.constants {
        draft.fixed("{\"role\":\"system\",\"content\":");
        draft.fixed(own.system);
        draft.fixed(if question.messages.is_empty() { "}" } else { "}," });
    }
    let mut failed = None;
    separated(&mut draft, &question.messages, |draft, said| {
        if let Err(error) = message(draft, said) {
            failed = Some(error);
        }
    });
    put_written(&mut draft, question, question.messages.is_empty())?;
    draft.fixed("]");
    if let Some(error) = failed {
        return Err(error);
    }
    tools(&mut draft, question);
    if question.has_schema() {
        draft.fixed(",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answer\",\"strict\":true,\"schema\":");
        put_form(&mut draft, question);
        draft.fixed("}}");
    }
    draft.fixed("}");
    Ok(draft)
}

fn message(draft: &mut Draft, said: &Value) -> Result<(), Error> {
    let role = match said["role"].as_str() {
        Some("system" | "developer") => "{\"role\":\"system\",\"content\":",
        Some("assistant") => "{\"role\":\"assistant\",\"content\":",
        Some("tool") => "{\"role\":\"tool\",\"content\":",
        _ => "{\"role\":\"user\",\"content\":",
    };
    draft.fixed(role);
    draft.words(&text(said)?);
    if said["role"] == "tool" {
        draft.fixed(",\"tool_call_id\":");
        draft.identifier(said["tool_call_id"].as_str().unwrap_or("call_0"));
    }
    let calls = calls(said);
    if !calls.is_empty() {
        draft.fixed(",\"tool_calls\":[");
        separated(draft, &calls, |draft, call| {
            draft.fixed("{\"type\":\"function\",\"id\":");
            draft.identifier(call.id);
            draft.fixed(",\"function\":{\"name\":");
            draft.identifier(call.name);
            draft.fixed(",\"arguments\":");
            put_arguments(draft, &call.arguments);
            draft.fixed("}}");
        });
        draft.fixed("]");
    }
    draft.fixed("}");
    Ok(())
}

fn tools(draft: &mut Draft, question: &Question) {
    if question.offered().next().is_none() {
        return;
    }
    draft.fixed(",\"tools\":[");
    separated(draft, question.offered(), |draft, tool| {
        draft.fixed("{\"type\":\"function\",\"function\":{\"name\":");
        draft.identifier(tool.name);
        if let Some(about) = tool.about {
            draft.fixed(",\"description\":");
            draft.words(about);
        }
        if let Some(parameters) = tool.parameters {
            draft.fixed(",\"parameters\":");
            put_schema(draft, parameters);
        }
        draft.fixed("}}");
    });
    draft.fixed("],\"tool_choice\":");
    match &question.choice {
        Some(Choice::Required) => draft.fixed("\"required\""),
        Some(Choice::Named(name)) => {
            draft.fixed("{\"type\":\"function\",\"function\":{\"name\":");
            draft.identifier(name);
            draft.fixed("}}");
        }
        _ => draft.fixed("\"auto\""),
    }
}

/// An event of a stream, or a whole answer: what the one calls `delta`, the other calls `message`.
pub(super) fn read(data: &str) -> Result<Vec<Part>, String> {
    if data.trim() == "[DONE]" {
        return Ok(vec![Part::Done]);
    }
    let event = parse(data)?;
    if event.get("error").is_some_and(|error| !error.is_null()) {
        return Ok(vec![Part::Failed(super::complaint(data))]);
    }
    let mut parts = Vec::new();
    let choice = &event["choices"][0];
    let (delta, is_whole) = match choice.get("message") {
        Some(message) => (message, true),
        None => (&choice["delta"], false),
    };
    let thought = text_at(delta, "/reasoning_content").or_else(|| text_at(delta, "/reasoning"));
    parts.extend(thought.map(Part::Thought));
    parts.extend(text_at(delta, "/content").or_else(|| text_at(delta, "/refusal")).map(Part::Text));
    for (place, call) in delta["tool_calls"].as_array().into_iter().flatten().enumerate() {
        let index = call["index"].as_u64().unwrap_or(place as u64);
        let id = text_at(call, "/id");
        parts.extend(text_at(call, "/function/name").map(|name| Part::Call { index, id, name }));
        parts.extend(text_at(call, "/function/arguments").map(|text| Part::Arguments { index, text }));
    }
    parts.extend(match choice["finish_reason"].as_str() {
        Some("length") => Some(Part::Finish(Finish::Length)),
        Some("content_filter") => Some(Part::Finish(Finish::Refused)),
        Some(_) => Some(Part::Finish(Finish::Stop)),
        None => None,
    });
    if let Some(usage) = event.get("usage").filter(|usage| usage.is_object()) {
        let (read, written) = (usage["prompt_tokens"].as_u64(), usage["completion_tokens"].as_u64());
        parts.push(Part::Tokens { read, written });
    }
    if is_whole {
        parts.push(Part::Done);
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deltas_and_whole_answers_say_the_same() {
        let delta = r#"{"choices":[{"index":0,"delta":{"content":"Hi","tool_calls":[{"index":1,"id":"a","function":{"name":"look","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
        let whole = delta.replace("\"delta\"", "\"message\"");
        let expected = [
            Part::Text("Hi".into()),
            Part::Call { index: 1, id: Some("a".into()), name: "look".into() },
            Part::Arguments { index: 1, text: "{}".into() },
            Part::Finish(Finish::Stop),
            Part::Tokens { read: Some(3), written: Some(4) },
        ];
        assert_eq!(read(delta).unwrap(), expected);
        assert_eq!(read(&whole).unwrap(), [&expected[..], &[Part::Done]].concat());
    }

    #[test]
    fn what_is_odd_is_passed_over_or_named() {
        assert_eq!(read("[DONE]").unwrap(), [Part::Done]);
        for odd in ["{}", "[]", "null", r#"{"choices":[]}"#, r#"{"choices":[{"delta":null}],"usage":null}"#] {
            assert_eq!(read(odd).unwrap(), [], "{odd}");
        }
        assert_eq!(read(r#"{"error":{"message":"too busy"}}"#).unwrap(), [Part::Failed("too busy".into())]);
        assert!(read("{").unwrap_err().contains("no JSON"));
    }
}
