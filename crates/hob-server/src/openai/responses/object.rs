//! A response as an object: every field is there in every state.

use crate::ask::{Answered, Running};
use crate::fields::Fields;
use crate::openai::shapes::{logprob, thought_tokens};
use crate::{clock, ids};
use hob::{FinishReason, LanguageModel, Reply};
use serde_json::{Value, json};

/// What a response repeats of its request.
pub struct Frame {
    base: Value,
}

impl Frame {
    /// A response that has not begun.
    pub fn new(fields: &Fields<'_>, store: bool) -> Self {
        let or = |key: &str, default: Value| fields.get(key).cloned().unwrap_or(default);
        let text = fields.get("text").cloned().unwrap_or_else(|| json!({}));
        let format = text.get("format").cloned().unwrap_or_else(|| json!({"type": "text"}));
        let reasoning = fields.get("reasoning").cloned().unwrap_or_else(|| json!({}));
        let base = json!({
            "id": ids::new("resp_"), "object": "response", "created_at": clock::unix(), "completed_at": null,
            "status": "in_progress", "background": false, "error": null, "incomplete_details": null,
            "instructions": or("instructions", Value::Null), "max_output_tokens": or("max_output_tokens", Value::Null),
            "max_tool_calls": or("max_tool_calls", Value::Null), "model": or("model", Value::Null), "output": [],
            "parallel_tool_calls": or("parallel_tool_calls", true.into()),
            "previous_response_id": or("previous_response_id", Value::Null),
            "prompt_cache_key": or("prompt_cache_key", Value::Null),
            "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
            "safety_identifier": or("safety_identifier", Value::Null), "service_tier": "default", "store": store,
            "temperature": or("temperature", Value::Null), "top_p": or("top_p", Value::Null),
            "presence_penalty": or("presence_penalty", 0.0.into()), "frequency_penalty": or("frequency_penalty", 0.0.into()),
            "text": {"format": format, "verbosity": text.get("verbosity").cloned().unwrap_or_else(|| "medium".into())},
            "tool_choice": or("tool_choice", "auto".into()), "tools": or("tools", json!([])).as_array().map(|t| t.iter().map(tool).collect::<Vec<_>>()),
            "top_logprobs": or("top_logprobs", 0.into()), "truncation": or("truncation", "disabled".into()),
            "usage": null, "user": or("user", Value::Null), "metadata": or("metadata", json!({})),
        });
        Self { base }
    }

    /// The response while it runs.
    pub fn begun(&self, running: &Running) -> Value {
        let mut response = self.base.clone();
        // What a model elsewhere takes for itself is not known; the interface says 1.
        let recommended = running.model().map(LanguageModel::recommended_sampling);
        let (temperature, top_p) = recommended.map_or((1.0, 1.0), |usual| (usual.temperature, usual.top_p));
        for (key, value) in [("temperature", temperature), ("top_p", top_p)] {
            if response[key].is_null() {
                response[key] = value.into();
            }
        }
        response
    }

    /// The response that is complete.
    pub fn ended(&self, running: &Running, answered: &Answered, output: Vec<Value>) -> Value {
        let mut response = self.begun(running);
        let is_cut = matches!(answered.reply.finish, Some(FinishReason::Length | FinishReason::ContextFull));
        response["status"] = if is_cut { "incomplete" } else { "completed" }.into();
        if is_cut {
            response["incomplete_details"] = json!({"reason": "max_output_tokens"});
        } else {
            response["completed_at"] = clock::unix().into();
        }
        response["output"] = output.into();
        let usage = &answered.in_all;
        response["usage"] = json!({
            "input_tokens": usage.prompt, "input_tokens_details": {"cached_tokens": usage.cached},
            "output_tokens": usage.produced,
            "output_tokens_details": {"reasoning_tokens": thought_tokens(running.model(), &answered.reply)},
            "total_tokens": usage.prompt + usage.produced,
        });
        if usage.dropped > 0 {
            response["usage"]["dropped_tokens"] = usage.dropped.into();
        }
        response
    }
}

/// A tool as it is repeated, with the fields that clients rely on.
fn tool(tool: &Value) -> Value {
    let mut whole = tool.clone();
    for (key, default) in
        [("description", Value::Null), ("parameters", Value::Null), ("strict", false.into())]
    {
        if let Some(members) = whole.as_object_mut() {
            members.entry(key).or_insert(default);
        }
    }
    whole
}

/// The items of an answer.
pub fn output(model: Option<&LanguageModel>, reply: &Reply) -> Vec<Value> {
    let mut items = Vec::new();
    if !reply.thought.is_empty() {
        items.push(reasoning(&ids::new("rs_"), &reply.thought));
    }
    if !reply.text.is_empty() || reply.calls.is_empty() {
        let logprobs = reply.logprobs.iter().map(|found| logprob(model, found)).collect();
        items.push(message(&ids::new("msg_"), "completed", vec![text_part(&reply.text, logprobs)]));
    }
    let calls = reply.calls.iter().map(|call| {
        let arguments = Value::Object(call.arguments.clone()).to_string();
        function_call(&ids::new("fc_"), &ids::new("call_"), &call.name, &arguments, "completed")
    });
    items.extend(calls);
    items
}

/// Thoughts.
pub fn reasoning(id: &str, thought: &str) -> Value {
    json!({"id": id, "type": "reasoning", "summary": [], "status": "completed",
        "content": [{"type": "reasoning_text", "text": thought}]})
}

/// A message.
pub fn message(id: &str, status: &str, content: Vec<Value>) -> Value {
    json!({"id": id, "type": "message", "role": "assistant", "status": status, "content": content})
}

/// The text of a message.
pub fn text_part(text: &str, logprobs: Vec<Value>) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs})
}

/// A call.
pub fn function_call(id: &str, call_id: &str, name: &str, arguments: &str, status: &str) -> Value {
    json!({"id": id, "type": "function_call", "call_id": call_id, "name": name, "arguments": arguments, "status": status})
}
