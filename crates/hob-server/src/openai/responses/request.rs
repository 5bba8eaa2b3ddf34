//! A request for a response, read: items become messages.

use super::Store;
use super::object::Frame;
use crate::ask::{Ask, Input, Talk};
use crate::fields::Fields;
use crate::openai::chat_request::{format_grammar, tool_choice};
use crate::problem::{Kind, Problem};
use crate::{clock, ids, limits, reading};
use hob::Conversation;
use serde_json::{Value, json};

/// What is asked for.
pub struct Request {
    pub ask: Ask,
    pub frame: Frame,
    /// All items, those of earlier responses included.
    pub items: Vec<Value>,
    pub stream: bool,
    pub store: bool,
}

/// Reads the body of a request.
///
/// # Errors
/// The first field that is not as it should be.
pub fn read(body: &Value, stored: &Store) -> Result<Request, Problem> {
    let fields = Fields::of(body, "")?;
    let model = fields.need_text("model")?;
    refuse(&fields)?;
    let items = items(&fields, stored)?;
    let mut messages = Vec::new();
    if let Some(instructions) = fields.text("instructions")? {
        messages.push(json!({"role": "system", "content": instructions}));
    }
    for (index, item) in items.iter().enumerate() {
        message(item, &format!("input[{index}]"), &mut messages)?;
    }
    let mut tools = tools(&fields)?;
    let choice = tool_choice(&fields, &mut tools)?;
    let is_offered = choice.is_some() && !tools.is_empty();
    let reasoning = fields.object("reasoning")?;
    let effort = reasoning.map_or(Ok(None), |reasoning| reasoning.text("effort"))?;
    let conversation = Conversation {
        messages,
        tools: is_offered.then_some(tools),
        think: effort.map(|effort| effort != "none"),
        now: Some(clock::local()),
        ..Conversation::default()
    };
    let parallel = fields.flag("parallel_tool_calls")?.unwrap_or(true);
    let talk = Talk { conversation, choice, parallel, is_continued: false };
    let mut ask = Ask::new(model, Input::Chat(Box::new(talk)));
    ask.sampling = reading::sampling(&fields)?;
    let top = fields.whole("top_logprobs", 0..=limits::TOP_LOGPROBS_MAX)?;
    let include = fields.list("include", 16)?.unwrap_or_default();
    let wants_logprobs = include.iter().any(|item| item == "message.output_text.logprobs");
    ask.sampling.logprobs = wants_logprobs.then(|| top.unwrap_or(0) as u32);
    ask.max_tokens = reading::tokens(&fields, "max_output_tokens")?;
    if let Some(format) = fields.object("text")?.map(|text| text.object("format")).transpose()?.flatten() {
        ask.grammar = format_grammar(&format, format.get("schema"))?;
    }
    reading::extensions(&fields, &mut ask)?;
    if let Some(before) = fields.text("previous_response_id")?.and_then(|id| stored.leave(id)) {
        ask.leave.go_on_from(before);
    }
    ask.may_drop |= match fields.text("truncation")? {
        None | Some("disabled") => false,
        Some("auto") => true,
        Some(_) => return Err(fields.wrong("truncation", "auto or disabled")),
    };
    let store = fields.flag("store")?.unwrap_or(true);
    let stream = fields.flag("stream")?.unwrap_or(false);
    let frame = Frame::new(&fields, store);
    Ok(Request { ask, frame, items, stream, store })
}

fn refuse(fields: &Fields<'_>) -> Result<(), Problem> {
    let refused = |key: &str, why: &str| {
        Err(Problem::invalid(key, format!("{key}: {why}")).code("unsupported_parameter"))
    };
    if fields.flag("background")?.unwrap_or(false) {
        return refused("background", "answers are given at once here");
    }
    for key in ["prompt", "conversation"] {
        if fields.get(key).is_some() {
            return refused(key, "is kept nowhere here; send input, or previous_response_id");
        }
    }
    Ok(())
}

/// What is answered: earlier items, then those of the request, each with an id.
fn items(fields: &Fields<'_>, stored: &Store) -> Result<Vec<Value>, Problem> {
    let mut all = match fields.text("previous_response_id")? {
        None => Vec::new(),
        Some(id) => stored.conversation(id).ok_or_else(|| {
            let id: String = id.chars().take(100).collect();
            let problem = Problem::new(Kind::NotFound, format!("there is no response {id:?}"));
            Problem {
                param: Some("previous_response_id".into()),
                ..problem.code("previous_response_not_found")
            }
        })?,
    };
    match fields.get("input") {
        Some(Value::String(text)) => all
            .push(json!({"id": ids::new("msg_"), "type": "message", "role": "user", "status": "completed",
                "content": [{"type": "input_text", "text": text}]})),
        Some(Value::Array(items)) if items.len() <= limits::MESSAGES_MAX => {
            all.extend(items.iter().cloned().map(|mut item| {
                if let Some(members) = item.as_object_mut() {
                    members.entry("id").or_insert_with(|| ids::new("item_").into());
                }
                item
            }));
        }
        None if !all.is_empty() => {}
        _ => return Err(fields.wrong("input", "a string or a list of items")),
    }
    if all.is_empty() || all.len() > limits::MESSAGES_MAX {
        return Err(fields.wrong("input", &format!("1 to {} items", limits::MESSAGES_MAX)));
    }
    Ok(all)
}

/// An item as a message, or as a part of the one before.
fn message(item: &Value, place: &str, to: &mut Vec<Value>) -> Result<(), Problem> {
    let fields = Fields::of(item, place)?;
    match fields.text("type")?.unwrap_or("message") {
        "message" => {
            let role = fields.need_text("role")?;
            if !["system", "developer", "user", "assistant"].contains(&role) {
                return Err(fields.wrong("role", "system, developer, user or assistant"));
            }
            let content = match fields.get("content") {
                Some(content @ (Value::String(_) | Value::Array(_))) => content.clone(),
                _ => return Err(fields.wrong("content", "a string or a list of parts")),
            };
            match thought_before(to).filter(|_| role == "assistant") {
                Some(before) => before["content"] = content,
                None => to.push(json!({"role": role, "content": content})),
            }
        }
        "function_call" => {
            let function =
                json!({"name": fields.need_text("name")?, "arguments": fields.need_text("arguments")?});
            let call = json!({"id": fields.need_text("call_id")?, "type": "function", "function": function});
            if to.last().is_none_or(|last| last["role"] != "assistant") {
                to.push(json!({"role": "assistant", "content": null}));
            }
            let last = to.last_mut().expect("one was pushed");
            match last.get_mut("tool_calls").and_then(Value::as_array_mut) {
                Some(calls) => calls.push(call),
                None => last["tool_calls"] = json!([call]),
            }
        }
        "function_call_output" => {
            let content = match fields.get("output") {
                Some(output @ (Value::String(_) | Value::Array(_))) => output.clone(),
                _ => return Err(fields.wrong("output", "a string or a list of parts")),
            };
            to.push(
                json!({"role": "tool", "tool_call_id": fields.need_text("call_id")?, "content": content}),
            );
        }
        "reasoning" => {
            let texts = ["content", "summary"].iter().filter_map(|key| item[*key].as_array()).flatten();
            let thought: Vec<&str> = texts.filter_map(|part| part["text"].as_str()).collect();
            to.push(json!({"role": "assistant", "content": null, "reasoning_content": thought.join("\n")}));
        }
        _ => return Err(fields.wrong("type", "message, function_call, function_call_output or reasoning")),
    }
    Ok(())
}

/// A message that holds nothing but thoughts so far.
fn thought_before(messages: &mut [Value]) -> Option<&mut Value> {
    messages.last_mut().filter(|last| last.get("reasoning_content").is_some() && last["content"].is_null())
}

/// Tools in the shape that templates know.
fn tools(fields: &Fields<'_>) -> Result<Vec<Value>, Problem> {
    let tools = fields.list("tools", limits::TOOLS_MAX)?.unwrap_or_default();
    let tool = |(index, tool): (usize, &Value)| {
        let place = format!("tools[{index}]");
        let tool = Fields::of(tool, &place)?;
        if tool.text("type")? != Some("function") {
            return Err(tool.wrong("type", "\"function\", the only type there is here"));
        }
        let mut function = json!({"name": tool.need_text("name")?});
        for key in ["description", "parameters", "strict"] {
            if let Some(value) = tool.get(key) {
                function[key] = value.clone();
            }
        }
        Ok(json!({"type": "function", "function": function}))
    };
    tools.iter().enumerate().map(tool).collect()
}
