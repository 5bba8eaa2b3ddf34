//! Messages, as Anthropic has them.
//!
//! A schema goes as a tool that has to be called, which every version of the interface knows; what it is called with is the answer.
//! Source: Anthropic's API reference, "Messages" and "Streaming messages".

use super::{
    Part, complaint, parse, put, put_decimal, put_form, put_schema, put_written, separated, text_at,
};
use crate::answer::Finish;
use crate::question::{calls, object, text};
use crate::{Choice, Error, Question, Target};
use hob_privacy::Draft;
use serde_json::Value;

/// The tool that takes an answer with a schema.
const ANSWER: &str = "answer";

pub(super) fn draft(target: &Target, question: &Question, max_tokens: u64) -> Result<Draft, Error> {
    let mut draft = Draft::new();
    draft.fixed("{\"model\":");
    draft.name(&target.model)?;
    draft.fixed(",\"stream\":true,\"max_tokens\":");
    draft.number(max_tokens);
    // The interface has temperatures up to 1.
    put_decimal(&mut draft, ",\"temperature\":", question.temperature.map(|heat| heat.min(1.0)));
    put_decimal(&mut draft, ",\"top_p\":", question.top_p);
    let is_system = |message: &&Value| message["role"] == "system" || message["role"] == "developer";
    let system: Vec<String> =
        question.messages.iter().filter(is_system).map(text).collect::<Result<_, _>>()?;
    put_system(&mut draft, question, &system.join("\n\n"));
    draft.fixed(",\"messages\":[");
    let rest: Vec<&Value> = question.messages.iter().filter(|message| !is_system(message)).collect();
    // Results of calls that were made at once have to stand in one message.
    let turns = rest.chunk_by(|one, next| one["role"] == "tool" && next["role"] == "tool");
    let mut failed = None;
    separated(&mut draft, turns, |draft, turn| {
        if let Err(error) = message(draft, turn) {
            failed = Some(error);
        }
    });
    put_written(&mut draft, question, rest.is_empty())?;
    draft.fixed("]");
    if let Some(error) = failed {
        return Err(error);
    }
    tools(&mut draft, question);
    draft.fixed("}");
    Ok(draft)
}

/// Instructions: those of this program's own as a block before the others.
fn put_system(draft: &mut Draft, question: &Question, system: &str) {
    if let Some(own) = &question.constants {
        draft.fixed(",\"system\":[{\"type\":\"text\",\"text\":");
        draft.fixed(own.system);
        if !system.is_empty() {
            draft.fixed("},{\"type\":\"text\",\"text\":");
            draft.words(system);
        }
        draft.fixed("}]");
    } else if !system.is_empty() {
        draft.fixed(",\"system\":");
        draft.words(system);
    }
}

/// A message, or several results of tools.
fn message(draft: &mut Draft, turn: &[&Value]) -> Result<(), Error> {
    let is_assistant = turn[0]["role"] == "assistant";
    draft.fixed(if is_assistant {
        "{\"role\":\"assistant\",\"content\":["
    } else {
        "{\"role\":\"user\",\"content\":["
    });
    let mut is_first = true;
    let mut begin = |draft: &mut Draft, start: &'static str| {
        if !std::mem::take(&mut is_first) {
            draft.fixed(",");
        }
        draft.fixed(start);
    };
    for said in turn {
        let words = text(said)?;
        if said["role"] == "tool" {
            begin(draft, "{\"type\":\"tool_result\",\"tool_use_id\":");
            draft.identifier(said["tool_call_id"].as_str().unwrap_or("call_0"));
            draft.fixed(",\"content\":");
            draft.words(&words);
            draft.fixed("}");
            continue;
        }
        // Empty texts are refused by the interface.
        if !words.is_empty() {
            begin(draft, "{\"type\":\"text\",\"text\":");
            draft.words(&words);
            draft.fixed("}");
        }
        for call in calls(said) {
            begin(draft, "{\"type\":\"tool_use\",\"id\":");
            draft.identifier(call.id);
            draft.fixed(",\"name\":");
            draft.identifier(call.name);
            draft.fixed(",\"input\":");
            put(draft, &Value::Object(object(&call.arguments).unwrap_or_default()));
            draft.fixed("}");
        }
    }
    draft.fixed("]}");
    Ok(())
}

fn tools(draft: &mut Draft, question: &Question) {
    let offered: Vec<_> = question.offered().collect();
    if offered.is_empty() && !question.has_schema() {
        return;
    }
    draft.fixed(",\"tools\":[");
    separated(draft, &offered, |draft, tool| {
        draft.fixed("{\"name\":");
        draft.identifier(tool.name);
        if let Some(about) = tool.about {
            draft.fixed(",\"description\":");
            draft.words(about);
        }
        draft.fixed(",\"input_schema\":");
        match tool.parameters {
            Some(parameters) => put_schema(draft, parameters),
            None => draft.fixed("{\"type\":\"object\"}"),
        }
        draft.fixed("}");
    });
    if question.has_schema() {
        if !offered.is_empty() {
            draft.fixed(",");
        }
        draft.fixed(
            "{\"name\":\"answer\",\"description\":\"Gives the answer in its final form.\",\"input_schema\":",
        );
        put_form(draft, question);
        draft.fixed("}");
    }
    draft.fixed("],\"tool_choice\":");
    match (&question.choice, question.has_schema()) {
        (Some(Choice::Named(name)), _) => {
            draft.fixed("{\"type\":\"tool\",\"name\":");
            draft.identifier(name);
            draft.fixed("}");
        }
        (None, true) => draft.fixed("{\"type\":\"tool\",\"name\":\"answer\"}"),
        (Some(Choice::Required), _) | (Some(_), true) => draft.fixed("{\"type\":\"any\"}"),
        _ => draft.fixed("{\"type\":\"auto\"}"),
    }
}

/// An event of a stream. A block's number tells which call a piece belongs to.
pub(super) fn read(data: &str) -> Result<Vec<Part>, String> {
    let event = parse(data)?;
    let index = event["index"].as_u64().unwrap_or(0);
    Ok(match event["type"].as_str() {
        Some("message_start") => tokens(&event["message"]["usage"]),
        Some("content_block_start") => begun(&event["content_block"], index),
        Some("content_block_delta") => {
            let delta = &event["delta"];
            let thought = text_at(delta, "/thinking").map(Part::Thought);
            let text = text_at(delta, "/text").map(Part::Text);
            let arguments = text_at(delta, "/partial_json").map(|text| Part::Arguments { index, text });
            thought.into_iter().chain(text).chain(arguments).collect()
        }
        Some("message_delta") => {
            let ended = finish(&event["delta"]["stop_reason"]);
            ended.into_iter().chain(tokens(&event["usage"])).collect()
        }
        Some("message_stop") => vec![Part::Done],
        Some("error") => vec![Part::Failed(complaint(data))],
        _ => Vec::new(),
    })
}

/// An answer in one piece.
pub(super) fn read_whole(text: &str) -> Result<Vec<Part>, String> {
    let whole = parse(text)?;
    let mut parts = Vec::new();
    for (index, block) in whole["content"].as_array().into_iter().flatten().enumerate() {
        let index = index as u64;
        parts.extend(begun(block, index));
        if let Some(input) = block.get("input").filter(|input| input.is_object()) {
            parts.push(Part::Arguments { index, text: input.to_string() });
        }
    }
    parts.extend(finish(&whole["stop_reason"]));
    parts.extend(tokens(&whole["usage"]));
    parts.push(Part::Done);
    Ok(parts)
}

/// A block of an answer. The input of a call that begins in a stream is empty still.
fn begun(block: &Value, index: u64) -> Vec<Part> {
    let part = match block["type"].as_str() {
        Some("text") => text_at(block, "/text").map(Part::Text),
        Some("thinking") => text_at(block, "/thinking").map(Part::Thought),
        Some("tool_use") => {
            let id = text_at(block, "/id");
            text_at(block, "/name").map(|name| Part::Call { index, id, name })
        }
        _ => None,
    };
    part.into_iter().collect()
}

fn tokens(usage: &Value) -> Vec<Part> {
    if !usage.is_object() {
        return Vec::new();
    }
    // What is read from a cache, or into one, is told apart from the rest; all of it was read.
    let count = |name: &str| usage[name].as_u64();
    let read = count("input_tokens").map(|rest| {
        let cached = count("cache_read_input_tokens").unwrap_or(0);
        rest.saturating_add(cached).saturating_add(count("cache_creation_input_tokens").unwrap_or(0))
    });
    vec![Part::Tokens { read, written: count("output_tokens") }]
}

fn finish(reason: &Value) -> Option<Part> {
    Some(Part::Finish(match reason.as_str()? {
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "refusal" => Finish::Refused,
        _ => Finish::Stop,
    }))
}

/// Whether a call is how an answer with a schema comes.
pub(crate) fn is_answer(name: &str) -> bool {
    name == ANSWER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_says_what_a_whole_answer_says() {
        let events = [
            r#"{"type":"message_start","message":{"usage":{"input_tokens":5,"cache_read_input_tokens":2,"output_tokens":1}}}"#,
            r#"{"type":"ping"}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"look","input":{}}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"at\":"}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"1}"}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":9}}"#,
            r#"{"type":"message_stop"}"#,
        ];
        let streamed: Vec<Part> = events.iter().flat_map(|event| read(event).unwrap()).collect();
        let expected = [
            Part::Tokens { read: Some(7), written: Some(1) },
            Part::Text("Hi".into()),
            Part::Call { index: 1, id: Some("t".into()), name: "look".into() },
            Part::Arguments { index: 1, text: "{\"at\":".into() },
            Part::Arguments { index: 1, text: "1}".into() },
            Part::Finish(Finish::Stop),
            Part::Tokens { read: None, written: Some(9) },
            Part::Done,
        ];
        assert_eq!(streamed, expected);
        let whole = r#"{"type":"message","content":[{"type":"text","text":"Hi"},{"type":"tool_use","id":"t","name":"look","input":{"at":1}}],"stop_reason":"max_tokens","usage":{"input_tokens":7,"output_tokens":9}}"#;
        let expected = [
            Part::Text("Hi".into()),
            Part::Call { index: 1, id: Some("t".into()), name: "look".into() },
            Part::Arguments { index: 1, text: "{\"at\":1}".into() },
            Part::Finish(Finish::Length),
            Part::Tokens { read: Some(7), written: Some(9) },
            Part::Done,
        ];
        assert_eq!(read_whole(whole).unwrap(), expected);
    }

    #[test]
    fn errors_in_a_stream_are_told() {
        let event = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
        assert_eq!(read(event).unwrap(), [Part::Failed("Overloaded".into())]);
    }
}
