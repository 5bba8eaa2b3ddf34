//! `POST /v1/messages` and `/v1/messages/count_tokens`.

use super::{request, stream};
use crate::App;
use crate::ask::{self, Running};
use crate::fields::Fields;
use crate::ids;
use crate::openai::thought_tokens;
use crate::problem::{Kind, Problem};
use crate::wire;
use axum::response::Response;
use hob::{FinishReason, Reply, ToolCall, Usage};
use serde_json::{Value, json};

/// Answers a conversation.
///
/// # Errors
/// What is wrong with the request, or why there is no answer now.
pub async fn create(app: App, body: Value) -> Result<Response, Problem> {
    let ask = request::read(&body, false)?;
    let stream = Fields::of(&body, "")?.flag("stream")?.unwrap_or(false);
    let model = ask.model.clone();
    let mut running = ask::begin(&app, ask).await?;
    if stream {
        return Ok(stream::answer(model, running));
    }
    let answered =
        running.collect().await?.pop().ok_or_else(|| Problem::new(Kind::Internal, "there was no answer"))?;
    let reply = &answered.reply;
    let mut message = empty(&model, &answered.in_all);
    message["usage"] = usage(&answered.in_all, thought_tokens(running.model(), reply));
    message["content"] = content(reply).into();
    message["stop_reason"] = stop_reason(reply).into();
    message["stop_sequence"] = reply.stopped_by.clone().into();
    let mut response = wire::ok(&message);
    crate::openai::mark_cut(&mut response, &running);
    Ok(response)
}

/// Counts the tokens of a conversation as the model sees it.
///
/// # Errors
/// What is wrong with the request.
pub async fn count(app: App, body: Value) -> Result<Response, Problem> {
    let mut ask = request::read(&body, true)?;
    let lease = app.lease(&ask.model, ask.keep_alive).await?;
    ask.follow(&lease.listed.settings);
    let model = lease.model.clone();
    let counted =
        tokio::task::spawn_blocking(move || Ok(ask::prompt(&model, &ask.input)?.tokens().len())).await;
    let tokens =
        counted.unwrap_or_else(|_| Err(Problem::new(Kind::Internal, "the request could not be prepared")))?;
    Ok(wire::ok(&json!({"input_tokens": tokens})))
}

/// A message that says nothing yet.
pub fn empty(model: &str, used: &Usage) -> Value {
    json!({
        "id": ids::new("msg_"), "type": "message", "role": "assistant", "model": model, "content": [],
        "stop_reason": null, "stop_sequence": null, "stop_details": null, "container": null,
        "usage": usage(used, 0),
    })
}

/// What a message took, with `thought` tokens of thoughts. What was remembered is counted apart.
pub fn usage(used: &Usage, thought: usize) -> Value {
    let mut usage = json!({
        "input_tokens": used.prompt.saturating_sub(used.cached),
        "cache_creation": null,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": used.cached,
        "output_tokens": used.produced,
        "output_tokens_details": {"thinking_tokens": thought},
        "server_tool_use": null,
        "service_tier": "standard",
        "inference_geo": null,
    });
    if used.dropped > 0 {
        usage["dropped_tokens"] = used.dropped.into();
    }
    usage
}

/// The usage of a message that has just begun.
pub fn begun(running: &Running) -> Usage {
    Usage { prompt: running.prompt_tokens, ..Usage::default() }
}

fn content(reply: &Reply) -> Vec<Value> {
    let thought = (!reply.thought.is_empty())
        .then(|| json!({"type": "thinking", "thinking": reply.thought, "signature": ""}));
    let text =
        (!reply.text.is_empty()).then(|| json!({"type": "text", "text": reply.text, "citations": null}));
    let calls = reply.calls.iter().map(|call| tool_use(call, Value::Object(call.arguments.clone())));
    thought.into_iter().chain(text).chain(calls).collect()
}

/// A call as a block.
pub fn tool_use(call: &ToolCall, input: Value) -> Value {
    let caller = json!({"type": "direct"});
    json!({"type": "tool_use", "id": ids::new("toolu_"), "name": call.name, "input": input, "caller": caller})
}

/// Why a message ended.
pub fn stop_reason(reply: &Reply) -> &'static str {
    match reply.finish {
        Some(FinishReason::Length) => "max_tokens",
        Some(FinishReason::ContextFull) => "model_context_window_exceeded",
        _ if !reply.calls.is_empty() => "tool_use",
        _ if reply.stopped_by.is_some() => "stop_sequence",
        _ => "end_turn",
    }
}
