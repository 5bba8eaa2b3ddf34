//! A request for an answer in a conversation, read.

use crate::ask::{Ask, Input, Talk};
use crate::clock;
use crate::fields::{Fields, kind};
use crate::limits;
use crate::problem::Problem;
use crate::reading;
use hob::{Conversation, Grammar, ToolChoice};
use serde_json::{Value, json};

/// What is asked for, and how it is to be told.
pub struct ChatRequest {
    pub ask: Ask,
    pub stream: bool,
    pub include_usage: bool,
    /// Whether log-probabilities are told.
    pub logprobs: bool,
    /// Whether tools are called functions, as they once were.
    pub is_old: bool,
}

/// Reads the body of a request.
///
/// # Errors
/// The first field that is not as it should be.
pub fn read(body: &Value) -> Result<ChatRequest, Problem> {
    let fields = Fields::of(body, "")?;
    let model = fields.need_text("model")?;
    refuse(&fields)?;
    let talk = talk(&fields)?;
    let mut ask = Ask::new(model, Input::Chat(Box::new(talk)));
    ask.sampling = reading::sampling(&fields)?;
    let logprobs = fields.flag("logprobs")?.unwrap_or(false);
    let top = fields.whole("top_logprobs", 0..=limits::TOP_LOGPROBS_MAX)?;
    if top.is_some_and(|top| top > 0) && !logprobs {
        return Err(Problem::invalid("top_logprobs", "top_logprobs: needs logprobs to be true"));
    }
    ask.sampling.logprobs = logprobs.then(|| top.unwrap_or(0) as u32);
    ask.max_tokens = match reading::tokens(&fields, "max_completion_tokens")? {
        Some(count) => Some(count),
        None => reading::tokens(&fields, "max_tokens")?,
    };
    ask.stop = reading::stops(&fields, "stop")?;
    ask.choices = fields.whole("n", 1..=limits::CHOICES_MAX)?.unwrap_or(1) as usize;
    ask.grammar = grammar(&fields)?;
    reading::extensions(&fields, &mut ask)?;
    // Only this interface has a place for them at the end of a stream.
    ask.takes_repairs = fields.object("hob")?.map_or(Ok(None), |hob| hob.flag("repairs"))?.unwrap_or(false);
    let options = fields.object("stream_options")?;
    let include_usage = options.map_or(Ok(None), |options| options.flag("include_usage"))?.unwrap_or(false);
    let stream = fields.flag("stream")?.unwrap_or(false);
    let is_old = fields.get("functions").is_some() && fields.get("tools").is_none();
    Ok(ChatRequest { ask, stream, include_usage, logprobs, is_old })
}

/// What Hob cannot do is not passed over.
fn refuse(fields: &Fields<'_>) -> Result<(), Problem> {
    let refused = |key: &str, why: &str| {
        Err(Problem::invalid(key, format!("{key}: {why}")).code("unsupported_parameter"))
    };
    if fields.get("audio").is_some() {
        return refused("audio", "this server speaks text only");
    }
    if fields.get("web_search_options").is_some() {
        return refused("web_search_options", "this server does not search the web");
    }
    let modalities = fields.list("modalities", 8)?.unwrap_or_default();
    if modalities.iter().any(|modality| modality != "text") {
        return refused("modalities", "this server speaks text only");
    }
    Ok(())
}

fn talk(fields: &Fields<'_>) -> Result<Talk, Problem> {
    let messages = messages(fields)?;
    let mut tools = tools(fields)?;
    let choice = match old_tools(fields)?.filter(|_| tools.is_empty()) {
        Some((old, choice)) => {
            tools = old;
            choice
        }
        None => tool_choice(fields, &mut tools)?,
    };
    let extra =
        fields.object("chat_template_kwargs")?.map(|extra| extra.members().clone()).unwrap_or_default();
    let think = match fields.text("reasoning_effort")? {
        None => None,
        Some("none") => Some(false),
        Some("minimal" | "low" | "medium" | "high" | "xhigh" | "max") => Some(true),
        Some(_) => return Err(fields.wrong("reasoning_effort", "none, minimal, low, medium or high")),
    };
    let is_offered = choice.is_some() && !tools.is_empty();
    let conversation = Conversation {
        messages,
        tools: is_offered.then_some(tools),
        think,
        now: Some(clock::local()),
        extra,
    };
    let is_old = fields.get("functions").is_some();
    let parallel = !is_old && fields.flag("parallel_tool_calls")?.unwrap_or(true);
    let is_continued = is_continued(fields, &conversation.messages)?;
    Ok(Talk { conversation, choice, parallel, is_continued })
}

/// Whether the last message is gone on with instead of answered, as vLLM's clients ask for it.
fn is_continued(fields: &Fields<'_>, messages: &[Value]) -> Result<bool, Problem> {
    let key = "continue_final_message";
    if !fields.flag(key)?.unwrap_or(false) {
        return Ok(false);
    }
    match messages.last() {
        Some(last) if last["role"] == "assistant" && last.get("tool_calls").is_none() => Ok(true),
        _ => Err(fields.wrong(key, "true only where the last message is an assistant's text")),
    }
}

/// The messages; what may stand in them is the template's to judge.
fn messages(fields: &Fields<'_>) -> Result<Vec<Value>, Problem> {
    let messages = fields.list("messages", limits::MESSAGES_MAX)?.unwrap_or_default();
    if messages.is_empty() {
        return Err(fields.wrong("messages", "a list of at least one message"));
    }
    for (index, message) in messages.iter().enumerate() {
        let place = format!("messages[{index}]");
        let message = Fields::of(message, &place)?;
        let role = message.need_text("role")?;
        if !["system", "developer", "user", "assistant", "tool", "function"].contains(&role) {
            let expected = "system, developer, user, assistant or tool";
            return Err(Problem::invalid(
                message.place("role"),
                format!("{place}.role: expected {expected}"),
            ));
        }
        match message.get("content") {
            Some(Value::String(_) | Value::Array(_)) => {}
            None if role == "assistant" => {}
            _ => return Err(message.wrong("content", "a string or a list of parts")),
        }
        if let Some(calls) = message.list("tool_calls", limits::TOOLS_MAX)? {
            check_calls(calls, &message.place("tool_calls"))?;
        }
        if let Some(call) = message.get("function_call") {
            Fields::of(call, &message.place("function_call"))?.need_text("name")?;
        }
    }
    // Both names are in use for what the model thought; functions are tools by their older name.
    let renamed = messages.iter().cloned().map(|mut message| {
        if let Some(call) = message.get_mut("function_call").filter(|call| call.is_object()).map(Value::take)
        {
            message["tool_calls"] = json!([{"id": "call_function", "type": "function", "function": call}]);
        }
        if message["role"] == "function" {
            message["role"] = "tool".into();
            message["tool_call_id"] = "call_function".into();
        }
        if let Some(thought) =
            message.get_mut("reasoning").filter(|thought| thought.is_string()).map(Value::take)
        {
            message["reasoning_content"] = thought;
        }
        message
    });
    Ok(renamed.collect())
}

fn check_calls(calls: &[Value], place: &str) -> Result<(), Problem> {
    for (index, call) in calls.iter().enumerate() {
        let place = format!("{place}[{index}]");
        let function = call.get("function").unwrap_or(&Value::Null);
        Fields::of(function, &format!("{place}.function"))?.need_text("name")?;
    }
    Ok(())
}

/// The tools that are offered.
///
/// # Errors
/// One that is no function.
pub fn tools(fields: &Fields<'_>) -> Result<Vec<Value>, Problem> {
    let tools = fields.list("tools", limits::TOOLS_MAX)?.unwrap_or_default();
    for (index, tool) in tools.iter().enumerate() {
        let place = format!("tools[{index}]");
        let tool = Fields::of(tool, &place)?;
        if tool.text("type")?.unwrap_or("function") != "function" {
            return Err(tool.wrong("type", "\"function\", the only type there is here"));
        }
        let Some(function) = tool.get("function") else { return Err(tool.wrong("function", "an object")) };
        Fields::of(function, &format!("{place}.function"))?.need_text("name")?;
    }
    Ok(tools.to_vec())
}

/// Tools that are offered, and whether one is called.
type Offer = (Vec<Value>, Option<ToolChoice>);

/// `functions` and `function_call`, from before there were tools: the functions as tools, and whether one is called.
fn old_tools(fields: &Fields<'_>) -> Result<Option<Offer>, Problem> {
    let Some(functions) = fields.list("functions", limits::TOOLS_MAX)? else { return Ok(None) };
    for (index, function) in functions.iter().enumerate() {
        Fields::of(function, &format!("functions[{index}]"))?.need_text("name")?;
    }
    let choice = match fields.get("function_call") {
        None => Some(ToolChoice::Auto),
        Some(Value::String(mode)) if mode == "auto" => Some(ToolChoice::Auto),
        Some(Value::String(mode)) if mode == "none" => None,
        Some(Value::Object(named)) if named.get("name").is_some_and(Value::is_string) => {
            Some(ToolChoice::Named(named["name"].as_str().unwrap_or_default().to_owned()))
        }
        Some(_) => return Err(fields.wrong("function_call", "none, auto, or a function by its name")),
    };
    let tool = |function: &Value| json!({"type": "function", "function": function});
    Ok(Some((functions.iter().map(tool).collect(), choice)))
}

/// Whether tools are called; a list of allowed ones leaves only them in `tools`.
///
/// # Errors
/// A choice that is none.
pub fn tool_choice(fields: &Fields<'_>, tools: &mut Vec<Value>) -> Result<Option<ToolChoice>, Problem> {
    let mode = |mode: &str| match mode {
        "none" => Some(None),
        "auto" => Some(Some(ToolChoice::Auto)),
        "required" | "any" => Some(Some(ToolChoice::Required)),
        _ => None,
    };
    let wrong = || fields.wrong("tool_choice", "none, auto, required, or a function by its name");
    let choice = match fields.get("tool_choice") {
        None => Some(ToolChoice::Auto),
        Some(Value::String(text)) => mode(text).ok_or_else(wrong)?,
        Some(choice) if choice["type"] == "allowed_tools" => {
            let allowed = if choice["allowed_tools"].is_object() { &choice["allowed_tools"] } else { choice };
            let names: Vec<&Value> =
                allowed["tools"].as_array().ok_or_else(wrong)?.iter().map(name).collect();
            tools.retain(|tool| names.contains(&name(tool)));
            mode(allowed["mode"].as_str().unwrap_or("auto")).ok_or_else(wrong)?
        }
        Some(choice) => Some(ToolChoice::Named(name(choice).as_str().ok_or_else(wrong)?.to_owned())),
    };
    if tools.is_empty() && matches!(choice, Some(ToolChoice::Required | ToolChoice::Named(_))) {
        return Err(Problem::invalid("tool_choice", "tool_choice: there are no tools to choose from"));
    }
    Ok(choice)
}

/// The name of a tool, in both forms that there are.
fn name(tool: &Value) -> &Value {
    tool.pointer("/function/name").unwrap_or(&tool["name"])
}

/// The grammar that a request asks for, in any of the ways there are.
fn grammar(fields: &Fields<'_>) -> Result<Option<Grammar>, Problem> {
    if let Some(format) = fields.object("response_format")? {
        let inner = format.get("json_schema").map(|inner| inner.get("schema").unwrap_or(&Value::Null));
        return format_grammar(&format, inner.or_else(|| format.get("schema")));
    }
    if let Some(schema) = fields.get("json_schema") {
        return Ok(Some(reading::json_grammar(schema.clone())));
    }
    Ok(fields.text("grammar")?.filter(|text| !text.is_empty()).map(|text| Grammar::Gbnf(text.to_owned())))
}

/// The grammar of a format `text`, `json_object` or `json_schema`, whose schema stands where the interface puts it.
///
/// # Errors
/// Another format, or no schema.
pub fn format_grammar(format: &Fields<'_>, schema: Option<&Value>) -> Result<Option<Grammar>, Problem> {
    match format.text("type")? {
        None | Some("text") => Ok(None),
        Some("json_object") => {
            Ok(Some(reading::json_grammar(reading::schema_or_object(schema.filter(|s| s.is_object())))))
        }
        Some("json_schema") => match schema {
            Some(schema @ (Value::Object(_) | Value::Bool(_))) => {
                Ok(Some(reading::json_grammar(schema.clone())))
            }
            Some(Value::Null) | None => Ok(Some(reading::json_grammar(json!({})))),
            Some(other) => {
                let place = format.place("json_schema.schema");
                Err(Problem::invalid(
                    place.clone(),
                    format!("{place}: expected an object, found {}", kind(other)),
                ))
            }
        },
        Some(_) => Err(format.wrong("type", "text, json_object or json_schema")),
    }
}
