//! `POST /api/chat`.

use super::shapes::Form;
use super::{check_thinking, common, load_only, model_name, refuse_images, think};
use crate::App;
use crate::ask::{self, Ask, Input, Talk};
use crate::fields::Fields;
use crate::problem::Problem;
use crate::{clock, limits, openai};
use axum::response::Response;
use hob::{Conversation, ToolChoice};
use serde_json::{Value, json};

/// Answers a conversation.
///
/// # Errors
/// What is wrong with the request, or why there is no answer now.
pub async fn create(app: App, body: Value) -> Result<Response, Problem> {
    let fields = Fields::of(&body, "")?;
    let name = model_name(&fields)?;
    let messages = messages(&fields)?;
    let is_empty = messages.is_empty();
    let tools = openai::tools(&fields)?;
    let think = think(&fields)?;
    let choice = (!tools.is_empty()).then_some(ToolChoice::Auto);
    let conversation = Conversation {
        messages,
        tools: (!tools.is_empty()).then_some(tools),
        think,
        now: Some(clock::local()),
        ..Conversation::default()
    };
    let talk = Talk { conversation, choice, parallel: true, is_continued: false };
    let mut ask = Ask::new(name, Input::Chat(Box::new(talk)));
    common(&fields, &mut ask)?;
    let stream = fields.flag("stream")?.unwrap_or(true);
    ask.is_streamed = stream;
    if is_empty {
        return load_only(&app, &ask, true).await;
    }
    // A model elsewhere thinks as it likes.
    if app.manager.find(name).is_ok() {
        check_thinking(&app.lease(name, None).await?.model, name, think)?;
    }
    let form = Form { model: ask.model.clone(), put };
    let running = ask::begin(&app, ask).await?;
    if stream { Ok(form.streamed(running)) } else { form.whole(running).await }
}

fn put(text: String, thought: String, calls: Vec<Value>) -> Value {
    let mut message = json!({"role": "assistant", "content": text});
    if !thought.is_empty() {
        message["thinking"] = thought.into();
    }
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    json!({"message": message})
}

/// The messages in the form that templates know.
fn messages(fields: &Fields<'_>) -> Result<Vec<Value>, Problem> {
    let messages = fields.list("messages", limits::MESSAGES_MAX)?.unwrap_or_default();
    let one = |(index, message): (usize, &Value)| {
        let place = format!("messages[{index}]");
        let message = Fields::of(message, &place)?;
        let role = message.need_text("role")?;
        if !["system", "user", "assistant", "tool"].contains(&role) {
            return Err(message.wrong("role", "system, user, assistant or tool"));
        }
        refuse_images(&message)?;
        let mut adapted = json!({"role": role, "content": message.text("content")?.unwrap_or_default()});
        for (theirs, ours) in
            [("thinking", "reasoning_content"), ("tool_name", "name"), ("tool_call_id", "tool_call_id")]
        {
            if let Some(text) = message.text(theirs)? {
                adapted[ours] = text.into();
            }
        }
        let calls = message.list("tool_calls", limits::TOOLS_MAX)?.unwrap_or_default();
        if !calls.is_empty() {
            let calls = calls
                .iter()
                .enumerate()
                .map(|(at, call)| tool_call(call, &format!("{place}.tool_calls[{at}]")));
            adapted["tool_calls"] = calls.collect::<Result<Vec<_>, _>>()?.into();
        }
        Ok(adapted)
    };
    messages.iter().enumerate().map(one).collect()
}

fn tool_call(call: &Value, place: &str) -> Result<Value, Problem> {
    let call = Fields::of(call, place)?;
    let place = call.place("function");
    let Some(function) = call.get("function") else { return Err(call.wrong("function", "an object")) };
    let function = Fields::of(function, &place)?;
    let arguments = function.get("arguments").cloned().unwrap_or_else(|| json!({}));
    let mut adapted = json!({"type": "function", "function": {"name": function.need_text("name")?, "arguments": arguments}});
    if let Some(id) = call.text("id")? {
        adapted["id"] = id.into();
    }
    Ok(adapted)
}
