//! A request for a message, read into the form that templates know.

use crate::ask::{Ask, Input, Talk};
use crate::clock;
use crate::fields::{Fields, kind};
use crate::limits;
use crate::openai::format_grammar;
use crate::problem::Problem;
use crate::reading;
use hob::{Conversation, ToolChoice};
use serde_json::{Value, json};

/// Reads the body of a request; `counting` needs no limit for the answer.
///
/// # Errors
/// The first field that is not as it should be.
pub fn read(body: &Value, counting: bool) -> Result<Ask, Problem> {
    let fields = Fields::of(body, "")?;
    let model = fields.need_text("model")?;
    let mut messages = system(&fields)?;
    let given = fields.list("messages", limits::MESSAGES_MAX)?.unwrap_or_default();
    if given.is_empty() {
        return Err(fields.wrong("messages", "a list of at least one message"));
    }
    for (index, message) in given.iter().enumerate() {
        self::message(message, &format!("messages.{index}"), &mut messages)?;
    }
    let is_continued =
        messages.last().is_some_and(|last| last["role"] == "assistant" && last.get("tool_calls").is_none());
    let tools = tools(&fields)?;
    let (choice, parallel) = tool_choice(&fields, !tools.is_empty())?;
    let is_offered = choice.is_some() && !tools.is_empty();
    let conversation = Conversation {
        messages,
        tools: is_offered.then_some(tools),
        think: think(&fields)?,
        now: Some(clock::local()),
        ..Conversation::default()
    };
    let talk = Talk { conversation, choice, parallel, is_continued };
    let mut ask = Ask::new(model, Input::Chat(Box::new(talk)));
    let max_tokens = reading::tokens(&fields, "max_tokens")?;
    if max_tokens.is_none() && !counting {
        return Err(Problem::invalid("max_tokens", "max_tokens: Field required"));
    }
    ask.max_tokens = max_tokens;
    ask.sampling.temperature = fields.number("temperature", 0.0..=1.0)?;
    ask.sampling.top_p = fields.number("top_p", 0.0..=1.0)?;
    ask.sampling.top_k = fields.whole("top_k", 0..=limits::TOKENS_MAX)?.map(|k| k as u32);
    ask.stop = reading::stops(&fields, "stop_sequences")?;
    if let Some(format) =
        fields.object("output_config")?.map(|config| config.object("format")).transpose()?.flatten()
    {
        ask.grammar = format_grammar(&format, format.get("schema"))?;
    }
    reading::extensions(&fields, &mut ask)?;
    Ok(ask)
}

/// The system prompt as a message.
fn system(fields: &Fields<'_>) -> Result<Vec<Value>, Problem> {
    let text = match fields.get("system") {
        None => return Ok(Vec::new()),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(blocks)) => texts(blocks, "system")?,
        Some(_) => return Err(fields.wrong("system", "a string or a list of text blocks")),
    };
    Ok(if text.is_empty() { Vec::new() } else { vec![json!({"role": "system", "content": text})] })
}

fn texts(blocks: &[Value], place: &str) -> Result<String, Problem> {
    let text = |(index, block): (usize, &Value)| {
        let place = format!("{place}.{index}");
        match block["type"].as_str() {
            Some("text") => Ok(Fields::of(block, &place)?.need_text("text")?.to_owned()),
            _ => Err(unreadable(&place, block)),
        }
    };
    let all: Vec<String> = blocks.iter().enumerate().map(text).collect::<Result<_, _>>()?;
    Ok(all.join("\n"))
}

fn unreadable(place: &str, block: &Value) -> Problem {
    let found: String = block["type"].as_str().unwrap_or_else(|| kind(block)).chars().take(60).collect();
    Problem::invalid(
        place,
        format!("{place}: this server reads text, tool calls and their results, not {found}"),
    )
}

/// A message; results of tools become messages of their own.
fn message(message: &Value, place: &str, to: &mut Vec<Value>) -> Result<(), Problem> {
    let fields = Fields::of(message, place)?;
    let role = fields.need_text("role")?;
    if role != "user" && role != "assistant" {
        return Err(fields.wrong("role", "user or assistant"));
    }
    let blocks = match fields.get("content") {
        Some(Value::String(text)) => {
            to.push(json!({"role": role, "content": text}));
            return Ok(());
        }
        Some(Value::Array(blocks)) => blocks,
        _ => return Err(fields.wrong("content", "a string or a list of blocks")),
    };
    let (mut said, mut thought, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    for (index, block) in blocks.iter().enumerate() {
        let place = format!("{place}.content.{index}");
        let inner = Fields::of(block, &place)?;
        match inner.need_text("type")? {
            "text" => said.push(inner.need_text("text")?.to_owned()),
            "thinking" => thought.push(inner.text("thinking")?.unwrap_or_default().to_owned()),
            "redacted_thinking" => {}
            "tool_use" => calls.push(json!({
                "id": inner.need_text("id")?, "type": "function",
                "function": {"name": inner.need_text("name")?, "arguments": inner.get("input").cloned().unwrap_or_else(|| json!({}))},
            })),
            "tool_result" => to.push(json!({
                "role": "tool", "tool_call_id": inner.need_text("tool_use_id")?, "content": result(&inner, &place)?,
            })),
            _ => return Err(unreadable(&place, block)),
        }
    }
    if said.is_empty() && calls.is_empty() && thought.is_empty() {
        return Ok(());
    }
    let mut adapted = json!({"role": role, "content": said.join("\n")});
    if !thought.is_empty() {
        adapted["reasoning_content"] = thought.join("\n").into();
    }
    if !calls.is_empty() {
        adapted["tool_calls"] = calls.into();
    }
    to.push(adapted);
    Ok(())
}

fn result(block: &Fields<'_>, place: &str) -> Result<String, Problem> {
    let text = match block.get("content") {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(blocks)) => texts(blocks, &format!("{place}.content"))?,
        Some(_) => return Err(block.wrong("content", "a string or a list of text blocks")),
    };
    let is_error = block.flag("is_error")?.unwrap_or(false);
    Ok(if is_error { format!("error: {text}") } else { text })
}

/// Tools in the shape of OpenAI.
fn tools(fields: &Fields<'_>) -> Result<Vec<Value>, Problem> {
    let tools = fields.list("tools", limits::TOOLS_MAX)?.unwrap_or_default();
    let tool = |(index, tool): (usize, &Value)| {
        let place = format!("tools.{index}");
        let tool = Fields::of(tool, &place)?;
        if tool.text("type")?.is_some_and(|kind| kind != "custom") {
            return Err(tool.wrong("type", "\"custom\": tools that run elsewhere are not here"));
        }
        let mut function = json!({"name": tool.need_text("name")?});
        for (theirs, ours) in
            [("description", "description"), ("input_schema", "parameters"), ("strict", "strict")]
        {
            if let Some(value) = tool.get(theirs) {
                function[ours] = value.clone();
            }
        }
        Ok(json!({"type": "function", "function": function}))
    };
    tools.iter().enumerate().map(tool).collect()
}

fn tool_choice(fields: &Fields<'_>, has_tools: bool) -> Result<(Option<ToolChoice>, bool), Problem> {
    let Some(choice) = fields.object("tool_choice")? else { return Ok((Some(ToolChoice::Auto), true)) };
    let parallel = !choice.flag("disable_parallel_tool_use")?.unwrap_or(false);
    let choice = match choice.text("type")? {
        Some("auto") => Some(ToolChoice::Auto),
        Some("any") => Some(ToolChoice::Required),
        Some("tool") => Some(ToolChoice::Named(choice.need_text("name")?.to_owned())),
        Some("none") => None,
        _ => return Err(choice.wrong("type", "auto, any, tool or none")),
    };
    if !has_tools && matches!(choice, Some(ToolChoice::Required | ToolChoice::Named(_))) {
        return Err(Problem::invalid("tool_choice", "tool_choice: there are no tools to choose from"));
    }
    Ok((choice, parallel))
}

fn think(fields: &Fields<'_>) -> Result<Option<bool>, Problem> {
    let Some(thinking) = fields.object("thinking")? else { return Ok(None) };
    match thinking.text("type")? {
        Some("enabled" | "adaptive") => Ok(Some(true)),
        Some("disabled") => Ok(Some(false)),
        _ => Err(thinking.wrong("type", "enabled, disabled or adaptive")),
    }
}
